package render

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/document"
	"github.com/strongroom/strongroom/service/proton/jinja"
)

// Kind is the kind of resource that is rendered, in the word its variables file has.
type Kind string

// The kinds.
const (
	Environment     Kind = "environment"
	ServiceInstance Kind = "service_instance"
	Pipeline        Kind = "pipeline"
	Component       Kind = "component"
)

// Job is what is rendered for whom.
type Job struct {
	Kind Kind
	Data Data

	ResourceARN                string
	TemplateARN                string // none for a component
	MajorVersion, MinorVersion string
	EnvironmentARN             string // of an instance and a component
	DeploymentID               string
	Tags                       *document.Object // of proton_tags; nil for none
	Deleted                    bool             // the resource is gone: its files stay and say so
	// Before are the templates as they were last rendered, by name, of a resource that is to stay as it is or to go:
	// they stand where a template can't be rendered any more, because what it names is gone.
	Before map[string][]byte
}

// Files renders a part of a bundle. The names are relative to the folder that Folder names
// and sorted. An error over the template or its values is a *bundle.Error whose text is
// fit for the deployment's status message; one of the context is wrapped.
func Files(ctx context.Context, in *bundle.Infrastructure, job Job) ([]bundle.File, error) {
	var files []bundle.File
	var err error
	switch in.Engine {
	case bundle.Jinja:
		files, err = cloudFormation(ctx, in, job)
	case bundle.HCL:
		files, err = terraform(in, job)
	case bundle.CodeBuild:
		files, err = commandRun(in, job)
	default:
		return nil, fmt.Errorf("rendering: the engine %q is not known", in.Engine)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(files, func(a, b bundle.File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

func cloudFormation(ctx context.Context, in *bundle.Infrastructure, job Job) ([]bundle.File, error) {
	values := job.Data.namespace(job.Kind)
	var files []bundle.File
	for _, name := range in.Templates {
		t, err := jinja.Parse(path.Join(in.Folder, name), string(in.File(name).Data))
		if err != nil {
			return nil, err
		}
		text, err := t.Execute(ctx, values, jinja.Limits{})
		var bad *bundle.Error
		if before, ok := job.Before[name]; ok && errors.As(err, &bad) {
			text, err = string(before), nil
		}
		if err != nil {
			return nil, err
		}
		files = append(files, bundle.File{Name: name, Data: []byte(text)})
	}
	// The template itself has no header: it may be JSON, which knows no comments. That its resource is gone stands here.
	return append(files, bundle.File{Name: MetadataFile, Data: []byte(pretty(job.metadata()))}), nil
}

// Properties returns the project_properties of a command run with their templates
// rendered over the job's values.
func Properties(ctx context.Context, in *bundle.Infrastructure, job Job) (*document.Object, error) {
	if in.Settings == nil {
		return new(document.Object), nil
	}
	v, err := renderedIn(ctx, path.Join(in.Folder, "manifest.yaml"), in.Settings.Properties, job.Data.namespace(job.Kind))
	o, _ := v.(*document.Object)
	return o, err
}

// Variables returns the environment variables of a command run, rendered in the same way.
func Variables(ctx context.Context, in *bundle.Infrastructure, job Job) (*document.Object, error) {
	if in.Settings == nil {
		return new(document.Object), nil
	}
	v, err := renderedIn(ctx, path.Join(in.Folder, "manifest.yaml"), in.Settings.Variables, job.Data.namespace(job.Kind))
	o, _ := v.(*document.Object)
	return o, err
}

func renderedIn(ctx context.Context, file string, v any, values *document.Object) (any, error) {
	switch v := v.(type) {
	case string:
		t, err := jinja.Parse(file, v)
		if err != nil {
			return nil, err
		}
		return t.Execute(ctx, values, jinja.Limits{Output: 1 << 20})
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = renderedIn(ctx, file, v[i], values); err != nil {
				return nil, err
			}
		}
		return out, nil
	case *document.Object:
		out := new(document.Object)
		for name, member := range v.All() {
			done, err := renderedIn(ctx, file, member, values)
			if err != nil {
				return nil, err
			}
			out.Set(name, done)
		}
		return out, nil
	}
	return v, nil
}
