package seal

import (
	"context"
	"fmt"

	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/wire"
)

// KeySize is the length of a data key in bytes.
const KeySize = 32

// kmsKeys are Keys that come from kms through an invoker.
type kmsKeys struct{ client *kms.Client }

var _ Keys = kmsKeys{}

// NewKeys returns the Keys that kms gives through v: GenerateDataKey makes them,
// Decrypt opens them.
func NewKeys(v wire.Invoker) Keys { return kmsKeys{kms.NewClient(v)} }

// Make returns a fresh data key.
func (k kmsKeys) Make(ctx context.Context, keyID string, encryptionContext map[string]string) (DataKey, error) {
	out, err := k.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: &keyID, KeySpec: kms.DataKeySpecAes256, EncryptionContext: encryptionContext,
	})
	if err != nil {
		return DataKey{}, err
	}
	if len(out.Plaintext) != KeySize || len(out.CiphertextBlob) == 0 {
		return DataKey{}, fmt.Errorf("kms made a data key of %d bytes, wrapped in %d", len(out.Plaintext), len(out.CiphertextBlob))
	}
	return DataKey{secret.New(out.Plaintext), out.CiphertextBlob, wire.Val(out.KeyId)}, nil
}

// Open unwraps a data key.
func (k kmsKeys) Open(ctx context.Context, keyID string, wrapped []byte, encryptionContext map[string]string) (secret.Bytes, error) {
	in := &kms.DecryptInput{CiphertextBlob: wrapped, EncryptionContext: encryptionContext}
	if keyID != "" {
		in.KeyId = &keyID
	}
	out, err := k.client.Decrypt(ctx, in)
	if err != nil {
		return secret.Bytes{}, err
	}
	if len(out.Plaintext) != KeySize {
		return secret.Bytes{}, fmt.Errorf("kms opened a data key of %d bytes", len(out.Plaintext))
	}
	return secret.New(out.Plaintext), nil
}
