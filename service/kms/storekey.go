package kms

import (
	"context"
	"errors"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/service/kms/xks"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// inStore reports whether a key that is asked for is to lie in a custom key store.
func inStore(in *api.CreateKeyInput) bool {
	return in.CustomKeyStoreId != nil || in.Origin == api.OriginTypeExternalKeyStore || in.Origin == api.OriginTypeAwsCloudhsm
}

// checkInStore refuses what no key in a custom key store can be.
func checkInStore(in *api.CreateKeyInput) error {
	external := in.Origin == api.OriginTypeExternalKeyStore
	switch {
	case in.CustomKeyStoreId == nil:
		return invalid("CustomKeyStoreId is required for a KMS key with Origin %s.", in.Origin)
	case !external && in.Origin != api.OriginTypeAwsCloudhsm:
		return invalid("Origin must be AWS_CLOUDHSM or EXTERNAL_KEY_STORE for a KMS key in a custom key store.")
	case keySpec(in) != api.KeySpecSymmetricDefault:
		return api.UnsupportedOperationException("KeySpec %s is not supported for a KMS key in a custom key store.", keySpec(in))
	case wire.Val(in.MultiRegion):
		return api.UnsupportedOperationException("Multi-Region keys are not supported in a custom key store.")
	case external && in.XksKeyId == nil:
		return invalid("XksKeyId is required for a KMS key with Origin EXTERNAL_KEY_STORE.")
	case external && !xks.ValidKeyID(*in.XksKeyId):
		return invalid("XksKeyId %s is not valid.", *in.XksKeyId)
	}
	return nil
}

// placeInStore finds or makes the half of a new key that its custom key store holds, and notes in
// the record where that is. What it makes is destroyed again unless the key follows: a job that is there before
// sees to it, and addKey takes the job away.
func (s *Service) placeInStore(ctx context.Context, h home, in *api.CreateKeyInput, r *record) error {
	if !inStore(in) {
		return nil
	}
	c := call.From(ctx)
	k, err := s.keyStore(ctx, h.region, h.account, *in.CustomKeyStoreId)
	if err != nil {
		return err
	}
	if k.external() != (in.Origin == api.OriginTypeExternalKeyStore) {
		return invalid("Origin %s is not valid for a custom key store with CustomKeyStoreType %s.", in.Origin, k.Type)
	}
	if !k.connected() {
		return unconnected(&k.storeRecord, api.CustomKeyStoreInvalidStateException)
	}
	r.Origin, r.Store, r.External = in.Origin, k.id, h.id
	if k.external() {
		r.External = *in.XksKeyId
	}
	if err := s.unclaimed(ctx, h, r); err != nil {
		return err
	}
	other := k.half(r.External, why(c, "")) // the key has no ARN yet
	made, ok := other.(generator)
	if !ok {
		return other.check(ctx)
	}
	if err := s.update(ctx, func(tx store.Tx) error { return s.scheduleTokenKey(tx, h, r, now().Add(tokenGrace)) }); err != nil {
		return err
	}
	return made.generate(ctx)
}

// generator is a half that the store makes for a new key.
type generator interface {
	generate(ctx context.Context) error
}

// claimPath is where a custom key store's half of a key is noted, so that it belongs to one
// KMS key only.
func claimPath(h home, r *record) string {
	return home{h.region, h.account, r.Store}.under(claimTag, r.External)
}

func (s *Service) unclaimed(ctx context.Context, h home, r *record) error {
	return s.room.Store.View(ctx, func(reader store.Reader) error { return checkUnclaimed(reader, h, r) })
}

func checkUnclaimed(reader store.Reader, h home, r *record) error {
	claimed, err := store.Exists(reader, []byte(claimPath(h, r)))
	if err != nil || !claimed {
		return err
	}
	return api.XksKeyAlreadyInUseException("The external key %s is already associated with another KMS key in this external key store.", r.External)
}

// claim takes the other half of a new key for the key alone. The store must still be there and
// connected.
func claim(tx store.Tx, h home, r *record) error {
	if r.Store == "" {
		return nil
	}
	k, err := read[storeRecord](tx, home{h.region, h.account, r.Store}.path(storeTag))
	if errors.Is(err, store.ErrNotFound) {
		return noSuchStore(r.Store)
	}
	if err != nil {
		return err
	}
	if !k.connected() {
		return unconnected(&k, api.CustomKeyStoreInvalidStateException)
	}
	if err := checkUnclaimed(tx, h, r); err != nil {
		return err
	}
	return tx.Put([]byte(claimPath(h, r)), []byte(h.id))
}

// release lets go of the other half of a key that is deleted. What an external key manager holds is
// left alone.
func (s *Service) release(tx store.Tx, h home, r *record) error {
	if r.Store == "" {
		return nil
	}
	if err := tx.Delete([]byte(claimPath(h, r))); err != nil {
		return err
	}
	if r.Origin != api.OriginTypeAwsCloudhsm {
		return nil
	}
	return s.scheduleTokenKey(tx, h, r, now())
}

// holdsKeys reports whether any key lies in a custom key store.
func holdsKeys(tx store.Tx, h home) (bool, error) {
	scan := store.Prefix([]byte(h.under(claimTag, "")))
	scan.Limit, scan.KeysOnly = 1, true
	for _, err := range tx.Scan(scan) {
		return err == nil, err
	}
	return false, nil
}

// describeInStore adds to the metadata of a key where its other half is. While that cannot be
// used, neither can the key.
func (s *Service) describeInStore(ctx context.Context, m *api.KeyMetadata, h home, r *record) error {
	if r.Store == "" {
		return nil
	}
	k, err := s.keyStores.Get(ctx, home{h.region, h.account, r.Store}.path(storeTag))
	if err != nil {
		return internal("custom key store of %s: %w", h.arn(), hideNotFound(err))
	}
	m.CustomKeyStoreId, m.CurrentKeyMaterialId = &r.Store, nil
	if k.external() {
		m.XksKeyConfiguration = &api.XksKeyConfigurationType{Id: &r.External}
	} else {
		m.CloudHsmClusterId = &k.Cluster
	}
	if !k.connected() && r.mutable(h.arn()) == nil {
		m.KeyState, m.Enabled = api.KeyStateUnavailable, wire.Ptr(false)
	}
	return nil
}

var _ key.Holder = external{}
