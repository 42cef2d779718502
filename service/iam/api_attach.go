package iam

import (
	"cmp"
	"context"
	"slices"
	"strings"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

func (s *Service) attach(ctx context.Context, k kind, name, policyARN *string) error {
	return s.change(ctx, k, name, func(tx store.Tx, account string, h *holder) error {
		return h.attach(tx, account, *policyARN)
	})
}

func (s *Service) detach(ctx context.Context, k kind, name, policyARN *string) error {
	return s.change(ctx, k, name, func(tx store.Tx, account string, h *holder) error {
		return h.detach(tx, account, *policyARN)
	})
}

// bound sets a permissions boundary, or with nil takes it away.
func (s *Service) bound(ctx context.Context, k kind, name, policyARN *string) error {
	return s.change(ctx, k, name, func(tx store.Tx, account string, h *holder) error {
		if policyARN == nil && h.Boundary == "" {
			return api.NoSuchEntityException("The permissions boundary for %s %s cannot be found.", k, h.Name)
		}
		return h.bound(tx, account, wire.Val(policyARN))
	})
}

func (s *Service) listAttached(ctx context.Context, k kind, name, prefix, marker *string, maxItems *int32) (list []api.AttachedPolicy, more *bool, next *string, err error) {
	l, err := s.list(call.From(ctx), marker, maxItems, wire.Val(name), wire.Val(prefix))
	if err != nil {
		return nil, nil, nil, err
	}
	err = s.look(ctx, k, name, func(_ store.Reader, _ string, h *holder) error {
		below := slices.DeleteFunc(attachedOf(h), func(p api.AttachedPolicy) bool {
			return !strings.HasPrefix(pathIn(*p.PolicyArn), wire.Val(prefix))
		})
		list = pageOf(l, below, func(p api.AttachedPolicy) string { return *p.PolicyArn })
		return nil
	})
	more, next = l.answer()
	return list, more, next, err
}

// attachedOf returns the managed policies of h as the API shows them, in the order of their
// ARNs.
func attachedOf(h *holder) []api.AttachedPolicy {
	list := make([]api.AttachedPolicy, 0, len(h.Attached))
	for _, arn := range h.Attached {
		list = append(list, api.AttachedPolicy{
			PolicyArn: wire.Ptr(arn), PolicyName: wire.Ptr(arn[strings.LastIndexByte(arn, '/')+1:]),
		})
	}
	slices.SortFunc(list, func(a, b api.AttachedPolicy) int { return cmp.Compare(*a.PolicyArn, *b.PolicyArn) })
	return list
}

// pathIn returns the path in the ARN of a policy: "/" or "/a/b/".
func pathIn(policyARN string) string {
	_, rest, _ := strings.Cut(policyARN, ":policy")
	return rest[:strings.LastIndexByte(rest, '/')+1]
}

// AttachUserPolicy gives a user a managed policy.
func (s *Service) AttachUserPolicy(ctx context.Context, in *api.AttachUserPolicyInput) (*api.AttachUserPolicyOutput, error) {
	return nil, s.attach(ctx, userKind, in.UserName, in.PolicyArn)
}

// AttachGroupPolicy gives a group a managed policy.
func (s *Service) AttachGroupPolicy(ctx context.Context, in *api.AttachGroupPolicyInput) (*api.AttachGroupPolicyOutput, error) {
	return nil, s.attach(ctx, groupKind, in.GroupName, in.PolicyArn)
}

// AttachRolePolicy gives a role a managed policy.
func (s *Service) AttachRolePolicy(ctx context.Context, in *api.AttachRolePolicyInput) (*api.AttachRolePolicyOutput, error) {
	return nil, s.attach(ctx, roleKind, in.RoleName, in.PolicyArn)
}

// DetachUserPolicy takes a managed policy from a user.
func (s *Service) DetachUserPolicy(ctx context.Context, in *api.DetachUserPolicyInput) (*api.DetachUserPolicyOutput, error) {
	return nil, s.detach(ctx, userKind, in.UserName, in.PolicyArn)
}

// DetachGroupPolicy takes a managed policy from a group.
func (s *Service) DetachGroupPolicy(ctx context.Context, in *api.DetachGroupPolicyInput) (*api.DetachGroupPolicyOutput, error) {
	return nil, s.detach(ctx, groupKind, in.GroupName, in.PolicyArn)
}

// DetachRolePolicy takes a managed policy from a role.
func (s *Service) DetachRolePolicy(ctx context.Context, in *api.DetachRolePolicyInput) (*api.DetachRolePolicyOutput, error) {
	return nil, s.detach(ctx, roleKind, in.RoleName, in.PolicyArn)
}

// ListAttachedUserPolicies lists the managed policies of a user.
func (s *Service) ListAttachedUserPolicies(ctx context.Context, in *api.ListAttachedUserPoliciesInput) (*api.ListAttachedUserPoliciesOutput, error) {
	list, more, next, err := s.listAttached(ctx, userKind, in.UserName, in.PathPrefix, in.Marker, in.MaxItems)
	return &api.ListAttachedUserPoliciesOutput{AttachedPolicies: list, IsTruncated: more, Marker: next}, err
}

// ListAttachedGroupPolicies lists the managed policies of a group.
func (s *Service) ListAttachedGroupPolicies(ctx context.Context, in *api.ListAttachedGroupPoliciesInput) (*api.ListAttachedGroupPoliciesOutput, error) {
	list, more, next, err := s.listAttached(ctx, groupKind, in.GroupName, in.PathPrefix, in.Marker, in.MaxItems)
	return &api.ListAttachedGroupPoliciesOutput{AttachedPolicies: list, IsTruncated: more, Marker: next}, err
}

// ListAttachedRolePolicies lists the managed policies of a role.
func (s *Service) ListAttachedRolePolicies(ctx context.Context, in *api.ListAttachedRolePoliciesInput) (*api.ListAttachedRolePoliciesOutput, error) {
	list, more, next, err := s.listAttached(ctx, roleKind, in.RoleName, in.PathPrefix, in.Marker, in.MaxItems)
	return &api.ListAttachedRolePoliciesOutput{AttachedPolicies: list, IsTruncated: more, Marker: next}, err
}

// PutUserPermissionsBoundary sets the permissions boundary of a user.
func (s *Service) PutUserPermissionsBoundary(ctx context.Context, in *api.PutUserPermissionsBoundaryInput) (*api.PutUserPermissionsBoundaryOutput, error) {
	return nil, s.bound(ctx, userKind, in.UserName, in.PermissionsBoundary)
}

// PutRolePermissionsBoundary sets the permissions boundary of a role.
func (s *Service) PutRolePermissionsBoundary(ctx context.Context, in *api.PutRolePermissionsBoundaryInput) (*api.PutRolePermissionsBoundaryOutput, error) {
	return nil, s.bound(ctx, roleKind, in.RoleName, in.PermissionsBoundary)
}

// DeleteUserPermissionsBoundary takes away the permissions boundary of a user.
func (s *Service) DeleteUserPermissionsBoundary(ctx context.Context, in *api.DeleteUserPermissionsBoundaryInput) (*api.DeleteUserPermissionsBoundaryOutput, error) {
	return nil, s.bound(ctx, userKind, in.UserName, nil)
}

// DeleteRolePermissionsBoundary takes away the permissions boundary of a role.
func (s *Service) DeleteRolePermissionsBoundary(ctx context.Context, in *api.DeleteRolePermissionsBoundaryInput) (*api.DeleteRolePermissionsBoundaryOutput, error) {
	return nil, s.bound(ctx, roleKind, in.RoleName, nil)
}
