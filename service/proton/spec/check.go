package spec

import (
	"fmt"

	"github.com/strongroom/strongroom/service/proton/document"
	"github.com/strongroom/strongroom/service/proton/schema"
)

// Check holds the whole spec against a schema. It returns a spec with the defaults filled
// in and the problems, whose paths begin with spec, pipeline or instances[0].spec.
func (s *Spec) Check(sc *schema.Schema) (*Spec, []schema.Problem) {
	out := &Spec{Kind: s.Kind, Inputs: s.Inputs, Pipeline: s.Pipeline}
	var problems []schema.Problem
	if s.Kind == Environment {
		out.Inputs, problems = s.CheckEnvironment(sc.Environment)
		return out, problems
	}
	out.Pipeline, problems = s.CheckPipeline(sc.Pipeline)
	for _, in := range s.Instances {
		checked, more := s.CheckInstance(in.Name, sc.Service)
		out.Instances = append(out.Instances, Instance{in.Name, in.Environment, checked})
		problems = append(problems, more...)
	}
	return out, problems
}

// CheckEnvironment returns the inputs of an EnvironmentSpec with defaults, and the problems.
func (s *Spec) CheckEnvironment(t *schema.Type) (*document.Object, []schema.Problem) {
	return check(t, "spec", s.Inputs)
}

// CheckPipeline returns the inputs of the pipeline with defaults, and the problems. With a
// nil type, a service template without a pipeline, the section must be absent and nil is
// returned; with a type an absent section counts as an empty one.
func (s *Spec) CheckPipeline(t *schema.Type) (*document.Object, []schema.Problem) {
	if t == nil {
		if s.Pipeline != nil {
			return nil, []schema.Problem{{Path: "pipeline", Reason: "the service template has no pipeline"}}
		}
		return nil, nil
	}
	given := s.Pipeline
	if given == nil {
		given = new(document.Object)
	}
	return check(t, "pipeline", given)
}

// CheckInstance returns the inputs of the instance with defaults, and the problems. Each
// instance can run another version of its template, so each has its own call.
func (s *Spec) CheckInstance(name string, t *schema.Type) (*document.Object, []schema.Problem) {
	for i, in := range s.Instances {
		if in.Name == name {
			return check(t, fmt.Sprintf("instances[%d].spec", i), in.Inputs)
		}
	}
	return nil, []schema.Problem{{Path: "instances", Reason: fmt.Sprintf("there is no instance %q", name)}}
}

func check(t *schema.Type, path string, given *document.Object) (*document.Object, []schema.Problem) {
	v, problems := t.Check(path, given)
	o, _ := v.(*document.Object)
	return o, problems
}
