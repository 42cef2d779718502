package amp

import (
	"context"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/wire"
)

// DescribeWorkspaceConfiguration describes the configuration of a workspace.
func (s *Service) DescribeWorkspaceConfiguration(ctx context.Context, in *api.DescribeWorkspaceConfigurationInput) (*api.DescribeWorkspaceConfigurationOutput, error) {
	w, err := s.workspace(ctx, in.WorkspaceId)
	if err != nil {
		return nil, err
	}
	return &api.DescribeWorkspaceConfigurationOutput{WorkspaceConfiguration: w.describeConfiguration()}, nil
}

// UpdateWorkspaceConfiguration changes how long samples are kept, how late they may come, and how many series label sets may have. It counts
// from the next request on.
func (s *Service) UpdateWorkspaceConfiguration(ctx context.Context, in *api.UpdateWorkspaceConfigurationInput) (*api.UpdateWorkspaceConfigurationOutput, error) {
	err := s.change(ctx, in.WorkspaceId, func(w *workspace) error {
		if err := s.clusterTakes(w, in); err != nil {
			return err
		}
		return w.Config.configure(in)
	})
	if err == nil {
		s.refreshOverrides(ctx)
	}
	return &api.UpdateWorkspaceConfigurationOutput{Status: &api.WorkspaceConfigurationStatus{StatusCode: api.WorkspaceConfigurationStatusCodeActive}}, err
}

const (
	kindLogging = "LoggingConfiguration"
	kindQueries = "QueryLoggingConfiguration"
	kindPolicy  = "ResourcePolicy"
)

// PutResourcePolicy replaces the policy of a workspace: it says who of other accounts, too, may use its Prometheus-compatible operations.
func (s *Service) PutResourcePolicy(ctx context.Context, in *api.PutResourcePolicyInput) (*api.PutResourcePolicyOutput, error) {
	text := wire.Val(in.PolicyDocument)
	bound, err := s.readPolicy(ctx, text)
	if err != nil {
		return nil, err
	}
	p := &resourcePolicy{Text: text, Revision: newRevision(), Bound: bound}
	err = s.change(ctx, in.WorkspaceId, func(w *workspace) error { return w.putPolicy(p, wire.Val(in.RevisionId)) })
	return &api.PutResourcePolicyOutput{PolicyStatus: api.WorkspacePolicyStatusCodeActive, RevisionId: &p.Revision}, err
}

// DescribeResourcePolicy returns the policy of a workspace.
func (s *Service) DescribeResourcePolicy(ctx context.Context, in *api.DescribeResourcePolicyInput) (*api.DescribeResourcePolicyOutput, error) {
	w, err := s.workspace(ctx, in.WorkspaceId)
	if err != nil {
		return nil, err
	}
	if w.Policy == nil {
		return nil, notFound(kindPolicy, w.ID.Workspace)
	}
	return &api.DescribeResourcePolicyOutput{
		PolicyDocument: &w.Policy.Text, PolicyStatus: api.WorkspacePolicyStatusCodeActive, RevisionId: &w.Policy.Revision,
	}, nil
}

// DeleteResourcePolicy removes the policy of a workspace.
func (s *Service) DeleteResourcePolicy(ctx context.Context, in *api.DeleteResourcePolicyInput) (*api.DeleteResourcePolicyOutput, error) {
	return &api.DeleteResourcePolicyOutput{}, s.change(ctx, in.WorkspaceId, func(w *workspace) error {
		if w.Policy == nil {
			return notFound(kindPolicy, w.ID.Workspace)
		}
		return w.putPolicy(nil, wire.Val(in.RevisionId))
	})
}
