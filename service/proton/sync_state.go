package proton

import (
	"context"
	"errors"
	"iter"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// followed is the record of how a target stands with the repository it follows: a major version of a
// template, or a service instance. It is sealed as the target is.
type followed struct {
	Latest, Successful             *api.ResourceSyncAttempt // without their events
	LatestEvents, SuccessfulEvents []api.ResourceSyncEvent  `sealed:"yes"`
	Desired                        *api.Revision

	// Of a template.
	Tree  string // Git's name of the folder that was registered last
	Minor string // the version that was registered from it

	// Of a service instance.
	Want       *string `sealed:"yes"` // the spec that the repository has, until it is deployed
	At         string  `sealed:"yes"` // where the repository names the instance: file and line
	Deployment string  // the one that the last attempt began, while it goes on
}

// begin begins an attempt, of which nothing has happened yet.
func (f *followed) begin(s *Service, target string, to api.Revision) {
	from := to
	if f.Successful != nil && f.Successful.TargetRevision != nil {
		from = *f.Successful.TargetRevision
	}
	f.Latest = &api.ResourceSyncAttempt{
		StartedAt: s.at(), Status: api.ResourceSyncStatusInProgress, Target: &target, InitialRevision: &from, TargetRevision: &to,
	}
	f.LatestEvents, f.Desired = nil, &to
	f.event(s, "SYNC_STARTED", "The repository is at the commit "+wire.Val(to.Sha)+".", "")
}

func (f *followed) event(s *Service, typ, text, id string) {
	if len(f.LatestEvents) >= maxEvents {
		return
	}
	e := api.ResourceSyncEvent{Type: &typ, Event: wire.Ptr(cut(text, maxMessage)), Time: s.at()}
	if id != "" {
		e.ExternalId = &id
	}
	f.LatestEvents = append(f.LatestEvents, e)
}

// end ends an attempt: well, or with why it failed.
func (f *followed) end(s *Service, failure string) {
	latest := *f.Latest
	if failure != "" {
		latest.Status = api.ResourceSyncStatusFailed
		f.event(s, "SYNC_FAILED", failure, "")
		f.Latest = &latest
		return
	}
	latest.Status = api.ResourceSyncStatusSucceeded
	f.event(s, "SYNC_SUCCEEDED", "The target is in step with the commit "+wire.Val(latest.TargetRevision.Sha)+".", "")
	f.Latest, f.Successful, f.SuccessfulEvents = &latest, &latest, f.LatestEvents
}

// open reports whether an attempt goes on.
func (f *followed) open() bool {
	return f.Latest != nil && f.Latest.Status == api.ResourceSyncStatusInProgress
}

// shown are the attempts as the API shows them.
func (f *followed) shown() (desired *api.Revision, successful, latest *api.ResourceSyncAttempt) {
	whole := func(a *api.ResourceSyncAttempt, events []api.ResourceSyncEvent) *api.ResourceSyncAttempt {
		if a == nil {
			return nil
		}
		v := *a
		if v.Events = events; v.Events == nil {
			v.Events = []api.ResourceSyncEvent{}
		}
		return &v
	}
	return f.Desired, whole(f.Successful, f.SuccessfulEvents), whole(f.Latest, f.LatestEvents)
}

// followedAt reads how a target stands; one that was never synchronized is empty.
func followedAt(ctx context.Context, s *Service, k []byte) (*followed, error) {
	rec, err := get[followed](ctx, s, k)
	if errors.Is(err, store.ErrNotFound) {
		return &followed{}, nil
	}
	if err != nil {
		return nil, err
	}
	return &rec.V, nil
}

// upsert changes a record, or makes it.
func upsert[T any](ctx context.Context, s *Service, k []byte, h head, change func(*T)) error {
	_, err := edit[T]{key: k, missing: errAbsent, change: func(rec *record[T]) error { change(&rec.V); return nil }}.apply(ctx, s)
	if !errors.Is(err, errAbsent) {
		return err
	}
	w, err := fresh(ctx, s, k, h, change)
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx store.Tx) error {
		if err := absent(tx, k, errChanged); err != nil {
			return err
		}
		return w.put(tx)
	})
}

var errAbsent = errors.New("there is no record yet")

// fresh makes a record ready that is not there yet.
func fresh[T any](ctx context.Context, s *Service, k []byte, h head, change func(*T)) (*writing, error) {
	rec := &record[T]{head: head{Template: h.Template, Resource: h.Resource, Key: h.Key}, key: k}
	change(&rec.V)
	return prepare(ctx, s, rec)
}

// each goes through the plain parts of the records below a prefix.
func each[T any](r store.Reader, prefix []byte) iter.Seq2[*record[T], error] {
	return func(yield func(*record[T], error) bool) {
		for rec, err := range r.Scan(store.Prefix(prefix)) {
			if err != nil {
				yield(nil, err)
				return
			}
			item, err := decode[T](rec.Key, rec.Value)
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// removeBelow deletes the records below a prefix with all that is sealed of them. It is for few.
func removeBelow(tx store.Tx, prefix []byte) error {
	names, err := store.KeysBelow(tx, prefix, 0)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := remove(tx, append(append([]byte(nil), prefix...), name...)); err != nil {
			return err
		}
	}
	return nil
}
