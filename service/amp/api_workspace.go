package amp

import (
	"context"
	"strings"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// some is a pointer to s, or nil when it is empty.
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (w *workspace) status() *api.WorkspaceStatus { return &api.WorkspaceStatus{StatusCode: w.Status} }

// CreateWorkspace makes a workspace. It is active when the answer leaves, or, where a cluster is to keep it, as soon as that knows its key.
func (s *Service) CreateWorkspace(ctx context.Context, in *api.CreateWorkspaceInput) (*api.CreateWorkspaceOutput, error) {
	w, tags, err := s.createWorkspace(ctx, in)
	if err != nil {
		return nil, err
	}
	return &api.CreateWorkspaceOutput{
		Arn: wire.Ptr(w.arn()), WorkspaceId: &w.ID.Workspace, Status: w.status(), Tags: tags, KmsKeyArn: some(w.Key),
	}, nil
}

// DescribeWorkspace describes a workspace.
func (s *Service) DescribeWorkspace(ctx context.Context, in *api.DescribeWorkspaceInput) (*api.DescribeWorkspaceOutput, error) {
	w, err := s.workspace(ctx, in.WorkspaceId)
	if err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(ctx, w.arn())
	if err != nil {
		return nil, err
	}
	return &api.DescribeWorkspaceOutput{Workspace: &api.WorkspaceDescription{
		WorkspaceId: &w.ID.Workspace, Alias: some(w.Alias), Arn: wire.Ptr(w.arn()), Status: w.status(), CreatedAt: &w.Created,
		PrometheusEndpoint: wire.Ptr(endpoint(ctx, w.ID.Workspace)), Tags: tags, KmsKeyArn: some(w.Key),
	}}, nil
}

// endpoint is where the workspace's data is reached: under the name by which the caller has reached the house.
func endpoint(ctx context.Context, id string) string {
	c := call.From(ctx).Root()
	host := "aps-workspaces." + c.Region + ".amazonaws.com"
	if c.HTTP != nil && c.HTTP.Host != "" {
		host = c.HTTP.Host
	}
	return "https://" + host + "/workspaces/" + id + "/"
}

// ListWorkspaces lists the workspaces of the caller's account in a region, those whose alias begins with a word where it is given.
func (s *Service) ListWorkspaces(ctx context.Context, in *api.ListWorkspacesInput) (*api.ListWorkspacesOutput, error) {
	p, alias := here(ctx), wire.Val(in.Alias)
	at := page{strings.Join([]string{p.region, p.account, "workspaces", alias}, "\x1f"), in.NextToken, in.MaxResults, 1000}
	if in.MaxResults == nil {
		at.most = 100
	}
	items, next, err := list(ctx, s, workspacesOf(p), at, decodeWorkspace, func(w *workspace) bool { return strings.HasPrefix(w.Alias, alias) })
	if err != nil {
		return nil, err
	}
	out := &api.ListWorkspacesOutput{NextToken: next, Workspaces: []api.WorkspaceSummary{}}
	err = s.db.View(ctx, func(r store.Reader) error {
		out.Workspaces = out.Workspaces[:0]
		for _, w := range items {
			tags, err := readTags(r, w.arn())
			if err != nil {
				return err
			}
			out.Workspaces = append(out.Workspaces, api.WorkspaceSummary{
				WorkspaceId: &w.ID.Workspace, Alias: some(w.Alias), Arn: wire.Ptr(w.arn()), Status: w.status(), CreatedAt: &w.Created,
				Tags: tags, KmsKeyArn: some(w.Key),
			})
		}
		return nil
	})
	return out, err
}

// UpdateWorkspaceAlias gives a workspace another alias, or none. Its id and ARN stay.
func (s *Service) UpdateWorkspaceAlias(ctx context.Context, in *api.UpdateWorkspaceAliasInput) (*api.UpdateWorkspaceAliasOutput, error) {
	id := here(ctx).workspace(wire.Val(in.WorkspaceId))
	err := s.changeWorkspace(ctx, id, func(_ store.Tx, w *workspace) error {
		if !w.usable() {
			return busy(w)
		}
		w.Alias = wire.Val(in.Alias)
		return nil
	})
	return &api.UpdateWorkspaceAliasOutput{}, err
}

// busy refuses a change of a workspace that is being deleted.
func busy(w *workspace) error {
	return conflict(kindWorkspace, w.ID.Workspace, "The workspace %s is in the status %s.", w.ID.Workspace, w.Status)
}

// DeleteWorkspace deletes a workspace with all that it holds. A workspace whose key cannot be used is deleted like any other.
func (s *Service) DeleteWorkspace(ctx context.Context, in *api.DeleteWorkspaceInput) (*api.DeleteWorkspaceOutput, error) {
	return &api.DeleteWorkspaceOutput{}, s.deleteWorkspace(ctx, in.WorkspaceId)
}
