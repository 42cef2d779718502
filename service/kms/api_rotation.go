package kms

import (
	"context"

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

func (s *Service) changeRotation(ctx context.Context, to rotation) error {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return err
	}
	if !e.symmetric() {
		return api.UnsupportedOperationException("%s key spec is %s which is not valid for this operation.", e.arn, e.Spec)
	}
	return s.change(ctx, e.home, func(tx store.Tx, r *record) error {
		if err := r.usable(e.arn); err != nil {
			return err
		}
		if r.Rotation.Days == to.Days {
			return nil // asking again does not put off the next rotation
		}
		r.Rotation = to
		return s.scheduleRotation(tx, e.home, r)
	})
}

// GetKeyRotationStatus tells whether and when a key gets new material by itself.
func (s *Service) GetKeyRotationStatus(ctx context.Context, _ *api.GetKeyRotationStatusInput) (*api.GetKeyRotationStatusOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	out := &api.GetKeyRotationStatusOutput{KeyId: &e.id, KeyRotationEnabled: wire.Ptr(e.Rotation.Days > 0)}
	if e.Rotation.Days > 0 {
		out.RotationPeriodInDays, out.NextRotationDate = &e.Rotation.Days, &e.Rotation.Next
	}
	return out, nil
}

// rotate gives a key new material. What older material made opens for ever.
func (s *Service) rotate(tx store.Tx, h home, r *record) error {
	r.Version++
	if err := s.addMaterial(tx, h, r.Version, key.New()); err != nil {
		return err
	}
	r.Rotation.Next = now().AddDate(0, 0, int(r.Rotation.Days))
	return s.scheduleRotation(tx, h, r)
}
