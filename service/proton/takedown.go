package proton

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

const jobTakeDown = "takedown"

// scheduleTakeDown has the deletion begun of all parts of a service that is to go, or of the
// instances that leave one.
func (s *Service) scheduleTakeDown(tx store.Tx, p place, name string) error {
	return s.jobs.Schedule(tx, job.Job{Kind: jobTakeDown, ID: p.region + "/" + p.account + "/" + name, Due: s.now()})
}

// takeDown begins the deletion of every instance of a service that is to go, and of its pipeline, or of
// the instances that leave a service. It may
// run again: a part whose deletion has begun is passed over.
func (s *Service) takeDown(ctx context.Context, j job.Job) error {
	parts := strings.Split(j.ID, "/")
	p, name := place{parts[0], parts[1]}, parts[2]
	var all []*record[subject]
	err := s.db.View(ctx, func(r store.Reader) error {
		rec, err := peek[workload](r, key("se", p, name))
		if err != nil {
			return known(err, nil)
		}
		if all, err = subjectsOf(r, p, name); err != nil || rec.V.Status == api.ServiceStatusDeleteInProgress {
			return err
		}
		all = slices.DeleteFunc(all, func(x *record[subject]) bool { return !slices.Contains(rec.V.Leaving, wire.Val(x.V.Name)) })
		return nil
	})
	if err != nil {
		return err
	}
	busy := false
	for _, x := range all {
		if x.V.Open != "" {
			busy = busy || x.V.DeploymentStatus == api.DeploymentStatusInProgress || x.V.DeploymentStatus == api.DeploymentStatusCancelling
			continue
		}
		_, err := (launch{s: s, p: p}).edit(ctx, x.key, nil).apply(ctx, s)
		var e *wire.Error
		switch {
		case err == nil, errors.Is(err, store.ErrNotFound):
		case errors.As(err, &e) && e.Code == "ConflictException":
			busy = true
		case unusable(err):
			return s.takeDownFailed(ctx, p, name)
		default:
			return err
		}
	}
	return s.update(ctx, func(tx store.Tx) error {
		rec, err := peek[workload](tx, key("se", p, name))
		if err != nil {
			return known(err, nil)
		}
		if busy { // a deployment that began before the deletion was asked for ends first
			return s.jobs.Schedule(tx, job.Job{Kind: jobTakeDown, ID: j.ID, Due: s.now().Add(time.Second)})
		}
		if rec.V.Leaving != nil {
			rec.V.Leaving = nil
			if err := rec.putPlain(tx); err != nil {
				return err
			}
		}
		return s.scheduleSettle(tx, p, name)
	})
}

// takeDownFailed ends a deletion for which nothing can be read.
func (s *Service) takeDownFailed(ctx context.Context, p place, name string) error {
	return s.update(ctx, func(tx store.Tx) error {
		rec, err := peek[workload](tx, key("se", p, name))
		if err != nil {
			return known(err, nil)
		}
		failed := api.ServiceStatusDeleteFailed
		if rec.V.Status == api.ServiceStatusUpdateInProgress {
			failed = api.ServiceStatusUpdateFailed
		}
		rec.V.Status, rec.V.Leaving, rec.V.LastModifiedAt = failed, nil, s.at()
		return rec.putPlain(tx)
	})
}
