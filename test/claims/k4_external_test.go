package claims

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/strongroom/strongroom/service/kms/xks/xkstest"
)

// TestK4_ExternalKeyHolder: who holds the other half of a key can take it away, and what is kept under the key cannot
// be read from the next call on, and can when it is back.
func TestK4_ExternalKeyHolder(t *testing.T) {
	h, p := withProxy(t)
	admin := h.AsAdmin()
	store := connected(t, admin)
	made, err := admin.KMS().CreateKey(ctx, &kms.CreateKeyInput{
		Origin: kmstypes.OriginTypeExternalKeyStore, CustomKeyStoreId: store, XksKeyId: aws.String("key-1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	key, body := *made.KeyMetadata.Arn, random(100_000)
	newBucket(t, admin, "external-keys", key)
	put(t, admin, "external-keys", "o", body)
	if asked := p.Last("encrypt"); asked.Metadata("kmsViaService") != "s3" || asked.Metadata("kmsOperation") != "GenerateDataKey" {
		t.Errorf("the proxy was told %v", asked.Body["requestMetadata"])
	}
	readable := func(when string) {
		t.Helper()
		if got, err := get(admin, "external-keys", "o"); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: %d bytes, %v", when, len(got), err)
		}
	}
	refused := func(when string) {
		t.Helper()
		_, err := get(admin, "external-keys", "o")
		want(t, "GetObject, "+when, err, "KMS.KMSInvalidStateException")
	}
	readable("at first")
	p.Change("key-1", func(k *xkstest.Key) { k.Status = "DISABLED" })
	refused("with the external key disabled")
	p.Change("key-1", func(k *xkstest.Key) { k.Status = "ENABLED" })
	readable("with the external key enabled again")
	p.Lies("decrypt", xkstest.Flips("plaintext"))
	refused("with a proxy that lies")
	p.Lies("decrypt", xkstest.Fails(403, "AccessDeniedException"))
	refused("with a proxy that denies")
	p.Lies("decrypt", nil)
	if _, err := admin.KMS().DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: store}); err != nil {
		t.Fatal(err)
	}
	refused("with the store disconnected")
	if got := state(t, admin, key); got != kmstypes.KeyStateUnavailable {
		t.Errorf("the key is %s, want Unavailable", got)
	}
	latest(t, admin, "Decrypt", func(e *event) bool { return e.ErrorCode == "KMSInvalidStateException" })
}
