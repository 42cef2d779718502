package proton

import (
	"context"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/wire"
)

// outputs are those of a subject's last deployment that succeeded, or of the deployment that is named.
func (s *Service) outputs(ctx context.Context, k []byte, id *string, missing error) ([]api.Output, error) {
	x, err := get[subject](ctx, s, k)
	if err != nil {
		return nil, known(err, missing)
	}
	list := x.V.Outputs
	if id != nil {
		d, err := get[deployment](ctx, s, key("de", here(ctx), *id))
		if err != nil {
			return nil, known(err, notFound("deployment", *id))
		}
		if wire.Val(d.V.TargetArn) != x.Resource {
			return nil, notFound("deployment", *id)
		}
		list = d.V.Outputs
	}
	if list == nil {
		list = []api.Output{}
	}
	return list, nil
}

// made are the resources that a subject's last deployment reported. They are read like
// everything else of the subject: not without its key.
func (s *Service) made(ctx context.Context, k []byte, missing error) ([]api.ProvisionedResource, error) {
	x, err := get[subject](ctx, s, k)
	if err != nil {
		return nil, known(err, missing)
	}
	if x.V.ProvisionedResources == nil {
		return []api.ProvisionedResource{}, nil
	}
	return x.V.ProvisionedResources, nil
}

// ListEnvironmentOutputs lists the outputs of an environment.
func (s *Service) ListEnvironmentOutputs(ctx context.Context, in *api.ListEnvironmentOutputsInput) (*api.ListEnvironmentOutputsOutput, error) {
	list, err := s.outputs(ctx, key("en", here(ctx), wire.Val(in.EnvironmentName)), in.DeploymentId, notFound("environment", wire.Val(in.EnvironmentName)))
	if err != nil {
		return nil, err
	}
	return &api.ListEnvironmentOutputsOutput{Outputs: list}, nil
}

// ListEnvironmentProvisionedResources lists what was provisioned for an environment.
func (s *Service) ListEnvironmentProvisionedResources(ctx context.Context, in *api.ListEnvironmentProvisionedResourcesInput) (*api.ListEnvironmentProvisionedResourcesOutput, error) {
	list, err := s.made(ctx, key("en", here(ctx), wire.Val(in.EnvironmentName)), notFound("environment", wire.Val(in.EnvironmentName)))
	if err != nil {
		return nil, err
	}
	return &api.ListEnvironmentProvisionedResourcesOutput{ProvisionedResources: list}, nil
}

// ListServiceInstanceOutputs lists the outputs of a service instance.
func (s *Service) ListServiceInstanceOutputs(ctx context.Context, in *api.ListServiceInstanceOutputsInput) (*api.ListServiceInstanceOutputsOutput, error) {
	list, err := s.outputs(ctx, key("si", here(ctx), wire.Val(in.ServiceName), wire.Val(in.ServiceInstanceName)), in.DeploymentId, notFound("service instance", wire.Val(in.ServiceInstanceName)))
	if err != nil {
		return nil, err
	}
	return &api.ListServiceInstanceOutputsOutput{Outputs: list}, nil
}

// ListServiceInstanceProvisionedResources lists what was provisioned for a service instance.
func (s *Service) ListServiceInstanceProvisionedResources(ctx context.Context, in *api.ListServiceInstanceProvisionedResourcesInput) (*api.ListServiceInstanceProvisionedResourcesOutput, error) {
	list, err := s.made(ctx, key("si", here(ctx), wire.Val(in.ServiceName), wire.Val(in.ServiceInstanceName)), notFound("service instance", wire.Val(in.ServiceInstanceName)))
	if err != nil {
		return nil, err
	}
	return &api.ListServiceInstanceProvisionedResourcesOutput{ProvisionedResources: list}, nil
}

// ListServicePipelineOutputs lists the outputs of a pipeline.
func (s *Service) ListServicePipelineOutputs(ctx context.Context, in *api.ListServicePipelineOutputsInput) (*api.ListServicePipelineOutputsOutput, error) {
	list, err := s.outputs(ctx, key("pi", here(ctx), wire.Val(in.ServiceName)), in.DeploymentId, notFound("pipeline of the service", wire.Val(in.ServiceName)))
	if err != nil {
		return nil, err
	}
	return &api.ListServicePipelineOutputsOutput{Outputs: list}, nil
}

// ListServicePipelineProvisionedResources lists what was provisioned for a pipeline.
func (s *Service) ListServicePipelineProvisionedResources(ctx context.Context, in *api.ListServicePipelineProvisionedResourcesInput) (*api.ListServicePipelineProvisionedResourcesOutput, error) {
	list, err := s.made(ctx, key("pi", here(ctx), wire.Val(in.ServiceName)), notFound("pipeline of the service", wire.Val(in.ServiceName)))
	if err != nil {
		return nil, err
	}
	return &api.ListServicePipelineProvisionedResourcesOutput{ProvisionedResources: list}, nil
}

// ListComponentOutputs lists the outputs of a component.
func (s *Service) ListComponentOutputs(ctx context.Context, in *api.ListComponentOutputsInput) (*api.ListComponentOutputsOutput, error) {
	list, err := s.outputs(ctx, key("co", here(ctx), wire.Val(in.ComponentName)), in.DeploymentId, notFound("component", wire.Val(in.ComponentName)))
	if err != nil {
		return nil, err
	}
	return &api.ListComponentOutputsOutput{Outputs: list}, nil
}

// ListComponentProvisionedResources lists what was provisioned for a component.
func (s *Service) ListComponentProvisionedResources(ctx context.Context, in *api.ListComponentProvisionedResourcesInput) (*api.ListComponentProvisionedResourcesOutput, error) {
	list, err := s.made(ctx, key("co", here(ctx), wire.Val(in.ComponentName)), notFound("component", wire.Val(in.ComponentName)))
	if err != nil {
		return nil, err
	}
	return &api.ListComponentProvisionedResourcesOutput{ProvisionedResources: list}, nil
}
