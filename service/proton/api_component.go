package proton

import (
	"context"
	"errors"
	"slices"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/idempotency"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/spec"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// CreateComponent makes a component in an environment, or attached to a service instance, and
// begins to deploy it. It is protected by the key of the environment's template.
func (s *Service) CreateComponent(ctx context.Context, in *api.CreateComponentInput) (*api.CreateComponentOutput, error) {
	p, name := here(ctx), wire.Val(in.Name)
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	t := s.clientToken(ctx, "CreateComponent", in.ClientToken, *in)
	if done, err := t.Earlier(ctx); err != nil || done != nil {
		if err != nil {
			return nil, err
		}
		x, err := get[subject](ctx, s, []byte(*done))
		if err != nil {
			return nil, known(err, notFound("component", name))
		}
		return &api.CreateComponentOutput{Component: componentOf(&x.V)}, nil
	}
	if _, err := bundle.Component(wire.Val(in.TemplateFile), wire.Val(in.Manifest)); err != nil {
		return nil, specError(err)
	}
	to, err := s.attach(ctx, p, attachment{in.ServiceName, in.ServiceInstanceName}, in.EnvironmentName, in.ServiceSpec)
	if err != nil {
		return nil, err
	}
	now := s.at()
	rec := &record[subject]{head: to.environment.head, key: key("co", p, name), V: subject{
		Kind: api.DeploymentTargetResourceTypeComponent, Arn: wire.Ptr(p.componentARN(name)), Name: &name, Description: in.Description,
		EnvironmentName: to.environment.V.Name, ServiceName: in.ServiceName, ServiceInstanceName: in.ServiceInstanceName, ServiceSpec: in.ServiceSpec,
		TemplateFile: in.TemplateFile, Manifest: in.Manifest, CreatedAt: now, LastModifiedAt: now, LastClientRequestToken: in.ClientToken,
	}}
	rec.Resource = *rec.V.Arn
	n, err := s.begin(ctx, p, rec, tags)
	if err != nil {
		return nil, err
	}
	err = s.update(ctx, func(tx store.Tx) error {
		if err := room(tx, within("co", p), "components", maxComponents); err != nil {
			return err
		}
		if err := to.free(tx, rec.key); err != nil {
			return err
		}
		if err := n.add(tx, s, p); err != nil {
			return err
		}
		return t.Put(tx, string(rec.key))
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateComponentOutput{Component: componentOf(&rec.V)}, nil
}

// attachedTo is what a component stands in, and is attached to.
type attachedTo struct {
	environment *record[subject]
	instance    []byte // key; nil for none
}

// attach finds what a component is to be attached to, and whether that takes components: the
// environment needs a role for them, and the instance's template must allow them.
func (s *Service) attach(ctx context.Context, p place, a attachment, environment, serviceSpec *string) (*attachedTo, error) {
	service, instance := wire.Val(a.Service), wire.Val(a.Instance)
	to := &attachedTo{}
	switch {
	case (service == "") != (instance == ""):
		return nil, invalid("serviceName and serviceInstanceName are given together.")
	case service == "" && wire.Val(serviceSpec) != "":
		return nil, invalid("A serviceSpec needs the service instance that the component is attached to.")
	case service == "" && wire.Val(environment) == "":
		return nil, invalid("An environmentName is needed for a component that isn't attached to a service instance.")
	}
	if service != "" {
		to.instance = key("si", p, service, instance)
		x, err := plain[subject](ctx, s, to.instance)
		if err != nil {
			return nil, known(err, notFound("service instance", service+"/"+instance))
		}
		if environment != nil && *environment != wire.Val(x.V.EnvironmentName) {
			return nil, invalid("The service instance stands in the environment %s.", wire.Val(x.V.EnvironmentName))
		}
		environment = x.V.EnvironmentName
		v, err := plain[version](ctx, s, x.V.versionKey(p))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(v.V.SupportedComponentSources, api.ServiceTemplateSupportedComponentSourceTypeDirectlyDefined) {
			return nil, invalid("The service template %s doesn't support components that are directly defined.", wire.Val(x.V.TemplateName))
		}
		if text := wire.Val(serviceSpec); text != "" {
			if _, err := spec.Parse(spec.Service, text); err != nil {
				return nil, specError(err)
			}
		}
	}
	var err error
	if to.environment, err = plain[subject](ctx, s, key("en", p, wire.Val(environment))); err != nil {
		return nil, known(err, notFound("environment", wire.Val(environment)))
	}
	if wire.Val(to.environment.V.ComponentRoleArn) == "" {
		return nil, invalid("The environment %s has no component role: components aren't allowed in it.", wire.Val(environment))
	}
	return to, nil
}

// free says ConflictException when another component is attached to the instance.
func (to *attachedTo) free(r store.Reader, mine []byte) error {
	if to.instance == nil {
		return nil
	}
	names, err := store.KeysBelow(r, linkPrefix(usesInstance, to.instance), 0)
	if err != nil {
		return err
	}
	for _, n := range names {
		if n != string(mine) {
			return conflict("A component is attached to the service instance already.")
		}
	}
	return nil
}

// GetComponent describes a component.
func (s *Service) GetComponent(ctx context.Context, in *api.GetComponentInput) (*api.GetComponentOutput, error) {
	rec, err := get[subject](ctx, s, key("co", here(ctx), wire.Val(in.Name)))
	if err != nil {
		return nil, known(err, notFound("component", wire.Val(in.Name)))
	}
	return &api.GetComponentOutput{Component: componentOf(&rec.V)}, nil
}

// ListComponents lists the components, of an environment, a service or an instance, or all.
func (s *Service) ListComponents(ctx context.Context, in *api.ListComponentsInput) (*api.ListComponentsOutput, error) {
	p := here(ctx)
	keep := func(x *record[subject]) bool {
		fits := func(asked, is *string) bool { return asked == nil || *asked == wire.Val(is) }
		return fits(in.EnvironmentName, x.V.EnvironmentName) && fits(in.ServiceName, x.V.ServiceName) && fits(in.ServiceInstanceName, x.V.ServiceInstanceName)
	}
	pg := page{p.scope("components", wire.Val(in.EnvironmentName), wire.Val(in.ServiceName), wire.Val(in.ServiceInstanceName)), in.NextToken, in.MaxResults}
	items, next, err := list(ctx, s, within("co", p), pg, keep)
	if err == nil {
		err = s.revealMessages(ctx, items, false)
	}
	if err != nil {
		return nil, err
	}
	out := &api.ListComponentsOutput{NextToken: next, Components: []api.ComponentSummary{}}
	for _, x := range items {
		out.Components = append(out.Components, as[api.ComponentSummary](x.V))
	}
	return out, nil
}

// UpdateComponent describes a component anew, or deploys it with another template or attached
// to something else.
func (s *Service) UpdateComponent(ctx context.Context, in *api.UpdateComponentInput) (*api.UpdateComponentOutput, error) {
	p, k, missing := here(ctx), key("co", here(ctx), wire.Val(in.Name)), notFound("component", wire.Val(in.Name))
	t := s.clientToken(ctx, "UpdateComponent", in.ClientToken, *in)
	done, err := t.Earlier(ctx)
	if err != nil {
		return nil, err
	}
	var rec *record[subject]
	switch {
	case done != nil:
		rec, err = get[subject](ctx, s, k)
	case in.DeploymentType == api.ComponentDeploymentUpdateTypeNone:
		if in.TemplateFile != nil || in.ServiceSpec != nil || in.ServiceName != nil || in.ServiceInstanceName != nil {
			return nil, invalid("The deployment type NONE takes a description alone.")
		}
		rec, err = edit[subject]{key: k, missing: missing, change: func(rec *record[subject]) error {
			if in.Description != nil {
				rec.V.Description = in.Description
			}
			rec.V.LastModifiedAt = s.at()
			return nil
		}}.apply(ctx, s)
	default:
		rec, err = s.redeployComponent(ctx, p, in, t, k, missing)
	}
	if err != nil {
		return nil, known(err, missing)
	}
	return &api.UpdateComponentOutput{Component: componentOf(&rec.V)}, nil
}

func (s *Service) redeployComponent(ctx context.Context, p place, in *api.UpdateComponentInput, t *idempotency.Token, k []byte, missing error) (*record[subject], error) {
	var to *attachedTo
	l := launch{s: s, p: p,
		target: func(rec *record[subject]) (*api.DeploymentState, error) {
			x := &rec.V
			want := api.ComponentState{ServiceName: x.ServiceName, ServiceInstanceName: x.ServiceInstanceName, ServiceSpec: x.ServiceSpec, TemplateFile: x.TemplateFile}
			if in.TemplateFile != nil {
				want.TemplateFile = in.TemplateFile
			}
			if in.ServiceName != nil || in.ServiceInstanceName != nil {
				want.ServiceName, want.ServiceInstanceName = in.ServiceName, in.ServiceInstanceName
			}
			if err := movable(x, &want); err != nil {
				return nil, err
			}
			if in.ServiceSpec != nil {
				want.ServiceSpec = in.ServiceSpec
			} else if wire.Val(want.ServiceName) == "" {
				want.ServiceSpec = nil
			}
			if _, err := bundle.Component(wire.Val(want.TemplateFile), wire.Val(x.Manifest)); err != nil {
				return nil, specError(err)
			}
			var err error
			to, err = s.attach(ctx, p, attachment{want.ServiceName, want.ServiceInstanceName}, x.EnvironmentName, want.ServiceSpec)
			if in.Description != nil {
				x.Description = in.Description
			}
			x.LastModifiedAt, x.LastClientRequestToken = s.at(), in.ClientToken
			return &api.DeploymentState{Component: &want}, err
		},
		change: func(_ *record[subject], d *deployment) {
			d.Attach = &attachment{d.TargetState.Component.ServiceName, d.TargetState.Component.ServiceInstanceName}
		},
		also: func(tx store.Tx, rec *record[subject]) error {
			if err := to.free(tx, k); err != nil {
				return err
			}
			if err := idle(tx, key("si", p, wire.Val(rec.V.ServiceName), wire.Val(rec.V.ServiceInstanceName)), to.instance); err != nil {
				return err
			}
			if to.instance != nil { // no other component, and no deletion of the instance, comes between
				if err := tx.Put(link(usesInstance, to.instance, k), nil); err != nil {
					return err
				}
			}
			return t.Put(tx, string(k))
		},
	}
	return l.edit(ctx, k, missing).apply(ctx, s)
}

// movable says ConflictException for a component that is to go from one service instance straight
// to another (AWS Proton user guide, "Component states").
func movable(x *subject, want *api.ComponentState) error {
	from, to := wire.Val(x.ServiceName)+"/"+wire.Val(x.ServiceInstanceName), wire.Val(want.ServiceName)+"/"+wire.Val(want.ServiceInstanceName)
	if from != to && from != "/" && to != "/" {
		return conflict("The component %s is attached to the service instance %s. Detach it first.", wire.Val(x.Name), from)
	}
	return nil
}

// idle says ConflictException when one of the subjects is being deployed: a component can't be updated while the
// instance is that it is attached to (AWS Proton API reference, UpdateComponent).
func idle(r store.Reader, keys ...[]byte) error {
	for _, k := range keys {
		if k == nil {
			continue
		}
		x, err := peek[subject](r, k)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if x.V.Open != "" {
			return conflict("The %s has a deployment that is in progress.", x.V.called())
		}
	}
	return nil
}

// componentsIdle says ConflictException when a component that is attached to the instance is being deployed: the
// instance can't be updated then (AWS Proton API reference, UpdateServiceInstance).
func componentsIdle(r store.Reader, instance []byte) error {
	names, err := store.KeysBelow(r, linkPrefix(usesInstance, instance), 0)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := idle(r, []byte(name)); err != nil {
			return err
		}
	}
	return nil
}

// DeleteComponent begins to take a component away that is attached to nothing.
func (s *Service) DeleteComponent(ctx context.Context, in *api.DeleteComponentInput) (*api.DeleteComponentOutput, error) {
	p, k := here(ctx), key("co", here(ctx), wire.Val(in.Name))
	l := launch{s: s, p: p, also: func(_ store.Tx, rec *record[subject]) error {
		if wire.Val(rec.V.ServiceInstanceName) != "" {
			return conflict("The component %s is attached to a service instance. Detach it first.", wire.Val(in.Name))
		}
		return nil
	}}
	rec, err := l.edit(ctx, k, notFound("component", wire.Val(in.Name))).apply(ctx, s)
	if err != nil {
		return nil, err
	}
	return &api.DeleteComponentOutput{Component: componentOf(&rec.V)}, nil
}
