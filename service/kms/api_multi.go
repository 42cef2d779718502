package kms

import (
	"context"
	"slices"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// ReplicateKey makes a replica of a multi-Region primary key in another region that the house serves. The
// replica is whole when it is answered; the answer says Creating, as AWS's does.
func (s *Service) ReplicateKey(ctx context.Context, in *api.ReplicateKeyInput) (*api.ReplicateKeyOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	c, at := call.From(ctx), home{wire.Val(in.ReplicaRegion), e.account, e.id}
	if err := s.mayReplicate(e.home, &e.record, at.region); err != nil {
		return nil, err
	}
	replica := record{Created: now(), Description: wire.Val(in.Description), State: api.KeyStateEnabled}
	if err := s.setPolicy(ctx, &replica, at, in.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
		return nil, err
	}
	if replica.Tags, err = mergeTags(nil, in.Tags); err != nil {
		return nil, err
	}
	var made record
	err = s.change(ctx, e.home, func(tx store.Tx, r *record) error {
		if err := s.mayReplicate(e.home, r, at.region); err != nil {
			return err
		}
		made = replica
		return s.replicate(tx, e.home, r, at, &made)
	})
	if err != nil {
		return nil, err
	}
	c.Also = append(c.Also, call.Event{Name: "CreateKey", Region: at.region, Resources: []call.Resource{{Account: at.account, Type: keyType, ARN: at.arn()}}})
	m := metadata(at, &made)
	m.KeyState, m.Enabled = api.KeyStateCreating, wire.Ptr(false)
	return &api.ReplicateKeyOutput{ReplicaKeyMetadata: m, ReplicaPolicy: &made.Policy, ReplicaTags: tagList(made.Tags)}, nil
}

// mayReplicate refuses to replicate what is no primary key, or not into that region.
func (s *Service) mayReplicate(h home, r *record, region string) error {
	switch {
	case !r.primary(h):
		return notPrimary(h)
	case r.usable(h.arn()) != nil:
		return r.usable(h.arn())
	case !slices.Contains(s.room.Regions, region):
		return invalid("The replica Region %s is not served.", region)
	case region == h.region:
		return invalid("The replica Region must be different from the Region of the primary key.")
	case slices.Contains(r.Multi.Replicas, region):
		return api.AlreadyExistsException("%s already exists", home{region, h.account, h.id}.arn())
	}
	return nil
}

func notPrimary(h home) error {
	return api.UnsupportedOperationException("%s is not a multi-Region primary key, which is not valid for this operation.", h.arn())
}

// UpdatePrimaryRegion makes a replica the primary key of its set, and the primary a replica. It is done
// when it is answered: no key is ever seen Updating.
func (s *Service) UpdatePrimaryRegion(ctx context.Context, in *api.UpdatePrimaryRegionInput) (*api.UpdatePrimaryRegionOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	to := home{wire.Val(in.PrimaryRegion), e.account, e.id}
	err = s.change(ctx, e.home, func(tx store.Tx, r *record) error {
		if !r.primary(e.home) {
			return notPrimary(e.home)
		}
		if err := r.usable(e.arn); err != nil {
			return err
		}
		if !slices.Contains(r.Multi.Replicas, to.region) {
			return noSuchKey(to.arn())
		}
		return s.turnPrimary(tx, e.home, r, to)
	})
	if err != nil {
		return nil, err
	}
	c := call.From(ctx)
	c.Also = append(c.Also, call.Event{Name: c.Op.Name, Region: to.region, Resources: []call.Resource{{Account: to.account, Type: keyType, ARN: to.arn()}}})
	return nil, nil
}

// turnPrimary makes the key of a set in another region its primary.
func (s *Service) turnPrimary(tx store.Tx, h home, r *record, to home) error {
	next := &multi{Primary: to.region, Replicas: slices.DeleteFunc(slices.Clone(r.Multi.Replicas), func(region string) bool { return region == to.region })}
	next.Replicas = append(next.Replicas, h.region)
	slices.Sort(next.Replicas)
	r.Multi = next
	if err := s.room.Jobs.Cancel(tx, rotationJob, jobID(h)); err != nil {
		return err
	}
	return s.related(tx, h, r, func(at home, other *record) error {
		other.Multi = next
		if at != to {
			return nil
		}
		if err := other.usable(to.arn()); err != nil {
			return err
		}
		return s.scheduleRotation(tx, to, other)
	})
}
