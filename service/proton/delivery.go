package proton

import (
	"context"
	"errors"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/document"
	"github.com/strongroom/strongroom/service/proton/render"
	"github.com/strongroom/strongroom/service/proton/schema"
	"github.com/strongroom/strongroom/service/proton/spec"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// delivery gathers what a deployment brings into being, with its files: rendered now, or as they
// were kept. It is nil where there is nothing to bring into being. An error that the customer has to mend is a *failure.
func (s *Service) delivery(ctx context.Context, p place, rec *record[deployment]) (*Delivery, error) {
	x, err := get[subject](ctx, s, rec.V.Subject)
	if err != nil {
		return nil, known(err, failed("The resource is gone."))
	}
	if x.V.Provisioning == api.ProvisioningCustomerManaged {
		return nil, nil
	}
	x.V.become(rec.V.TargetState)
	if a := rec.V.Attach; a != nil {
		x.V.ServiceName, x.V.ServiceInstanceName = a.Service, a.Instance
	}
	g := &gathering{s: s, p: p, rec: rec, x: x}
	if err := g.gather(ctx); err != nil {
		return nil, err
	}
	d := g.delivery()
	if d.Variables, err = render.Variables(ctx, g.part, g.job); err != nil {
		return nil, asFailure(err)
	}
	if rec.V.Rendered != nil {
		d.Files, err = s.renderedFiles(ctx, rec)
		return d, err
	}
	if d.Role != "" {
		if err := s.tryRole(ctx, p, d.Role, d.source()); err != nil {
			return nil, err
		}
	}
	if g.job.Before, err = g.before(ctx); err != nil {
		return nil, err
	}
	d.Files, err = render.Files(ctx, g.part, g.job)
	return d, asFailure(err)
}

// before are the files that were last brought into being, of what is to be deleted and of a component that is
// detached and changed in nothing else: its infrastructure stays, and what its template says of a service
// instance has no values any more (AWS Proton user guide, "Component states").
func (g *gathering) before(ctx context.Context) (map[string][]byte, error) {
	v := &g.x.V
	detached := v.Kind == api.DeploymentTargetResourceTypeComponent && wire.Val(v.ServiceInstanceName) == ""
	if v.LastSucceededDeploymentId == nil || g.part.Engine != bundle.Jinja || !detached && !g.rec.V.Delete {
		return nil, nil
	}
	last, err := get[deployment](ctx, g.s, key("de", g.p, *v.LastSucceededDeploymentId))
	if errors.Is(err, store.ErrNotFound) || err == nil && last.V.Rendered == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if was := last.V.TargetState; detached && (was == nil || was.Component == nil || wire.Val(was.Component.TemplateFile) != wire.Val(v.TemplateFile)) {
		return nil, nil
	}
	files, err := g.s.renderedFiles(ctx, last)
	before := make(map[string][]byte, len(files))
	for _, f := range files {
		before[f.Name] = f.Data
	}
	return before, err
}

// asFailure turns what the author of a bundle or spec has to mend into a failure.
func asFailure(err error) error {
	var bad *bundle.Error
	if errors.As(err, &bad) {
		return failed("%s", bad.Error())
	}
	return err
}

// gathering is the work of finding out what a deployment is about.
type gathering struct {
	s   *Service
	p   place
	rec *record[deployment]
	x   *record[subject]

	part       *bundle.Infrastructure
	job        render.Job
	repository *api.RepositoryBranch
	role       string
}

func (g *gathering) gather(ctx context.Context) error {
	v := &g.x.V
	g.job = render.Job{
		ResourceARN: g.x.Resource, DeploymentID: *g.rec.V.Id, Deleted: g.rec.V.Delete,
		MajorVersion: wire.Val(v.TemplateMajorVersion), MinorVersion: wire.Val(v.TemplateMinorVersion),
	}
	var err error
	switch v.Kind {
	case api.DeploymentTargetResourceTypeEnvironment:
		err = g.environment(ctx)
	case api.DeploymentTargetResourceTypeServiceInstance:
		err = g.instance(ctx)
	case api.DeploymentTargetResourceTypeServicePipeline:
		err = g.pipeline(ctx)
	default:
		err = g.component(ctx)
	}
	g.job.Tags = g.tags()
	return err
}

// tags are what provisioned resources are tagged with: the service's own tags. A customer's tags of the resource are
// not passed on (AWS Proton user guide, "AWS Proton resources and tagging").
func (g *gathering) tags() *document.Object {
	v, environment, instance := &g.x.V, g.job.EnvironmentARN, ""
	switch {
	case v.Kind == api.DeploymentTargetResourceTypeEnvironment:
		environment = g.x.Resource
	case v.Kind == api.DeploymentTargetResourceTypeServiceInstance:
		instance = g.x.Resource
	case wire.Val(v.ServiceInstanceName) != "":
		instance = g.p.instanceARN(wire.Val(v.ServiceName), *v.ServiceInstanceName)
	}
	service := ""
	if wire.Val(v.ServiceName) != "" {
		service = g.p.serviceARN(*v.ServiceName)
	}
	tags := new(document.Object).Set("proton:account", g.p.account)
	for _, t := range [][2]string{{"template", g.job.TemplateARN}, {"environment", environment}, {"service", service}, {"service-instance", instance}} {
		if t[1] != "" {
			tags.Set("proton:"+t[0], t[1])
		}
	}
	return tags
}

// bundle opens the bundle of the version that the subject is to have.
func (g *gathering) bundle(ctx context.Context) (*bundle.Bundle, error) {
	f, v := g.x.V.family(), &g.x.V
	g.job.TemplateARN = g.x.Template
	return g.s.versionBundle(ctx, g.p, f, *v.TemplateName, wire.Val(v.TemplateMajorVersion), wire.Val(v.TemplateMinorVersion))
}

// versionBundle opens the bundle of a version.
func (s *Service) versionBundle(ctx context.Context, p place, f *family, name, major, minor string) (*bundle.Bundle, error) {
	k, missing := versionKeyOf(p, f, &name, &major, &minor)
	rec, err := plain[version](ctx, s, k)
	if err != nil {
		return nil, known(err, failed("%s", missing.(*wire.Error).Message))
	}
	t, err := plain[template](ctx, s, key(f.template, p, name))
	if err != nil {
		return nil, err
	}
	return s.bundleOf(ctx, f, &t.V, rec)
}

func (g *gathering) environment(ctx context.Context) error {
	b, err := g.bundle(ctx)
	if err != nil {
		return err
	}
	in, err := environmentInputs(g.x.V.Spec, b.Schema)
	if err != nil {
		return err
	}
	g.job.Kind, g.part = render.Environment, b.Environment
	if err := g.s.connectedRoles(ctx, g.p, &g.x.V); err != nil {
		return err
	}
	g.job.Data.Environment = &render.EnvironmentData{Name: *g.x.V.Name, AccountID: g.p.account, Inputs: in, Outputs: outputsOf(g.x.V.Outputs)}
	g.placed(&g.x.V)
	return nil
}

// placed takes from the environment what everything in it is provisioned with.
func (g *gathering) placed(e *subject) {
	if id := wire.Val(e.EnvironmentAccountId); id != "" {
		g.job.Data.Environment.AccountID = id
	}
	g.repository = e.ProvisioningRepository
	switch {
	case g.part.Engine == bundle.CodeBuild:
		g.role = wire.Val(e.CodebuildRoleArn)
	case g.repository != nil: // whoever applies the files has a role of his own
	case g.x.V.Kind == api.DeploymentTargetResourceTypeComponent:
		g.role = wire.Val(e.ComponentRoleArn)
	default:
		g.role = wire.Val(e.ProtonServiceRoleArn)
	}
}

func environmentInputs(text *string, sc *schema.Schema) (*document.Object, error) {
	parsed, err := spec.Parse(spec.Environment, wire.Val(text))
	if err != nil {
		return nil, asFailure(err)
	}
	in, problems := parsed.CheckEnvironment(sc.Environment)
	return in, problemsOf(problems)
}

// problemsOf is the failure of a spec that does not fit its schema.
func problemsOf(list []schema.Problem) error {
	if len(list) == 0 {
		return nil
	}
	return failed("%s", tellProblems(list))
}

func tellProblems(list []schema.Problem) string {
	text := "The spec doesn't match the schema of the template:"
	for _, p := range list {
		text += " " + p.String() + ";"
	}
	return text[:len(text)-1]
}

func (g *gathering) instance(ctx context.Context) error {
	v := &g.x.V
	b, err := g.bundle(ctx)
	if err != nil {
		return err
	}
	g.job.Kind, g.part = render.ServiceInstance, b.Instance
	parsed, err := spec.Parse(spec.Service, wire.Val(v.Spec))
	if err != nil {
		return asFailure(err)
	}
	in, problems := parsed.CheckInstance(*v.Name, b.Schema.Service)
	if err := problemsOf(problems); err != nil {
		return err
	}
	e, err := g.around(ctx, *v.EnvironmentName)
	if err != nil {
		return err
	}
	if g.job.Data.Service, err = g.s.serviceData(ctx, g.p, *v.ServiceName); err != nil {
		return err
	}
	g.job.Data.Instance = &render.InstanceData{Name: *v.Name, Inputs: in, Outputs: outputsOf(v.Outputs)}
	if g.job.Data.Instance.Component, err = g.s.componentOutputs(ctx, g.x.key); err != nil {
		return err
	}
	g.placed(e)
	return nil
}

// around opens the environment that the subject stands in.
func (g *gathering) around(ctx context.Context, name string) (*subject, error) {
	e, data, err := g.s.environmentData(ctx, g.p, name)
	if err != nil {
		return nil, err
	}
	g.job.Data.Environment, g.job.EnvironmentARN = data, g.p.environmentARN(name)
	return e, g.s.connectedRoles(ctx, g.p, e)
}

// environmentData is an environment as templates see it from outside.
func (s *Service) environmentData(ctx context.Context, p place, name string) (*subject, *render.EnvironmentData, error) {
	e, err := get[subject](ctx, s, key("en", p, name))
	if err != nil {
		return nil, nil, known(err, failed("The environment %s doesn't exist.", name))
	}
	data := &render.EnvironmentData{Name: name, AccountID: p.account, Outputs: outputsOf(e.V.Outputs)}
	if id := wire.Val(e.V.EnvironmentAccountId); id != "" {
		data.AccountID = id
	}
	if e.V.Provisioning == api.ProvisioningCustomerManaged { // its inputs are what it has to tell
		parsed, err := spec.Parse(spec.Environment, wire.Val(e.V.Spec))
		if err != nil {
			return nil, nil, asFailure(err)
		}
		data.Outputs = parsed.Inputs
	}
	return &e.V, data, nil
}

func (s *Service) serviceData(ctx context.Context, p place, name string) (*render.ServiceData, error) {
	w, err := plain[workload](ctx, s, key("se", p, name))
	if err != nil {
		return nil, known(err, failed("The service %s doesn't exist.", name))
	}
	return &render.ServiceData{
		Name: name, RepositoryID: wire.Val(w.V.RepositoryId), RepositoryConnectionARN: wire.Val(w.V.RepositoryConnectionArn), BranchName: wire.Val(w.V.BranchName),
	}, nil
}

// componentOutputs are the outputs of the component that is attached to an instance; nil for none.
func (s *Service) componentOutputs(ctx context.Context, instance []byte) (*document.Object, error) {
	keys, err := s.attached(ctx, instance)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	c, err := get[subject](ctx, s, keys[0])
	if err != nil || !c.V.Succeeded {
		return nil, known(err, nil)
	}
	return outputsOf(c.V.Outputs), nil
}

// attached returns the keys of the components that are attached to an instance.
func (s *Service) attached(ctx context.Context, instance []byte) (keys [][]byte, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		names, err := store.KeysBelow(r, linkPrefix(usesInstance, instance), 0)
		keys = nil
		for _, n := range names {
			keys = append(keys, []byte(n))
		}
		return err
	})
	return keys, err
}

func outputsOf(list []api.Output) *document.Object {
	o := new(document.Object)
	for _, out := range list {
		o.Set(wire.Val(out.Key), wire.Val(out.ValueString))
	}
	return o
}

func (g *gathering) component(ctx context.Context) error {
	v := &g.x.V
	b, err := bundle.Component(wire.Val(v.TemplateFile), wire.Val(v.Manifest))
	if err != nil {
		return asFailure(err)
	}
	g.job.Kind, g.part = render.Component, b.Component
	g.job.Data.Component = &render.ComponentData{Name: *v.Name}
	e, err := g.around(ctx, *v.EnvironmentName)
	if err != nil {
		return err
	}
	if name := wire.Val(v.ServiceInstanceName); name != "" {
		if g.job.Data.Service, err = g.s.serviceData(ctx, g.p, wire.Val(v.ServiceName)); err != nil {
			return err
		}
		in := new(document.Object)
		if wire.Val(v.ServiceSpec) != "" {
			parsed, err := spec.Parse(spec.Service, *v.ServiceSpec)
			if err != nil {
				return asFailure(err)
			}
			if one := parsed.Instance(name); one != nil {
				in = one.Inputs
			}
		}
		g.job.Data.Instance = &render.InstanceData{Name: name, Inputs: in}
	}
	g.placed(e)
	return nil
}

// delivery is what was gathered, as those see it who deliver it.
func (g *gathering) delivery() *Delivery {
	v, d := &g.x.V, &g.rec.V
	return &Delivery{
		Region: g.p.region, Account: g.p.account, ID: *d.Id, Kind: v.Kind, TargetARN: g.x.Resource,
		Environment: wire.Val(d.EnvironmentName), Service: wire.Val(v.ServiceName), Instance: wire.Val(d.ServiceInstanceName), Component: wire.Val(d.ComponentName),
		TemplateARN: g.job.TemplateARN, TemplateMajor: g.job.MajorVersion, TemplateMinor: g.job.MinorVersion, EnvironmentARN: g.job.EnvironmentARN,
		Delete: d.Delete, Cancel: d.DeploymentStatus == api.DeploymentStatusCancelling, Begun: *d.CreatedAt,
		Part: g.part, Folder: g.job.Folder(false), NestedFolder: g.job.Folder(true),
		Repository: g.repository, Role: g.role, State: d.State,
	}
}
