package kms

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
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
	a := cryptor(in.EncryptionAlgorithm)
	blob, err := s.seals(ctx, e, "Encrypt", a, key.Data, in.Plaintext, in.EncryptionContext)
	if err := s.finish(ctx, err, in.DryRun, e); err != nil {
		return nil, err
	}
	return &api.EncryptOutput{CiphertextBlob: blob, KeyId: &e.arn, EncryptionAlgorithm: api.EncryptionAlgorithmSpec(a)}, nil
}

// Decrypt opens a ciphertext of Encrypt, ReEncrypt or GenerateDataKey.
func (s *Service) Decrypt(ctx context.Context, in *api.DecryptInput) (*api.DecryptOutput, error) {
	cond, err := authorized(ctx, 0)
	if err != nil {
		return nil, err
	}
	plaintext, err := s.opens(ctx, cond, "Decrypt")
	if err == nil {
		err = noRecipient(in.Recipient)
	}
	if err := s.finish(ctx, err, in.DryRun, cond.key); err != nil {
		clear(plaintext)
		return nil, err
	}
	return &api.DecryptOutput{
		KeyId: &cond.key.arn, Plaintext: plaintext, EncryptionAlgorithm: api.EncryptionAlgorithmSpec(cond.source.algorithm),
		KeyMaterialId: cond.materialID(),
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
	plaintext, err := s.opens(ctx, from, "ReEncrypt")
	if err != nil {
		return nil, err
	}
	a := cryptor(in.DestinationEncryptionAlgorithm)
	var blob []byte
	if from.source.ignored {
		err = to.ready("ReEncrypt", key.Ciphers, a) // there is nothing to encrypt
	} else {
		blob, err = s.seals(ctx, to, "ReEncrypt", a, key.Data, plaintext, in.DestinationEncryptionContext)
	}
	clear(plaintext)
	if err := s.finish(ctx, err, in.DryRun, from.key, to); err != nil {
		return nil, err
	}
	return &api.ReEncryptOutput{
		CiphertextBlob: blob, SourceKeyId: &from.key.arn, KeyId: &to.arn,
		SourceKeyMaterialId: from.materialID(), DestinationKeyMaterialId: to.materialID(),
		SourceEncryptionAlgorithm:      api.EncryptionAlgorithmSpec(from.source.algorithm),
		DestinationEncryptionAlgorithm: api.EncryptionAlgorithmSpec(a),
	}, nil
}

// GenerateDataKey makes a data key and gives it in the clear and encrypted.
func (s *Service) GenerateDataKey(ctx context.Context, in *api.GenerateDataKeyInput) (*api.GenerateDataKeyOutput, error) {
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	plaintext, blob, e, err := s.dataKey(ctx, "GenerateDataKey", in.KeySpec, in.NumberOfBytes, in.EncryptionContext, in.DryRun)
	if err != nil {
		return nil, err
	}
	return &api.GenerateDataKeyOutput{CiphertextBlob: blob, Plaintext: plaintext, KeyId: &e.arn, KeyMaterialId: e.materialID()}, nil
}

// GenerateDataKeyWithoutPlaintext makes a data key and gives it encrypted only.
func (s *Service) GenerateDataKeyWithoutPlaintext(ctx context.Context, in *api.GenerateDataKeyWithoutPlaintextInput) (*api.GenerateDataKeyWithoutPlaintextOutput, error) {
	plaintext, blob, e, err := s.dataKey(ctx, "GenerateDataKeyWithoutPlaintext", in.KeySpec, in.NumberOfBytes, in.EncryptionContext, in.DryRun)
	if err != nil {
		return nil, err
	}
	clear(plaintext)
	return &api.GenerateDataKeyWithoutPlaintextOutput{CiphertextBlob: blob, KeyId: &e.arn, KeyMaterialId: e.materialID()}, nil
}

// GenerateRandom gives random bytes of no key: ours, or those of a CloudHSM key store.
func (s *Service) GenerateRandom(ctx context.Context, in *api.GenerateRandomInput) (*api.GenerateRandomOutput, error) {
	if in.NumberOfBytes == nil {
		return nil, invalid("NumberOfBytes is required.")
	}
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	if in.CustomKeyStoreId != nil {
		c := call.From(ctx)
		k, err := s.keyStore(ctx, c.Region, c.Principal.Account, *in.CustomKeyStoreId)
		if err != nil {
			return nil, err
		}
		random, err := s.randomInStore(ctx, k, int(*in.NumberOfBytes))
		if err != nil {
			return nil, err
		}
		return &api.GenerateRandomOutput{Plaintext: random}, nil
	}
	plaintext := make([]byte, *in.NumberOfBytes)
	rand.Read(plaintext)
	return &api.GenerateRandomOutput{Plaintext: plaintext}, nil
}

// dataKey makes a data key under the authorized key.
func (s *Service) dataKey(ctx context.Context, operation string, spec api.DataKeySpec, bytes *int32, context map[string]string, dry *bool) (plaintext, blob []byte, e *entry, err error) {
	if e, err = authorizedKey(ctx, 0); err != nil {
		return nil, nil, nil, err
	}
	size, err := dataKeySize(spec, bytes)
	if err != nil {
		return nil, nil, nil, err
	}
	plaintext = make([]byte, size)
	rand.Read(plaintext)
	blob, err = s.seals(ctx, e, operation, key.AESGCM, key.DataKey, plaintext, context)
	if err := s.finish(ctx, err, dry, e); err != nil {
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
func (s *Service) seals(ctx context.Context, e *entry, operation string, a key.Algorithm, kind key.Kind, plaintext []byte, context map[string]string) ([]byte, error) {
	if err := e.ready(operation, key.Ciphers, a); err != nil {
		return nil, err
	}
	if a != key.AESGCM {
		if err := noContext(context); err != nil {
			return nil, err
		}
		blob, err := e.material.EncryptRSA(a, plaintext)
		return blob, unusable(e, a, "", err)
	}
	var fixed [256]byte
	bound, err := canonical(fixed[:0], context)
	if err != nil {
		return nil, err
	}
	if e.Store != "" {
		return s.sealOuter(ctx, e, kind, plaintext, bound)
	}
	return e.material.Encrypt(kind, plaintext, bound)
}

// opens decrypts the ciphertext of a check under the key of the check. A ciphertext that is to be
// ignored opens to nothing.
func (s *Service) opens(ctx context.Context, cond *conditions, operation string) ([]byte, error) {
	e, a := cond.key, cond.source.algorithm
	if e == nil {
		return nil, errTarget
	}
	m, err := s.opener(ctx, cond)
	if err != nil {
		return nil, err
	}
	if err := e.ready(operation, key.Ciphers, a); err != nil || cond.source.ignored {
		return nil, err
	}
	if a != key.AESGCM {
		if err := noContext(cond.context); err != nil {
			return nil, err
		}
		plaintext, err := e.material.DecryptRSA(a, cond.source.blob)
		return plaintext, unusable(e, a, "", err)
	}
	if m == nil {
		return nil, badCiphertext()
	}
	var fixed [256]byte
	bound, err := canonical(fixed[:0], cond.context)
	if err != nil {
		return nil, err
	}
	if e.Store != "" {
		return s.openOuter(ctx, e, m, cond.cipher, bound)
	}
	plaintext, err := m.Decrypt(cond.cipher, bound)
	return plaintext, unusable(e, a, "", err)
}

// opener returns the material that made the ciphertext of a check, or nil when that is not one of a
// symmetric key. One of another key than that of the check is an error, whatever that key is.
func (s *Service) opener(ctx context.Context, cond *conditions) (*key.Material, error) {
	if cond.source.ignored || cond.source.algorithm != key.AESGCM || cond.cipher.Kind == 0 {
		return nil, nil
	}
	return s.materialOf(ctx, cond.key, cond.cipher.ID)
}

// source is what is to be decrypted.
type source struct {
	blob      []byte
	algorithm key.Algorithm
	ignored   bool // the blob is not to be looked at: a dry run that asks for permissions only
}

// ignores reports whether a dry run is to ignore the ciphertext.
func ignores(dry *bool, modifiers []api.DryRunModifierType) bool {
	return wire.Val(dry) && slices.Contains(modifiers, api.DryRunModifierTypeIgnoreCiphertext)
}

// check refuses a request that does not say what to decrypt, or with what. name is the key's.
func (s *source) check(name *string) error {
	switch {
	case s.blob == nil && !s.ignored:
		return invalid("1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null")
	case name == nil && s.ignored:
		return invalid("KeyId is required when DryRunModifiers is IGNORE_CIPHERTEXT.")
	}
	return nil
}

// unknown is the refusal of what names no key, when the request names none either.
func (s *source) unknown() error {
	if s.algorithm != key.AESGCM {
		return invalid("KeyId is required when the ciphertext was encrypted under an asymmetric KMS key.")
	}
	return badCiphertext()
}

// materialID names the material that the key encrypts with now, or is nil for a key pair.
func (e *entry) materialID() *string {
	if m := e.materialAt(e.Version); m != nil && e.symmetric() {
		return &m.ID
	}
	return nil
}

// materialID names the material that made the ciphertext, or is nil for a key pair.
func (c *conditions) materialID() *string {
	if c.source.algorithm != key.AESGCM {
		return nil
	}
	return wire.Ptr(c.cipher.ID.String())
}

// noContext refuses an encryption context where there is nothing to bind it to.
func noContext(context map[string]string) error {
	if len(context) > 0 {
		return invalid("EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs.")
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
