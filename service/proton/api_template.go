package proton

import (
	"context"

	api "github.com/strongroom/strongroom/api/proton"
)

// environmentTemplate and serviceTemplate are a template as the API shows it.
func environmentTemplate(t *template) *api.EnvironmentTemplate {
	v := as[api.EnvironmentTemplate](t)
	return &v
}

func serviceTemplate(t *template) *api.ServiceTemplate {
	v := as[api.ServiceTemplate](t)
	v.PipelineProvisioning = t.Provisioning
	return &v
}

// CreateEnvironmentTemplate makes an environment template without versions.
func (s *Service) CreateEnvironmentTemplate(ctx context.Context, in *api.CreateEnvironmentTemplateInput) (*api.CreateEnvironmentTemplateOutput, error) {
	t, err := s.createTemplate(ctx, environmentFamily, as[newTemplate](in))
	if err != nil {
		return nil, err
	}
	return &api.CreateEnvironmentTemplateOutput{EnvironmentTemplate: environmentTemplate(t)}, nil
}

// CreateServiceTemplate makes a service template without versions.
func (s *Service) CreateServiceTemplate(ctx context.Context, in *api.CreateServiceTemplateInput) (*api.CreateServiceTemplateOutput, error) {
	n := as[newTemplate](in)
	n.Provisioning = in.PipelineProvisioning
	t, err := s.createTemplate(ctx, serviceFamily, n)
	if err != nil {
		return nil, err
	}
	return &api.CreateServiceTemplateOutput{ServiceTemplate: serviceTemplate(t)}, nil
}

// GetEnvironmentTemplate describes an environment template.
func (s *Service) GetEnvironmentTemplate(ctx context.Context, in *api.GetEnvironmentTemplateInput) (*api.GetEnvironmentTemplateOutput, error) {
	t, err := s.getTemplate(ctx, environmentFamily, in.Name)
	if err != nil {
		return nil, err
	}
	return &api.GetEnvironmentTemplateOutput{EnvironmentTemplate: environmentTemplate(t)}, nil
}

// GetServiceTemplate describes a service template.
func (s *Service) GetServiceTemplate(ctx context.Context, in *api.GetServiceTemplateInput) (*api.GetServiceTemplateOutput, error) {
	t, err := s.getTemplate(ctx, serviceFamily, in.Name)
	if err != nil {
		return nil, err
	}
	return &api.GetServiceTemplateOutput{ServiceTemplate: serviceTemplate(t)}, nil
}

// ListEnvironmentTemplates lists the environment templates.
func (s *Service) ListEnvironmentTemplates(ctx context.Context, in *api.ListEnvironmentTemplatesInput) (*api.ListEnvironmentTemplatesOutput, error) {
	items, next, err := s.listTemplates(ctx, environmentFamily, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListEnvironmentTemplatesOutput{NextToken: next, Templates: []api.EnvironmentTemplateSummary{}}
	for _, t := range items {
		out.Templates = append(out.Templates, as[api.EnvironmentTemplateSummary](t))
	}
	return out, nil
}

// ListServiceTemplates lists the service templates.
func (s *Service) ListServiceTemplates(ctx context.Context, in *api.ListServiceTemplatesInput) (*api.ListServiceTemplatesOutput, error) {
	items, next, err := s.listTemplates(ctx, serviceFamily, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListServiceTemplatesOutput{NextToken: next, Templates: []api.ServiceTemplateSummary{}}
	for _, t := range items {
		out.Templates = append(out.Templates, as[api.ServiceTemplateSummary](serviceTemplate(t)))
	}
	return out, nil
}

// UpdateEnvironmentTemplate changes the words that describe an environment template.
func (s *Service) UpdateEnvironmentTemplate(ctx context.Context, in *api.UpdateEnvironmentTemplateInput) (*api.UpdateEnvironmentTemplateOutput, error) {
	t, err := s.updateTemplate(ctx, environmentFamily, in.Name, in.DisplayName, in.Description)
	if err != nil {
		return nil, err
	}
	return &api.UpdateEnvironmentTemplateOutput{EnvironmentTemplate: environmentTemplate(t)}, nil
}

// UpdateServiceTemplate changes the words that describe a service template.
func (s *Service) UpdateServiceTemplate(ctx context.Context, in *api.UpdateServiceTemplateInput) (*api.UpdateServiceTemplateOutput, error) {
	t, err := s.updateTemplate(ctx, serviceFamily, in.Name, in.DisplayName, in.Description)
	if err != nil {
		return nil, err
	}
	return &api.UpdateServiceTemplateOutput{ServiceTemplate: serviceTemplate(t)}, nil
}

// DeleteEnvironmentTemplate deletes an environment template that has no versions.
func (s *Service) DeleteEnvironmentTemplate(ctx context.Context, in *api.DeleteEnvironmentTemplateInput) (*api.DeleteEnvironmentTemplateOutput, error) {
	t, err := s.deleteTemplate(ctx, environmentFamily, in.Name)
	if err != nil {
		return nil, err
	}
	return &api.DeleteEnvironmentTemplateOutput{EnvironmentTemplate: environmentTemplate(t)}, nil
}

// DeleteServiceTemplate deletes a service template that has no versions.
func (s *Service) DeleteServiceTemplate(ctx context.Context, in *api.DeleteServiceTemplateInput) (*api.DeleteServiceTemplateOutput, error) {
	t, err := s.deleteTemplate(ctx, serviceFamily, in.Name)
	if err != nil {
		return nil, err
	}
	return &api.DeleteServiceTemplateOutput{ServiceTemplate: serviceTemplate(t)}, nil
}
