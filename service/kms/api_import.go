package kms

import (
	"context"
	"errors"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service/kms/intake"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

const (
	paramsLife  = 24 * time.Hour       // of a wrapping key and its import token
	maxValidity = 365 * 24 * time.Hour // of imported material that expires
)

// GetParametersForImport makes a wrapping key for material of a key. It is kept under a sealing key
// that stands in the import token and nowhere else, for a day.
func (s *Service) GetParametersForImport(ctx context.Context, in *api.GetParametersForImportInput) (*api.GetParametersForImportOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	for _, err := range []error{e.imports(e.home), e.mutable(e.arn), checkWrapping(e.Spec, in)} {
		if err != nil {
			return nil, err
		}
	}
	var k *intake.Key
	if err := s.make(ctx, func() (err error) {
		k, err = intake.New(intake.Size(string(in.WrappingKeySpec)))
		return err
	}); err != nil {
		return nil, internal("%w", err)
	}
	t := intake.NewToken(intake.Algorithm(in.WrappingAlgorithm), now().Add(paramsLife))
	defer t.Wipe()
	out := &api.GetParametersForImportOutput{KeyId: &e.arn, ParametersValidTo: &t.Expires}
	if out.PublicKey, err = k.Public(); err != nil {
		return nil, internal("wrapping key: %w", err)
	}
	if out.ImportToken, err = t.Seal(s.imports.Reveal(), e.arn); err != nil {
		return nil, internal("import token: %w", err)
	}
	kept, err := t.SealKey(k, e.arn)
	if err != nil {
		return nil, internal("wrapping key: %w", err)
	}
	return out, s.change(ctx, e.home, func(tx store.Tx, r *record) error {
		if err := r.mutable(e.arn); err != nil {
			return err
		}
		if err := tx.Put([]byte(paramsPath(e.home, t.ID)), kept); err != nil {
			return err
		}
		return s.room.Jobs.Schedule(tx, job.Job{Kind: paramsJob, ID: jobID(e.home) + "/" + hexID(t.ID), Due: t.Expires})
	})
}

// checkWrapping refuses ways of wrapping that AWS does not have, or not for material of the spec.
func checkWrapping(spec api.KeySpec, in *api.GetParametersForImportInput) error {
	direct := in.WrappingAlgorithm == api.AlgorithmSpecRsaesOaepSha1 || in.WrappingAlgorithm == api.AlgorithmSpecRsaesOaepSha256
	switch {
	case !intake.Algorithm(in.WrappingAlgorithm).Valid():
		// RSAES_PKCS1_V1_5 has been refused since October 10, 2023; SM2PKE is for the China Regions.
		return api.UnsupportedOperationException("Wrapping algorithm %s is not supported.", in.WrappingAlgorithm)
	case intake.Size(string(in.WrappingKeySpec)) == 0:
		return api.UnsupportedOperationException("Wrapping key spec %s is not supported.", in.WrappingKeySpec)
	case direct && !fitsDirectly(spec, in.WrappingKeySpec):
		return api.UnsupportedOperationException("Wrapping algorithm %s with wrapping key spec %s is not supported for key material of key spec %s.",
			in.WrappingAlgorithm, in.WrappingKeySpec, spec)
	}
	return nil
}

// fitsDirectly reports whether an RSA key encrypts material of a spec at once: not RSA and ML-DSA
// private keys, and P-521 ones not by 2,048 bits.
func fitsDirectly(spec api.KeySpec, wrapping api.WrappingKeySpec) bool {
	switch spec {
	case api.KeySpecRsa2048, api.KeySpecRsa3072, api.KeySpecRsa4096:
		return false
	case api.KeySpecEccNistP521:
		return wrapping != api.WrappingKeySpecRsa2048
	}
	return true
}

// ImportKeyMaterial gives a key material that its owner made: the first, the same once more, or one
// to which the key is rotated later.
func (s *Service) ImportKeyMaterial(ctx context.Context, in *api.ImportKeyMaterialInput) (*api.ImportKeyMaterialOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	for _, err := range []error{e.imports(e.home), e.mutable(e.arn), checkImport(e.Spec, in)} {
		if err != nil {
			return nil, err
		}
	}
	n := incoming{kind: in.ImportType, description: in.KeyMaterialDescription}
	if n.expires, err = expiry(in); err != nil {
		return nil, err
	}
	if n.material, err = s.unwrap(ctx, e, in); err != nil {
		return nil, err
	}
	if n.id = n.material.ID().String(); in.KeyMaterialId != nil && *in.KeyMaterialId != n.id {
		return nil, wrongMaterial()
	}
	err = s.change(ctx, e.home, func(tx store.Tx, r *record) error {
		if err := r.mutable(e.arn); err != nil {
			return err
		}
		return s.take(tx, e.home, r, &n)
	})
	if err != nil {
		return nil, err
	}
	out := &api.ImportKeyMaterialOutput{KeyId: &e.arn}
	if e.Spec == api.KeySpecSymmetricDefault {
		out.KeyMaterialId = &n.id
	}
	return out, nil
}

// checkImport refuses parameters that do not go together, or not with the spec of the key.
func checkImport(spec api.KeySpec, in *api.ImportKeyMaterialInput) error {
	switch {
	case spec != api.KeySpecSymmetricDefault && (in.ImportType != "" || in.KeyMaterialId != nil || in.KeyMaterialDescription != nil):
		return invalid("ImportType, KeyMaterialId and KeyMaterialDescription can only be specified for symmetric encryption keys.")
	case in.ImportType == api.ImportTypeNewKeyMaterial && in.KeyMaterialId != nil:
		return invalid("You cannot specify a KeyMaterialId with ImportType set to NEW_KEY_MATERIAL.")
	}
	return nil
}

// expiry returns when the material in a request expires, or the zero time for never.
func expiry(in *api.ImportKeyMaterialInput) (time.Time, error) {
	if in.ExpirationModel == api.ExpirationModelTypeKeyMaterialDoesNotExpire {
		if in.ValidTo != nil {
			return time.Time{}, invalid("A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE.")
		}
		return time.Time{}, nil
	}
	if in.ValidTo == nil {
		return time.Time{}, invalid("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
	}
	at := in.ValidTo.UTC().Truncate(time.Millisecond)
	if today := now(); !at.After(today) || at.After(today.Add(maxValidity)) {
		return time.Time{}, invalid("The validTo date must be in the future, and at most 365 days from now.")
	}
	return at, nil
}

// unwrap opens the material in a request, under the id that it has in this key.
func (s *Service) unwrap(ctx context.Context, e *entry, in *api.ImportKeyMaterialInput) (*key.Material, error) {
	t, err := intake.OpenToken(s.imports.Reveal(), in.ImportToken, e.arn, time.Now())
	switch {
	case errors.Is(err, intake.ErrExpired):
		return nil, api.ExpiredImportTokenException("The import token has expired.")
	case errors.Is(err, intake.ErrToken):
		return nil, badImportToken()
	case err != nil:
		return nil, internal("import token: %w", err)
	}
	defer t.Wipe()
	var kept []byte
	err = s.room.Store.View(ctx, func(r store.Reader) (err error) {
		kept, err = r.Get([]byte(paramsPath(e.home, t.ID)))
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, badImportToken()
	}
	if err != nil {
		return nil, err
	}
	k, err := t.OpenKey(kept, e.arn)
	if err != nil {
		return nil, internal("wrapping key of %s: %w", e.arn, store.ErrCorrupt)
	}
	raw, err := k.Unwrap(t.Algorithm, in.EncryptedKeyMaterial)
	if err != nil {
		return nil, badCiphertext()
	}
	m, err := key.ImportAs(e.materialIDOf(raw), key.Spec(e.Spec), raw) // wipes raw in the end
	if errors.Is(err, key.ErrMaterial) {
		return nil, wrongMaterial()
	}
	return m, err
}

// DeleteImportedKeyMaterial destroys material of a key, the current one unless another is named. The
// key is pending import from then on; but material that was pending rotation goes without a trace.
func (s *Service) DeleteImportedKeyMaterial(ctx context.Context, in *api.DeleteImportedKeyMaterialInput) (*api.DeleteImportedKeyMaterialOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	if err := e.imports(e.home); err != nil {
		return nil, err
	}
	out := &api.DeleteImportedKeyMaterialOutput{KeyId: &e.arn}
	err = s.change(ctx, e.home, func(tx store.Tx, r *record) error {
		m := r.materialAt(r.Version)
		if in.KeyMaterialId != nil {
			if m = r.materialByID(*in.KeyMaterialId); m == nil {
				return api.NotFoundException("Key material %s is not associated with %s.", *in.KeyMaterialId, e.arn)
			}
		}
		if m == nil {
			return nil // nothing was ever imported: "no effect"
		}
		if r.Spec == api.KeySpecSymmetricDefault {
			out.KeyMaterialId = wire.Ptr(m.ID)
		}
		return s.remove(tx, e.home, r, m)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func badImportToken() *wire.Error {
	return api.InvalidImportTokenException("The import token is invalid or is associated with a different KMS key.")
}

func wrongMaterial() *wire.Error {
	return api.IncorrectKeyMaterialException("The key material in the request is not the key material that is expected for this KMS key.")
}
