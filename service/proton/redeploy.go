package proton

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// A service instance is rendered with the outputs of the component that is attached to it. When a
// component has been deployed, attached or detached, its instance is deployed again as it stands
// (AWS Proton user guide, "AWS Proton components").

const (
	jobRedeploy   = "redeploy"
	redeployRetry = 10 * time.Minute // after a key that could not be used
)

var errLeaving = errors.New("service instance is going away")

// redeployAttached has the instances deployed again that a component's deployment has changed
// something for: the one it was attached to, and the one it is attached to now.
func (s *Service) redeployAttached(tx store.Tx, p place, before, after *subject) error {
	for _, x := range []*subject{before, after} {
		if wire.Val(x.ServiceInstanceName) == "" {
			continue
		}
		if err := s.scheduleRedeploy(tx, p, wire.Val(x.ServiceName), *x.ServiceInstanceName, 0); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) scheduleRedeploy(tx store.Tx, p place, service, instance string, after time.Duration) error {
	id := strings.Join([]string{p.region, p.account, service, instance}, "/")
	return s.jobs.Schedule(tx, job.Job{Kind: jobRedeploy, ID: id, Due: s.now().Add(after)})
}

// redeploy begins to deploy an instance with the version and the spec that it has. One that is
// being deployed at this moment is deployed again after that.
func (s *Service) redeploy(ctx context.Context, j job.Job) error {
	parts := strings.Split(j.ID, "/")
	if len(parts) != 4 {
		return fmt.Errorf("redeploy: malformed name %q", j.ID)
	}
	p, service, instance := place{parts[0], parts[1]}, parts[2], parts[3]
	k := key("si", p, service, instance)
	l := launch{s: s, p: p,
		target: func(rec *record[subject]) (*api.DeploymentState, error) { return rec.V.state(), nil },
		change: func(rec *record[subject], _ *deployment) { rec.V.Stale = false },
		also:   func(tx store.Tx, _ *record[subject]) error { return stays(tx, p, service, instance) },
	}
	_, err := l.edit(ctx, k, nil).apply(ctx, s)
	var e *wire.Error
	switch {
	case errors.Is(err, errLeaving):
		return nil
	case locked(err):
		return s.redeployLater(ctx, p, service, instance, true)
	case errors.As(err, &e) && e.Code == "ConflictException":
		return s.redeployLater(ctx, p, service, instance, false)
	}
	return err
}

// stays says errLeaving for an instance that is to be taken away.
func stays(r store.Reader, p place, service, instance string) error {
	rec, err := peek[workload](r, key("se", p, service))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return errLeaving
	case err != nil:
		return err
	case rec.V.Status == api.ServiceStatusDeleteInProgress, slices.Contains(rec.V.Leaving, instance):
		return errLeaving
	}
	return nil
}

// redeployLater notes that an instance is to be deployed again when the deployment of it that goes on has
// ended. One whose key cannot be used is tried again after a while, too: its owner may never deploy it by hand.
func (s *Service) redeployLater(ctx context.Context, p place, service, instance string, locked bool) error {
	return s.update(ctx, func(tx store.Tx) error {
		rec, err := peek[subject](tx, key("si", p, service, instance))
		if err != nil {
			return known(err, nil)
		}
		switch {
		case locked:
			err = s.scheduleRedeploy(tx, p, service, instance, redeployRetry)
		case rec.V.Open == "": // it has ended meanwhile, and nobody else will ask for this
			return s.scheduleRedeploy(tx, p, service, instance, 0)
		}
		if err != nil {
			return err
		}
		rec.V.Stale = true
		return rec.putPlain(tx)
	})
}
