package bench

import (
	"context"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/house"
)

// BenchmarkKMS is Encrypt, Decrypt and GenerateDataKey with everything enforced and a durable,
// chained record of each, against a bare server that verifies the signature and seals once.
func BenchmarkKMS(b *testing.B) {
	h := house.Start(b)
	key, err := h.AsAdmin().KMS().CreateKey(context.Background(), &kms.CreateKeyInput{})
	if err != nil {
		b.Fatal(err)
	}
	sealed, err := h.AsAdmin().KMS().Encrypt(context.Background(), &kms.EncryptInput{
		KeyId: key.KeyMetadata.KeyId, Plaintext: make([]byte, 32), EncryptionContext: map[string]string{"purpose": "bench"},
	})
	if err != nil {
		b.Fatal(err)
	}
	ours, bare := of(h), startBare(b, b.TempDir())
	for _, op := range []struct{ name, body string }{
		{"Encrypt", fmt.Sprintf(`{"KeyId":%q,"Plaintext":%q,"EncryptionContext":{"purpose":"bench"}}`, *key.KeyMetadata.KeyId, base64.StdEncoding.EncodeToString(make([]byte, 32)))},
		{"Decrypt", fmt.Sprintf(`{"CiphertextBlob":%q,"EncryptionContext":{"purpose":"bench"}}`, base64.StdEncoding.EncodeToString(sealed.CiphertextBlob))},
		{"GenerateDataKey", fmt.Sprintf(`{"KeyId":%q,"KeySpec":"AES_256","EncryptionContext":{"purpose":"bench"}}`, *key.KeyMetadata.KeyId)},
	} {
		for _, conns := range []int{16, 128} {
			b.Run(fmt.Sprintf("%s/%d", op.name, conns), func(b *testing.B) {
				round := func(s *server) func() result {
					request := s.signed(b, "kms", "POST", "/", map[string]string{
						"X-Amz-Target": "TrentService." + op.name, "Content-Type": "application/x-amz-json-1.1",
					}, []byte(op.body))
					return func() result {
						return s.load(b, conns, 24000/conns, func(int, int) []byte { return request })
					}
				}
				a, c := round(ours), round(bare)
				a() // warm up
				for range b.N {
					pair(b, op.name, 5, a, c)
				}
			})
		}
	}
}
