package proton

import (
	"context"
	"fmt"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// A deployment goes through these phases, and is a record from the first on:
//
//	queued        written together with the subject's status, and a job for it
//	provisioning  its files are rendered and kept; the deliverer is asked for progress
//	done          succeeded, failed, cancelled; the subject has become what it was to be, or not
//
// A subject has one open deployment at most: its Open names it. What changes a deployment's phase
// changes the subject in the same transaction.
type phase string

const (
	queued       phase = "queued"
	provisioning phase = "provisioning"
	done         phase = "done"
)

// deployment is the record of a deployment. It is sealed as its subject is, with the subject as
// the resource of its encryption context. What the API shows of its states is sealed whole.
type deployment struct {
	api.Deployment

	Phase    phase
	Subject  []byte       // key of the subject
	Delete   bool         // what is there is to be taken away
	Attach   *attachment  // of a component: what it is attached to when this succeeds
	Rendered *sealedBytes // the rendered files, since they are there
	State    []byte       `sealed:"yes"` // the deliverer's
	Outputs  []api.Output
	Made     []api.ProvisionedResource
	Note     *string // why it failed, where that could not be sealed
}

// attachment is the service instance that a component is attached to; empty for none.
type attachment struct{ Service, Instance *string }

const jobDeploy = "deploy"

// newDeployment makes the record of a deployment that turns the subject into what target says,
// or takes it away. The subject is changed with it. It says ConflictException when one is open.
func (s *Service) newDeployment(p place, rec *record[subject], target *api.DeploymentState, away bool) (*record[deployment], error) {
	x := &rec.V
	if x.Open != "" {
		return nil, conflict("The %s has a deployment that is in progress.", x.called())
	}
	id, now := newID(), s.at()
	d := &record[deployment]{
		head: head{Template: rec.Template, Resource: rec.Resource, Key: rec.Key}, key: key("de", p, id),
		V: deployment{Phase: queued, Subject: rec.key, Delete: away, Deployment: api.Deployment{
			Id: &id, Arn: wire.Ptr(p.deploymentARN(id)), CreatedAt: now, LastModifiedAt: now,
			DeploymentStatus: api.DeploymentStatusInProgress, TargetArn: x.Arn, TargetResourceCreatedAt: x.CreatedAt, TargetResourceType: x.Kind,
			EnvironmentName: x.EnvironmentName, ServiceName: x.ServiceName, ServiceInstanceName: x.ServiceInstanceName,
			LastAttemptedDeploymentId: x.LastAttemptedDeploymentId, LastSucceededDeploymentId: x.LastSucceededDeploymentId, TargetState: target,
		}},
	}
	if x.Succeeded {
		d.V.InitialState = x.state()
	}
	if away {
		d.V.DeploymentStatus = api.DeploymentStatusDeleteInProgress
	}
	switch x.Kind {
	case api.DeploymentTargetResourceTypeEnvironment:
		d.V.EnvironmentName = x.Name
	case api.DeploymentTargetResourceTypeServiceInstance:
		d.V.ServiceInstanceName = x.Name
	case api.DeploymentTargetResourceTypeComponent:
		d.V.ComponentName = x.Name
	}
	x.Open, x.LastAttemptedDeploymentId, x.LastDeploymentAttemptedAt = id, &id, now
	x.DeploymentStatus, x.DeploymentStatusMessage, x.Note = d.V.DeploymentStatus, nil, nil
	return d, nil
}

// add writes a new deployment, what finds it, and the job that carries it on.
func (d *deployment) add(tx store.Tx, s *Service, p place, w *writing) error {
	for _, scope := range d.scopes() {
		if err := tx.Put(deploymentIndex(p, scope, d), nil); err != nil {
			return err
		}
	}
	if err := w.put(tx); err != nil {
		return err
	}
	return s.wake(tx, p, *d.Id)
}

// wake makes the next step of a deployment due.
func (s *Service) wake(tx store.Tx, p place, id string) error {
	return s.jobs.Schedule(tx, job.Job{Kind: jobDeploy, ID: p.region + "/" + p.account + "/" + id, Due: s.now()})
}

// scopes are the listings that a deployment appears in.
func (d *deployment) scopes() []string {
	all := []string{""}
	if d.ComponentName != nil {
		all = append(all, "c/"+*d.ComponentName)
	}
	if d.EnvironmentName != nil {
		all = append(all, "e/"+*d.EnvironmentName)
	}
	if d.ServiceName != nil {
		all = append(all, "s/"+*d.ServiceName)
		if d.ServiceInstanceName != nil {
			all = append(all, "s/"+*d.ServiceName+"/"+*d.ServiceInstanceName)
		}
	}
	return all
}

func deploymentIndex(p place, scope string, d *deployment) []byte {
	return key("dx", p, scope, age(*d.CreatedAt), *d.Id)
}

// removeDeployment deletes the record of a deployment and its places in the listings.
func (s *Service) removeDeployment(tx store.Tx, p place, rec *record[deployment]) error {
	for _, scope := range rec.V.scopes() {
		if err := tx.Delete(deploymentIndex(p, scope, &rec.V)); err != nil {
			return err
		}
	}
	if rec.V.Rendered != nil {
		if err := s.discard(tx, rec.V.Rendered.Blob); err != nil {
			return err
		}
	}
	if err := s.removeRun(tx, p, *rec.V.Id); err != nil {
		return err
	}
	return removeResource(tx, rec.key, p.deploymentARN(*rec.V.Id))
}

// launch is a change of a subject together with its new deployment.
type launch struct {
	s      *Service
	p      place
	target func(*record[subject]) (*api.DeploymentState, error) // what it is to become; nil takes it away
	change func(*record[subject], *deployment)                  // of what does not wait for success; may be nil
	also   func(store.Tx, *record[subject]) error               // may be nil
}

// edit returns the change of the subject with the key.
func (l launch) edit(ctx context.Context, k []byte, missing error) edit[subject] {
	var d *record[deployment]
	var w *writing
	return edit[subject]{
		key: k, missing: missing,
		change: func(rec *record[subject]) (err error) {
			var target *api.DeploymentState
			if l.target != nil {
				if target, err = l.target(rec); err != nil {
					return err
				}
			}
			if d, err = l.s.newDeployment(l.p, rec, target, l.target == nil); err != nil {
				return err
			}
			if l.change != nil {
				l.change(rec, &d.V)
			}
			w, err = prepare(ctx, l.s, d)
			return err
		},
		also: func(tx store.Tx, _, rec *record[subject]) error {
			if l.also != nil {
				if err := l.also(tx, rec); err != nil {
					return err
				}
			}
			if err := linkVersion(tx, l.p, rec.key, rec.V.Kind, d.V.TargetState, rec.V.TemplateName); err != nil {
				return err
			}
			return d.V.add(tx, l.s, l.p, w)
		},
	}
}

// linkVersion notes that a subject uses the version of its template that it is to have.
func linkVersion(tx store.Tx, p place, user []byte, kind api.DeploymentTargetResourceType, t *api.DeploymentState, templateName *string) error {
	if t == nil || t.Component != nil {
		return nil
	}
	to := subject{Kind: kind, TemplateName: templateName}
	to.become(t)
	version := to.versionKey(p)
	if err := absentRecord(tx, version, invalid("The version %s.%s of the template %s doesn't exist any more.",
		wire.Val(to.TemplateMajorVersion), wire.Val(to.TemplateMinorVersion), wire.Val(templateName))); err != nil {
		return err
	}
	return tx.Put(link(usesVersion, version, user), nil)
}

func (d *deployment) String() string { return fmt.Sprintf("deployment %s", wire.Val(d.Id)) }
