package kms

import (
	"errors"
	"slices"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/store"
)

// material is what a key's record keeps of one piece of key material, whether the material
// itself is there or not.
type material struct {
	Version     uint32           `json:"version"` // under which it is kept
	ID          string           `json:"id"`
	Rotated     time.Time        `json:"rotated,omitzero"` // when it became the current one; zero for the first, and while it is pending
	Rotation    api.RotationType `json:"rotation,omitempty"`
	Description string           `json:"description,omitempty"`
	Pending     bool             `json:"pending,omitempty"` // imported to become the current one when the key is rotated
	Missing     bool             `json:"missing,omitempty"` // not imported here, deleted or expired
	Expires     time.Time        `json:"expires,omitzero"`
}

// materialAt returns what is kept of the material of a version, or nil.
func (r *record) materialAt(version uint32) *material {
	// The versions that are asked for most are the last ones.
	for i := len(r.Materials) - 1; i >= 0; i-- {
		if r.Materials[i].Version == version {
			return &r.Materials[i]
		}
	}
	return nil
}

// materialByID returns what is kept of the material with an id, or nil.
func (r *record) materialByID(id string) *material {
	i := slices.IndexFunc(r.Materials, func(m material) bool { return m.ID == id })
	if i < 0 {
		return nil
	}
	return &r.Materials[i]
}

// pending returns the material that waits for a rotation, or nil.
func (r *record) pending() *material {
	if n := len(r.Materials); n > 0 && r.Materials[n-1].Pending {
		return &r.Materials[n-1]
	}
	return nil
}

// holds reports whether the material of a version is there.
func (r *record) holds(version uint32) bool {
	m := r.materialAt(version)
	return m != nil && !m.Missing
}

// complete reports whether all material that belongs to the key for good is there: a
// key is usable only then, because a ciphertext may need any of it.
func (r *record) complete(at time.Time) bool {
	for i := range r.Materials {
		m := &r.Materials[i]
		if !m.Pending && (m.Missing || m.expired(at)) {
			return false
		}
	}
	return r.Version > 0
}

func (m *material) expired(at time.Time) bool { return !m.Expires.IsZero() && !at.Before(m.Expires) }

// keyState returns the state that the key is in at this moment. Material expires at its
// time, also when the job that destroys it comes late.
func (r *record) keyState() api.KeyState {
	if r.Origin == api.OriginTypeExternal && (r.State == api.KeyStateEnabled || r.State == api.KeyStateDisabled) && !r.complete(time.Now()) {
		return api.KeyStatePendingImport
	}
	return r.State
}

// addMaterial gives a key material under its next version, which becomes the current one.
func (s *Service) addMaterial(tx store.Tx, h home, r *record, m *key.Material) error {
	if err := s.putMaterial(tx, h, r.Version+1, m); err != nil {
		return err
	}
	r.Version++
	r.Materials = append(r.Materials, material{Version: r.Version, ID: m.ID().String()})
	return nil
}

// putMaterial keeps the material of a version, and notes where it is.
func (s *Service) putMaterial(tx store.Tx, h home, version uint32, m *key.Material) error {
	d, err := s.wrapping(tx, h.region)
	if err != nil {
		return err
	}
	wrapped, err := d.Wrap(m, h.arn(), version)
	if err != nil {
		return internal("wrap material: %w", err)
	}
	if err := tx.Put([]byte(h.under(backingTag, digits(version))), wrapped); err != nil {
		return err
	}
	return tx.Put([]byte(materialPath(h.region, m.ID())), []byte(path(h.account, h.id, digits(version))))
}

// dropMaterial destroys the material of a version. What finds it stays with forget unset: a
// ciphertext that it made still belongs to the key.
func (s *Service) dropMaterial(tx store.Tx, h home, m *material, forget bool) error {
	if err := tx.Delete([]byte(h.under(backingTag, digits(m.Version)))); err != nil {
		return err
	}
	if err := s.scheduleErase(tx); err != nil || !forget {
		return err
	}
	id, err := key.ParseID(m.ID)
	if err != nil {
		return internal("material %d of %s: %w", m.Version, h.arn(), err)
	}
	return tx.Delete([]byte(materialPath(h.region, id)))
}

// related calls fn with the record of every other key of a multi-Region key's set, and
// writes what fn left. Of a single-Region key there are none.
func (s *Service) related(tx store.Tx, h home, r *record, fn func(h home, r *record) error) error {
	if r.Multi == nil {
		return nil
	}
	for _, region := range r.Multi.regions() {
		if region == h.region {
			continue
		}
		at := home{region, h.account, h.id}
		other, err := read[record](tx, at.path(keyTag))
		if errors.Is(err, store.ErrNotFound) {
			return internal("%s is missing", at.arn())
		}
		if err != nil {
			return err
		}
		if err := fn(at, &other); err != nil {
			return err
		}
		if err := write(tx, at.path(keyTag), &other); err != nil {
			return err
		}
	}
	return nil
}
