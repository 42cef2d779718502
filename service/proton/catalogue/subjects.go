package catalogue

import (
	"context"
	"slices"
	"strings"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/service/proton/spec"
	"github.com/strongroom/strongroom/wire"
)

func (i *importer) environments(ctx context.Context) error {
	for n := range i.in.environments {
		e := &i.in.environments[n]
		if err := i.environment(ctx, e); err != nil {
			return about(err, "environment %s", e.name)
		}
	}
	return nil
}

func (i *importer) environment(ctx context.Context, e *environmentEntry) error {
	v, err := i.numberOf(environmentFamily, e.TemplateName, e.TemplateVersion)
	if err != nil {
		return err
	}
	out, err := i.c.GetEnvironment(ctx, &api.GetEnvironmentInput{Name: &e.name})
	if err == nil {
		return i.standingEnvironment(ctx, e, v, out.Environment)
	}
	if !missing(err) {
		return err
	}
	major, minor := v.parts()
	in := &api.CreateEnvironmentInput{
		Name: &e.name, Description: given(e.Description), Spec: &e.spec, Tags: e.Tags.list(), TemplateName: &e.TemplateName, TemplateMajorVersion: major, TemplateMinorVersion: minor,
		ProtonServiceRoleArn: given(i.to.arnOf(e.ProtonServiceRoleArn)), CodebuildRoleArn: given(i.to.arnOf(e.CodebuildRoleArn)), ComponentRoleArn: given(i.to.arnOf(e.ComponentRoleArn)),
		ProvisioningRepository: e.ProvisioningRepository.input(),
	}
	if e.EnvironmentAccountID != "" {
		list, err := connectionsOf(ctx, i.c)
		if err != nil {
			return err
		}
		c := find(list, e.name, i.to.account, i.to.accountOf(e.EnvironmentAccountID))
		if c == nil || c.Status != string(api.EnvironmentAccountConnectionStatusConnected) {
			i.problem("environment %s: there is no account connection with %s", e.name, i.to.accountOf(e.EnvironmentAccountID))
			return nil
		}
		in.EnvironmentAccountConnectionId = &c.id
	}
	i.h.say("environment %s", e.name)
	_, err = i.c.CreateEnvironment(ctx, in)
	return err
}

// standingEnvironment describes an environment that is there anew, and says where it is another one.
func (i *importer) standingEnvironment(ctx context.Context, e *environmentEntry, v number, x *api.Environment) error {
	i.compare("environment "+e.name, same(spec.Environment, e.spec, wire.Val(x.Spec)), wire.Val(x.TemplateName) == e.TemplateName && at(x.TemplateMajorVersion, x.TemplateMinorVersion) == v.String())
	if wire.Val(x.Description) != e.Description {
		i.h.say("environment %s: its description", e.name)
		_, err := i.c.UpdateEnvironment(ctx, &api.UpdateEnvironmentInput{Name: &e.name, Description: &e.Description, DeploymentType: api.DeploymentUpdateTypeNone})
		if err != nil {
			return err
		}
	}
	return i.h.tag(ctx, wire.Val(x.Arn), e.Tags)
}

// compare says where something that is deployed is not what the folder has.
func (i *importer) compare(what string, sameSpec, sameVersion bool) {
	var parts []string
	if !sameSpec {
		parts = append(parts, "its spec")
	}
	if !sameVersion {
		parts = append(parts, "the version of its template")
	}
	if len(parts) > 0 {
		i.h.say("%s differs in %s: it stays as it is", what, strings.Join(parts, " and "))
	}
}

func at(major, minor *string) string { return wire.Val(major) + "." + wire.Val(minor) }

// same reports whether two specs say the same.
func same(kind, a, b string) bool {
	x, err := spec.Parse(kind, a)
	y, err2 := spec.Parse(kind, b)
	return err == nil && err2 == nil && x.String() == y.String()
}

// ready reports whether an environment has been deployed, so that something can stand in it. It waits within bounds.
func (i *importer) ready(ctx context.Context, name string) (ok bool, why string, err error) {
	if i.deployed[name] {
		return true, "", nil
	}
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		out, err := i.c.GetEnvironment(ctx, &api.GetEnvironmentInput{Name: &name})
		if missing(err) {
			return false, "the environment " + name + " is not there", nil
		}
		if err != nil {
			return false, "", err
		}
		x := out.Environment
		if x.DeploymentStatus == api.DeploymentStatusSucceeded || x.LastSucceededDeploymentId != nil {
			i.deployed[name] = true
			return true, "", nil
		}
		if x.DeploymentStatus != api.DeploymentStatusInProgress || !time.Now().Add(pause).Before(i.end) {
			return false, "the environment " + name + " is " + string(x.DeploymentStatus), nil
		}
		if err := sleep(ctx, pause); err != nil {
			return false, "", err
		}
	}
}

func (i *importer) services(ctx context.Context) error {
	for n := range i.in.services {
		s := &i.in.services[n]
		if err := i.service(ctx, s); err != nil {
			return about(err, "service %s", s.name)
		}
	}
	return nil
}

func (i *importer) service(ctx context.Context, s *serviceEntry) error {
	out, err := i.c.GetService(ctx, &api.GetServiceInput{Name: &s.name})
	var done []string
	switch {
	case missing(err):
		done, err = i.newService(ctx, s)
		if err != nil || done == nil {
			return err
		}
	case err != nil:
		return err
	case wire.Val(out.Service.Description) != s.Description:
		i.h.say("service %s: its description", s.name)
		if _, err := i.c.UpdateService(ctx, &api.UpdateServiceInput{Name: &s.name, Description: &s.Description}); err != nil {
			return err
		}
	}
	if out != nil {
		if err := i.h.tag(ctx, wire.Val(out.Service.Arn), s.Tags); err != nil {
			return err
		}
	}
	for n := range s.instances {
		one := &s.instances[n]
		if slices.Contains(done, one.name) {
			continue
		}
		if err := i.instance(ctx, s, one); err != nil {
			return about(err, "instance %s", one.name)
		}
	}
	return nil
}

// newService makes a service with those of its instances that have the version of its pipeline, or of the first
// one. The others have other versions and are added one by one. It returns those that were made; nil for none.
func (i *importer) newService(ctx context.Context, s *serviceEntry) (made []string, err error) {
	version := s.PipelineVersion
	first := func(one instanceEntry) bool { return one.TemplateVersion == version }
	if !slices.ContainsFunc(s.instances, first) {
		version = s.instances[0].TemplateVersion
		if s.PipelineVersion != "" {
			i.h.say("service %s: its pipeline comes with version %s, and not %s, as no instance has that", s.name, version, s.PipelineVersion)
		}
	}
	begun := *s.spec
	begun.Instances = nil
	for _, one := range s.instances {
		if one.TemplateVersion != version {
			continue
		}
		ok, why, err := i.ready(ctx, one.EnvironmentName)
		if err != nil {
			return nil, err
		}
		if !ok {
			i.problem("service %s: %s", s.name, why)
			return nil, nil
		}
		begun.Instances = append(begun.Instances, *one.spec.Instance(one.name))
		made = append(made, one.name)
	}
	v, err := i.numberOf(serviceFamily, s.TemplateName, version)
	if err != nil {
		return nil, err
	}
	major, minor := v.parts()
	i.h.say("service %s", s.name)
	_, err = i.c.CreateService(ctx, &api.CreateServiceInput{
		Name: &s.name, Description: given(s.Description), Spec: wire.Ptr(begun.String()), Tags: s.Tags.list(),
		TemplateName: &s.TemplateName, TemplateMajorVersion: major, TemplateMinorVersion: minor,
		RepositoryId: given(s.RepositoryID), RepositoryConnectionArn: given(i.to.arnOf(s.RepositoryConnectionArn)), BranchName: given(s.BranchName),
	})
	if err != nil {
		return nil, err
	}
	return made, i.tagInstances(ctx, s, made)
}

// tagInstances gives instances that came with their service their own tags.
func (i *importer) tagInstances(ctx context.Context, s *serviceEntry, made []string) error {
	for _, one := range s.instances {
		if len(one.Tags) == 0 || !slices.Contains(made, one.name) {
			continue
		}
		out, err := i.c.GetServiceInstance(ctx, &api.GetServiceInstanceInput{ServiceName: &s.name, Name: &one.name})
		if err == nil {
			err = i.h.tag(ctx, wire.Val(out.ServiceInstance.Arn), one.Tags)
		}
		if err != nil {
			return about(err, "instance %s", one.name)
		}
	}
	return nil
}

// instance adds an instance to a service that is there, or says where the one that is there is another one.
func (i *importer) instance(ctx context.Context, s *serviceEntry, one *instanceEntry) error {
	v, err := i.numberOf(serviceFamily, s.TemplateName, one.TemplateVersion)
	if err != nil {
		return err
	}
	out, err := i.c.GetServiceInstance(ctx, &api.GetServiceInstanceInput{ServiceName: &s.name, Name: &one.name})
	if err == nil {
		x, what := out.ServiceInstance, "service instance "+s.name+"/"+one.name
		i.compare(what, sameInstance(one, wire.Val(x.Spec)), at(x.TemplateMajorVersion, x.TemplateMinorVersion) == v.String())
		return i.h.tag(ctx, wire.Val(x.Arn), one.Tags)
	}
	if !missing(err) {
		return err
	}
	ok, why, err := i.ready(ctx, one.EnvironmentName)
	if err != nil {
		return err
	}
	if !ok {
		i.problem("service instance %s/%s: %s", s.name, one.name, why)
		return nil
	}
	i.h.say("  instance %s", one.name)
	major, minor := v.parts()
	_, err = i.c.CreateServiceInstance(ctx, &api.CreateServiceInstanceInput{
		ServiceName: &s.name, Name: &one.name, Spec: wire.Ptr(one.spec.String()), TemplateMajorVersion: major, TemplateMinorVersion: minor, Tags: one.Tags.list(),
	})
	return err
}

// sameInstance reports whether a spec says the same of an instance as the folder.
func sameInstance(one *instanceEntry, text string) bool {
	s, err := spec.Parse(spec.Service, text)
	if err != nil || s.Instance(one.name) == nil {
		return false
	}
	a, b := &spec.Spec{Kind: s.Kind, Instances: []spec.Instance{*s.Instance(one.name)}}, &spec.Spec{Kind: s.Kind, Instances: []spec.Instance{*one.spec.Instance(one.name)}}
	return a.String() == b.String()
}

func (i *importer) components(ctx context.Context) error {
	for n := range i.in.components {
		c := &i.in.components[n]
		if err := i.component(ctx, c); err != nil {
			return about(err, "component %s", c.name)
		}
	}
	return nil
}

func (i *importer) component(ctx context.Context, c *componentEntry) error {
	out, err := i.c.GetComponent(ctx, &api.GetComponentInput{Name: &c.name})
	if err == nil {
		return i.standingComponent(ctx, c, out.Component)
	}
	if !missing(err) {
		return err
	}
	if ok, why, err := i.ready(ctx, c.EnvironmentName); err != nil || !ok {
		if err == nil {
			i.problem("component %s: %s", c.name, why)
		}
		return err
	}
	if c.ServiceInstanceName != "" {
		_, err := i.c.GetServiceInstance(ctx, &api.GetServiceInstanceInput{ServiceName: &c.ServiceName, Name: &c.ServiceInstanceName})
		if missing(err) {
			i.problem("component %s: the service instance %s/%s is not there", c.name, c.ServiceName, c.ServiceInstanceName)
			return nil
		}
		if err != nil {
			return err
		}
	}
	i.h.say("component %s", c.name)
	in := &api.CreateComponentInput{
		Name: &c.name, Description: given(c.Description), TemplateFile: &c.template, Manifest: &c.manifest, Tags: c.Tags.list(),
		ServiceName: given(c.ServiceName), ServiceInstanceName: given(c.ServiceInstanceName), ServiceSpec: given(c.spec),
	}
	if c.ServiceInstanceName == "" {
		in.EnvironmentName = &c.EnvironmentName
	}
	_, err = i.c.CreateComponent(ctx, in)
	return err
}

func (i *importer) standingComponent(ctx context.Context, c *componentEntry, x *api.Component) error {
	out, err := i.c.GetComponentTemplate(ctx, &api.GetComponentTemplateInput{Name: &c.name})
	if err != nil {
		return err
	}
	switch {
	case wire.Val(out.TemplateFile) != c.template || wire.Val(out.Manifest) != c.manifest:
		i.h.say("component %s differs in its template: it stays as it is", c.name)
	case wire.Val(x.ServiceName) != c.ServiceName || wire.Val(x.ServiceInstanceName) != c.ServiceInstanceName || wire.Val(x.EnvironmentName) != c.EnvironmentName:
		i.h.say("component %s is attached to something else: it stays as it is", c.name)
	case wire.Val(x.ServiceSpec) != c.spec:
		i.h.say("component %s differs in its service spec: it stays as it is", c.name)
	}
	if wire.Val(x.Description) != c.Description {
		i.h.say("component %s: its description", c.name)
		_, err := i.c.UpdateComponent(ctx, &api.UpdateComponentInput{Name: &c.name, Description: &c.Description, DeploymentType: api.ComponentDeploymentUpdateTypeNone})
		if err != nil {
			return err
		}
	}
	return i.h.tag(ctx, wire.Val(x.Arn), c.Tags)
}
