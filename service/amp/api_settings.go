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

func noLogging(w *workspace, what string) error {
	return notFound(what, w.ID.Workspace)
}

const (
	kindLogging = "LoggingConfiguration"
	kindQueries = "QueryLoggingConfiguration"
	kindPolicy  = "ResourcePolicy"
)

func loggingStatus() *api.LoggingConfigurationStatus {
	return &api.LoggingConfigurationStatus{StatusCode: api.LoggingConfigurationStatusCodeCreationFailed, StatusReason: wire.Ptr(noLogs)}
}

func queriesStatus() *api.QueryLoggingConfigurationStatus {
	return &api.QueryLoggingConfigurationStatus{StatusCode: api.QueryLoggingConfigurationStatusCodeCreationFailed, StatusReason: wire.Ptr(noLogs)}
}

// CreateLoggingConfiguration says where the logs of rules and alerts are to go. Its status says that they go nowhere yet.
func (s *Service) CreateLoggingConfiguration(ctx context.Context, in *api.CreateLoggingConfigurationInput) (*api.CreateLoggingConfigurationOutput, error) {
	now := s.at()
	err := s.change(ctx, in.WorkspaceId, func(w *workspace) error {
		if w.Logging != nil && w.Logging.Group != wire.Val(in.LogGroupArn) {
			return conflict(kindLogging, w.ID.Workspace, "The workspace has a logging configuration.")
		}
		w.Logging = &logging{Group: wire.Val(in.LogGroupArn), Created: now, Modified: now}
		return nil
	})
	return &api.CreateLoggingConfigurationOutput{Status: loggingStatus()}, err
}

// UpdateLoggingConfiguration changes where the logs of rules and alerts are to go.
func (s *Service) UpdateLoggingConfiguration(ctx context.Context, in *api.UpdateLoggingConfigurationInput) (*api.UpdateLoggingConfigurationOutput, error) {
	now := s.at()
	err := s.change(ctx, in.WorkspaceId, func(w *workspace) error {
		if w.Logging == nil {
			return noLogging(w, kindLogging)
		}
		w.Logging = &logging{Group: wire.Val(in.LogGroupArn), Created: w.Logging.Created, Modified: now}
		return nil
	})
	return &api.UpdateLoggingConfigurationOutput{Status: loggingStatus()}, err
}

// DescribeLoggingConfiguration describes where the logs of rules and alerts are to go.
func (s *Service) DescribeLoggingConfiguration(ctx context.Context, in *api.DescribeLoggingConfigurationInput) (*api.DescribeLoggingConfigurationOutput, error) {
	w, err := s.workspace(ctx, in.WorkspaceId)
	if err != nil {
		return nil, err
	}
	l := w.Logging
	if l == nil {
		return nil, noLogging(w, kindLogging)
	}
	return &api.DescribeLoggingConfigurationOutput{LoggingConfiguration: &api.LoggingConfigurationMetadata{
		CreatedAt: &l.Created, ModifiedAt: &l.Modified, LogGroupArn: &l.Group, Workspace: &w.ID.Workspace, Status: loggingStatus(),
	}}, nil
}

// DeleteLoggingConfiguration deletes a logging configuration.
func (s *Service) DeleteLoggingConfiguration(ctx context.Context, in *api.DeleteLoggingConfigurationInput) (*api.DeleteLoggingConfigurationOutput, error) {
	return &api.DeleteLoggingConfigurationOutput{}, s.change(ctx, in.WorkspaceId, func(w *workspace) error {
		if w.Logging == nil {
			return noLogging(w, kindLogging)
		}
		w.Logging = nil
		return nil
	})
}

// queryLogging is what the destinations of a request say.
func queryLogging(in []api.LoggingDestination) (*logging, error) {
	if len(in) != 1 || in[0].CloudWatchLogs == nil {
		return nil, invalid("destinations", "There must be one destination.")
	}
	l := &logging{Group: wire.Val(in[0].CloudWatchLogs.LogGroupArn)}
	if f := in[0].Filters; f != nil {
		l.Filter = f.QspThreshold
	}
	return l, nil
}

// CreateQueryLoggingConfiguration says where the logs of queries are to go. Its status says that they go nowhere yet.
func (s *Service) CreateQueryLoggingConfiguration(ctx context.Context, in *api.CreateQueryLoggingConfigurationInput) (*api.CreateQueryLoggingConfigurationOutput, error) {
	l, err := queryLogging(in.Destinations)
	if err != nil {
		return nil, err
	}
	l.Created = s.at()
	l.Modified = l.Created
	err = s.change(ctx, in.WorkspaceId, func(w *workspace) error {
		if w.Queries != nil && w.Queries.Group != l.Group {
			return conflict(kindQueries, w.ID.Workspace, "The workspace has a query logging configuration.")
		}
		w.Queries = l
		return nil
	})
	return &api.CreateQueryLoggingConfigurationOutput{Status: queriesStatus()}, err
}

// UpdateQueryLoggingConfiguration changes where the logs of queries are to go.
func (s *Service) UpdateQueryLoggingConfiguration(ctx context.Context, in *api.UpdateQueryLoggingConfigurationInput) (*api.UpdateQueryLoggingConfigurationOutput, error) {
	l, err := queryLogging(in.Destinations)
	if err != nil {
		return nil, err
	}
	l.Modified = s.at()
	err = s.change(ctx, in.WorkspaceId, func(w *workspace) error {
		if w.Queries == nil {
			return noLogging(w, kindQueries)
		}
		l.Created, w.Queries = w.Queries.Created, l
		return nil
	})
	return &api.UpdateQueryLoggingConfigurationOutput{Status: queriesStatus()}, err
}

// DescribeQueryLoggingConfiguration describes where the logs of queries are to go.
func (s *Service) DescribeQueryLoggingConfiguration(ctx context.Context, in *api.DescribeQueryLoggingConfigurationInput) (*api.DescribeQueryLoggingConfigurationOutput, error) {
	w, err := s.workspace(ctx, in.WorkspaceId)
	if err != nil {
		return nil, err
	}
	l := w.Queries
	if l == nil {
		return nil, noLogging(w, kindQueries)
	}
	return &api.DescribeQueryLoggingConfigurationOutput{QueryLoggingConfiguration: &api.QueryLoggingConfigurationMetadata{
		CreatedAt: &l.Created, ModifiedAt: &l.Modified, Workspace: &w.ID.Workspace, Status: queriesStatus(),
		Destinations: []api.LoggingDestination{{
			CloudWatchLogs: &api.CloudWatchLogDestination{LogGroupArn: &l.Group}, Filters: &api.LoggingFilter{QspThreshold: l.Filter},
		}},
	}}, nil
}

// DeleteQueryLoggingConfiguration deletes a query logging configuration.
func (s *Service) DeleteQueryLoggingConfiguration(ctx context.Context, in *api.DeleteQueryLoggingConfigurationInput) (*api.DeleteQueryLoggingConfigurationOutput, error) {
	return &api.DeleteQueryLoggingConfigurationOutput{}, s.change(ctx, in.WorkspaceId, func(w *workspace) error {
		if w.Queries == nil {
			return noLogging(w, kindQueries)
		}
		w.Queries = nil
		return nil
	})
}

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
