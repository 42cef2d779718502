package kms

import (
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service/kms/grant"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/store"
)

// Kinds of jobs.
const (
	deletionJob = "delete key"          // ID: jobID of the key
	rotationJob = "rotate key"          // ID: jobID of the key
	domainJob   = "rotate domain"       // ID: the region
	expiryJob   = "expire material"     // ID: jobID of the key
	paramsJob   = "expire wrapping key" // ID: jobID of the key, and the wrapping key
	eraseJob    = "erase"               // of the files of the store, what was destroyed; ID: ""
	usesJob     = "write last uses"     // ID: ""
)

const (
	domainPeriod = 30 * 24 * time.Hour // between domain keys of a region
	batch        = 200                 // records of a transaction that does many
)

// handlers says what runs the jobs of each kind.
func (s *Service) handlers() map[string]job.Handler {
	return map[string]job.Handler{
		deletionJob: s.runDeletion, rotationJob: s.runRotation, domainJob: s.runDomain,
		expiryJob: s.runExpiry, paramsJob: s.runParams, eraseJob: s.runErase, usesJob: s.runUses,
		connectJob: s.runConnect, tokenKeyJob: s.runTokenKey,
	}
}

func (s *Service) handleJobs() {
	for kind, fn := range s.handlers() {
		s.room.Jobs.Handle(kind, fn)
	}
}

func jobID(h home) string { return h.region + "/" + h.account + "/" + h.id }

func jobHome(id string) (home, error) {
	parts := strings.Split(id, "/")
	if len(parts) != 3 {
		return home{}, internal("malformed job %q", id)
	}
	return home{parts[0], parts[1], parts[2]}, nil
}

// runDeletion destroys a key whose waiting period is over: first its material and its record, in
// one transaction, then its grants, of which there may be many. It can be run again at any point.
func (s *Service) runDeletion(ctx context.Context, j job.Job) error {
	h, err := jobHome(j.ID)
	if err != nil {
		return err
	}
	destroyed := false
	err = s.update(ctx, func(tx store.Tx) error {
		r, err := read[record](tx, h.path(keyTag))
		if errors.Is(err, store.ErrNotFound) {
			destroyed = true // by an earlier run
			return nil
		}
		if err != nil {
			return err
		}
		destroyed = r.State == api.KeyStatePendingDeletion && !now().Before(r.Deletion)
		if !destroyed {
			return nil
		}
		return s.destroy(tx, h)
	})
	if err != nil || !destroyed {
		return err
	}
	for more := true; more && err == nil; {
		more, err = s.sweepGrants(ctx, h)
	}
	for more := true; more && err == nil; {
		more, err = s.sweepParams(ctx, h)
	}
	return err
}

// destroy removes a key, its material and its aliases.
func (s *Service) destroy(tx store.Tx, h home) error {
	r, err := read[record](tx, h.path(keyTag))
	if err != nil {
		return err
	}
	if err := s.leaveSet(tx, h, &r); err != nil {
		return err
	}
	if err := s.release(tx, h, &r); err != nil {
		return err
	}
	for i := range r.Materials {
		if err := s.dropMaterial(tx, h, &r.Materials[i], true); err != nil {
			return err
		}
	}
	names, err := aliasesOf(tx, h)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := takeAlias(tx, h, name); err != nil {
			return err
		}
	}
	for _, kind := range []string{rotationJob, expiryJob} {
		if err := s.room.Jobs.Cancel(tx, kind, jobID(h)); err != nil {
			return err
		}
	}
	if err := add(tx, path(countTag, h.region, h.account), -1, maxKeys); err != nil {
		return err
	}
	if err := tx.Delete([]byte(h.path(usesTag))); err != nil {
		return err
	}
	return tx.Delete([]byte(h.path(keyTag)))
}

// sweepGrants removes some grants of a key that is gone, and reports whether there may be more.
func (s *Service) sweepGrants(ctx context.Context, h home) (more bool, err error) {
	err = s.update(ctx, func(tx store.Tx) error {
		more = false
		scan := store.Prefix([]byte(h.under(grantTag, "")))
		scan.Limit = batch
		var grants []*grant.Grant
		for rec, err := range tx.Scan(scan) {
			if err != nil {
				return err
			}
			g, err := decodeGrant(rec.Value)
			if err != nil {
				return err
			}
			grants = append(grants, g)
		}
		for _, g := range grants {
			if err := deleteGrant(tx, h, g); err != nil {
				return err
			}
		}
		more = len(grants) == batch
		return nil
	})
	return more, err
}

// scheduleRotation has the next rotation of a key done in time, or no more.
func (s *Service) scheduleRotation(tx store.Tx, h home, r *record) error {
	if r.Rotation.Days == 0 {
		return s.room.Jobs.Cancel(tx, rotationJob, jobID(h))
	}
	return s.room.Jobs.Schedule(tx, job.Job{Kind: rotationJob, ID: jobID(h), Due: r.Rotation.Next})
}

// runRotation rotates a key whose time has come. A key that cannot be used is looked at
// again the next day: it gets its new material when it is enabled.
func (s *Service) runRotation(ctx context.Context, j job.Job) error {
	return s.changeInJob(ctx, j, func(tx store.Tx, h home, r *record) (bool, error) {
		switch {
		case r.Rotation.Days == 0 || r.replica(h) || now().Before(r.Rotation.Next):
			return false, nil
		case r.State != api.KeyStateEnabled:
			return false, s.room.Jobs.Schedule(tx, job.Job{Kind: rotationJob, ID: j.ID, Due: now().AddDate(0, 0, 1)})
		}
		return true, s.rotate(tx, h, r, api.RotationTypeAutomatic)
	})
}

// changeInJob runs fn on the record of the key that a job is about, and writes what it left if it
// says that it changed it. A key that is gone is nobody's failure.
func (s *Service) changeInJob(ctx context.Context, j job.Job, fn func(tx store.Tx, h home, r *record) (changed bool, err error)) error {
	h, err := jobHome(j.ID)
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx store.Tx) error {
		r, err := read[record](tx, h.path(keyTag))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if changed, err := fn(tx, h, &r); err != nil || !changed {
			return err
		}
		return write(tx, h.path(keyTag), &r)
	})
}

// runDomain makes a new domain key for a region, wraps all material of the region under it,
// and then destroys the older ones. When it is interrupted the next run goes on: what is
// under an older domain key is wrapped again, whoever made the newest.
func (s *Service) runDomain(ctx context.Context, j job.Job) error {
	region := j.ID
	var newestNumber uint32
	err := s.update(ctx, func(tx store.Tx) error {
		n, err := newest(tx, region)
		if err != nil {
			return err
		}
		newestNumber = n
		if j.Attempt > 0 && n > 1 { // the failed run has made it
			return nil
		}
		newestNumber = n + 1
		_, err = s.addDomain(tx, region, newestNumber)
		return err
	})
	if err != nil {
		return err
	}
	from := []byte(path(backingTag, region, ""))
	for from != nil && err == nil {
		from, err = s.rewrap(ctx, region, newestNumber, from)
	}
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx store.Tx) error {
		if err := dropDomains(tx, region, newestNumber); err != nil {
			return err
		}
		if err := s.scheduleErase(tx); err != nil {
			return err
		}
		return s.scheduleDomain(tx, region)
	})
}

// rewrap wraps a batch of material under a domain key, and returns where the next begins,
// or nil at the end.
func (s *Service) rewrap(ctx context.Context, region string, number uint32, from []byte) (next []byte, err error) {
	err = s.update(ctx, func(tx store.Tx) error {
		next = nil
		to, err := s.domain(tx, region, number)
		if err != nil {
			return err
		}
		var keys [][]byte
		scan := store.Prefix([]byte(path(backingTag, region, "")))
		scan.From, scan.Limit = from, batch
		for rec, err := range tx.Scan(scan) {
			if err != nil {
				return err
			}
			if under, err := key.WrappedUnder(rec.Value); err != nil || under != number {
				keys = append(keys, append([]byte(nil), rec.Key...))
			}
			next = append(append(next[:0], rec.Key...), 0)
			scan.Limit--
		}
		if scan.Limit > 0 {
			next = nil
		}
		for _, k := range keys {
			if err := s.rewrapOne(tx, to, k); err != nil {
				return err
			}
		}
		return nil
	})
	return next, err
}

func (s *Service) rewrapOne(tx store.Tx, to *key.Domain, storeKey []byte) error {
	h, rest, ok := homeOf(storeKey)
	version, err := parseDigits(rest)
	if !ok || err != nil {
		return internal("malformed key of a backing key")
	}
	m, err := s.backing(tx, h, version)
	if err != nil {
		return err
	}
	wrapped, err := to.Wrap(m, h.arn(), version)
	if err != nil {
		return err
	}
	return tx.Put(storeKey, wrapped)
}

// dropDomains destroys the domain keys before a number. Nothing is under them any more.
func dropDomains(tx store.Tx, region string, before uint32) error {
	scan := store.Prefix([]byte(path(domainTag, region, "")))
	scan.To, scan.KeysOnly = []byte(domainPath(region, before)), true
	var keys [][]byte
	for rec, err := range tx.Scan(scan) {
		if err != nil {
			return err
		}
		keys = append(keys, append([]byte(nil), rec.Key...))
	}
	for _, k := range keys {
		if err := tx.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
