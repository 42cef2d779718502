package kms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// usesPeriod is how often the last uses of keys are written down, each key's at most once. A crash
// loses the uses since the last time, and no others; the records of the calls have them nevertheless.
const usesPeriod = 5 * time.Minute

// lastUse is the last successful cryptographic operation with a key.
type lastUse struct {
	Operation string    `json:"operation"`
	At        time.Time `json:"at"`
	Request   string    `json:"request"`
}

// use is where the last use of a key is noted, from the first use in a period until that is
// written down.
type use struct {
	home

	mu     sync.Mutex
	last   lastUse
	closed bool // it is being written; later uses go elsewhere
}

// note keeps a later use than the one there is, and reports whether it is still time.
func (u *use) note(last lastUse) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return false
	}
	if last.At.After(u.last.At) {
		u.last = last
	}
	return true
}

// seen returns the last use that was noted.
func (u *use) seen() lastUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.last
}

// close ends the noting.
func (u *use) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
}

// uses are the last uses that are not written down yet.
type uses struct {
	mu      sync.Mutex
	open    map[home]*use // of this period
	planned bool          // a job will write them
	writing map[home]*use // of the period before, until all are written
}

// at returns where the use of a key is noted, and whether the writing is still to be planned.
func (u *uses) at(h home) (at *use, plan bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at = u.open[h]; at != nil {
		return at, false
	}
	if u.open == nil {
		u.open = make(map[home]*use)
	}
	at = &use{home: h}
	u.open[h] = at
	plan, u.planned = !u.planned, true
	return at, plan
}

// unplanned says that the writing could not be planned after all.
func (u *uses) unplanned() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.planned = false
}

// turn ends the period, and returns what is to be written. What an earlier turn has left is among it.
func (u *uses) turn() []*use {
	u.mu.Lock()
	defer u.mu.Unlock()
	left := u.writing
	u.writing, u.open, u.planned = u.open, nil, false
	for h, old := range left {
		if newer := u.writing[h]; newer != nil {
			newer.note(old.seen())
			continue
		}
		if u.writing == nil {
			u.writing = make(map[home]*use)
		}
		u.writing[h] = old
	}
	list := make([]*use, 0, len(u.writing))
	for _, one := range u.writing {
		one.close()
		list = append(list, one)
	}
	return list
}

// written forgets what a turn returned.
func (u *uses) written() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.writing = nil
}

// last returns the last use of a key that is noted and may not be written yet.
func (u *uses) last(h home) (last lastUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, in := range []map[home]*use{u.open, u.writing} {
		if at := in[h]; at != nil {
			if seen := at.seen(); seen.At.After(last.At) {
				last = seen
			}
		}
	}
	return last
}

// used notes that the call in ctx has used a key. It costs a lock, and once a period and key a look into a
// map; the first use in a period also schedules the writing.
func (s *Service) used(ctx context.Context, e *entry) {
	c := call.From(ctx)
	if c == nil || c.Op == nil || e.account == identity.HouseAccount {
		return // nobody asks for the uses of service owned keys
	}
	last := lastUse{Operation: c.Op.Name, At: c.Time, Request: c.ID}
	if u := e.use.Load(); u != nil && u.note(last) {
		return
	}
	for {
		u, plan := s.uses.at(e.home)
		if plan {
			s.scheduleUses(ctx)
		}
		if u.note(last) {
			e.use.Store(u)
			return
		}
	}
}

// scheduleUses has the uses of this period written when it is over. When that fails, the next key that is
// used tries again; the use of a key does not fail for it.
func (s *Service) scheduleUses(ctx context.Context) {
	err := s.update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		return s.room.Jobs.Schedule(tx, job.Job{Kind: usesJob, Due: time.Now().Add(usesPeriod)})
	})
	if err != nil {
		s.uses.unplanned()
		s.room.Log.Error("last uses of keys cannot be scheduled to be written", "error", err)
	}
}

// runUses writes the last uses of a period down.
func (s *Service) runUses(ctx context.Context, _ job.Job) error { return s.writeUses(ctx) }

func (s *Service) writeUses(ctx context.Context) error {
	list := s.uses.turn()
	for len(list) > 0 {
		n := min(len(list), batch)
		err := s.update(ctx, func(tx store.Tx) error {
			for _, u := range list[:n] {
				if err := writeUse(tx, u.home, u.seen()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		list = list[n:]
	}
	s.uses.written()
	return nil
}

// writeUse writes the last use of a key down, unless the key is gone or a later use is there.
func writeUse(tx store.Tx, h home, last lastUse) error {
	there, err := store.Exists(tx, []byte(h.path(keyTag)))
	if err != nil || !there {
		return err
	}
	old, err := read[lastUse](tx, h.path(usesTag))
	if err != nil && !errors.Is(err, store.ErrNotFound) || err == nil && old.At.After(last.At) {
		return err
	}
	return write(tx, h.path(usesTag), &last)
}

// GetKeyLastUsage tells when and how a key was used last. It is right to the last call while the house
// runs; after a crash it may lack the uses of the last five minutes.
func (s *Service) GetKeyLastUsage(ctx context.Context, _ *api.GetKeyLastUsageInput) (*api.GetKeyLastUsageOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	// Uses have been counted since there are keys.
	out := &api.GetKeyLastUsageOutput{KeyId: &e.id, KeyCreationDate: &e.Created, TrackingStartDate: &e.Created}
	last := s.uses.last(e.home)
	var kept lastUse
	err = s.room.Store.View(ctx, func(r store.Reader) (err error) {
		kept, err = read[lastUse](r, e.path(usesTag))
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if kept.At.After(last.At) {
		last = kept
	}
	if last.At.IsZero() {
		return out, nil
	}
	out.KeyLastUsage = &api.KeyLastUsageData{
		Operation: api.KeyLastUsageTrackingOperation(last.Operation), Timestamp: wire.Ptr(last.At.UTC().Truncate(time.Millisecond)), KmsRequestId: &last.Request,
	}
	out.KeyLastUsage.CloudTrailEventId, err = s.eventOf(ctx, e, last)
	return out, err
}

// eventOf returns the id of the event that records a use in the trail of the key's owner, or nil
// when the event is not there yet.
func (s *Service) eventOf(ctx context.Context, e *entry, last lastUse) (*string, error) {
	if s.room.Audit == nil {
		return nil, nil
	}
	name, err := json.Marshal(last.Request)
	if err != nil {
		return nil, internal("request id: %w", err)
	}
	want := append([]byte(`"requestID":`), name...)
	q := audit.Query{
		Account: e.account, Region: e.region, Attribute: "ResourceName", Value: e.arn, Limit: 100,
		From: last.At.Truncate(time.Second), To: last.At, // events have whole seconds
	}
	for {
		found, err := s.room.Audit.Lookup(ctx, q)
		if err != nil {
			return nil, internal("event of a use: %w", err)
		}
		for i := range found {
			if bytes.Contains(found[i].JSON, want) {
				return &found[i].EventID, nil
			}
		}
		if len(found) < q.Limit {
			return nil, nil
		}
		q.Before = found[len(found)-1].Position
	}
}
