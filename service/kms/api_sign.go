package kms

import (
	"context"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/wire"
)

// Sign signs a message, its digest or its ML-DSA representative with the private key of a key pair.
func (s *Service) Sign(ctx context.Context, in *api.SignInput) (*api.SignOutput, error) {
	a, t := key.Algorithm(in.SigningAlgorithm), messageType(in.MessageType)
	e, err := readyKey(ctx, "Sign", key.Signs, a)
	if err != nil {
		return nil, err
	}
	signature, err := e.material.Sign(a, t, in.Message)
	if err := s.finish(ctx, unusable(e, a, t, err), in.DryRun, e); err != nil {
		return nil, err
	}
	return &api.SignOutput{KeyId: &e.arn, Signature: signature, SigningAlgorithm: in.SigningAlgorithm}, nil
}

// Verify tells whether a signature is one of a message by a key. One that is not is an error.
func (s *Service) Verify(ctx context.Context, in *api.VerifyInput) (*api.VerifyOutput, error) {
	a, t := key.Algorithm(in.SigningAlgorithm), messageType(in.MessageType)
	e, err := readyKey(ctx, "Verify", key.Signs, a)
	if err != nil {
		return nil, err
	}
	err = e.material.Verify(a, t, in.Message, in.Signature)
	if err := s.finish(ctx, unusable(e, a, t, err), in.DryRun, e); err != nil {
		return nil, err
	}
	return &api.VerifyOutput{KeyId: &e.arn, SignatureValid: wire.Ptr(true), SigningAlgorithm: in.SigningAlgorithm}, nil
}

// GenerateMac makes the HMAC of a message.
func (s *Service) GenerateMac(ctx context.Context, in *api.GenerateMacInput) (*api.GenerateMacOutput, error) {
	a := key.Algorithm(in.MacAlgorithm)
	e, err := readyKey(ctx, "GenerateMac", key.Authenticate, a)
	if err != nil {
		return nil, err
	}
	mac, err := e.material.MAC(a, in.Message)
	if err := s.finish(ctx, unusable(e, a, "", err), in.DryRun, e); err != nil {
		return nil, err
	}
	return &api.GenerateMacOutput{KeyId: &e.arn, Mac: mac, MacAlgorithm: in.MacAlgorithm}, nil
}

// VerifyMac tells whether a MAC is the one of a message by a key. One that is not is an error.
func (s *Service) VerifyMac(ctx context.Context, in *api.VerifyMacInput) (*api.VerifyMacOutput, error) {
	a := key.Algorithm(in.MacAlgorithm)
	e, err := readyKey(ctx, "VerifyMac", key.Authenticate, a)
	if err != nil {
		return nil, err
	}
	err = e.material.VerifyMAC(a, in.Message, in.Mac)
	if err := s.finish(ctx, unusable(e, a, "", err), in.DryRun, e); err != nil {
		return nil, err
	}
	return &api.VerifyMacOutput{KeyId: &e.arn, MacValid: wire.Ptr(true), MacAlgorithm: in.MacAlgorithm}, nil
}

// GetPublicKey gives the public key of a key pair, for use elsewhere.
func (s *Service) GetPublicKey(ctx context.Context, _ *api.GetPublicKeyInput) (*api.GetPublicKeyOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	if err := e.usable(e.arn); err != nil {
		return nil, err
	}
	if !e.spec().Pair() {
		return nil, api.UnsupportedOperationException("%s key spec is %s which is not valid for GetPublicKey.", e.arn, e.Spec)
	}
	public, err := e.material.PublicKey()
	if err != nil {
		return nil, unusable(e, "", "", err)
	}
	return &api.GetPublicKeyOutput{
		KeyId: &e.arn, PublicKey: public, KeySpec: e.Spec, CustomerMasterKeySpec: api.CustomerMasterKeySpec(e.Spec), KeyUsage: e.Usage,
		EncryptionAlgorithms:    algorithmsOf[api.EncryptionAlgorithmSpec](&e.record, key.Ciphers),
		SigningAlgorithms:       algorithmsOf[api.SigningAlgorithmSpec](&e.record, key.Signs),
		KeyAgreementAlgorithms:  algorithmsOf[api.KeyAgreementAlgorithmSpec](&e.record, key.Agrees),
		EncapsulationAlgorithms: algorithmsOf[api.EncapsulationAlgorithmSpec](&e.record, key.Encapsulates),
	}, nil
}

// readyKey returns the authorized key of the call, which is ready for an operation by an algorithm.
func readyKey(ctx context.Context, operation string, u key.Usage, a key.Algorithm) (*entry, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	return e, e.ready(operation, u, a)
}

// finish is the end of every use of keys: DryRun is answered last, when nothing else is wrong. Else the
// use is noted.
func (s *Service) finish(ctx context.Context, err error, dry *bool, keys ...*entry) error {
	if err == nil && wire.Val(dry) {
		return dryRun()
	}
	if err == nil {
		for _, e := range keys {
			s.used(ctx, e)
		}
	}
	return err
}

// messageType returns the type of a message; an absent one is RAW.
func messageType(t api.MessageType) key.MessageType {
	if t == "" {
		return key.Raw
	}
	return key.MessageType(t)
}
