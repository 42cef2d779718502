package amp

import (
	"context"
	"errors"
	"strings"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/raw"
)

// shared are the operations that a resource policy counts for ("PutResourcePolicy", Amazon Managed Service for Prometheus API Reference).
var shared = map[string]bool{"RemoteWrite": true, "QueryMetrics": true, "GetSeries": true, "GetLabels": true, "GetMetricMetadata": true}

// dataTarget says what a call of the data plane acts on: a workspace of the caller's account, or one of another that has a policy
// of its own. A workspace of another account that has none is as one that does not exist: nobody learns that it is there.
func (s *Service) dataTarget(ctx context.Context, c *call.Call) (call.Target, error) {
	id := tenant.ID{Region: c.Region, Account: c.Principal.Account, Workspace: wire.Val(c.In.(*raw.Input).Resource)}
	if !namesWorkspace(id.Workspace) {
		return call.Target{}, notFound(kindWorkspace, id.Workspace[:min(len(id.Workspace), 64)])
	}
	check := call.Check{Action: "aps:" + c.Op.Name, Type: types[kindWorkspace]}
	w, err := s.reached(ctx, &id)
	if err != nil {
		return call.Target{}, err
	}
	if w != nil && shared[c.Op.Name] {
		if check.Policy, err = w.Policy.document(id.ARN()); err != nil {
			return call.Target{}, err
		}
	}
	check.Resource, check.Account = id.ARN(), id.Account
	m := policy.Map{}
	check.Conditions = m
	err = s.db.View(ctx, func(r store.Reader) error {
		tags, err := readTags(r, check.Resource)
		for k, v := range tags {
			m["aws:resourcetag/"+strings.ToLower(k)] = policy.One(v)
		}
		return err
	})
	return call.Target{Checks: []call.Check{check}}, err
}

// reached returns the workspace that the caller in id can mean, and puts its owner into id: one of his own, or one of another account that has a
// policy; nil for none.
func (s *Service) reached(ctx context.Context, id *tenant.ID) (*workspace, error) {
	w, err := s.memo.Get(ctx, string(workspaceKey(*id)))
	if !errors.Is(err, store.ErrNotFound) {
		return w, err
	}
	owner, err := s.owner(ctx, id.Region, id.Workspace)
	if err != nil || owner == "" {
		return nil, err
	}
	theirs := *id
	theirs.Account = owner
	w, err = s.memo.Get(ctx, string(workspaceKey(theirs)))
	if errors.Is(err, store.ErrNotFound) || err == nil && w.Policy == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	*id = theirs
	return w, nil
}

// namesWorkspace reports whether id can be that of a workspace.
func namesWorkspace(id string) bool {
	if len(id) == 0 || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
