package claims

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/strongroom/strongroom/service/kms/xks/xkstest"
	"github.com/strongroom/strongroom/test/house"
)

// withProxy starts a house that reaches an external key store proxy.
func withProxy(t *testing.T) (*house.House, *xkstest.Proxy) {
	t.Helper()
	p := xkstest.Start(t)
	p.SetRegion(house.Region)
	dir := t.TempDir()
	roots, file := filepath.Join(dir, "plant.pem"), filepath.Join(dir, "strongroom.yaml")
	text := fmt.Sprintf("key-stores:\n  roots: [%s]\n  timeout: 10s\n  addresses:\n    %s: %s\n", roots, xkstest.Host, p.Addr)
	for name, content := range map[string][]byte{roots: p.CA, file: []byte(text)} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return house.Start(t, "--config", file), p
}

func externalStore() *kms.CreateCustomKeyStoreInput {
	return &kms.CreateCustomKeyStoreInput{
		CustomKeyStoreName: aws.String("plant"), CustomKeyStoreType: kmstypes.CustomKeyStoreTypeExternalKeyStore,
		XksProxyConnectivity: kmstypes.XksProxyConnectivityTypePublicEndpoint,
		XksProxyUriEndpoint:  aws.String(xkstest.Endpoint), XksProxyUriPath: aws.String(xkstest.Path),
		XksProxyAuthenticationCredential: &kmstypes.XksProxyAuthenticationCredentialType{
			AccessKeyId: aws.String(xkstest.AccessKeyID), RawSecretAccessKey: aws.String(xkstest.Secret),
		},
	}
}

// connected makes and connects the external key store.
func connected(t *testing.T, a house.Account) *string {
	t.Helper()
	made, err := a.KMS().CreateCustomKeyStore(ctx, externalStore())
	if err != nil {
		t.Fatal(err)
	}
	id := made.CustomKeyStoreId
	if _, err := a.KMS().ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: id}); err != nil {
		t.Fatal(err)
	}
	for range 600 {
		out, err := a.KMS().DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{CustomKeyStoreId: id})
		if err != nil {
			t.Fatal(err)
		}
		switch s := out.CustomKeyStores[0]; s.ConnectionState {
		case kmstypes.ConnectionStateTypeConnected:
			return id
		case kmstypes.ConnectionStateTypeConnecting:
			time.Sleep(50 * time.Millisecond)
		default:
			t.Fatalf("the store is %s %s", s.ConnectionState, s.ConnectionErrorCode)
		}
	}
	t.Fatal("the store is never connected")
	return nil
}

// TestC8_ProxyURIWithoutCredentials: a proxy's URI that has a credential or a token in it is refused, and the
// credential is neither repeated nor recorded.
func TestC8_ProxyURIWithoutCredentials(t *testing.T) {
	h, _ := withProxy(t)
	admin := h.AsAdmin()
	const secret = "hunter2canary"
	store := connected(t, admin)
	for name, uri := range map[string][2]string{
		"user and password": {"https://operator:" + secret + "@" + xkstest.Host, xkstest.Path},
		"user":              {"https://" + secret + "@" + xkstest.Host, xkstest.Path},
		"token in endpoint": {xkstest.Endpoint + "?token=" + secret, xkstest.Path},
		"token in path":     {xkstest.Endpoint, xkstest.Path + "?token=" + secret},
		"fragment":          {xkstest.Endpoint + "/?a=b#" + secret, xkstest.Path},
	} {
		in := externalStore()
		in.CustomKeyStoreName, in.XksProxyUriEndpoint, in.XksProxyUriPath = aws.String(name), &uri[0], &uri[1]
		_, err := admin.KMS().CreateCustomKeyStore(ctx, in)
		want(t, "CreateCustomKeyStore, "+name, err, "ValidationException")
		_, err2 := admin.KMS().UpdateCustomKeyStore(ctx, &kms.UpdateCustomKeyStoreInput{CustomKeyStoreId: store, XksProxyUriEndpoint: &uri[0], XksProxyUriPath: &uri[1]})
		want(t, "UpdateCustomKeyStore, "+name, err2, "ValidationException")
		if err != nil && strings.Contains(err.Error(), secret) || err2 != nil && strings.Contains(err2.Error(), secret) {
			t.Errorf("%s: the refusal repeats the credential: %v, %v", name, err, err2)
		}
	}
	refused := 0
	for _, e := range events(t, admin, "") {
		if strings.Contains(e.text, secret) {
			t.Errorf("a record holds the credential: %s", e.text)
		}
		if e.EventName == "CreateCustomKeyStore" && e.ErrorCode == "ValidationException" {
			refused++
		}
	}
	if refused != 5 {
		t.Errorf("%d refusals are in the trail, want 5", refused)
	}
	if strings.Contains(h.Output(), secret) || strings.Contains(h.Output(), xkstest.Secret) {
		t.Error("the operator's log holds the credential")
	}
}

// TestC8_ProxyCredentialStaysSecret: the credential that a store does need, in the place that is for it, is in no
// record and no answer.
func TestC8_ProxyCredentialStaysSecret(t *testing.T) {
	h, p := withProxy(t)
	admin := h.AsAdmin()
	store := connected(t, admin)
	made, err := admin.KMS().CreateKey(ctx, &kms.CreateKeyInput{
		Origin: kmstypes.OriginTypeExternalKeyStore, CustomKeyStoreId: store, XksKeyId: aws.String("key-1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	key := *made.KeyMetadata.Arn
	blob := mustEncrypt(t, admin, key, map[string]string{"a": "b"})
	want(t, "Decrypt", decrypt(admin, blob, map[string]string{"a": "b"}), "")
	want(t, "Decrypt with another context", decrypt(admin, blob, nil), "InvalidCiphertextException")
	record := latest(t, admin, "Encrypt", nil)
	if asked := p.Last("encrypt"); asked.Metadata("kmsRequestId") != record.RequestID || asked.Metadata("awsPrincipalArn") != record.UserIdentity.ARN {
		t.Errorf("the proxy was told %v, and the record says %s by %s", asked.Body["requestMetadata"], record.RequestID, record.UserIdentity.ARN)
	}
	if _, err := admin.KMS().DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: store}); err != nil {
		t.Fatal(err)
	}
	want(t, "Decrypt after DisconnectCustomKeyStore", decrypt(admin, blob, map[string]string{"a": "b"}), "KMSInvalidStateException")
	h.Stop()
	h.Restart()
	want(t, "Decrypt after a restart", decrypt(h.AsAdmin(), blob, map[string]string{"a": "b"}), "KMSInvalidStateException")
	for _, e := range events(t, h.AsAdmin(), "") {
		if strings.Contains(e.text, xkstest.Secret) || e.EventName == "CreateCustomKeyStore" && strings.Contains(e.text, xkstest.AccessKeyID) {
			t.Errorf("a record holds the credential: %s", e.text)
		}
	}
	create := latest(t, h.AsAdmin(), "CreateCustomKeyStore", nil)
	if create.RequestParameters["xksProxyUriEndpoint"] != xkstest.Endpoint || create.ResponseElements["customKeyStoreId"] != *store {
		t.Errorf("the record of CreateCustomKeyStore: %s", create.text)
	}
}
