package proton

import (
	"context"
	"errors"
	"strings"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

const jobTakeDown = "takedown"

// scheduleTakeDown has the deletion of all parts of a service begun.
func (s *Service) scheduleTakeDown(tx store.Tx, p place, name string) error {
	return s.jobs.Schedule(tx, job.Job{Kind: jobTakeDown, ID: p.region + "/" + p.account + "/" + name, Due: s.now()})
}

// takeDown begins the deletion of every instance of a service that is to go, and of its pipeline. It may
// run again: a part whose deletion has begun is passed over.
func (s *Service) takeDown(ctx context.Context, j job.Job) error {
	parts := strings.Split(j.ID, "/")
	p, name := place{parts[0], parts[1]}, parts[2]
	var all []*record[subject]
	err := s.db.View(ctx, func(r store.Reader) error {
		rec, err := peek[workload](r, key("se", p, name))
		if err != nil || rec.V.Status != api.ServiceStatusDeleteInProgress {
			return known(err, nil)
		}
		all, err = subjectsOf(r, p, name)
		return err
	})
	if err != nil {
		return err
	}
	for _, x := range all {
		if x.V.Open != "" {
			continue
		}
		_, err := (launch{s: s, p: p}).edit(ctx, x.key, nil).apply(ctx, s)
		var e *wire.Error
		switch {
		case err == nil, errors.Is(err, store.ErrNotFound):
		case errors.As(err, &e) && e.Code == "ConflictException":
		case unusable(err):
			return s.takeDownFailed(ctx, p, name)
		default:
			return err
		}
	}
	return s.update(ctx, func(tx store.Tx) error { return s.scheduleSettle(tx, p, name) })
}

// takeDownFailed ends a deletion for which nothing can be read.
func (s *Service) takeDownFailed(ctx context.Context, p place, name string) error {
	return s.update(ctx, func(tx store.Tx) error {
		rec, err := peek[workload](tx, key("se", p, name))
		if err != nil {
			return known(err, nil)
		}
		rec.V.Status, rec.V.LastModifiedAt = api.ServiceStatusDeleteFailed, s.at()
		return rec.putPlain(tx)
	})
}
