package kms

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service/kms/intake"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/store"
)

// awaitImport makes the record of a fresh key that of one whose material is imported.
func (r *record) awaitImport() {
	r.Origin, r.State = api.OriginTypeExternal, api.KeyStatePendingImport
	r.Salt = make([]byte, 32)
	rand.Read(r.Salt)
}

// imports refuses keys whose material is not imported.
func (r *record) imports(h home) error {
	if r.Origin != api.OriginTypeExternal {
		return api.UnsupportedOperationException("%s origin is %s which is not valid for this operation.", h.arn(), r.Origin)
	}
	return nil
}

// incoming is material that is about to be imported.
type incoming struct {
	material    *key.Material
	id          string
	kind        api.ImportType // "" when the caller leaves it open
	expires     time.Time
	description *string
}

// materialIDOf returns the id that material has in this key, and in every key of its set:
//
//	HMAC-SHA-256(salt of the key, spec || 0x00 || material)
//
// It is the same each time, so that the same material is known again after it was destroyed.
func (r *record) materialIDOf(raw []byte) (id key.ID) {
	h := hmac.New(sha256.New, r.Salt)
	h.Write([]byte(r.Spec))
	h.Write([]byte{0})
	h.Write(raw)
	h.Sum(id[:0])
	return id
}

// take puts imported material into its place in a key.
func (s *Service) take(tx store.Tx, h home, r *record, n *incoming) error {
	m := r.materialByID(n.id)
	if n.kind == "" && r.Version == 0 && !r.replica(h) {
		n.kind = api.ImportTypeNewKeyMaterial
	}
	if n.kind == api.ImportTypeNewKeyMaterial {
		if m != nil || r.replica(h) {
			return wrongMaterial()
		}
		var err error
		if m, err = s.expect(tx, h, r, n); err != nil {
			return err
		}
	}
	if m == nil {
		return wrongMaterial()
	}
	m.Missing, m.Expires = false, n.expires
	if n.description != nil {
		m.Description = *n.description
	}
	if err := s.putMaterial(tx, h, m.Version, n.material); err != nil {
		return err
	}
	if r.State == api.KeyStatePendingImport && r.complete(now()) {
		r.State = api.KeyStateEnabled
	}
	return s.scheduleExpiry(tx, h, r)
}

// expect makes a place for material that is new to a key: that of the current one when it is the
// first, else that of the one to come. The replicas of the key get the same place, still empty.
func (s *Service) expect(tx store.Tx, h home, r *record, n *incoming) (*material, error) {
	if r.pending() != nil {
		return nil, api.KMSInvalidStateException("%s already has key material that is pending rotation.", h.arn())
	}
	if r.Version > 0 && r.Spec != api.KeySpecSymmetricDefault {
		return nil, wrongMaterial()
	}
	place := material{Version: r.Version + 1, ID: n.id, Pending: r.Version > 0, Missing: true}
	if !place.Pending {
		r.Version = place.Version
	}
	r.Materials = append(r.Materials, place)
	err := s.related(tx, h, r, func(_ home, other *record) error {
		other.Version, other.Materials = r.Version, append(other.Materials, place)
		return nil
	})
	return &r.Materials[len(r.Materials)-1], err
}

// remove takes material out of a key.
func (s *Service) remove(tx store.Tx, h home, r *record, m *material) error {
	if m.Pending && !r.replica(h) {
		return s.removePending(tx, h, r)
	}
	if err := s.lose(tx, h, r, m); err != nil {
		return err
	}
	return s.scheduleExpiry(tx, h, r)
}

// removePending takes the material that waits for a rotation out of a key and of its replicas, and
// frees its place.
func (s *Service) removePending(tx store.Tx, h home, r *record) error {
	drop := func(at home, of *record) error {
		if err := s.dropMaterial(tx, at, of.pending(), true); err != nil {
			return err
		}
		of.Materials = of.Materials[:len(of.Materials)-1]
		return s.scheduleExpiry(tx, at, of)
	}
	if err := drop(h, r); err != nil {
		return err
	}
	return s.related(tx, h, r, drop)
}

// lose destroys material that still belongs to a key.
func (s *Service) lose(tx store.Tx, h home, r *record, m *material) error {
	if err := s.dropMaterial(tx, h, m, false); err != nil {
		return err
	}
	m.Missing, m.Expires = true, time.Time{}
	if !m.Pending && (r.State == api.KeyStateEnabled || r.State == api.KeyStateDisabled) {
		r.State = api.KeyStatePendingImport
	}
	return nil
}

// activate rotates a key to the material that was imported for it, in all its regions.
func (s *Service) activate(tx store.Tx, h home, r *record) error {
	next := r.pending()
	if next == nil || next.Missing || next.expired(now()) {
		return api.KMSInvalidStateException("%s has no imported key material that is pending rotation.", h.arn())
	}
	at, version := now(), next.Version
	turn := func(of *record) {
		m := of.pending()
		m.Pending, m.Rotated, m.Rotation = false, at, api.RotationTypeOnDemand
		of.Version = version
	}
	turn(r)
	return s.related(tx, h, r, func(there home, other *record) error {
		if m := other.pending(); m == nil || m.Missing || m.expired(at) {
			return api.KMSInvalidStateException("Key material that is pending rotation has not been imported into %s.", there.arn())
		}
		turn(other)
		other.OnDemand = r.OnDemand
		return nil
	})
}

// waitsForReplicas reports whether material that waits for a rotation is missing in a region.
func (s *Service) waitsForReplicas(ctx context.Context, e *entry) (waits bool, err error) {
	if e.Multi == nil || e.pending() == nil {
		return false, nil
	}
	err = s.room.Store.View(ctx, func(r store.Reader) error {
		for _, region := range e.Multi.regions() {
			other, err := read[record](r, home{region, e.account, e.id}.path(keyTag))
			if err != nil {
				return err
			}
			if m := other.pending(); m == nil || m.Missing {
				waits = true
			}
		}
		return nil
	})
	return waits, err
}

// describeMaterial adds what DescribeKey tells of a key's material.
func describeMaterial(m *api.KeyMetadata, r *record) {
	if current := r.materialAt(r.Version); current != nil && r.Spec == api.KeySpecSymmetricDefault {
		m.CurrentKeyMaterialId = &current.ID
	}
	if r.Origin != api.OriginTypeExternal || r.Version == 0 {
		return
	}
	// "The earliest time at which any imported key material permanently associated with this KMS key expires."
	for i := range r.Materials {
		of := &r.Materials[i]
		if of.Pending || of.Missing || of.expired(time.Now()) {
			continue
		}
		if m.ExpirationModel == "" {
			m.ExpirationModel = api.ExpirationModelTypeKeyMaterialDoesNotExpire
		}
		if !of.Expires.IsZero() && (m.ValidTo == nil || of.Expires.Before(*m.ValidTo)) {
			m.ExpirationModel, m.ValidTo = api.ExpirationModelTypeKeyMaterialExpires, &of.Expires
		}
	}
}

// paramsPath is where a wrapping key is kept.
func paramsPath(h home, id intake.ID) string { return h.under(paramsTag, hexID(id)) }

func hexID(id intake.ID) string { return hex.EncodeToString(id[:]) }

// scheduleExpiry has the material that expires first destroyed in time.
func (s *Service) scheduleExpiry(tx store.Tx, h home, r *record) error {
	var first time.Time
	for i := range r.Materials {
		if m := &r.Materials[i]; !m.Missing && !m.Expires.IsZero() && (first.IsZero() || m.Expires.Before(first)) {
			first = m.Expires
		}
	}
	if first.IsZero() {
		return s.room.Jobs.Cancel(tx, expiryJob, jobID(h))
	}
	return s.room.Jobs.Schedule(tx, job.Job{Kind: expiryJob, ID: jobID(h), Due: first})
}

// runExpiry destroys the material of a key that has expired. Nobody could use it since then: see
// keyState.
func (s *Service) runExpiry(ctx context.Context, j job.Job) error {
	return s.changeInJob(ctx, j, func(tx store.Tx, h home, r *record) (changed bool, err error) {
		at := now()
		for i := range r.Materials {
			m := &r.Materials[i]
			if m.Missing || !m.expired(at) {
				continue
			}
			changed = true
			if err := s.lose(tx, h, r, m); err != nil {
				return false, err
			}
		}
		if !changed {
			return false, nil
		}
		return true, s.scheduleExpiry(tx, h, r)
	})
}

// runParams destroys a wrapping key whose day is over.
func (s *Service) runParams(ctx context.Context, j job.Job) error {
	of, id, ok := cutLast(j.ID, "/")
	h, err := jobHome(of)
	if err != nil || !ok {
		return internal("malformed job %q", j.ID)
	}
	return s.update(ctx, func(tx store.Tx) error {
		if err := tx.Delete([]byte(h.under(paramsTag, id))); err != nil {
			return err
		}
		return s.scheduleErase(tx)
	})
}

// sweepParams destroys some wrapping keys of a key that is gone, and reports whether there may be more.
func (s *Service) sweepParams(ctx context.Context, h home) (more bool, err error) {
	err = s.update(ctx, func(tx store.Tx) error {
		scan := store.Prefix([]byte(h.under(paramsTag, "")))
		scan.Limit, scan.KeysOnly = batch, true
		var ids []string
		for rec, err := range tx.Scan(scan) {
			if err != nil {
				return err
			}
			ids = append(ids, string(rec.Key[len(scan.From):]))
		}
		for _, id := range ids {
			if err := tx.Delete([]byte(h.under(paramsTag, id))); err != nil {
				return err
			}
			if err := s.room.Jobs.Cancel(tx, paramsJob, jobID(h)+"/"+id); err != nil {
				return err
			}
		}
		more = len(ids) == batch
		return nil
	})
	return more, err
}

// cutLast cuts s around the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
