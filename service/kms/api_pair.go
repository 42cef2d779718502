package kms

import (
	"context"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/machine"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/wire"
)

// GenerateDataKeyPair makes a key pair that is not kept here, and gives its private key in the clear
// and encrypted.
func (s *Service) GenerateDataKeyPair(ctx context.Context, in *api.GenerateDataKeyPairInput) (*api.GenerateDataKeyPairOutput, error) {
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	p, err := s.dataKeyPair(ctx, "GenerateDataKeyPair", in.KeyPairSpec, in.EncryptionContext, in.DryRun)
	if err != nil {
		return nil, err
	}
	return &api.GenerateDataKeyPairOutput{
		PrivateKeyCiphertextBlob: p.sealed, PrivateKeyPlaintext: p.private, PublicKey: p.public,
		KeyId: &p.under.arn, KeyPairSpec: in.KeyPairSpec, KeyMaterialId: p.under.materialID(),
	}, nil
}

// GenerateDataKeyPairWithoutPlaintext makes a key pair and gives its private key encrypted only.
func (s *Service) GenerateDataKeyPairWithoutPlaintext(ctx context.Context, in *api.GenerateDataKeyPairWithoutPlaintextInput) (*api.GenerateDataKeyPairWithoutPlaintextOutput, error) {
	p, err := s.dataKeyPair(ctx, "GenerateDataKeyPairWithoutPlaintext", in.KeyPairSpec, in.EncryptionContext, in.DryRun)
	if err != nil {
		return nil, err
	}
	clear(p.private)
	return &api.GenerateDataKeyPairWithoutPlaintextOutput{
		PrivateKeyCiphertextBlob: p.sealed, PublicKey: p.public,
		KeyId: &p.under.arn, KeyPairSpec: in.KeyPairSpec, KeyMaterialId: p.under.materialID(),
	}, nil
}

// pair is a key pair that is given away.
type pair struct {
	under                   *entry // the key that sealed the private key
	private, sealed, public []byte
}

func (s *Service) dataKeyPair(ctx context.Context, operation string, spec api.DataKeyPairSpec, context map[string]string, dry *bool) (p pair, err error) {
	if p.under, err = readyKey(ctx, operation, key.Ciphers, key.AESGCM); err != nil {
		return pair{}, err
	}
	if o := p.under.Origin; o == api.OriginTypeAwsCloudhsm || o == api.OriginTypeExternalKeyStore {
		return pair{}, api.UnsupportedOperationException("%s origin is %s which is not valid for this operation.", p.under.arn, o)
	}
	if err := notApproved(key.Spec(spec).Approved("")); err != nil {
		return pair{}, err
	}
	if wire.Val(dry) { // a key is not made for nothing
		_, err := s.seals(ctx, p.under, operation, key.AESGCM, key.DataKey, nil, context)
		return pair{}, s.finish(ctx, err, dry)
	}
	if err := s.make(ctx, func() (err error) {
		p.private, p.public, err = key.NewPair(key.Spec(spec))
		return err
	}); err != nil {
		return pair{}, internal("key pair: %w", err)
	}
	if p.sealed, err = s.seals(ctx, p.under, operation, key.AESGCM, key.DataKey, p.private, context); err != nil {
		clear(p.private)
		return pair{}, err
	}
	return p, s.finish(ctx, nil, nil, p.under)
}

// make runs fn, which makes a key, when its turn comes. An RSA key takes a second of a processor and
// more, and half of the processors are kept free of that.
func (s *Service) make(ctx context.Context, fn func() error) error {
	select {
	case s.makers <- struct{}{}:
		defer func() { <-s.makers }()
		return fn()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// newMakers returns as many places as there may be keys in the making.
func newMakers() chan struct{} { return make(chan struct{}, max(1, machine.Processors()/2)) }
