package proton

import (
	"context"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/service/proton/spec"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// CreateEnvironment makes an environment and begins to deploy it.
func (s *Service) CreateEnvironment(ctx context.Context, in *api.CreateEnvironmentInput) (*api.CreateEnvironmentOutput, error) {
	p, name := here(ctx), wire.Val(in.Name)
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	w, err := s.want(ctx, p, environmentFamily, wire.Val(in.TemplateName), wire.Val(in.TemplateMajorVersion), in.TemplateMinorVersion)
	if err != nil {
		return nil, err
	}
	_, text, err := environmentSpec(w, in.Spec, nil)
	if err != nil {
		return nil, err
	}
	now := s.at()
	rec := &record[subject]{head: w.template.head, key: key("en", p, name), V: subject{
		Kind: api.DeploymentTargetResourceTypeEnvironment, Arn: wire.Ptr(p.environmentARN(name)), Name: &name, Description: in.Description,
		TemplateName: in.TemplateName, TemplateMajorVersion: &w.major, TemplateMinorVersion: &w.minor, Spec: text,
		CreatedAt: now, LastModifiedAt: now, LastDeploymentSucceededAt: now, Provisioning: w.template.V.Provisioning,
	}}
	rec.Resource = *rec.V.Arn
	ways := as[ways](in)
	if err := s.provisionedBy(ctx, p, &rec.V, ways); err != nil {
		return nil, err
	}
	n, err := s.begin(ctx, p, rec, tags)
	if err != nil {
		return nil, err
	}
	err = s.update(ctx, func(tx store.Tx) error {
		if err := room(tx, within("en", p), "environments", maxEnvironments); err != nil {
			return err
		}
		if err := n.add(tx, s, p); err != nil {
			return err
		}
		return bindConnection(tx, p, &rec.V, true)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateEnvironmentOutput{Environment: environmentOf(&rec.V)}, nil
}

// environmentSpec reads a spec and holds it against the schema of the version.
func environmentSpec(w *wanted, text, old *string) (*spec.Spec, *string, error) {
	parsed, out, err := resolved(spec.Environment, text, old)
	if err != nil {
		return nil, nil, err
	}
	_, problems := parsed.CheckEnvironment(w.schema.Environment)
	return parsed, out, specProblems(problems)
}

// ways are the members that say how an environment is provisioned.
type ways struct {
	ProtonServiceRoleArn, CodebuildRoleArn, ComponentRoleArn *string
	EnvironmentAccountConnectionId                           *string
	ProvisioningRepository                                   *api.RepositoryBranchInput
}

// provisionedBy takes over how an environment is provisioned. Self-managed provisioning through a
// repository excludes the roles and account connections of the other ways.
func (s *Service) provisionedBy(ctx context.Context, p place, x *subject, w ways) error {
	role := w.ProtonServiceRoleArn != nil || w.CodebuildRoleArn != nil || w.EnvironmentAccountConnectionId != nil
	switch {
	case x.Provisioning == api.ProvisioningCustomerManaged && (role || w.ProvisioningRepository != nil || w.ComponentRoleArn != nil):
		return invalid("A customer managed environment takes no role, account connection or provisioning repository.")
	case w.ProvisioningRepository != nil && role:
		return invalid("A provisioning repository can't be combined with a service role, a CodeBuild role or an environment account connection.")
	case w.EnvironmentAccountConnectionId != nil && (w.ProtonServiceRoleArn != nil || w.CodebuildRoleArn != nil || w.ComponentRoleArn != nil):
		return invalid("An environment account connection brings its own roles: they can't be given beside it.")
	}
	if w.ProtonServiceRoleArn != nil {
		x.ProtonServiceRoleArn = w.ProtonServiceRoleArn
	}
	if w.CodebuildRoleArn != nil {
		x.CodebuildRoleArn = w.CodebuildRoleArn
	}
	if w.ComponentRoleArn != nil {
		x.ComponentRoleArn = w.ComponentRoleArn
	}
	if w.EnvironmentAccountConnectionId != nil {
		c, err := s.usableConnection(ctx, p, *w.EnvironmentAccountConnectionId, *x.Name)
		if err != nil {
			return err
		}
		x.EnvironmentAccountConnectionId, x.EnvironmentAccountId = c.Id, c.EnvironmentAccountId
		x.ProtonServiceRoleArn, x.CodebuildRoleArn, x.ComponentRoleArn = c.RoleArn, c.CodebuildRoleArn, c.ComponentRoleArn
	}
	if w.ProvisioningRepository == nil {
		return nil
	}
	return s.db.View(ctx, func(r store.Reader) (err error) {
		x.ProvisioningRepository, err = branchOf(r, p, w.ProvisioningRepository)
		return err
	})
}

// environment returns an environment as it is.
func (s *Service) environment(ctx context.Context, name *string) (*record[subject], error) {
	rec, err := get[subject](ctx, s, key("en", here(ctx), wire.Val(name)))
	return rec, known(err, notFound("environment", wire.Val(name)))
}

// GetEnvironment describes an environment.
func (s *Service) GetEnvironment(ctx context.Context, in *api.GetEnvironmentInput) (*api.GetEnvironmentOutput, error) {
	rec, err := s.environment(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return &api.GetEnvironmentOutput{Environment: environmentOf(&rec.V)}, nil
}

// ListEnvironments lists the environments, of some templates or of all.
func (s *Service) ListEnvironments(ctx context.Context, in *api.ListEnvironmentsInput) (*api.ListEnvironmentsOutput, error) {
	p := here(ctx)
	words := []string{"environments"}
	for _, f := range in.EnvironmentTemplates {
		words = append(words, wire.Val(f.TemplateName)+"."+wire.Val(f.MajorVersion))
	}
	keep := func(x *record[subject]) bool {
		for _, f := range in.EnvironmentTemplates {
			if wire.Val(f.TemplateName) == wire.Val(x.V.TemplateName) && wire.Val(f.MajorVersion) == wire.Val(x.V.TemplateMajorVersion) {
				return true
			}
		}
		return len(in.EnvironmentTemplates) == 0
	}
	items, next, err := list(ctx, s, within("en", p), page{p.scope(words...), in.NextToken, in.MaxResults}, keep)
	if err == nil {
		err = reveal(ctx, s, items)
	}
	if err != nil {
		return nil, err
	}
	out := &api.ListEnvironmentsOutput{NextToken: next, Environments: []api.EnvironmentSummary{}}
	for _, x := range items {
		out.Environments = append(out.Environments, as[api.EnvironmentSummary](x.V))
	}
	return out, nil
}

// UpdateEnvironment changes what describes an environment, or deploys it anew.
func (s *Service) UpdateEnvironment(ctx context.Context, in *api.UpdateEnvironmentInput) (*api.UpdateEnvironmentOutput, error) {
	p, k, missing := here(ctx), key("en", here(ctx), wire.Val(in.Name)), notFound("environment", wire.Val(in.Name))
	describe := func(rec *record[subject]) error {
		if in.Description != nil {
			rec.V.Description = in.Description
		}
		rec.V.LastModifiedAt = s.at()
		return s.provisionedBy(ctx, p, &rec.V, as[ways](in))
	}
	rebind := func(tx store.Tx, before, rec *record[subject]) error {
		if wire.Val(before.V.EnvironmentAccountConnectionId) == wire.Val(rec.V.EnvironmentAccountConnectionId) {
			return nil
		}
		if err := bindConnection(tx, p, &before.V, false); err != nil {
			return err
		}
		return bindConnection(tx, p, &rec.V, true)
	}
	if in.DeploymentType == api.DeploymentUpdateTypeNone {
		if in.Spec != nil || in.TemplateMajorVersion != nil || in.TemplateMinorVersion != nil {
			return nil, invalid("The deployment type NONE takes no spec and no template version.")
		}
		rec, err := edit[subject]{key: k, missing: missing, change: describe, also: rebind}.apply(ctx, s)
		if err != nil {
			return nil, err
		}
		return &api.UpdateEnvironmentOutput{Environment: environmentOf(&rec.V)}, nil
	}
	l := launch{s: s, p: p, target: func(rec *record[subject]) (*api.DeploymentState, error) {
		if err := describe(rec); err != nil {
			return nil, err
		}
		w, err := s.wantUpdate(ctx, p, &rec.V, in.DeploymentType, in.TemplateMajorVersion, in.TemplateMinorVersion)
		if err != nil {
			return nil, err
		}
		_, text, err := environmentSpec(w, in.Spec, rec.V.Spec)
		return &api.DeploymentState{Environment: &api.EnvironmentState{
			Spec: text, TemplateName: rec.V.TemplateName, TemplateMajorVersion: &w.major, TemplateMinorVersion: &w.minor,
		}}, err
	}}
	e := l.edit(ctx, k, missing)
	started := e.also
	e.also = func(tx store.Tx, before, rec *record[subject]) error {
		if err := rebind(tx, before, rec); err != nil {
			return err
		}
		return started(tx, before, rec)
	}
	rec, err := e.apply(ctx, s)
	if err != nil {
		return nil, err
	}
	return &api.UpdateEnvironmentOutput{Environment: environmentOf(&rec.V)}, nil
}

// DeleteEnvironment begins to take an environment away that nothing stands in.
func (s *Service) DeleteEnvironment(ctx context.Context, in *api.DeleteEnvironmentInput) (*api.DeleteEnvironmentOutput, error) {
	p, k := here(ctx), key("en", here(ctx), wire.Val(in.Name))
	l := launch{s: s, p: p, also: func(tx store.Tx, rec *record[subject]) error {
		used, err := anyBelow(tx, linkPrefix(usesEnvironment, k))
		if err == nil && used {
			return conflict("The environment %s has service instances or components. Delete them first.", wire.Val(in.Name))
		}
		return err
	}}
	rec, err := l.edit(ctx, k, notFound("environment", wire.Val(in.Name))).apply(ctx, s)
	if err != nil {
		return nil, err
	}
	return &api.DeleteEnvironmentOutput{Environment: environmentOf(&rec.V)}, nil
}
