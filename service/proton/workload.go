package proton

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// workload is the record of a service. Its instances and its pipeline are subjects of their own;
// its status follows from theirs.
type workload struct {
	api.ServiceShape
	TemplateMajorVersion, TemplateMinorVersion *string  // of instances that are added
	Managed                                    bool     // the pipeline is the customer's own
	Leaving                                    []string // instances whose deletion an update asks for and that has not begun
}

// The jobs of services and of what is gone.
const (
	jobSettle = "settle"
	jobPurge  = "purge"
)

// scheduleSettle has the status of a service worked out again.
func (s *Service) scheduleSettle(tx store.Tx, p place, name string) error {
	return s.jobs.Schedule(tx, job.Job{Kind: jobSettle, ID: p.region + "/" + p.account + "/" + name, Due: s.now()})
}

// settle works out the status of a service when none of its deployments goes on any more. The
// job's id is region/account/service.
func (s *Service) settle(ctx context.Context, j job.Job) error {
	parts := strings.Split(j.ID, "/")
	if len(parts) != 3 {
		return fmt.Errorf("settle: malformed name %q", j.ID)
	}
	p, name := place{parts[0], parts[1]}, parts[2]
	return s.update(ctx, func(tx store.Tx) error {
		rec, err := peek[workload](tx, key("se", p, name))
		if err != nil {
			return known(err, nil)
		}
		all, err := subjectsOf(tx, p, name)
		if err != nil {
			return err
		}
		if err := s.wakePipeline(tx, p, all); err != nil {
			return err
		}
		if len(rec.V.Leaving) > 0 {
			return nil // takeDown will ask again
		}
		broken := false
		for _, x := range all {
			switch x.V.DeploymentStatus {
			case api.DeploymentStatusFailed, api.DeploymentStatusDeleteFailed, api.DeploymentStatusCancelled:
				broken = true
			}
			if x.V.Open != "" {
				return nil
			}
		}
		next := settled(rec.V.Status, broken)
		if rec.V.Status == api.ServiceStatusDeleteInProgress && len(all) == 0 {
			return s.removeWorkload(tx, p, rec)
		}
		if next == rec.V.Status {
			return nil
		}
		rec.V.Status, rec.V.LastModifiedAt = next, s.at()
		return rec.putPlain(tx)
	})
}

// A pipeline is made after the instances of its service: its template may name their outputs. Its first deployment
// waits until none of those that make an instance goes on any more.

// makingInstances reports whether an instance has a deployment that goes on and is its first.
func makingInstances(all []*record[subject]) bool {
	for _, x := range all {
		if x.V.Kind == api.DeploymentTargetResourceTypeServiceInstance && x.V.Open != "" && !x.V.Succeeded {
			return true
		}
	}
	return false
}

// pipelineWaits reports whether a deployment is the first one of a pipeline, which has to wait.
func (s *Service) pipelineWaits(ctx context.Context, p place, d *record[deployment]) (waits bool, err error) {
	if d.V.Delete || d.V.TargetState == nil || d.V.TargetState.ServicePipeline == nil {
		return false, nil
	}
	err = s.db.View(ctx, func(r store.Reader) error {
		x, err := peek[subject](r, d.V.Subject)
		if err != nil || x.V.Succeeded {
			return known(err, nil)
		}
		all, err := subjectsOf(r, p, wire.Val(x.V.ServiceName))
		waits = makingInstances(all)
		return err
	})
	return waits, err
}

// wakePipeline lets the first deployment of a pipeline go on when it need not wait any more.
func (s *Service) wakePipeline(tx store.Tx, p place, all []*record[subject]) error {
	for _, x := range all {
		if x.V.Kind != api.DeploymentTargetResourceTypeServicePipeline || x.V.Open == "" || x.V.Succeeded || makingInstances(all) {
			continue
		}
		d, err := peek[deployment](tx, key("de", p, x.V.Open))
		if err != nil || d.V.Phase != queued {
			return known(err, nil)
		}
		return s.wake(tx, p, x.V.Open)
	}
	return nil
}

// settled is the status after all deployments have ended.
func settled(now api.ServiceStatus, broken bool) api.ServiceStatus {
	ends := map[api.ServiceStatus][2]api.ServiceStatus{
		api.ServiceStatusCreateInProgress: {api.ServiceStatusActive, api.ServiceStatusCreateFailed},
		api.ServiceStatusUpdateInProgress: {api.ServiceStatusActive, api.ServiceStatusUpdateFailed},
		api.ServiceStatusDeleteInProgress: {api.ServiceStatusDeleteInProgress, api.ServiceStatusDeleteFailed},
		api.ServiceStatusCreateFailed:     {api.ServiceStatusActive, api.ServiceStatusCreateFailed},
		api.ServiceStatusUpdateFailed:     {api.ServiceStatusActive, api.ServiceStatusUpdateFailed},
	}
	end, ok := ends[now]
	switch {
	case !ok:
		return now
	case broken:
		return end[1]
	}
	return end[0]
}

// subjectsOf returns the instances of a service and its pipeline, without what is sealed.
func subjectsOf(r store.Reader, p place, service string) (all []*record[subject], err error) {
	for rec, err := range r.Scan(store.Prefix(within("si", p, service))) {
		if err != nil {
			return nil, err
		}
		x, err := decode[subject](rec.Key, rec.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	pipeline, err := peek[subject](r, key("pi", p, service))
	if errors.Is(err, store.ErrNotFound) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	return append(all, pipeline), nil
}

func (s *Service) removeWorkload(tx store.Tx, p place, rec *record[workload]) error {
	if err := tx.Delete(key("sy", p, *rec.V.Name)); err != nil {
		return err
	}
	for _, k := range []kind{"is", "bl"} {
		if err := removeBelow(tx, within(k, p, *rec.V.Name)); err != nil {
			return err
		}
	}
	if err := s.schedulePurge(tx, p, "s/"+*rec.V.Name); err != nil {
		return err
	}
	return removeResource(tx, rec.key, rec.Resource)
}

// removeSubject deletes the record of a subject that is gone, all that says it uses something, and
// in the background the deployments that made it.
func (s *Service) removeSubject(tx store.Tx, p place, x *record[subject]) error {
	if err := setLinks(tx, p, x, false); err != nil {
		return err
	}
	if k := x.V.versionKey(p); k != nil {
		if err := tx.Delete(link(usesVersion, k, x.key)); err != nil {
			return err
		}
	}
	scope := "s/" + wire.Val(x.V.ServiceName) + "/" + wire.Val(x.V.Name)
	switch x.V.Kind {
	case api.DeploymentTargetResourceTypeEnvironment:
		scope = "e/" + *x.V.Name
		if err := bindConnection(tx, p, &x.V, false); err != nil {
			return err
		}
	case api.DeploymentTargetResourceTypeComponent:
		scope = "c/" + *x.V.Name
	case api.DeploymentTargetResourceTypeServiceInstance:
		if err := remove(tx, instanceSyncKey(p, wire.Val(x.V.ServiceName), wire.Val(x.V.Name))); err != nil {
			return err
		}
	case api.DeploymentTargetResourceTypeServicePipeline:
		scope = "" // gone with its service
	}
	if scope != "" {
		if err := s.schedulePurge(tx, p, scope); err != nil {
			return err
		}
	}
	return removeResource(tx, x.key, x.Resource)
}

// setLinks notes, or forgets, which environment a subject stands in and which instance a component
// is attached to.
func setLinks(tx store.Tx, p place, x *record[subject], there bool) error {
	set := func(k []byte) error {
		if there {
			return tx.Put(k, nil)
		}
		return tx.Delete(k)
	}
	v := &x.V
	if v.Kind == api.DeploymentTargetResourceTypeEnvironment || v.EnvironmentName == nil {
		return nil
	}
	if err := set(link(usesEnvironment, key("en", p, *v.EnvironmentName), x.key)); err != nil {
		return err
	}
	if v.Kind == api.DeploymentTargetResourceTypeComponent && wire.Val(v.ServiceInstanceName) != "" {
		return set(link(usesInstance, key("si", p, wire.Val(v.ServiceName), *v.ServiceInstanceName), x.key))
	}
	return nil
}

// schedulePurge has the deployments of a scope deleted.
func (s *Service) schedulePurge(tx store.Tx, p place, scope string) error {
	return s.jobs.Schedule(tx, job.Job{
		Kind: jobPurge, ID: p.region + "/" + p.account + "/" + scope, Due: s.now(), Payload: within("dx", p, scope),
	})
}

// purge deletes the deployments of a subject that is gone, some at a time. Those that began after
// the job was due belong to a new subject of the same name.
func (s *Service) purge(ctx context.Context, j job.Job) error {
	parts := strings.SplitN(j.ID, "/", 3)
	p := place{parts[0], parts[1]}
	for {
		n, err := s.purgeSome(ctx, p, j)
		if err != nil || n == 0 {
			return err
		}
	}
}

const purgeAtOnce = 50

func (s *Service) purgeSome(ctx context.Context, p place, j job.Job) (n int, err error) {
	err = s.update(ctx, func(tx store.Tx) error {
		n = 0
		scan := store.Prefix(j.Payload)
		scan.From = append(bytes.Clone(j.Payload), age(j.Due)...)
		scan.KeysOnly, scan.Limit = true, purgeAtOnce
		var ids []string
		for rec, err := range tx.Scan(scan) {
			if err != nil {
				return err
			}
			ids = append(ids, string(rec.Key[len(j.Payload)+17:]))
		}
		for _, id := range ids {
			rec, err := peek[deployment](tx, key("de", p, id))
			if err != nil {
				return err
			}
			if err := s.removeDeployment(tx, p, rec); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}
