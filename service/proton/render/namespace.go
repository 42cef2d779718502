package render

import "github.com/strongroom/strongroom/service/proton/document"

// Data holds what the templates of a resource can refer to. Which parts there are depends
// on the kind: an environment has Environment; an instance Environment, Service and
// Instance; a pipeline Service, Pipeline and Instances; a component Component and
// Environment, and Service and Instance when it is attached to one.
type Data struct {
	Environment *EnvironmentData
	Service     *ServiceData
	Instance    *InstanceData
	Pipeline    *PipelineData
	Instances   []InstanceData
	Component   *ComponentData
}

// EnvironmentData is an environment. Absent objects count as empty ones here and below.
type EnvironmentData struct {
	Name, AccountID string
	Inputs, Outputs *document.Object
}

// ServiceData is a service; the repository is "" for one without a pipeline.
type ServiceData struct {
	Name, RepositoryID, RepositoryConnectionARN, BranchName string
}

// InstanceData is a service instance. Environment is needed for the instances of a
// pipeline alone. Component holds the outputs of the attached component, nil without one.
type InstanceData struct {
	Name            string
	Inputs, Outputs *document.Object
	Environment     *EnvironmentData
	Component       *document.Object
}

// PipelineData is a service's pipeline.
type PipelineData struct{ Inputs, Outputs *document.Object }

// ComponentData is a component.
type ComponentData struct{ Name string }

func object() *document.Object { return new(document.Object) }

func orEmpty(o *document.Object) *document.Object {
	if o == nil {
		return object()
	}
	return o
}

func (s *ServiceData) object() *document.Object {
	o := object().Set("name", s.Name)
	if s.RepositoryID != "" {
		o.Set("repository_connection_arn", s.RepositoryConnectionARN).Set("repository_id", s.RepositoryID).Set("branch_name", s.BranchName)
	}
	return o
}

// outside is an environment as other resources see it.
func (e *EnvironmentData) outside() *document.Object {
	return object().Set("account_id", e.AccountID).Set("name", e.Name).Set("outputs", orEmpty(e.Outputs))
}

func (in *InstanceData) components() *document.Object {
	if in.Component == nil {
		return object()
	}
	return object().Set("default", object().Set("outputs", in.Component))
}

// listed is an instance as a pipeline sees it.
func (in *InstanceData) listed() *document.Object {
	o := object().Set("name", in.Name).Set("inputs", orEmpty(in.Inputs)).Set("outputs", orEmpty(in.Outputs))
	if in.Environment != nil {
		o.Set("environment", in.Environment.outside())
	}
	return o
}

func (d *Data) listed() []any {
	all := make([]any, 0, len(d.Instances))
	for i := range d.Instances {
		all = append(all, d.Instances[i].listed())
	}
	return all
}

// namespace is what a Jinja template of the kind sees.
func (d *Data) namespace(kind Kind) *document.Object {
	ns := object()
	if d.Environment != nil {
		e := d.Environment.outside()
		if kind == Environment {
			e.Set("inputs", orEmpty(d.Environment.Inputs))
		}
		ns.Set("environment", e)
	}
	if d.Service != nil {
		ns.Set("service", d.Service.object())
	}
	if d.Instance != nil {
		in := object().Set("name", d.Instance.Name).Set("inputs", orEmpty(d.Instance.Inputs)).Set("outputs", orEmpty(d.Instance.Outputs))
		if e, ok := ns.Get("environment"); ok {
			in.Set("environment", e)
		}
		ns.Set("service_instance", in.Set("components", d.Instance.components()))
	}
	if d.Pipeline != nil {
		ns.Set("pipeline", object().Set("inputs", orEmpty(d.Pipeline.Inputs)).Set("outputs", orEmpty(d.Pipeline.Outputs)))
	}
	if kind == Pipeline {
		ns.Set("service_instances", d.listed())
	}
	if d.Component != nil {
		ns.Set("component", object().Set("name", d.Component.Name))
	}
	return ns
}

// variables are the values of a Terraform run of the kind, in AWS Proton's order.
func (d *Data) variables(kind Kind) *document.Object {
	v := object()
	if kind == Component && d.Component != nil {
		v.Set("component", object().Set("name", d.Component.Name))
	}
	if kind == Pipeline && d.Pipeline != nil {
		v.Set("pipeline", object().Set("inputs", orEmpty(d.Pipeline.Inputs)))
	}
	if d.Environment != nil && kind == Environment {
		v.Set("environment", object().Set("name", d.Environment.Name).Set("inputs", orEmpty(d.Environment.Inputs)))
	} else if d.Environment != nil && kind != Pipeline {
		v.Set("environment", d.Environment.outside())
	}
	if d.Service != nil && kind == Component {
		v.Set("service", object().Set("name", d.Service.Name))
	} else if d.Service != nil && kind != Environment {
		v.Set("service", d.Service.object())
	}
	if d.Instance != nil && (kind == ServiceInstance || kind == Component) {
		in := object().Set("name", d.Instance.Name).Set("inputs", orEmpty(d.Instance.Inputs))
		if kind == ServiceInstance {
			in.Set("components", d.Instance.components())
		}
		v.Set("service_instance", in)
	}
	if kind == Pipeline {
		v.Set("service_instances", d.listed())
	}
	return v
}
