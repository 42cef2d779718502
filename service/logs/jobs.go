package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// The kinds of work in the background.
const (
	jobExpire = "expire" // events that a group keeps no longer
	jobRemove = "remove" // what a deleted group or stream has kept
	jobSweep  = "sweep"  // a blob that no record names
)

const (
	expireEvery = time.Hour
	sweepAfter  = time.Hour   // a blob that no record came to name
	sweepLater  = time.Minute // one that a record has named: reads that go on may end
	removeBatch = 100         // segments, or other records, of one transaction
)

func (s *Service) handleJobs() {
	s.jobs.Handle(jobExpire, s.expire)
	s.jobs.Handle(jobRemove, s.remove)
	s.jobs.Handle(jobSweep, s.sweep)
}

func (s *Service) schedule(tx store.Tx, kind, id string, after time.Duration, payload []byte) error {
	return s.jobs.Schedule(tx, job.Job{Kind: kind, ID: id, Due: s.now().Add(after), Payload: payload})
}

// aged says which group a job of retention is about.
type aged struct{ Region, Account, Name string }

func (s *Service) scheduleExpire(tx store.Tx, g *group, after time.Duration) error {
	text, err := json.Marshal(aged{g.at.region, g.at.account, g.Name})
	if err != nil {
		return err
	}
	return s.schedule(tx, jobExpire, g.ID, after, text)
}

// expire removes the segments of a group whose last event is too old, and data keys that have nothing to open any more; then it
// plans the next time.
func (s *Service) expire(ctx context.Context, j job.Job) error {
	var of aged
	if err := json.Unmarshal(j.Payload, &of); err != nil {
		return err
	}
	var g *group
	err := s.db.View(ctx, func(r store.Reader) (err error) {
		g, err = groupAt(r, place{of.Region, of.Account}, of.Name)
		return err
	})
	if err != nil || g.ID != j.ID || g.Retention == 0 {
		return ignoreGone(err)
	}
	if err := s.removeBefore(ctx, g, g.oldest(s.milliseconds())); err != nil {
		return err
	}
	return s.update(ctx, func(tx store.Tx) error {
		now, err := groupAt(tx, g.at, g.Name)
		if err != nil || now.ID != g.ID || now.Retention == 0 {
			return ignoreGone(err)
		}
		return s.scheduleExpire(tx, g, expireEvery)
	})
}

// ignoreGone is nil for a group that is not there any more.
func ignoreGone(err error) error {
	if wire.IsCode(err, "ResourceNotFoundException") {
		return nil
	}
	return err
}

// removeBefore removes segments that end before a time.
func (s *Service) removeBefore(ctx context.Context, g *group, oldest int64) error {
	x := &reading{ring: s.ring(g), from: position{}, to: position{time: oldest}}
	var batch []segmentName
	flush := func() error {
		err := s.removeSegments(ctx, g.ID, batch)
		batch = batch[:0]
		return err
	}
	err := x.names(ctx, false, func(n segmentName) (bool, error) {
		if n.max < oldest {
			batch = append(batch, n)
		}
		if len(batch) == removeBatch {
			return true, flush()
		}
		return true, nil
	})
	if err = errors.Join(err, flush()); err != nil {
		return err
	}
	return s.dropDataKeys(ctx, g.ID)
}

func (s *Service) removeSegments(ctx context.Context, group string, names []segmentName) error {
	if len(names) == 0 {
		return nil
	}
	return s.update(ctx, func(tx store.Tx) error {
		for _, n := range names {
			if err := s.removeSegment(tx, group, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropDataKeys removes the data keys of a group that seal nothing new and have nothing to open.
func (s *Service) dropDataKeys(ctx context.Context, group string) error {
	return s.update(ctx, func(tx store.Tx) error {
		var gone []string
		for k, err := range dataKeys(tx, group, false) {
			if err != nil {
				return err
			}
			if k.Segments == 0 && k.Created <= s.milliseconds()-dataKeyLife.Milliseconds() && len(gone) < removeBatch {
				gone = append(gone, k.ID)
			}
		}
		for _, id := range gone {
			if err := tx.Delete(key("k", group, id)); err != nil {
				return err
			}
		}
		return nil
	})
}

// remove removes what a deleted group has kept, or a deleted stream: the job's id is the group's id, or both ids with a slash between.
func (s *Service) remove(ctx context.Context, j job.Job) error {
	group, stream, one := strings.Cut(j.ID, "/")
	if one {
		return s.removeAll(ctx, group, below("i", group, stream))
	}
	if err := s.removeAll(ctx, group, below("e", group)); err != nil {
		return err
	}
	for _, kind := range []string{"i", "o", "s", "k"} {
		if err := s.removeKeys(ctx, below(kind, group)); err != nil {
			return err
		}
	}
	return nil
}

// removeAll removes the segments whose names stand below a prefix. A batch that was on its way when its stream was deleted has not been
// written: the record of the stream is missing.
func (s *Service) removeAll(ctx context.Context, group string, prefix []byte) error {
	for last := ""; ; {
		var names []segmentName
		err := s.db.View(ctx, func(r store.Reader) error {
			names = nil
			rest, err := store.KeysBelow(r, prefix, removeBatch)
			for _, text := range rest {
				n, err := parseSegmentName(text)
				if err != nil {
					return err
				}
				names = append(names, n)
			}
			return err
		})
		if err != nil || len(names) == 0 {
			return err
		}
		if last == names[0].String() {
			return fmt.Errorf("segment %s of a log stands in an index and nowhere else", last)
		}
		last = names[0].String()
		if err := s.removeSegments(ctx, group, names); err != nil {
			return err
		}
	}
}

func (s *Service) removeKeys(ctx context.Context, prefix []byte) error {
	for more := true; more; {
		err := s.update(ctx, func(tx store.Tx) error {
			rest, err := store.KeysBelow(tx, prefix, removeBatch)
			if err != nil {
				return err
			}
			for _, k := range rest {
				if err := tx.Delete(append(append([]byte(nil), prefix...), k...)); err != nil {
					return err
				}
			}
			more = len(rest) == removeBatch
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sweep removes a blob that no record names.
func (s *Service) sweep(ctx context.Context, j job.Job) error {
	err := s.blobs.Delete(ctx, j.ID)
	if errors.Is(err, blob.ErrNotFound) {
		return nil
	}
	return err
}
