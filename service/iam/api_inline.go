package iam

import (
	"context"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

func (s *Service) putInline(ctx context.Context, k kind, holderName, name, text *string) error {
	return s.change(ctx, k, holderName, func(tx store.Tx, account string, h *holder) error {
		return h.putInline(tx, account, *name, *text)
	})
}

// getInline returns the name of the holder as it was made, and the text as answers carry it.
func (s *Service) getInline(ctx context.Context, k kind, holderName, name *string) (owner, text *string, err error) {
	err = s.look(ctx, k, holderName, func(r store.Reader, account string, h *holder) error {
		plain, err := h.inline(r, account, *name)
		owner, text = &h.Name, encoded(plain)
		return err
	})
	return owner, text, err
}

func (s *Service) dropInline(ctx context.Context, k kind, holderName, name *string) error {
	return s.change(ctx, k, holderName, func(tx store.Tx, account string, h *holder) error {
		return h.dropInline(tx, account, *name)
	})
}

func (s *Service) listInline(ctx context.Context, k kind, holderName, marker *string, maxItems *int32) (names []string, more *bool, next *string, err error) {
	l, err := s.list(call.From(ctx), marker, maxItems, wire.Val(holderName))
	if err != nil {
		return nil, nil, nil, err
	}
	err = s.look(ctx, k, holderName, func(r store.Reader, account string, h *holder) error {
		all, err := h.inlineNames(r, account)
		names = pageOf(l, all, func(name string) string { return name })
		return err
	})
	more, next = l.answer()
	return names, more, next, err
}

// PutUserPolicy gives a user an inline policy.
func (s *Service) PutUserPolicy(ctx context.Context, in *api.PutUserPolicyInput) (*api.PutUserPolicyOutput, error) {
	return nil, s.putInline(ctx, userKind, in.UserName, in.PolicyName, in.PolicyDocument)
}

// PutGroupPolicy gives a group an inline policy.
func (s *Service) PutGroupPolicy(ctx context.Context, in *api.PutGroupPolicyInput) (*api.PutGroupPolicyOutput, error) {
	return nil, s.putInline(ctx, groupKind, in.GroupName, in.PolicyName, in.PolicyDocument)
}

// PutRolePolicy gives a role an inline policy.
func (s *Service) PutRolePolicy(ctx context.Context, in *api.PutRolePolicyInput) (*api.PutRolePolicyOutput, error) {
	return nil, s.putInline(ctx, roleKind, in.RoleName, in.PolicyName, in.PolicyDocument)
}

// GetUserPolicy returns an inline policy of a user.
func (s *Service) GetUserPolicy(ctx context.Context, in *api.GetUserPolicyInput) (*api.GetUserPolicyOutput, error) {
	owner, text, err := s.getInline(ctx, userKind, in.UserName, in.PolicyName)
	return &api.GetUserPolicyOutput{UserName: owner, PolicyName: in.PolicyName, PolicyDocument: text}, err
}

// GetGroupPolicy returns an inline policy of a group.
func (s *Service) GetGroupPolicy(ctx context.Context, in *api.GetGroupPolicyInput) (*api.GetGroupPolicyOutput, error) {
	owner, text, err := s.getInline(ctx, groupKind, in.GroupName, in.PolicyName)
	return &api.GetGroupPolicyOutput{GroupName: owner, PolicyName: in.PolicyName, PolicyDocument: text}, err
}

// GetRolePolicy returns an inline policy of a role.
func (s *Service) GetRolePolicy(ctx context.Context, in *api.GetRolePolicyInput) (*api.GetRolePolicyOutput, error) {
	owner, text, err := s.getInline(ctx, roleKind, in.RoleName, in.PolicyName)
	return &api.GetRolePolicyOutput{RoleName: owner, PolicyName: in.PolicyName, PolicyDocument: text}, err
}

// DeleteUserPolicy deletes an inline policy of a user.
func (s *Service) DeleteUserPolicy(ctx context.Context, in *api.DeleteUserPolicyInput) (*api.DeleteUserPolicyOutput, error) {
	return nil, s.dropInline(ctx, userKind, in.UserName, in.PolicyName)
}

// DeleteGroupPolicy deletes an inline policy of a group.
func (s *Service) DeleteGroupPolicy(ctx context.Context, in *api.DeleteGroupPolicyInput) (*api.DeleteGroupPolicyOutput, error) {
	return nil, s.dropInline(ctx, groupKind, in.GroupName, in.PolicyName)
}

// DeleteRolePolicy deletes an inline policy of a role.
func (s *Service) DeleteRolePolicy(ctx context.Context, in *api.DeleteRolePolicyInput) (*api.DeleteRolePolicyOutput, error) {
	return nil, s.dropInline(ctx, roleKind, in.RoleName, in.PolicyName)
}

// ListUserPolicies lists the inline policies of a user.
func (s *Service) ListUserPolicies(ctx context.Context, in *api.ListUserPoliciesInput) (*api.ListUserPoliciesOutput, error) {
	names, more, next, err := s.listInline(ctx, userKind, in.UserName, in.Marker, in.MaxItems)
	return &api.ListUserPoliciesOutput{PolicyNames: names, IsTruncated: more, Marker: next}, err
}

// ListGroupPolicies lists the inline policies of a group.
func (s *Service) ListGroupPolicies(ctx context.Context, in *api.ListGroupPoliciesInput) (*api.ListGroupPoliciesOutput, error) {
	names, more, next, err := s.listInline(ctx, groupKind, in.GroupName, in.Marker, in.MaxItems)
	return &api.ListGroupPoliciesOutput{PolicyNames: names, IsTruncated: more, Marker: next}, err
}

// ListRolePolicies lists the inline policies of a role.
func (s *Service) ListRolePolicies(ctx context.Context, in *api.ListRolePoliciesInput) (*api.ListRolePoliciesOutput, error) {
	names, more, next, err := s.listInline(ctx, roleKind, in.RoleName, in.Marker, in.MaxItems)
	return &api.ListRolePoliciesOutput{PolicyNames: names, IsTruncated: more, Marker: next}, err
}
