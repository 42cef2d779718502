package iam

import (
	"context"
	"slices"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// details is the answer of GetAccountAuthorizationDetails while it is being written.
type details struct {
	*listing
	account string
	filter  []api.EntityType
	out     *api.GetAccountAuthorizationDetailsOutput
}

// GetAccountAuthorizationDetails returns who there is in the account and what they may do: users, groups, roles
// and managed policies, in this order, over as many pages as it takes.
func (s *Service) GetAccountAuthorizationDetails(ctx context.Context, in *api.GetAccountAuthorizationDetailsInput) (*api.GetAccountAuthorizationDetailsOutput, error) {
	c := call.From(ctx)
	scope := make([]string, 0, len(in.Filter))
	for _, f := range in.Filter {
		scope = append(scope, string(f))
	}
	l, err := s.list(c, in.Marker, in.MaxItems, scope...)
	if err != nil {
		return nil, err
	}
	d := &details{listing: l, account: c.Principal.Account, filter: in.Filter, out: &api.GetAccountAuthorizationDetailsOutput{
		UserDetailList: []api.UserDetail{}, GroupDetailList: []api.GroupDetail{}, RoleDetailList: []api.RoleDetail{}, Policies: []api.ManagedPolicyDetail{},
	}}
	err = s.view(ctx, func(r store.Reader) error {
		for _, part := range []struct {
			entity api.EntityType
			kind   kind
		}{{api.EntityTypeUser, userKind}, {api.EntityTypeGroup, groupKind}, {api.EntityTypeRole, roleKind}} {
			if !d.asked(part.entity) {
				continue
			}
			if goOn, err := d.holders(r, part.kind); err != nil || !goOn {
				return err
			}
		}
		return d.policies(r, s)
	})
	d.out.IsTruncated, d.out.Marker = l.answer()
	return d.out, err
}

// asked reports whether the answer has things of a type.
func (d *details) asked(t api.EntityType) bool {
	return len(d.filter) == 0 || slices.Contains(d.filter, t)
}

// order puts the kinds of a page one after the other.
var order = map[kind]string{userKind: "1/", groupKind: "2/", roleKind: "3/", policyKind: "4/"}

// holders adds the users, groups or roles.
func (d *details) holders(r store.Reader, k kind) (goOn bool, err error) {
	names := under(nameTag, d.account, string(k))
	for rec, err := range r.Scan(store.Prefix(names)) {
		if err != nil {
			return false, err
		}
		taken, goOn := d.take(order[k] + string(rec.Key[len(names):]))
		if !goOn {
			return false, nil
		}
		if !taken {
			continue
		}
		h, err := read[holder](r, path(holderTag, d.account, string(rec.Value)))
		if err != nil {
			return false, err
		}
		if err := d.holder(r, h); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (d *details) holder(r store.Reader, h *holder) error {
	inline, err := inlineDetails(r, d.account, h)
	if err != nil {
		return err
	}
	id, arn, created := wire.Ptr(h.ID), wire.Ptr(h.arn(d.account)), wire.Ptr(h.Created)
	switch h.Kind {
	case userKind:
		u := api.UserDetail{
			Path: &h.Path, UserName: &h.Name, UserId: id, Arn: arn, CreateDate: created, UserPolicyList: inline,
			GroupList: []string{}, AttachedManagedPolicies: attachedOf(h), PermissionsBoundary: boundaryOf(h), Tags: tagList(h.Tags),
		}
		for _, groupID := range h.Groups {
			group, err := read[holder](r, path(holderTag, d.account, groupID))
			if err != nil {
				return err
			}
			u.GroupList = append(u.GroupList, group.Name)
		}
		d.out.UserDetailList = append(d.out.UserDetailList, u)
	case groupKind:
		d.out.GroupDetailList = append(d.out.GroupDetailList, api.GroupDetail{
			Path: &h.Path, GroupName: &h.Name, GroupId: id, Arn: arn, CreateDate: created,
			GroupPolicyList: inline, AttachedManagedPolicies: attachedOf(h),
		})
	case roleKind:
		trust, err := h.trustText(r)
		if err != nil {
			return err
		}
		d.out.RoleDetailList = append(d.out.RoleDetailList, api.RoleDetail{
			Path: &h.Path, RoleName: &h.Name, RoleId: id, Arn: arn, CreateDate: created, AssumeRolePolicyDocument: trust,
			InstanceProfileList: []api.InstanceProfile{}, RolePolicyList: inline, AttachedManagedPolicies: attachedOf(h),
			PermissionsBoundary: boundaryOf(h), Tags: tagList(h.Tags),
		})
	}
	return nil
}

// inlineDetails returns the inline policies of h as the API shows them.
func inlineDetails(r store.Reader, account string, h *holder) ([]api.PolicyDetail, error) {
	list := []api.PolicyDetail{}
	prefix := under(inlineTag, account, h.ID)
	for rec, err := range r.Scan(store.Prefix(prefix)) {
		if err != nil {
			return nil, err
		}
		list = append(list, api.PolicyDetail{
			PolicyName: wire.Ptr(string(rec.Key[len(prefix):])), PolicyDocument: encoded(string(rec.Value)),
		})
	}
	return list, nil
}

// policies adds the managed policies.
func (d *details) policies(r store.Reader, s *Service) error {
	scope := api.PolicyScopeTypeAll
	switch local, aws := d.asked(api.EntityTypeLocalManagedPolicy), d.asked(api.EntityTypeAWSManagedPolicy); {
	case !local && !aws:
		return nil
	case !local:
		scope = api.PolicyScopeTypeAws
	case !aws:
		scope = api.PolicyScopeTypeLocal
	}
	return s.eachPolicy(r, d.account, scope, func(m *managed, of string) (bool, error) {
		taken, goOn := d.take(order[policyKind] + of + "/" + fold(m.Name))
		if !taken {
			return goOn, nil
		}
		p, err := m.policy(r, d.account, of, true)
		if err != nil {
			return false, err
		}
		detail := api.ManagedPolicyDetail{
			PolicyName: p.PolicyName, PolicyId: p.PolicyId, Arn: p.Arn, Path: p.Path, DefaultVersionId: p.DefaultVersionId,
			AttachmentCount: p.AttachmentCount, PermissionsBoundaryUsageCount: p.PermissionsBoundaryUsageCount,
			IsAttachable: p.IsAttachable, Description: p.Description, CreateDate: p.CreateDate, UpdateDate: p.UpdateDate,
		}
		for _, v := range slices.Backward(m.Versions) {
			text, err := m.text(r, of, v.Number)
			if err != nil {
				return false, err
			}
			shown := m.shown(v)
			shown.Document = encoded(text)
			detail.PolicyVersionList = append(detail.PolicyVersionList, *shown)
		}
		d.out.Policies = append(d.out.Policies, detail)
		return true, nil
	})
}
