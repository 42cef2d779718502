package amp

import (
	"context"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/wire"
)

func noLogging(w *workspace, what string) error { return notFound(what, w.ID.Workspace) }

func (l *logging) rulesStatus() *api.LoggingConfigurationStatus {
	code, reason := l.status()
	return &api.LoggingConfigurationStatus{StatusCode: api.LoggingConfigurationStatusCode(code), StatusReason: reason}
}

func (l *logging) queriesStatus() *api.QueryLoggingConfigurationStatus {
	code, reason := l.status()
	return &api.QueryLoggingConfigurationStatus{StatusCode: api.QueryLoggingConfigurationStatusCode(code), StatusReason: reason}
}

// logTo attaches a configuration to a workspace of the caller's. set writes it into the workspace's record, or says why not; it is asked on a copy first.
func (s *Service) logTo(ctx context.Context, id *string, l *logging, stream, failed string, set func(*workspace) error) error {
	w, err := s.workspace(ctx, id)
	if err != nil {
		return err
	}
	if !w.usable() {
		return busy(w)
	}
	trial := *w
	if err := set(&trial); err != nil {
		return err
	}
	if w.Cluster && stream == rulesStream {
		l.Status, l.Reason = failed, "The rules and alerts of the workspace run in a metrics cluster, which delivers no logs of them."
	} else if err := s.attach(ctx, w.ID, l, stream, failed); err != nil {
		return err
	}
	return s.change(ctx, id, set)
}

// CreateLoggingConfiguration says where the logs of rules and alerts are to go. Its status says whether they do.
func (s *Service) CreateLoggingConfiguration(ctx context.Context, in *api.CreateLoggingConfigurationInput) (*api.CreateLoggingConfigurationOutput, error) {
	now := s.at()
	l := &logging{Group: wire.Val(in.LogGroupArn), Created: now, Modified: now}
	err := s.logTo(ctx, in.WorkspaceId, l, rulesStream, loggingFailed, func(w *workspace) error {
		if w.Logging != nil && w.Logging.Group != l.Group {
			return conflict(kindLogging, w.ID.Workspace, "The workspace has a logging configuration.")
		}
		w.Logging = l
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateLoggingConfigurationOutput{Status: l.rulesStatus()}, nil
}

// UpdateLoggingConfiguration changes where the logs of rules and alerts are to go.
func (s *Service) UpdateLoggingConfiguration(ctx context.Context, in *api.UpdateLoggingConfigurationInput) (*api.UpdateLoggingConfigurationOutput, error) {
	l := &logging{Group: wire.Val(in.LogGroupArn), Modified: s.at()}
	err := s.logTo(ctx, in.WorkspaceId, l, rulesStream, updateFailed, func(w *workspace) error {
		if w.Logging == nil {
			return noLogging(w, kindLogging)
		}
		l.Created, w.Logging = w.Logging.Created, l
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateLoggingConfigurationOutput{Status: l.rulesStatus()}, nil
}

// DescribeLoggingConfiguration describes where the logs of rules and alerts go.
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
		CreatedAt: &l.Created, ModifiedAt: &l.Modified, LogGroupArn: &l.Group, Workspace: &w.ID.Workspace, Status: l.rulesStatus(),
	}}, nil
}

// DeleteLoggingConfiguration deletes a logging configuration. What was delivered stays where it is.
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

// CreateQueryLoggingConfiguration says where the logs of queries are to go that process many samples. Its status says whether they do.
func (s *Service) CreateQueryLoggingConfiguration(ctx context.Context, in *api.CreateQueryLoggingConfigurationInput) (*api.CreateQueryLoggingConfigurationOutput, error) {
	l, err := queryLogging(in.Destinations)
	if err != nil {
		return nil, err
	}
	l.Created = s.at()
	l.Modified = l.Created
	err = s.logTo(ctx, in.WorkspaceId, l, queriesStream, loggingFailed, func(w *workspace) error {
		if w.Queries != nil && w.Queries.Group != l.Group {
			return conflict(kindQueries, w.ID.Workspace, "The workspace has a query logging configuration.")
		}
		w.Queries = l
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateQueryLoggingConfigurationOutput{Status: l.queriesStatus()}, nil
}

// UpdateQueryLoggingConfiguration changes where the logs of queries are to go, or how many samples a query must process.
func (s *Service) UpdateQueryLoggingConfiguration(ctx context.Context, in *api.UpdateQueryLoggingConfigurationInput) (*api.UpdateQueryLoggingConfigurationOutput, error) {
	l, err := queryLogging(in.Destinations)
	if err != nil {
		return nil, err
	}
	l.Modified = s.at()
	err = s.logTo(ctx, in.WorkspaceId, l, queriesStream, updateFailed, func(w *workspace) error {
		if w.Queries == nil {
			return noLogging(w, kindQueries)
		}
		l.Created, w.Queries = w.Queries.Created, l
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateQueryLoggingConfigurationOutput{Status: l.queriesStatus()}, nil
}

// DescribeQueryLoggingConfiguration describes where the logs of queries go.
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
		CreatedAt: &l.Created, ModifiedAt: &l.Modified, Workspace: &w.ID.Workspace, Status: l.queriesStatus(),
		Destinations: []api.LoggingDestination{{
			CloudWatchLogs: &api.CloudWatchLogDestination{LogGroupArn: &l.Group}, Filters: &api.LoggingFilter{QspThreshold: l.Filter},
		}},
	}}, nil
}

// DeleteQueryLoggingConfiguration deletes a query logging configuration. What was delivered stays where it is.
func (s *Service) DeleteQueryLoggingConfiguration(ctx context.Context, in *api.DeleteQueryLoggingConfigurationInput) (*api.DeleteQueryLoggingConfigurationOutput, error) {
	return &api.DeleteQueryLoggingConfigurationOutput{}, s.change(ctx, in.WorkspaceId, func(w *workspace) error {
		if w.Queries == nil {
			return noLogging(w, kindQueries)
		}
		w.Queries = nil
		return nil
	})
}
