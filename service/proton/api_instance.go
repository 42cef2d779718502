package proton

import (
	"context"
	"slices"
	"strings"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/idempotency"
	"github.com/strongroom/strongroom/service/proton/spec"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// CreateServiceInstance adds an instance to a service and begins to deploy it.
func (s *Service) CreateServiceInstance(ctx context.Context, in *api.CreateServiceInstanceInput) (*api.CreateServiceInstanceOutput, error) {
	p, service, name := here(ctx), wire.Val(in.ServiceName), wire.Val(in.Name)
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	t := s.clientToken(ctx, "CreateServiceInstance", in.ClientToken, *in)
	if done, err := t.Earlier(ctx); err != nil || done != nil {
		if err != nil {
			return nil, err
		}
		x, err := get[subject](ctx, s, []byte(*done))
		if err != nil {
			return nil, known(err, notFound("service instance", name))
		}
		return &api.CreateServiceInstanceOutput{ServiceInstance: instanceOf(&x.V)}, nil
	}
	made, err := s.addInstance(ctx, p, in, t, tags, func(*record[subject]) (func(store.Tx) error, error) {
		return func(tx store.Tx) error {
			return s.block(tx, p, service, name, "The service instance was created manually.")
		}, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateServiceInstanceOutput{ServiceInstance: instanceOf(&made.V)}, nil
}

// beside makes ready what is written together with a change of an instance that begins a deployment.
type beside func(*record[subject]) (put func(store.Tx) error, err error)

// addInstance adds an instance to a service and begins to deploy it.
func (s *Service) addInstance(ctx context.Context, p place, in *api.CreateServiceInstanceInput, t *idempotency.Token, tags tagMap, with beside) (*record[subject], error) {
	service := wire.Val(in.ServiceName)
	var made *newSubject
	var w *wanted
	var put func(store.Tx) error
	_, err := edit[workload]{
		key: key("se", p, service), missing: notFound("service", service),
		change: func(rec *record[workload]) error {
			if rec.V.Status == api.ServiceStatusDeleteInProgress {
				return busy(&rec.V)
			}
			var err error
			made, w, err = s.oneMore(ctx, p, rec, in)
			if err == nil {
				made.tags = tags
				put, err = with(made.rec)
			}
			return err
		},
		also: func(tx store.Tx, _, _ *record[workload]) error {
			if err := s.addParts(tx, p, service, w, []*newSubject{made}); err != nil {
				return err
			}
			if err := put(tx); err != nil {
				return err
			}
			return t.Put(tx, string(made.rec.key))
		},
	}.apply(ctx, s)
	if err != nil {
		return nil, err
	}
	return made.rec, nil
}

// oneMore makes an instance ready and adds it to the spec of its service.
func (s *Service) oneMore(ctx context.Context, p place, rec *record[workload], in *api.CreateServiceInstanceInput) (*newSubject, *wanted, error) {
	major, minor := wire.Val(rec.V.TemplateMajorVersion), in.TemplateMinorVersion
	if in.TemplateMajorVersion != nil {
		major = *in.TemplateMajorVersion
	} else if minor == nil {
		minor = rec.V.TemplateMinorVersion
	}
	w, err := s.want(ctx, p, serviceFamily, *rec.V.TemplateName, major, minor)
	if err != nil {
		return nil, nil, err
	}
	given, err := spec.Parse(spec.Service, wire.Val(in.Spec))
	if err != nil {
		return nil, nil, specError(err)
	}
	one := given.Instance(wire.Val(in.Name))
	if one == nil {
		return nil, nil, invalid("The spec has no instance %s.", wire.Val(in.Name))
	}
	if _, problems := given.CheckInstance(one.Name, w.schema.Service); len(problems) > 0 {
		return nil, nil, specProblems(problems)
	}
	whole, err := spec.Parse(spec.Service, wire.Val(rec.V.Spec))
	if err != nil {
		return nil, nil, specError(err)
	}
	if whole.Instance(one.Name) != nil {
		return nil, nil, taken("service instance", one.Name)
	}
	whole = whole.With(*one)
	rec.V.Spec, rec.V.LastModifiedAt = wire.Ptr(whole.String()), s.at()
	parts, err := s.beginParts(ctx, p, rec, w, whole, []spec.Instance{*one}, false)
	if err != nil {
		return nil, nil, err
	}
	return parts[0], w, nil
}

// GetServiceInstance describes a service instance.
func (s *Service) GetServiceInstance(ctx context.Context, in *api.GetServiceInstanceInput) (*api.GetServiceInstanceOutput, error) {
	rec, err := get[subject](ctx, s, key("si", here(ctx), wire.Val(in.ServiceName), wire.Val(in.Name)))
	if err != nil {
		return nil, known(err, notFound("service instance", wire.Val(in.ServiceName)+"/"+wire.Val(in.Name)))
	}
	return &api.GetServiceInstanceOutput{ServiceInstance: instanceOf(&rec.V)}, nil
}

// UpdateServiceInstance deploys a service instance with another version or spec.
func (s *Service) UpdateServiceInstance(ctx context.Context, in *api.UpdateServiceInstanceInput) (*api.UpdateServiceInstanceOutput, error) {
	p, service, name := here(ctx), wire.Val(in.ServiceName), wire.Val(in.Name)
	k, missing := key("si", p, service, name), notFound("service instance", service+"/"+name)
	if in.DeploymentType == api.DeploymentUpdateTypeNone {
		if in.Spec != nil || in.TemplateMajorVersion != nil || in.TemplateMinorVersion != nil {
			return nil, invalid("The deployment type NONE takes no spec and no template version.")
		}
		rec, err := get[subject](ctx, s, k)
		if err != nil {
			return nil, known(err, missing)
		}
		return &api.UpdateServiceInstanceOutput{ServiceInstance: instanceOf(&rec.V)}, nil
	}
	t := s.clientToken(ctx, "UpdateServiceInstance", in.ClientToken, *in)
	if done, err := t.Earlier(ctx); err != nil || done != nil {
		if err != nil {
			return nil, err
		}
		return s.instanceAgain(ctx, k, missing)
	}
	rec, err := s.deployInstance(ctx, p, in, t, func(*record[subject]) (func(store.Tx) error, error) {
		return func(tx store.Tx) error {
			return s.block(tx, p, service, name, "The service instance was updated manually.")
		}, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateServiceInstanceOutput{ServiceInstance: instanceOf(&rec.V)}, nil
}

// deployInstance begins to deploy an instance with another version or spec.
func (s *Service) deployInstance(ctx context.Context, p place, in *api.UpdateServiceInstanceInput, t *idempotency.Token, with beside) (*record[subject], error) {
	service, name := wire.Val(in.ServiceName), wire.Val(in.Name)
	k, missing := key("si", p, service, name), notFound("service instance", service+"/"+name)
	var w *wanted
	var put func(store.Tx) error
	l := launch{s: s, p: p,
		target: func(rec *record[subject]) (st *api.DeploymentState, err error) {
			if w, err = s.wantUpdate(ctx, p, &rec.V, in.DeploymentType, in.TemplateMajorVersion, in.TemplateMinorVersion); err != nil {
				return nil, err
			}
			text, err := instanceSpec(w, name, wire.Val(rec.V.EnvironmentName), in.Spec, rec.V.Spec)
			rec.V.LastClientRequestToken = in.ClientToken
			return &api.DeploymentState{ServiceInstance: &api.ServiceInstanceState{
				Spec: text, TemplateName: rec.V.TemplateName, TemplateMajorVersion: &w.major, TemplateMinorVersion: &w.minor,
			}}, err
		},
		also: func(tx store.Tx, rec *record[subject]) error {
			if err := fits(tx, p, w, *rec.V.EnvironmentName); err != nil {
				return err
			}
			if err := componentsIdle(tx, k); err != nil {
				return err
			}
			if err := put(tx); err != nil {
				return err
			}
			return t.Put(tx, string(k))
		},
	}
	e := l.edit(ctx, k, missing)
	change := e.change
	e.change = func(rec *record[subject]) (err error) {
		if err = change(rec); err == nil {
			put, err = with(rec)
		}
		return err
	}
	return e.apply(ctx, s)
}

func (s *Service) instanceAgain(ctx context.Context, k []byte, missing error) (*api.UpdateServiceInstanceOutput, error) {
	rec, err := get[subject](ctx, s, k)
	if err != nil {
		return nil, known(err, missing)
	}
	return &api.UpdateServiceInstanceOutput{ServiceInstance: instanceOf(&rec.V)}, nil
}

// instanceSpec reads the spec of an instance and holds it against the schema of the version.
func instanceSpec(w *wanted, name, environment string, text, old *string) (*string, error) {
	parsed, _, err := resolved(spec.Service, text, old)
	if err != nil {
		return nil, err
	}
	one := parsed.Instance(name)
	switch {
	case one == nil:
		return nil, invalid("The spec has no instance %s.", name)
	case one.Environment != environment:
		return nil, invalid("The environment of the instance %s can't be changed from %s to %s.", name, environment, one.Environment)
	}
	_, problems := parsed.CheckInstance(name, w.schema.Service)
	return wire.Ptr(parsed.Only(name).String()), specProblems(problems)
}

// UpdateServicePipeline deploys the pipeline of a service with another version or spec.
func (s *Service) UpdateServicePipeline(ctx context.Context, in *api.UpdateServicePipelineInput) (*api.UpdateServicePipelineOutput, error) {
	p, service := here(ctx), wire.Val(in.ServiceName)
	k, missing := key("pi", p, service), notFound("pipeline of the service", service)
	if in.DeploymentType == api.DeploymentUpdateTypeNone {
		rec, err := get[subject](ctx, s, k)
		if err != nil {
			return nil, known(err, missing)
		}
		return &api.UpdateServicePipelineOutput{Pipeline: pipelineOf(&rec.V)}, nil
	}
	l := launch{s: s, p: p, target: func(rec *record[subject]) (*api.DeploymentState, error) {
		w, err := s.wantUpdate(ctx, p, &rec.V, in.DeploymentType, in.TemplateMajorVersion, in.TemplateMinorVersion)
		if err != nil {
			return nil, err
		}
		parsed, text, err := resolved(spec.Service, in.Spec, rec.V.Spec)
		if err != nil {
			return nil, err
		}
		_, problems := parsed.CheckPipeline(w.schema.Pipeline)
		return &api.DeploymentState{ServicePipeline: &api.ServicePipelineState{
			Spec: text, TemplateName: rec.V.TemplateName, TemplateMajorVersion: &w.major, TemplateMinorVersion: &w.minor,
		}}, specProblems(problems)
	}}
	rec, err := l.edit(ctx, k, missing).apply(ctx, s)
	if err != nil {
		return nil, err
	}
	return &api.UpdateServicePipelineOutput{Pipeline: pipelineOf(&rec.V)}, nil
}

// ListServiceInstances lists the instances of a service or of all. In the order of names a page
// costs the same wherever it lies; any other order is made anew for each page.
func (s *Service) ListServiceInstances(ctx context.Context, in *api.ListServiceInstancesInput) (*api.ListServiceInstancesOutput, error) {
	p, prefix := here(ctx), within("si", here(ctx))
	if in.ServiceName != nil {
		prefix = within("si", p, *in.ServiceName)
		if err := s.db.View(ctx, func(r store.Reader) error {
			return absentRecord(r, key("se", p, *in.ServiceName), notFound("service", *in.ServiceName))
		}); err != nil {
			return nil, err
		}
	}
	keep, words, err := instanceFilters(in.Filters)
	if err != nil {
		return nil, err
	}
	if err := s.versionStatuses(ctx, p, in.Filters, &keep); err != nil {
		return nil, err
	}
	pg := page{p.scope(append(words, "instances", wire.Val(in.ServiceName), string(in.SortBy), string(in.SortOrder))...), in.NextToken, in.MaxResults}
	var items []*record[subject]
	var next *string
	if in.SortBy == "" && in.SortOrder != api.SortOrderDescending {
		items, next, err = list(ctx, s, prefix, pg, keep)
	} else {
		items, next, err = s.sorted(ctx, prefix, pg, keep, in.SortBy, in.SortOrder == api.SortOrderDescending)
	}
	if err == nil {
		err = s.revealMessages(ctx, items, in.ServiceName != nil)
	}
	if err != nil {
		return nil, err
	}
	out := &api.ListServiceInstancesOutput{NextToken: next, ServiceInstances: []api.ServiceInstanceSummary{}}
	for _, x := range items {
		out.ServiceInstances = append(out.ServiceInstances, as[api.ServiceInstanceSummary](x.V))
	}
	return out, nil
}

// revealMessages opens the instances whose status has something to say. In the list of one
// service a key that cannot be used is an error, since all of it is under that key.
func (s *Service) revealMessages(ctx context.Context, items []*record[subject], one bool) error {
	if one && len(items) > 0 {
		if _, err := get[subject](ctx, s, items[0].key); err != nil {
			return known(err, nil)
		}
	}
	for i, x := range items {
		switch x.V.DeploymentStatus {
		case api.DeploymentStatusFailed, api.DeploymentStatusDeleteFailed, api.DeploymentStatusCancelled:
			if err := reveal(ctx, s, items[i:i+1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// instanceFilters makes one function of filters, all of which must fit; those of one key are alternatives.
func instanceFilters(filters []api.ListServiceInstancesFilter) (keep func(*record[subject]) bool, words []string, err error) {
	tests := make(map[api.ListServiceInstancesFilterBy][]func(*subject) bool)
	for _, f := range filters {
		value := wire.Val(f.Value)
		words = append(words, string(f.Key)+"="+value)
		test, err := instanceFilter(f.Key, value)
		if err != nil {
			return nil, nil, err
		}
		if test != nil {
			tests[f.Key] = append(tests[f.Key], test)
		}
	}
	if len(tests) == 0 {
		return nil, words, nil
	}
	return func(rec *record[subject]) bool {
		for _, any := range tests {
			if !slices.ContainsFunc(any, func(test func(*subject) bool) bool { return test(&rec.V) }) {
				return false
			}
		}
		return true
	}, words, nil
}

func instanceFilter(by api.ListServiceInstancesFilterBy, value string) (func(*subject) bool, error) {
	text := func(of func(*subject) *string) func(*subject) bool {
		return func(x *subject) bool { return wire.Val(of(x)) == value }
	}
	moment := func(of func(*subject) *time.Time, before bool) (func(*subject) bool, error) {
		at, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return nil, invalid("The filter %s needs a time such as 2006-01-02T15:04:05Z.", by)
		}
		return func(x *subject) bool { t := of(x); return t != nil && t.Before(at) == before }, nil
	}
	attempted := func(x *subject) *time.Time { return x.LastDeploymentAttemptedAt }
	created := func(x *subject) *time.Time { return x.CreatedAt }
	switch by {
	case api.ListServiceInstancesFilterByName:
		return text(func(x *subject) *string { return x.Name }), nil
	case api.ListServiceInstancesFilterByTemplateName:
		return text(func(x *subject) *string { return x.TemplateName }), nil
	case api.ListServiceInstancesFilterByServiceName:
		return text(func(x *subject) *string { return x.ServiceName }), nil
	case api.ListServiceInstancesFilterByEnvironmentName:
		return text(func(x *subject) *string { return x.EnvironmentName }), nil
	case api.ListServiceInstancesFilterByDeploymentStatus:
		return func(x *subject) bool { return string(x.DeploymentStatus) == value }, nil
	case api.ListServiceInstancesFilterByLastDeploymentAttemptedAtBefore:
		return moment(attempted, true)
	case api.ListServiceInstancesFilterByLastDeploymentAttemptedAtAfter:
		return moment(attempted, false)
	case api.ListServiceInstancesFilterByCreatedAtBefore:
		return moment(created, true)
	case api.ListServiceInstancesFilterByCreatedAtAfter:
		return moment(created, false)
	}
	return nil, nil // deployedTemplateVersionStatus: see versionStatuses
}

// sorted lists in another order than that of the keys. The token is the number of the next one.
func (s *Service) sorted(ctx context.Context, prefix []byte, pg page, keep func(*record[subject]) bool, by api.ListServiceInstancesSortBy, down bool) ([]*record[subject], *string, error) {
	from, err := s.position(pg)
	if err != nil {
		return nil, nil, err
	}
	var all []*record[subject]
	err = s.db.View(ctx, func(r store.Reader) error {
		all = nil
		for rec, err := range r.Scan(store.Prefix(prefix)) {
			if err != nil {
				return err
			}
			x, err := decode[subject](rec.Key, rec.Value)
			if err != nil {
				return err
			}
			if keep == nil || keep(x) {
				all = append(all, x)
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	place := func(x *record[subject]) string { return sortKey(&x.V, by) + sep + string(x.key) }
	slices.SortFunc(all, func(a, b *record[subject]) int {
		if down {
			a, b = b, a
		}
		return strings.Compare(place(a), place(b))
	})
	if from != "" {
		all = all[min(len(all), max(0, slices.IndexFunc(all, func(x *record[subject]) bool {
			return place(x) == from || (place(x) > from) != down
		}))):]
	}
	most := defaultPage
	if pg.max != nil {
		most = int(*pg.max)
	}
	if len(all) <= most {
		return all, nil, nil
	}
	return all[:most], s.token(pg, place(all[most])), nil
}

func sortKey(x *subject, by api.ListServiceInstancesSortBy) string {
	switch by {
	case api.ListServiceInstancesSortByName:
		return wire.Val(x.Name)
	case api.ListServiceInstancesSortByDeploymentStatus:
		return string(x.DeploymentStatus)
	case api.ListServiceInstancesSortByTemplateName:
		return wire.Val(x.TemplateName)
	case api.ListServiceInstancesSortByEnvironmentName:
		return wire.Val(x.EnvironmentName)
	case api.ListServiceInstancesSortByLastDeploymentAttemptedAt:
		return wire.Val(x.LastDeploymentAttemptedAt).Format("2006-01-02T15:04:05.000")
	case api.ListServiceInstancesSortByCreatedAt:
		return wire.Val(x.CreatedAt).Format("2006-01-02T15:04:05.000")
	}
	return wire.Val(x.ServiceName)
}
