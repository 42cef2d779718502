package proton

import (
	"context"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/service/proton/spec"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// CreateService makes a service with the instances and the pipeline of its spec, and begins to
// deploy them.
func (s *Service) CreateService(ctx context.Context, in *api.CreateServiceInput) (*api.CreateServiceOutput, error) {
	p, name := here(ctx), wire.Val(in.Name)
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	w, err := s.want(ctx, p, serviceFamily, wire.Val(in.TemplateName), wire.Val(in.TemplateMajorVersion), in.TemplateMinorVersion)
	if err != nil {
		return nil, err
	}
	parsed, text, err := serviceSpec(w, in.Spec)
	if err != nil {
		return nil, err
	}
	managed := w.template.V.Provisioning == api.ProvisioningCustomerManaged
	linked := in.RepositoryId != nil || in.RepositoryConnectionArn != nil || in.BranchName != nil
	switch whole := in.RepositoryId != nil && in.RepositoryConnectionArn != nil && in.BranchName != nil; {
	case managed && linked:
		return nil, invalid("The service template has no pipeline: a repository can't be given.")
	case !managed && !whole:
		return nil, invalid("The service template has a pipeline: repositoryId, repositoryConnectionArn and branchName are needed.")
	}
	now := s.at()
	rec := &record[workload]{head: w.template.head, key: key("se", p, name), V: workload{
		ServiceShape: api.ServiceShape{
			Arn: wire.Ptr(p.serviceARN(name)), Name: &name, Description: in.Description, Spec: text, TemplateName: in.TemplateName,
			RepositoryId: in.RepositoryId, RepositoryConnectionArn: in.RepositoryConnectionArn, BranchName: in.BranchName,
			CreatedAt: now, LastModifiedAt: now, Status: api.ServiceStatusCreateInProgress,
		},
		TemplateMajorVersion: &w.major, TemplateMinorVersion: &w.minor, Managed: managed,
	}}
	rec.Resource = *rec.V.Arn
	if err := s.free(ctx, rec.key, taken("service", name)); err != nil {
		return nil, err
	}
	parts, err := s.beginParts(ctx, p, rec, w, parsed, parsed.Instances, !managed)
	if err != nil {
		return nil, err
	}
	rw, err := prepare(ctx, s, rec)
	if err != nil {
		return nil, err
	}
	err = s.update(ctx, func(tx store.Tx) error {
		if err := absent(tx, rec.key, taken("service", name)); err != nil {
			return err
		}
		if err := room(tx, within("se", p), "services", maxServices); err != nil {
			return err
		}
		if err := rw.put(tx); err != nil {
			return err
		}
		if err := putTags(tx, rec.Resource, tags); err != nil {
			return err
		}
		return s.addParts(tx, p, name, w, parts)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateServiceOutput{Service: s.serviceOf(&rec.V, nil)}, nil
}

// serviceSpec reads a service's spec and holds all of it against the schema of the version.
func serviceSpec(w *wanted, text *string) (*spec.Spec, *string, error) {
	parsed, out, err := resolved(spec.Service, text, nil)
	if err != nil {
		return nil, nil, err
	}
	_, problems := parsed.Check(w.schema)
	return parsed, out, specProblems(problems)
}

// beginParts makes the instances of a service ready, and its pipeline.
func (s *Service) beginParts(ctx context.Context, p place, rec *record[workload], w *wanted, sp *spec.Spec, list []spec.Instance, pipeline bool) (parts []*newSubject, err error) {
	now := s.at()
	base := subject{
		ServiceName: rec.V.Name, TemplateName: rec.V.TemplateName, TemplateMajorVersion: &w.major, TemplateMinorVersion: &w.minor,
		CreatedAt: now, LastModifiedAt: now, LastDeploymentSucceededAt: now,
	}
	add := func(k []byte, x subject) error {
		r := &record[subject]{head: rec.head, key: k, V: x}
		r.Resource = *x.Arn
		n, err := s.begin(ctx, p, r, nil)
		parts = append(parts, n)
		return err
	}
	for _, in := range list {
		x := base
		x.Kind, x.Name, x.EnvironmentName = api.DeploymentTargetResourceTypeServiceInstance, &in.Name, &in.Environment
		x.Arn, x.Spec = wire.Ptr(p.instanceARN(*rec.V.Name, in.Name)), wire.Ptr(sp.Only(in.Name).String())
		if err := add(key("si", p, *rec.V.Name, in.Name), x); err != nil {
			return nil, err
		}
	}
	if pipeline {
		x := base
		x.Kind, x.Arn, x.Spec = api.DeploymentTargetResourceTypeServicePipeline, wire.Ptr(p.pipelineARN(*rec.V.Name, newID())), wire.Ptr(sp.String())
		if err := add(key("pi", p, *rec.V.Name), x); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// addParts writes new instances and a pipeline, where the environments are there and fit.
func (s *Service) addParts(tx store.Tx, p place, service string, w *wanted, parts []*newSubject) error {
	for _, n := range parts {
		if env := wire.Val(n.rec.V.EnvironmentName); env != "" {
			if err := fits(tx, p, w, env); err != nil {
				return err
			}
		}
		if err := n.add(tx, s, p); err != nil {
			return err
		}
	}
	all, err := count(tx, within("si", p, service), maxInstances)
	if err == nil && all > maxInstances {
		return overQuota("service instances of a service", maxInstances)
	}
	return err
}

// fits says whether an environment can hold instances of a service template's version.
func fits(r store.Reader, p place, w *wanted, environment string) error {
	e, err := peek[subject](r, key("en", p, environment))
	if err != nil {
		return known(err, notFound("environment", environment))
	}
	if e.V.DeploymentStatus == api.DeploymentStatusDeleteInProgress {
		return conflict("The environment %s is being deleted.", environment)
	}
	for _, c := range w.version.V.CompatibleEnvironmentTemplates {
		if wire.Val(c.TemplateName) == wire.Val(e.V.TemplateName) && wire.Val(c.MajorVersion) == wire.Val(e.V.TemplateMajorVersion) {
			return nil
		}
	}
	return invalid("The environment %s is made of %s version %s, which isn't compatible with the version %s.%s of the service template %s.",
		environment, wire.Val(e.V.TemplateName), wire.Val(e.V.TemplateMajorVersion), w.major, w.minor, wire.Val(w.template.V.Name))
}

// serviceOf is a service as the API shows it, with its pipeline.
func (s *Service) serviceOf(v *workload, pipeline *subject) *api.ServiceShape {
	shown := v.ServiceShape
	if pipeline != nil {
		shown.Pipeline = pipelineOf(pipeline)
	}
	return &shown
}

// wholeService opens a service and its pipeline.
func (s *Service) wholeService(ctx context.Context, p place, name string) (*record[workload], *api.ServiceShape, error) {
	rec, err := get[workload](ctx, s, key("se", p, name))
	if err != nil {
		return nil, nil, known(err, notFound("service", name))
	}
	pi, err := get[subject](ctx, s, key("pi", p, name))
	if err = known(err, nil); err != nil {
		return nil, nil, err
	}
	if pi == nil {
		return rec, s.serviceOf(&rec.V, nil), nil
	}
	return rec, s.serviceOf(&rec.V, &pi.V), nil
}

// GetService describes a service with its pipeline.
func (s *Service) GetService(ctx context.Context, in *api.GetServiceInput) (*api.GetServiceOutput, error) {
	_, shown, err := s.wholeService(ctx, here(ctx), wire.Val(in.Name))
	if err != nil {
		return nil, err
	}
	return &api.GetServiceOutput{Service: shown}, nil
}

// ListServices lists the services.
func (s *Service) ListServices(ctx context.Context, in *api.ListServicesInput) (*api.ListServicesOutput, error) {
	p := here(ctx)
	items, next, err := list[workload](ctx, s, within("se", p), page{p.scope("services"), in.NextToken, in.MaxResults}, nil)
	if err == nil {
		err = reveal(ctx, s, items)
	}
	if err != nil {
		return nil, err
	}
	out := &api.ListServicesOutput{NextToken: next, Services: []api.ServiceSummary{}}
	for _, v := range items {
		out.Services = append(out.Services, as[api.ServiceSummary](v.V.ServiceShape))
	}
	return out, nil
}

// busy says ConflictException for a service that something is done with.
func busy(v *workload) error {
	switch v.Status {
	case api.ServiceStatusCreateInProgress, api.ServiceStatusUpdateInProgress, api.ServiceStatusDeleteInProgress:
		return conflict("The service %s is in the status %s.", wire.Val(v.Name), v.Status)
	}
	return nil
}

// UpdateService describes a service anew, and adds and takes away instances as its new spec says.
// Instances that stay are not changed by it.
func (s *Service) UpdateService(ctx context.Context, in *api.UpdateServiceInput) (*api.UpdateServiceOutput, error) {
	p, name := here(ctx), wire.Val(in.Name)
	var parts []*newSubject
	var w *wanted
	rec, err := edit[workload]{
		key: key("se", p, name), missing: notFound("service", name),
		change: func(rec *record[workload]) (err error) {
			parts, w = nil, nil
			if in.Description != nil {
				rec.V.Description = in.Description
			}
			rec.V.LastModifiedAt = s.at()
			if in.Spec == nil {
				return nil
			}
			if err := busy(&rec.V); err != nil {
				return err
			}
			if w, err = s.want(ctx, p, serviceFamily, *rec.V.TemplateName, *rec.V.TemplateMajorVersion, rec.V.TemplateMinorVersion); err != nil {
				return err
			}
			parts, err = s.newSpec(ctx, p, rec, w, in.Spec)
			return err
		},
		also: func(tx store.Tx, _, rec *record[workload]) error {
			if w == nil {
				return nil
			}
			if err := s.addParts(tx, p, name, w, parts); err != nil {
				return err
			}
			if err := s.blockParts(tx, p, rec, parts); err != nil {
				return err
			}
			return s.scheduleTakeDown(tx, p, name)
		},
	}.apply(ctx, s)
	if err != nil {
		return nil, err
	}
	_, shown, err := s.wholeService(ctx, p, *rec.V.Name)
	if err != nil {
		return nil, err
	}
	return &api.UpdateServiceOutput{Service: shown}, nil
}

// blockParts keeps the repository from undoing what somebody has done to the instances of a service by hand.
func (s *Service) blockParts(tx store.Tx, p place, rec *record[workload], added []*newSubject) error {
	if len(rec.V.Leaving) > 0 {
		if err := s.block(tx, p, *rec.V.Name, "", "A service instance was deleted manually."); err != nil {
			return err
		}
	}
	for _, n := range added {
		if err := s.block(tx, p, *rec.V.Name, *n.rec.V.Name, "The service instance was created manually."); err != nil {
			return err
		}
	}
	return nil
}

// newSpec gives a service a new spec: instances that are new to it are begun, and those that it
// does not name any more are to go.
func (s *Service) newSpec(ctx context.Context, p place, rec *record[workload], w *wanted, text *string) (parts []*newSubject, err error) {
	now, out, err := resolved(spec.Service, text, rec.V.Spec)
	if err != nil {
		return nil, err
	}
	old, err := spec.Parse(spec.Service, wire.Val(rec.V.Spec))
	if err != nil {
		return nil, specError(err)
	}
	if _, problems := now.Check(w.schema); len(problems) > 0 {
		return nil, specProblems(problems)
	}
	added, removed := now.Changes(old)
	var list []spec.Instance
	for _, n := range added {
		list = append(list, *now.Instance(n))
	}
	var gone [][]byte
	for _, n := range removed {
		gone = append(gone, key("si", p, *rec.V.Name, n))
	}
	if parts, err = s.beginParts(ctx, p, rec, w, now, list, false); err != nil {
		return nil, err
	}
	rec.V.Spec, rec.V.Status, rec.V.Leaving = out, api.ServiceStatusUpdateInProgress, removed
	return parts, s.deletableInstances(ctx, gone)
}

// deletableInstances says ConflictException when an instance that is to go has a component, or a
// deployment that goes on.
func (s *Service) deletableInstances(ctx context.Context, keys [][]byte) error {
	return s.db.View(ctx, func(r store.Reader) error {
		for _, k := range keys {
			x, err := peek[subject](r, k)
			if err != nil {
				return known(err, conflict("A service instance is gone already."))
			}
			if err := deletableInstance(r, x); err != nil {
				return err
			}
		}
		return nil
	})
}

func deletableInstance(r store.Reader, x *record[subject]) error {
	if x.V.Open != "" {
		return conflict("The %s has a deployment that is in progress.", x.V.called())
	}
	attached, err := anyBelow(r, linkPrefix(usesInstance, x.key))
	if err == nil && attached {
		return conflict("The %s has a component attached. Detach it first.", x.V.called())
	}
	return err
}

// DeleteService begins to take a service away, with its instances and its pipeline.
func (s *Service) DeleteService(ctx context.Context, in *api.DeleteServiceInput) (*api.DeleteServiceOutput, error) {
	p, name := here(ctx), wire.Val(in.Name)
	_, shown, err := s.wholeService(ctx, p, name)
	if err != nil {
		return nil, err
	}
	var all []*record[subject]
	err = s.update(ctx, func(tx store.Tx) error {
		rec, err := peek[workload](tx, key("se", p, name))
		if err != nil {
			return known(err, notFound("service", name))
		}
		if err := busy(&rec.V); err != nil {
			return err
		}
		if all, err = subjectsOf(tx, p, name); err != nil {
			return err
		}
		for _, x := range all {
			if err := deletableInstance(tx, x); err != nil {
				return err
			}
		}
		rec.V.Status, rec.V.LastModifiedAt = api.ServiceStatusDeleteInProgress, s.at()
		shown.Status = rec.V.Status
		if err := rec.putPlain(tx); err != nil {
			return err
		}
		return s.scheduleTakeDown(tx, p, name)
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteServiceOutput{Service: shown}, nil
}
