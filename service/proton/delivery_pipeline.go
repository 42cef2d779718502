package proton

import (
	"context"
	"errors"
	"slices"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/document"
	"github.com/strongroom/strongroom/service/proton/render"
	"github.com/strongroom/strongroom/service/proton/schema"
	"github.com/strongroom/strongroom/service/proton/spec"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

func (g *gathering) pipeline(ctx context.Context) error {
	v := &g.x.V
	b, err := g.bundle(ctx)
	if err != nil {
		return err
	}
	g.job.Kind, g.part = render.Pipeline, b.Pipeline
	parsed, err := spec.Parse(spec.Service, wire.Val(v.Spec))
	if err != nil {
		return asFailure(err)
	}
	in, problems := parsed.CheckPipeline(b.Schema.Pipeline)
	if err := problemsOf(problems); err != nil {
		return err
	}
	if g.job.Data.Service, err = g.s.serviceData(ctx, g.p, *v.ServiceName); err != nil {
		return err
	}
	g.job.Data.Pipeline = &render.PipelineData{Inputs: in, Outputs: outputsOf(v.Outputs)}
	if g.job.Data.Instances, err = g.siblings(ctx, parsed, b.Schema.Service); err != nil {
		return err
	}
	settings, err := g.s.settings(ctx, g.p)
	if err != nil {
		return err
	}
	g.repository = settings.PipelineProvisioningRepository
	switch {
	case g.part.Engine == bundle.CodeBuild:
		g.role = wire.Val(settings.PipelineCodebuildRoleArn)
	case g.repository == nil:
		g.role = wire.Val(settings.PipelineServiceRoleArn)
	}
	return nil
}

// siblings are the instances of the service as its pipeline sees them: those of its own spec
// first, in their order, then those that were added to the service since. One that is gone, or going, is left out; t is
// the type of their inputs in the pipeline's own version.
func (g *gathering) siblings(ctx context.Context, own *spec.Spec, t *schema.Type) (list []render.InstanceData, err error) {
	var names []string
	err = g.s.db.View(ctx, func(r store.Reader) error {
		names, err = store.KeysBelow(r, within("si", g.p, *g.x.V.ServiceName), 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	at := func(name string) int { // behind all others when the spec does not have it
		i := slices.IndexFunc(own.Instances, func(in spec.Instance) bool { return in.Name == name })
		return (i + len(own.Instances) + 1) % (len(own.Instances) + 1)
	}
	slices.SortStableFunc(names, func(a, b string) int { return at(a) - at(b) })
	schemas := map[string]*schema.Type{}
	for _, name := range names {
		d, err := g.sibling(ctx, name, schemas)
		if err != nil {
			return nil, err
		}
		if d != nil {
			list = append(list, *d)
		}
	}
	if !g.rec.V.Delete {
		return list, nil
	}
	for _, in := range own.Instances { // a pipeline goes together with its instances, and its templates may speak of them
		if !slices.ContainsFunc(list, func(d render.InstanceData) bool { return d.Name == in.Name }) {
			list = append(list, g.late(in, own, t))
		}
	}
	return list, nil
}

// late is an instance that was gone before its pipeline.
func (g *gathering) late(in spec.Instance, own *spec.Spec, t *schema.Type) render.InstanceData {
	d := render.InstanceData{Name: in.Name, Inputs: in.Inputs, Environment: &render.EnvironmentData{Name: in.Environment, AccountID: g.p.account}}
	if full, problems := own.CheckInstance(in.Name, t); len(problems) == 0 {
		d.Inputs = full
	}
	return d
}

// sibling is one of them. Each can run another version of the template, and each version has defaults of its own.
func (g *gathering) sibling(ctx context.Context, name string, schemas map[string]*schema.Type) (*render.InstanceData, error) {
	x, err := get[subject](ctx, g.s, key("si", g.p, *g.x.V.ServiceName, name))
	going := err == nil && x.V.DeploymentStatus == api.DeploymentStatusDeleteInProgress && !g.rec.V.Delete
	if errors.Is(err, store.ErrNotFound) || going {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d := &render.InstanceData{Name: name, Outputs: outputsOf(x.V.Outputs)}
	if d.Inputs, err = g.inputs(ctx, &x.V, schemas); err != nil {
		return nil, err
	}
	if d.Component, err = g.s.componentOutputs(ctx, x.key); err != nil {
		return nil, err
	}
	_, d.Environment, err = g.s.environmentData(ctx, g.p, wire.Val(x.V.EnvironmentName))
	return d, err
}

// inputs are those of an instance with the defaults of its version.
func (g *gathering) inputs(ctx context.Context, x *subject, schemas map[string]*schema.Type) (*document.Object, error) {
	k := x.versionKey(g.p)
	t, ok := schemas[string(k)]
	if !ok {
		v, err := get[version](ctx, g.s, k)
		if err != nil {
			return nil, known(err, failed("The version %s.%s of the template %s is gone.", wire.Val(x.TemplateMajorVersion), wire.Val(x.TemplateMinorVersion), wire.Val(x.TemplateName)))
		}
		sc, err := schema.Parse("schema/schema.yaml", []byte(wire.Val(v.V.Schema)))
		if err != nil {
			return nil, asFailure(err)
		}
		t, schemas[string(k)] = sc.Service, sc.Service
	}
	parsed, err := spec.Parse(spec.Service, wire.Val(x.Spec))
	if err != nil {
		return nil, asFailure(err)
	}
	in, problems := parsed.CheckInstance(*x.Name, t)
	return in, problemsOf(problems)
}
