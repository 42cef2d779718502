package catalogue

import (
	"bytes"
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/wire"
)

// Export writes the catalogue of the caller's account in the region to a folder, which is made, is empty, or holds an
// earlier export: what is not in the catalogue any more is then removed from it. What is being registered, has failed
// to, or is being deleted is left out, and said. Anything that cannot be read ends it.
func Export(ctx context.Context, h *House, dir string) error {
	account, err := h.account(ctx)
	if err != nil {
		return err
	}
	to, err := makeFolder(dir)
	if err != nil {
		return err
	}
	e := &exporter{h: h, c: h.Proton, to: to}
	return errors.Join(e.run(ctx, account), to.close())
}

type exporter struct {
	h  *House
	c  *api.Client
	to *folder
}

func (e *exporter) run(ctx context.Context, account string) error {
	// The mark comes first, so that an export that was broken off can be begun again.
	if err := e.json(catalogueFile, origin{format, account, e.h.Region}); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		e.settings, e.repositories, e.connections,
		func(ctx context.Context) error { return e.templates(ctx, environmentFamily) },
		func(ctx context.Context) error { return e.templates(ctx, serviceFamily) },
		e.environments, e.services, e.components,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return e.to.tidy()
}

func (e *exporter) json(name string, v any) error {
	text, err := encode(v)
	if err != nil {
		return err
	}
	return e.to.write(name, text, false)
}

// text writes a text that may be empty: then there is no file.
func (e *exporter) text(name, text string) error {
	if text == "" {
		return nil
	}
	return e.to.write(name, []byte(text), false)
}

func (e *exporter) templates(ctx context.Context, f *family) error {
	names, err := f.names(ctx, e.c)
	if err != nil {
		return about(err, "%ss", f.word)
	}
	for _, name := range names {
		if err := e.template(ctx, f, name); err != nil {
			return about(err, "%s %s", f.word, name)
		}
	}
	return nil
}

func (e *exporter) template(ctx context.Context, f *family, name string) error {
	e.h.say("%s %s", f.word, name)
	arn, t, err := f.template(ctx, e.c, name)
	if err != nil {
		return err
	}
	if t.Tags, err = e.h.tags(ctx, &arn); err != nil {
		return err
	}
	if t.Sync, err = templateSync(ctx, e.c, f, name); err != nil {
		return err
	}
	if err := e.json(path.Join(f.folder, name, templateFile), t); err != nil {
		return err
	}
	list, err := versionsOf(ctx, e.c, f, name)
	if err != nil {
		return err
	}
	for _, n := range list {
		if !n.registered() {
			e.h.say("  %s is left out: it is %s", n.number, n.status)
			continue
		}
		if err := e.version(ctx, f, name, n.number); err != nil {
			return about(err, "version %s", n.number)
		}
	}
	return nil
}

func (n *numbered) registered() bool {
	return n.status == api.TemplateVersionStatusDraft || n.status == api.TemplateVersionStatusPublished
}

// versionsOf are all versions of a template, in order.
func versionsOf(ctx context.Context, c *api.Client, f *family, name string) (list []numbered, err error) {
	majors, err := f.numbers(ctx, c, name, nil)
	if err != nil {
		return nil, err
	}
	for _, m := range majors {
		major, _ := m.parts()
		some, err := f.numbers(ctx, c, name, major)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	slices.SortFunc(list, func(a, b numbered) int { return a.compare(b.number) })
	return list, nil
}

func (e *exporter) version(ctx context.Context, f *family, name string, n number) error {
	e.h.say("  %s", n)
	arn, v, _, err := f.version(ctx, e.c, name, n)
	if err != nil {
		return err
	}
	if v.Tags, err = e.h.tags(ctx, &arn); err != nil {
		return err
	}
	dir := path.Join(f.folder, name, n.String())
	if err := e.json(path.Join(dir, versionFile), v); err != nil {
		return err
	}
	files, err := filesOf(ctx, e.c, f, name, n)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := e.to.write(path.Join(dir, bundleFolder, file.Name), file.Data, file.Exec); err != nil {
			return err
		}
	}
	return nil
}

// filesOf are the files of a registered version's bundle.
func filesOf(ctx context.Context, c *api.Client, f *family, name string, n number) ([]bundle.File, error) {
	major, minor := n.parts()
	out, err := c.GetTemplateVersionBundle(ctx, &api.GetTemplateVersionBundleInput{TemplateType: f.kind, TemplateName: &name, MajorVersion: major, MinorVersion: minor})
	if err != nil {
		return nil, err
	}
	return bundle.Unpack(bytes.NewReader(out.Bundle))
}

func (e *exporter) settings(ctx context.Context) error {
	out, err := e.c.GetAccountSettings(ctx, &api.GetAccountSettingsInput{})
	if err != nil {
		return about(err, "settings")
	}
	s := out.AccountSettings
	return e.json(settingsFile, settings{
		PipelineServiceRoleArn: wire.Val(s.PipelineServiceRoleArn), PipelineCodebuildRoleArn: wire.Val(s.PipelineCodebuildRoleArn),
		PipelineProvisioningRepository: branchOf(s.PipelineProvisioningRepository),
	})
}

func branchOf(b *api.RepositoryBranch) *branch {
	if b == nil {
		return nil
	}
	return &branch{Provider: string(b.Provider), Name: wire.Val(b.Name), Branch: wire.Val(b.Branch)}
}

func (e *exporter) repositories(ctx context.Context) error {
	list, err := repositoriesOf(ctx, e.h)
	if err != nil {
		return about(err, "repositories")
	}
	return e.json(repositoryFile, list)
}

func (e *exporter) connections(ctx context.Context) error {
	list, err := connectionsOf(ctx, e.c)
	if err != nil {
		return about(err, "account connections")
	}
	shown := make([]connection, 0, len(list))
	for _, c := range list {
		if c.Status != string(api.EnvironmentAccountConnectionStatusRejected) {
			shown = append(shown, c.connection)
		}
	}
	return e.json(connectionFile, shown)
}

func (e *exporter) environments(ctx context.Context) error {
	list, err := all(func(token *string) ([]api.EnvironmentSummary, *string, error) {
		out, err := e.c.ListEnvironments(ctx, &api.ListEnvironmentsInput{NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return out.Environments, out.NextToken, nil
	})
	if err != nil {
		return about(err, "environments")
	}
	for _, x := range list {
		name := wire.Val(x.Name)
		if e.going("environment", name, x.DeploymentStatus) {
			continue
		}
		if err := e.environment(ctx, name); err != nil {
			return about(err, "environment %s", name)
		}
	}
	return nil
}

// going reports whether something is being deleted, and says that it is left out.
func (e *exporter) going(what, name string, s api.DeploymentStatus) bool {
	if s != api.DeploymentStatusDeleteInProgress {
		e.h.say("%s %s", what, name)
		return false
	}
	e.h.say("%s %s is left out: it is being deleted", what, name)
	return true
}

func (e *exporter) environment(ctx context.Context, name string) error {
	out, err := e.c.GetEnvironment(ctx, &api.GetEnvironmentInput{Name: &name})
	if err != nil {
		return err
	}
	x := out.Environment
	v := environment{
		Description: wire.Val(x.Description), TemplateName: wire.Val(x.TemplateName), TemplateVersion: wire.Val(x.TemplateMajorVersion) + "." + wire.Val(x.TemplateMinorVersion),
		ProvisioningRepository: branchOf(x.ProvisioningRepository),
	}
	if x.EnvironmentAccountConnectionId != nil {
		v.EnvironmentAccountID = wire.Val(x.EnvironmentAccountId) // whose connection brings the roles
	} else {
		v.ProtonServiceRoleArn, v.CodebuildRoleArn, v.ComponentRoleArn = wire.Val(x.ProtonServiceRoleArn), wire.Val(x.CodebuildRoleArn), wire.Val(x.ComponentRoleArn)
	}
	if v.Tags, err = e.h.tags(ctx, x.Arn); err != nil {
		return err
	}
	if err := e.json(path.Join(environments, name, "environment.json"), v); err != nil {
		return err
	}
	return e.text(path.Join(environments, name, specFile), wire.Val(x.Spec))
}

func (e *exporter) services(ctx context.Context) error {
	list, err := all(func(token *string) ([]api.ServiceSummary, *string, error) {
		out, err := e.c.ListServices(ctx, &api.ListServicesInput{NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return out.Services, out.NextToken, nil
	})
	if err != nil {
		return about(err, "services")
	}
	for _, x := range list {
		name := wire.Val(x.Name)
		if x.Status == api.ServiceStatusDeleteInProgress {
			e.h.say("service %s is left out: it is being deleted", name)
			continue
		}
		e.h.say("service %s", name)
		if err := e.service(ctx, name); err != nil {
			return about(err, "service %s", name)
		}
	}
	return nil
}

func (e *exporter) service(ctx context.Context, name string) error {
	out, err := e.c.GetService(ctx, &api.GetServiceInput{Name: &name})
	if err != nil {
		return err
	}
	x := out.Service
	v := service{
		Description: wire.Val(x.Description), TemplateName: wire.Val(x.TemplateName),
		RepositoryID: wire.Val(x.RepositoryId), RepositoryConnectionArn: wire.Val(x.RepositoryConnectionArn), BranchName: wire.Val(x.BranchName),
	}
	if x.Pipeline != nil {
		v.PipelineVersion = wire.Val(x.Pipeline.TemplateMajorVersion) + "." + wire.Val(x.Pipeline.TemplateMinorVersion)
	}
	if v.Tags, err = e.h.tags(ctx, x.Arn); err != nil {
		return err
	}
	if v.Sync, err = serviceSync(ctx, e.c, name); err != nil {
		return err
	}
	if err := e.json(path.Join(services, name, "service.json"), v); err != nil {
		return err
	}
	if err := e.text(path.Join(services, name, specFile), wire.Val(x.Spec)); err != nil {
		return err
	}
	list, err := all(func(token *string) ([]api.ServiceInstanceSummary, *string, error) {
		out, err := e.c.ListServiceInstances(ctx, &api.ListServiceInstancesInput{ServiceName: &name, NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return out.ServiceInstances, out.NextToken, nil
	})
	if err != nil {
		return err
	}
	for _, one := range list {
		if e.going("  instance", wire.Val(one.Name), one.DeploymentStatus) {
			continue
		}
		if err := e.instance(ctx, name, wire.Val(one.Name)); err != nil {
			return about(err, "instance %s", wire.Val(one.Name))
		}
	}
	return nil
}

func (e *exporter) instance(ctx context.Context, service, name string) error {
	out, err := e.c.GetServiceInstance(ctx, &api.GetServiceInstanceInput{ServiceName: &service, Name: &name})
	if err != nil {
		return err
	}
	x := out.ServiceInstance
	v := instance{EnvironmentName: wire.Val(x.EnvironmentName), TemplateVersion: wire.Val(x.TemplateMajorVersion) + "." + wire.Val(x.TemplateMinorVersion)}
	if v.Tags, err = e.h.tags(ctx, x.Arn); err != nil {
		return err
	}
	dir := path.Join(services, service, "instances", name)
	if err := e.json(path.Join(dir, "instance.json"), v); err != nil {
		return err
	}
	return e.text(path.Join(dir, specFile), wire.Val(x.Spec))
}

func (e *exporter) components(ctx context.Context) error {
	list, err := all(func(token *string) ([]api.ComponentSummary, *string, error) {
		out, err := e.c.ListComponents(ctx, &api.ListComponentsInput{NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return out.Components, out.NextToken, nil
	})
	if err != nil {
		return about(err, "components")
	}
	for _, x := range list {
		name := wire.Val(x.Name)
		if e.going("component", name, x.DeploymentStatus) {
			continue
		}
		if err := e.component(ctx, name); err != nil {
			return about(err, "component %s", name)
		}
	}
	return nil
}

func (e *exporter) component(ctx context.Context, name string) error {
	out, err := e.c.GetComponent(ctx, &api.GetComponentInput{Name: &name})
	if err != nil {
		return err
	}
	given, err := e.c.GetComponentTemplate(ctx, &api.GetComponentTemplateInput{Name: &name})
	if err != nil {
		return err
	}
	x, manifest := out.Component, wire.Val(given.Manifest)
	b, err := bundle.Component(wire.Val(given.TemplateFile), manifest)
	if err != nil {
		return err
	}
	v := component{
		Description: wire.Val(x.Description), EnvironmentName: wire.Val(x.EnvironmentName), ServiceName: wire.Val(x.ServiceName), ServiceInstanceName: wire.Val(x.ServiceInstanceName),
		TemplateFile: b.Component.Files[0].Name,
	}
	if reserved := []string{"component.json", manifestFile, "service-spec.yaml"}; strings.Contains(v.TemplateFile, "/") || slices.Contains(reserved, v.TemplateFile) {
		v.TemplateFile = "template" + path.Ext(v.TemplateFile)
	}
	if v.Tags, err = e.h.tags(ctx, x.Arn); err != nil {
		return err
	}
	dir := path.Join(components, name)
	if err := e.json(path.Join(dir, "component.json"), v); err != nil {
		return err
	}
	if err := e.text(path.Join(dir, v.TemplateFile), wire.Val(given.TemplateFile)); err != nil {
		return err
	}
	if err := e.text(path.Join(dir, manifestFile), manifest); err != nil {
		return err
	}
	return e.text(path.Join(dir, "service-spec.yaml"), wire.Val(x.ServiceSpec))
}
