package proton

import (
	"context"

	api "github.com/strongroom/strongroom/api/proton"
)

func environmentTemplateVersion(v *version) *api.EnvironmentTemplateVersion {
	shown := as[api.EnvironmentTemplateVersion](v)
	return &shown
}

func serviceTemplateVersion(v *version) *api.ServiceTemplateVersion {
	shown := as[api.ServiceTemplateVersion](v)
	return &shown
}

// CreateEnvironmentTemplateVersion makes a version of an environment template and has its bundle examined.
func (s *Service) CreateEnvironmentTemplateVersion(ctx context.Context, in *api.CreateEnvironmentTemplateVersionInput) (*api.CreateEnvironmentTemplateVersionOutput, error) {
	v, err := s.createVersion(ctx, environmentFamily, as[newVersion](in))
	if err != nil {
		return nil, err
	}
	return &api.CreateEnvironmentTemplateVersionOutput{EnvironmentTemplateVersion: environmentTemplateVersion(v)}, nil
}

// GetEnvironmentTemplateVersion describes a version of an environment template, with its schema.
func (s *Service) GetEnvironmentTemplateVersion(ctx context.Context, in *api.GetEnvironmentTemplateVersionInput) (*api.GetEnvironmentTemplateVersionOutput, error) {
	v, err := s.getVersion(ctx, environmentFamily, in.TemplateName, in.MajorVersion, in.MinorVersion)
	if err != nil {
		return nil, err
	}
	return &api.GetEnvironmentTemplateVersionOutput{EnvironmentTemplateVersion: environmentTemplateVersion(v)}, nil
}

// ListEnvironmentTemplateVersions lists the versions of an environment template.
func (s *Service) ListEnvironmentTemplateVersions(ctx context.Context, in *api.ListEnvironmentTemplateVersionsInput) (*api.ListEnvironmentTemplateVersionsOutput, error) {
	items, next, err := s.listVersions(ctx, environmentFamily, in.TemplateName, in.MajorVersion, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListEnvironmentTemplateVersionsOutput{NextToken: next, TemplateVersions: []api.EnvironmentTemplateVersionSummary{}}
	for _, v := range items {
		out.TemplateVersions = append(out.TemplateVersions, as[api.EnvironmentTemplateVersionSummary](v))
	}
	return out, nil
}

// UpdateEnvironmentTemplateVersion describes a version of an environment template anew, or publishes it.
func (s *Service) UpdateEnvironmentTemplateVersion(ctx context.Context, in *api.UpdateEnvironmentTemplateVersionInput) (*api.UpdateEnvironmentTemplateVersionOutput, error) {
	v, err := s.updateVersion(ctx, environmentFamily, as[versionChange](in))
	if err != nil {
		return nil, err
	}
	return &api.UpdateEnvironmentTemplateVersionOutput{EnvironmentTemplateVersion: environmentTemplateVersion(v)}, nil
}

// DeleteEnvironmentTemplateVersion deletes a version of an environment template that nothing uses.
func (s *Service) DeleteEnvironmentTemplateVersion(ctx context.Context, in *api.DeleteEnvironmentTemplateVersionInput) (*api.DeleteEnvironmentTemplateVersionOutput, error) {
	v, err := s.deleteVersion(ctx, environmentFamily, in.TemplateName, in.MajorVersion, in.MinorVersion)
	if err != nil {
		return nil, err
	}
	return &api.DeleteEnvironmentTemplateVersionOutput{EnvironmentTemplateVersion: environmentTemplateVersion(v)}, nil
}

// CreateServiceTemplateVersion makes a version of a service template and has its bundle examined.
func (s *Service) CreateServiceTemplateVersion(ctx context.Context, in *api.CreateServiceTemplateVersionInput) (*api.CreateServiceTemplateVersionOutput, error) {
	v, err := s.createVersion(ctx, serviceFamily, as[newVersion](in))
	if err != nil {
		return nil, err
	}
	return &api.CreateServiceTemplateVersionOutput{ServiceTemplateVersion: serviceTemplateVersion(v)}, nil
}

// GetServiceTemplateVersion describes a version of a service template, with its schema.
func (s *Service) GetServiceTemplateVersion(ctx context.Context, in *api.GetServiceTemplateVersionInput) (*api.GetServiceTemplateVersionOutput, error) {
	v, err := s.getVersion(ctx, serviceFamily, in.TemplateName, in.MajorVersion, in.MinorVersion)
	if err != nil {
		return nil, err
	}
	return &api.GetServiceTemplateVersionOutput{ServiceTemplateVersion: serviceTemplateVersion(v)}, nil
}

// ListServiceTemplateVersions lists the versions of a service template.
func (s *Service) ListServiceTemplateVersions(ctx context.Context, in *api.ListServiceTemplateVersionsInput) (*api.ListServiceTemplateVersionsOutput, error) {
	items, next, err := s.listVersions(ctx, serviceFamily, in.TemplateName, in.MajorVersion, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListServiceTemplateVersionsOutput{NextToken: next, TemplateVersions: []api.ServiceTemplateVersionSummary{}}
	for _, v := range items {
		out.TemplateVersions = append(out.TemplateVersions, as[api.ServiceTemplateVersionSummary](v))
	}
	return out, nil
}

// UpdateServiceTemplateVersion describes a version of a service template anew, or publishes it.
func (s *Service) UpdateServiceTemplateVersion(ctx context.Context, in *api.UpdateServiceTemplateVersionInput) (*api.UpdateServiceTemplateVersionOutput, error) {
	v, err := s.updateVersion(ctx, serviceFamily, as[versionChange](in))
	if err != nil {
		return nil, err
	}
	return &api.UpdateServiceTemplateVersionOutput{ServiceTemplateVersion: serviceTemplateVersion(v)}, nil
}

// DeleteServiceTemplateVersion deletes a version of a service template that nothing uses.
func (s *Service) DeleteServiceTemplateVersion(ctx context.Context, in *api.DeleteServiceTemplateVersionInput) (*api.DeleteServiceTemplateVersionOutput, error) {
	v, err := s.deleteVersion(ctx, serviceFamily, in.TemplateName, in.MajorVersion, in.MinorVersion)
	if err != nil {
		return nil, err
	}
	return &api.DeleteServiceTemplateVersionOutput{ServiceTemplateVersion: serviceTemplateVersion(v)}, nil
}
