package kms

import (
	"context"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// Rotation periods, in days.
const (
	defaultRotation = 365
	managedRotation = 365
	minRotation     = 90
	maxRotation     = 2560
)

// rotationGuard is how long before an automatic rotation none is made on demand
// (KMS API reference, ConflictException).
const rotationGuard = 20 * time.Minute

// EnableKeyRotation has a key get new material every so many days.
func (s *Service) EnableKeyRotation(ctx context.Context, in *api.EnableKeyRotationInput) (*api.EnableKeyRotationOutput, error) {
	days := int32(defaultRotation)
	if in.RotationPeriodInDays != nil {
		days = *in.RotationPeriodInDays
	}
	if days < minRotation || days > maxRotation {
		return nil, invalid("RotationPeriodInDays must be between %d and %d, inclusive.", minRotation, maxRotation)
	}
	return nil, s.changeRotation(ctx, rotation{Days: days, Next: now().AddDate(0, 0, int(days))})
}

// DisableKeyRotation lets a key keep the material it has.
func (s *Service) DisableKeyRotation(ctx context.Context, _ *api.DisableKeyRotationInput) (*api.DisableKeyRotationOutput, error) {
	return nil, s.changeRotation(ctx, rotation{})
}

// changeRotation changes the rotation of the authorized key, and of its replicas, which
// share it.
func (s *Service) changeRotation(ctx context.Context, to rotation) error {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return err
	}
	if !e.symmetric() {
		return api.UnsupportedOperationException("%s key spec is %s which is not valid for this operation.", e.arn, e.Spec)
	}
	return s.change(ctx, e.home, func(tx store.Tx, r *record) error {
		if err := r.rotates(e.home); err != nil {
			return err
		}
		if err := r.usable(e.arn); err != nil {
			return err
		}
		if err := r.rules(e.home); err != nil {
			return err
		}
		if r.Rotation.Days == to.Days {
			return nil // asking again does not put off the next rotation
		}
		r.Rotation = to
		if err := s.scheduleRotation(tx, e.home, r); err != nil {
			return err
		}
		return s.related(tx, e.home, r, func(_ home, other *record) error {
			other.Rotation = to
			return nil
		})
	})
}

// rotates refuses keys that are never rotated by themselves: "Automatic key rotation is supported
// only on symmetric encryption KMS keys", and among these not on imported material and custom key stores.
func (r *record) rotates(h home) error {
	if err := r.mayVary(h); err != nil {
		return err
	}
	if r.Origin != api.OriginTypeAwsKms {
		return api.UnsupportedOperationException("%s origin is %s which is not valid for this operation.", h.arn(), r.Origin)
	}
	return nil
}

// mayVary refuses keys that have one material for good.
func (r *record) mayVary(h home) error {
	if r.Spec != api.KeySpecSymmetricDefault {
		return api.UnsupportedOperationException("%s key spec is %s which is not valid for this operation.", h.arn(), r.Spec)
	}
	return nil
}

// rules refuses a replica: what all keys of a set share is changed at the primary.
func (r *record) rules(h home) error {
	if r.replica(h) {
		return api.UnsupportedOperationException("%s is a multi-Region replica key, which is not valid for this operation.", h.arn())
	}
	return nil
}

// GetKeyRotationStatus tells whether and when a key gets new material by itself. A rotation on
// demand is over when it is answered, so none is ever under way.
func (s *Service) GetKeyRotationStatus(ctx context.Context, _ *api.GetKeyRotationStatusInput) (*api.GetKeyRotationStatusOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	// Key pairs and MAC keys have a status, which is always false: Terraform asks for it of every
	// key whose material was made here. Imported material is rotated on demand only, and has one too.
	if e.Origin != api.OriginTypeAwsKms {
		if err := e.onDemand(e.home); err != nil {
			return nil, err
		}
	}
	// "While a KMS key is pending deletion, its key rotation status is false."
	enabled := e.Rotation.Days > 0 && e.mutable(e.arn) == nil
	out := &api.GetKeyRotationStatusOutput{KeyId: &e.id, KeyRotationEnabled: &enabled}
	if enabled {
		out.RotationPeriodInDays, out.NextRotationDate = &e.Rotation.Days, &e.Rotation.Next
	}
	return out, nil
}

// onDemand refuses keys that cannot be rotated on demand.
func (r *record) onDemand(h home) error {
	if r.Origin == api.OriginTypeExternal {
		return r.mayVary(h)
	}
	return r.rotates(h)
}

// RotateKeyOnDemand gives a key new material at once; a key with imported material, that which
// was imported for it. The schedule of automatic rotations stays as it is.
func (s *Service) RotateKeyOnDemand(ctx context.Context, _ *api.RotateKeyOnDemandInput) (*api.RotateKeyOnDemandOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, e.home, func(tx store.Tx, r *record) error {
		if err := r.mayRotate(e.home); err != nil {
			return err
		}
		r.OnDemand++
		if r.Origin == api.OriginTypeExternal {
			return s.activate(tx, e.home, r)
		}
		return s.rotate(tx, e.home, r, api.RotationTypeOnDemand)
	})
	if err != nil {
		return nil, err
	}
	return &api.RotateKeyOnDemandOutput{KeyId: &e.id}, nil
}

// mayRotate refuses a rotation on demand of a key that is not fit for it now.
func (r *record) mayRotate(h home) error {
	for _, err := range []error{r.onDemand(h), r.usable(h.arn()), r.rules(h)} {
		if err != nil {
			return err
		}
	}
	if r.Manager != api.KeyManagerTypeCustomer {
		return api.UnsupportedOperationException("%s is an AWS managed key, which is not valid for this operation.", h.arn())
	}
	if r.OnDemand >= maxOnDemand {
		return api.LimitExceededException("The on-demand rotations limit has been reached for the given keyId. "+
			"No more on-demand rotations can be performed for this key: %s", h.arn())
	}
	if r.Rotation.Days > 0 && now().After(r.Rotation.Next.Add(-rotationGuard)) {
		return api.ConflictException("An automatic rotation of this key is currently in progress or scheduled to begin within the next 20 minutes.")
	}
	return nil
}

// rotate gives a key new material, and its replicas the same. What older material made opens
// for ever.
func (s *Service) rotate(tx store.Tx, h home, r *record, kind api.RotationType) error {
	m := key.New()
	if err := s.addMaterial(tx, h, r, m); err != nil {
		return err
	}
	newest := r.materialAt(r.Version)
	newest.Rotated, newest.Rotation = now(), kind
	if kind == api.RotationTypeAutomatic {
		r.Rotation.Next = newest.Rotated.AddDate(0, 0, int(r.Rotation.Days))
		if err := s.scheduleRotation(tx, h, r); err != nil {
			return err
		}
	}
	return s.related(tx, h, r, func(at home, other *record) error {
		other.Version, other.Rotation, other.OnDemand = r.Version, r.Rotation, r.OnDemand
		other.Materials = append(other.Materials, *newest)
		return s.putMaterial(tx, at, r.Version, m)
	})
}

// ListKeyRotations lists the rotations of a key, the oldest first, and with ALL_KEY_MATERIAL also
// the material that came first and the one that is still to come.
func (s *Service) ListKeyRotations(ctx context.Context, in *api.ListKeyRotationsInput) (*api.ListKeyRotationsOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	if err := e.onDemand(e.home); err != nil {
		return nil, err
	}
	p, err := s.page("ListKeyRotations "+string(in.IncludeKeyMaterial), e.home, in.Marker, in.Limit, 100, 1000)
	if err != nil {
		return nil, err
	}
	waits, err := s.waitsForReplicas(ctx, e)
	if err != nil {
		return nil, err
	}
	out := &api.ListKeyRotationsOutput{Rotations: []api.RotationsListEntry{}}
	for i := range e.Materials {
		m := &e.Materials[i]
		if in.IncludeKeyMaterial != api.IncludeKeyMaterialAllKeyMaterial && m.Rotated.IsZero() || !p.take(digits(m.Version)) {
			continue
		}
		out.Rotations = append(out.Rotations, e.rotationEntry(m, waits))
	}
	out.NextMarker, out.Truncated = p.marker()
	return out, nil
}

// rotationEntry tells of one material of a key. waits says that pending material is not in all
// regions yet.
func (e *entry) rotationEntry(m *material, waits bool) api.RotationsListEntry {
	entry := api.RotationsListEntry{KeyId: &e.id, KeyMaterialId: &m.ID, KeyMaterialState: api.KeyMaterialStateNonCurrent}
	switch {
	case m.Pending && waits:
		entry.KeyMaterialState = api.KeyMaterialStatePendingMultiRegionImportAndRotation
	case m.Pending:
		entry.KeyMaterialState = api.KeyMaterialStatePendingRotation
	case m.Version == e.Version:
		entry.KeyMaterialState = api.KeyMaterialStateCurrent
	}
	if !m.Rotated.IsZero() {
		entry.RotationDate, entry.RotationType = &m.Rotated, m.Rotation
	}
	if e.Origin != api.OriginTypeExternal {
		return entry
	}
	if m.Description != "" {
		entry.KeyMaterialDescription = &m.Description
	}
	if m.Missing || m.expired(time.Now()) {
		entry.ImportState = api.ImportStatePendingImport
		return entry
	}
	entry.ImportState, entry.ExpirationModel = api.ImportStateImported, api.ExpirationModelTypeKeyMaterialDoesNotExpire
	if !m.Expires.IsZero() {
		entry.ExpirationModel, entry.ValidTo = api.ExpirationModelTypeKeyMaterialExpires, wire.Ptr(m.Expires)
	}
	return entry
}
