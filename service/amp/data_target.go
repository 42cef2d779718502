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

// dataTarget says what a call of the data plane acts on: a workspace of the caller's account, or one of another that has a policy
// of its own. A workspace of another account that has none is as one that does not exist: nobody learns that it is there.
func (s *Service) dataTarget(ctx context.Context, c *call.Call) (call.Target, error) {
	id := tenant.ID{Region: c.Region, Account: c.Principal.Account, Workspace: wire.Val(c.In.(*raw.Input).Resource)}
	if !namesWorkspace(id.Workspace) {
		return call.Target{}, notFound(kindWorkspace, id.Workspace[:min(len(id.Workspace), 64)])
	}
	check := call.Check{Action: "aps:" + c.Op.Name, Type: types[kindWorkspace]}
	err := s.db.View(ctx, func(r store.Reader) error {
		shared, owner, err := s.shares(r, id)
		if err != nil {
			return err
		}
		if shared != nil {
			check.Policy, id.Account = shared, owner
		}
		check.Resource, check.Account = id.ARN(), id.Account
		m := policy.Map{}
		tags, err := readTags(r, check.Resource)
		for k, v := range tags {
			m["aws:resourcetag/"+strings.ToLower(k)] = policy.One(v)
		}
		check.Conditions = m
		return err
	})
	return call.Target{Checks: []call.Check{check}}, err
}

// shares returns the policy of a workspace and its owner, or nil where it has none.
func (s *Service) shares(r store.Reader, id tenant.ID) (*policy.Document, string, error) {
	owner, err := r.Get(indexKey(id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	id.Account = string(owner)
	d, err := s.sharingPolicy(r, id)
	return d, id.Account, err
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
