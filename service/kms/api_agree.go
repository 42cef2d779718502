package kms

import (
	"context"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/service/kms/key"
)

// DeriveSharedSecret agrees on a secret with the owner of another public key.
func (s *Service) DeriveSharedSecret(ctx context.Context, in *api.DeriveSharedSecretInput) (*api.DeriveSharedSecretOutput, error) {
	a := key.Algorithm(in.KeyAgreementAlgorithm)
	e, err := readyKey(ctx, "DeriveSharedSecret", key.Agrees, a)
	if err != nil {
		return nil, err
	}
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	shared, err := e.material.Agree(in.PublicKey)
	if err := s.finish(ctx, unusable(e, a, "", err), in.DryRun, e); err != nil {
		clear(shared)
		return nil, err
	}
	return &api.DeriveSharedSecretOutput{
		KeyId: &e.arn, SharedSecret: shared, KeyAgreementAlgorithm: in.KeyAgreementAlgorithm, KeyOrigin: e.Origin,
	}, nil
}

// Encapsulate makes a shared secret and the ciphertext of it for the owner of a key.
func (s *Service) Encapsulate(ctx context.Context, in *api.EncapsulateInput) (*api.EncapsulateOutput, error) {
	a := key.Algorithm(in.EncapsulationAlgorithm)
	e, err := readyKey(ctx, "Encapsulate", key.Encapsulates, a)
	if err != nil {
		return nil, err
	}
	shared, ciphertext, err := e.material.Encapsulate()
	if err := s.finish(ctx, unusable(e, a, "", err), in.DryRun, e); err != nil {
		clear(shared)
		return nil, err
	}
	return &api.EncapsulateOutput{
		KeyId: &e.arn, SharedSecret: shared, SharedSecretCiphertextBlob: ciphertext, EncapsulationAlgorithm: in.EncapsulationAlgorithm,
	}, nil
}

// Decapsulate gives the shared secret of a ciphertext. One that was made for another key gives a
// secret too, which nobody else has; only a wrong length is an error.
func (s *Service) Decapsulate(ctx context.Context, in *api.DecapsulateInput) (*api.DecapsulateOutput, error) {
	a := key.Algorithm(in.EncapsulationAlgorithm)
	e, err := readyKey(ctx, "Decapsulate", key.Encapsulates, a)
	if err != nil {
		return nil, err
	}
	shared, err := e.material.Decapsulate(in.SharedSecretCiphertextBlob)
	if err := s.finish(ctx, unusable(e, a, "", err), in.DryRun, e); err != nil {
		clear(shared)
		return nil, err
	}
	return &api.DecapsulateOutput{KeyId: &e.arn, SharedSecret: shared, EncapsulationAlgorithm: in.EncapsulationAlgorithm}, nil
}
