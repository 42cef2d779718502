package kms

import (
	"context"
	"crypto/rand"
	"errors"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/wire"
)

// Encrypt encrypts up to 4,096 bytes under a key.
func (s *Service) Encrypt(ctx context.Context, in *api.EncryptInput) (*api.EncryptOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	blob, err := seals(e, in.EncryptionAlgorithm, key.Data, in.Plaintext, in.EncryptionContext)
	if err == nil && wire.Val(in.DryRun) {
		err = dryRun()
	}
	if err != nil {
		return nil, err
	}
	return &api.EncryptOutput{CiphertextBlob: blob, KeyId: &e.arn, EncryptionAlgorithm: api.EncryptionAlgorithmSpecSymmetricDefault}, nil
}

// Decrypt opens a ciphertext of Encrypt, ReEncrypt or GenerateDataKey.
func (s *Service) Decrypt(ctx context.Context, in *api.DecryptInput) (*api.DecryptOutput, error) {
	cond, err := authorized(ctx, 0)
	if err != nil {
		return nil, err
	}
	plaintext, err := s.opens(ctx, cond, in.EncryptionAlgorithm)
	if err == nil {
		err = noRecipient(in.Recipient)
	}
	if err == nil && wire.Val(in.DryRun) {
		clear(plaintext)
		err = dryRun()
	}
	if err != nil {
		return nil, err
	}
	return &api.DecryptOutput{
		KeyId: &cond.key.arn, Plaintext: plaintext, EncryptionAlgorithm: api.EncryptionAlgorithmSpecSymmetricDefault,
		KeyMaterialId: wire.Ptr(cond.cipher.ID.String()),
	}, nil
}

// ReEncrypt opens a ciphertext under one key and encrypts what was in it under another,
// or under the same with another context. The plaintext never leaves.
func (s *Service) ReEncrypt(ctx context.Context, in *api.ReEncryptInput) (*api.ReEncryptOutput, error) {
	from, err := authorized(ctx, 0)
	if err != nil {
		return nil, err
	}
	to, err := authorizedKey(ctx, 1)
	if err != nil {
		return nil, err
	}
	plaintext, err := s.opens(ctx, from, in.SourceEncryptionAlgorithm)
	if err != nil {
		return nil, err
	}
	blob, err := seals(to, in.DestinationEncryptionAlgorithm, key.Data, plaintext, in.DestinationEncryptionContext)
	clear(plaintext)
	if err == nil && wire.Val(in.DryRun) {
		err = dryRun()
	}
	if err != nil {
		return nil, err
	}
	return &api.ReEncryptOutput{
		CiphertextBlob: blob, SourceKeyId: &from.key.arn, KeyId: &to.arn,
		SourceKeyMaterialId: wire.Ptr(from.cipher.ID.String()), DestinationKeyMaterialId: to.materialID(),
		SourceEncryptionAlgorithm:      api.EncryptionAlgorithmSpecSymmetricDefault,
		DestinationEncryptionAlgorithm: api.EncryptionAlgorithmSpecSymmetricDefault,
	}, nil
}

// GenerateDataKey makes a data key and gives it in the clear and encrypted.
func (s *Service) GenerateDataKey(ctx context.Context, in *api.GenerateDataKeyInput) (*api.GenerateDataKeyOutput, error) {
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	plaintext, blob, e, err := dataKey(ctx, in.KeySpec, in.NumberOfBytes, in.EncryptionContext, in.DryRun)
	if err != nil {
		return nil, err
	}
	return &api.GenerateDataKeyOutput{CiphertextBlob: blob, Plaintext: plaintext, KeyId: &e.arn, KeyMaterialId: e.materialID()}, nil
}

// GenerateDataKeyWithoutPlaintext makes a data key and gives it encrypted only.
func (s *Service) GenerateDataKeyWithoutPlaintext(ctx context.Context, in *api.GenerateDataKeyWithoutPlaintextInput) (*api.GenerateDataKeyWithoutPlaintextOutput, error) {
	plaintext, blob, e, err := dataKey(ctx, in.KeySpec, in.NumberOfBytes, in.EncryptionContext, in.DryRun)
	if err != nil {
		return nil, err
	}
	clear(plaintext)
	return &api.GenerateDataKeyWithoutPlaintextOutput{CiphertextBlob: blob, KeyId: &e.arn, KeyMaterialId: e.materialID()}, nil
}

// GenerateRandom gives random bytes of no key.
func (s *Service) GenerateRandom(_ context.Context, in *api.GenerateRandomInput) (*api.GenerateRandomOutput, error) {
	if in.NumberOfBytes == nil {
		return nil, invalid("NumberOfBytes is required.")
	}
	if in.CustomKeyStoreId != nil {
		return nil, api.CustomKeyStoreNotFoundException("Custom key store with ID %s was not found.", *in.CustomKeyStoreId)
	}
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	plaintext := make([]byte, *in.NumberOfBytes)
	rand.Read(plaintext)
	return &api.GenerateRandomOutput{Plaintext: plaintext}, nil
}

// dataKey makes a data key under the authorized key.
func dataKey(ctx context.Context, spec api.DataKeySpec, bytes *int32, context map[string]string, dry *bool) (plaintext, blob []byte, e *entry, err error) {
	if e, err = authorizedKey(ctx, 0); err != nil {
		return nil, nil, nil, err
	}
	size, err := dataKeySize(spec, bytes)
	if err != nil {
		return nil, nil, nil, err
	}
	plaintext = make([]byte, size)
	rand.Read(plaintext)
	blob, err = seals(e, "", key.DataKey, plaintext, context)
	if err == nil && wire.Val(dry) {
		err = dryRun()
	}
	if err != nil {
		clear(plaintext)
		return nil, nil, nil, err
	}
	return plaintext, blob, e, nil
}

func dataKeySize(spec api.DataKeySpec, bytes *int32) (int, error) {
	switch {
	case (spec == "") == (bytes == nil):
		return 0, invalid("Please specify either number of bytes or key spec.")
	case bytes != nil:
		return int(*bytes), nil
	case spec == api.DataKeySpecAes128:
		return 16, nil
	}
	return 32, nil
}

// seals encrypts under a key that the caller may use: its state, then its usage, then the
// cryptography.
func seals(e *entry, a api.EncryptionAlgorithmSpec, kind key.Kind, plaintext []byte, context map[string]string) ([]byte, error) {
	if err := e.usable(e.arn); err != nil {
		return nil, err
	}
	if err := e.fits(a); err != nil {
		return nil, err
	}
	var fixed [256]byte
	bound, err := canonical(fixed[:0], context)
	if err != nil {
		return nil, err
	}
	return e.material.Encrypt(kind, plaintext, bound)
}

// opens decrypts the ciphertext of a check under the key of the check.
func (s *Service) opens(ctx context.Context, cond *conditions, a api.EncryptionAlgorithmSpec) ([]byte, error) {
	e := cond.key
	if e == nil {
		return nil, errTarget
	}
	m, err := s.materialOf(ctx, e, cond.cipher.ID)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, incorrectKey()
	}
	if err := e.usable(e.arn); err != nil {
		return nil, err
	}
	if err := e.fits(a); err != nil {
		return nil, err
	}
	var fixed [256]byte
	bound, err := canonical(fixed[:0], cond.context)
	if err != nil {
		return nil, err
	}
	plaintext, err := m.Decrypt(cond.cipher, bound)
	if errors.Is(err, key.ErrCiphertext) {
		return nil, badCiphertext()
	}
	return plaintext, err
}

// materialID names the material that the key encrypts with now.
func (e *entry) materialID() *string { return wire.Ptr(e.material.ID().String()) }

// fits refuses an algorithm that the key does not have.
func (e *entry) fits(a api.EncryptionAlgorithmSpec) error {
	if a != "" && a != api.EncryptionAlgorithmSpecSymmetricDefault {
		return api.InvalidKeyUsageException("Algorithm %s is incompatible with key spec %s.", a, e.Spec)
	}
	return nil
}

// canonical appends the canonical form of an encryption context.
func canonical(dst []byte, context map[string]string) ([]byte, error) {
	bound, err := seal.AppendContext(dst, context)
	if errors.Is(err, seal.ErrContext) {
		return nil, invalid("The encryption context is too long: at most %d bytes are allowed.", seal.MaxContext)
	}
	return bound, err
}

// noRecipient refuses answers encrypted to a Nitro enclave: nobody here could attest to one.
func noRecipient(r *api.RecipientInfo) error {
	if r != nil {
		return api.UnsupportedOperationException("Recipient is not supported.")
	}
	return nil
}
