package kms

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// multi says which keys of other regions a multi-Region key is one with. All keys of a set
// keep the same.
type multi struct {
	Primary  string   `json:"primary"`            // region of the primary key
	Replicas []string `json:"replicas,omitempty"` // regions of the replica keys, sorted
}

// regions returns the regions of all keys of the set, that of the primary first.
func (m *multi) regions() []string { return append([]string{m.Primary}, m.Replicas...) }

// primary reports whether the key is the primary of a set.
func (r *record) primary(h home) bool { return r.Multi != nil && r.Multi.Primary == h.region }

// replica reports whether the key is a replica.
func (r *record) replica(h home) bool { return r.Multi != nil && r.Multi.Primary != h.region }

// multiType returns the kind of multi-Region key, or "" for a single-Region key.
func (r *record) multiType(h home) api.MultiRegionKeyType {
	switch {
	case r.Multi == nil:
		return ""
	case r.primary(h):
		return api.MultiRegionKeyTypePrimary
	}
	return api.MultiRegionKeyTypeReplica
}

// configuration is what DescribeKey tells of a multi-Region key's set.
func (r *record) configuration(h home) *api.MultiRegionConfiguration {
	if r.Multi == nil {
		return nil
	}
	at := func(region string) api.MultiRegionKey {
		return api.MultiRegionKey{Arn: wire.Ptr(home{region, h.account, h.id}.arn()), Region: wire.Ptr(region)}
	}
	c := &api.MultiRegionConfiguration{
		MultiRegionKeyType: r.multiType(h), PrimaryKey: wire.Ptr(at(r.Multi.Primary)), ReplicaKeys: []api.MultiRegionKey{},
	}
	for _, region := range r.Multi.Replicas {
		c.ReplicaKeys = append(c.ReplicaKeys, at(region))
	}
	return c
}

// newMultiRegionID returns the id of a multi-Region key, by which every region knows it.
func newMultiRegionID() string {
	var b [16]byte
	rand.Read(b[:])
	return multiPrefix + hex.EncodeToString(b[:])
}

// replicate writes the replica of a primary key in another region: the same material under the
// domain key of that region, or none yet where it is imported.
func (s *Service) replicate(tx store.Tx, h home, r *record, at home, replica *record) error {
	if err := add(tx, path(countTag, at.region, at.account), 1, maxKeys); err != nil {
		return err
	}
	replica.Manager, replica.Spec, replica.Usage, replica.Origin = r.Manager, r.Spec, r.Usage, r.Origin
	replica.Version, replica.Salt, replica.Rotation, replica.OnDemand = r.Version, r.Salt, r.Rotation, r.OnDemand
	if r.Origin == api.OriginTypeExternal {
		replica.State = api.KeyStatePendingImport
	}
	for i := range r.Materials {
		m := &r.Materials[i]
		replica.Materials = append(replica.Materials, *m)
		if r.Origin == api.OriginTypeExternal {
			copied := &replica.Materials[i]
			copied.Missing, copied.Expires, copied.Description = true, time.Time{}, ""
			continue
		}
		backing, err := s.backing(tx, h, m.Version)
		if err != nil {
			return err
		}
		if err := s.putMaterial(tx, at, m.Version, backing); err != nil {
			return err
		}
	}
	r.Multi.Replicas = append(r.Multi.Replicas, at.region)
	slices.Sort(r.Multi.Replicas)
	replica.Multi = r.Multi
	if err := write(tx, at.path(keyTag), replica); err != nil {
		return err
	}
	return s.shareSet(tx, h, r)
}

// shareSet tells every other key of the set what the set is now.
func (s *Service) shareSet(tx store.Tx, h home, r *record) error {
	return s.related(tx, h, r, func(_ home, other *record) error {
		other.Multi = r.Multi
		return nil
	})
}

// leaveSet takes a replica that is destroyed out of its set. A primary that only waited for
// the last of its replicas begins its own waiting period.
func (s *Service) leaveSet(tx store.Tx, h home, r *record) error {
	if r.Multi == nil {
		return nil
	}
	rest := &multi{Primary: r.Multi.Primary, Replicas: slices.DeleteFunc(slices.Clone(r.Multi.Replicas), func(region string) bool { return region == h.region })}
	return s.related(tx, h, r, func(at home, other *record) error {
		other.Multi = rest
		if other.State != api.KeyStatePendingReplicaDeletion || len(rest.Replicas) > 0 {
			return nil
		}
		return s.scheduleDeletion(tx, at, other, other.Window)
	})
}
