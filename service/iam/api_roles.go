package iam

import (
	"context"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// defaultMaxSession is how many seconds a session of a role may last when nobody says.
const defaultMaxSession = 3600

// role returns h as the API shows it; lists leave the tags and the boundary out.
func (h *holder) role(r store.Reader, account string, whole bool) (*api.Role, error) {
	trust, err := h.trustText(r)
	role := &api.Role{
		Path: wire.Ptr(h.Path), RoleName: wire.Ptr(h.Name), RoleId: wire.Ptr(h.ID), Arn: wire.Ptr(h.arn(account)),
		CreateDate: wire.Ptr(h.Created), AssumeRolePolicyDocument: trust, MaxSessionDuration: wire.Ptr(h.MaxSession),
	}
	if h.Description != "" {
		role.Description = wire.Ptr(h.Description)
	}
	if whole {
		role.Tags, role.PermissionsBoundary = tagList(h.Tags), boundaryOf(h)
	}
	return role, err
}

// CreateRole makes a role.
func (s *Service) CreateRole(ctx context.Context, in *api.CreateRoleInput) (*api.CreateRoleOutput, error) {
	account := call.From(ctx).Principal.Account
	h := &holder{
		Kind: roleKind, ID: newID(roleKind), Name: *in.RoleName, Path: pathOr(in.Path), Created: now(),
		Boundary: wire.Val(in.PermissionsBoundary), Description: wire.Val(in.Description), MaxSession: defaultMaxSession,
	}
	if in.MaxSessionDuration != nil {
		h.MaxSession = *in.MaxSessionDuration
	}
	var err error
	if h.Tags, err = tagsOf(in.Tags); err != nil {
		return nil, err
	}
	var out api.CreateRoleOutput
	return &out, s.update(ctx, func(tx store.Tx) error {
		if err := h.setTrust(tx, *in.AssumeRolePolicyDocument); err != nil {
			return err
		}
		if err := h.make(tx, account); err != nil {
			return err
		}
		out.Role, err = h.role(tx, account, true)
		return err
	})
}

// GetRole returns a role.
func (s *Service) GetRole(ctx context.Context, in *api.GetRoleInput) (*api.GetRoleOutput, error) {
	var out api.GetRoleOutput
	return &out, s.look(ctx, roleKind, in.RoleName, func(r store.Reader, account string, h *holder) (err error) {
		out.Role, err = h.role(r, account, true)
		return err
	})
}

// ListRoles lists the roles below a path.
func (s *Service) ListRoles(ctx context.Context, in *api.ListRolesInput) (*api.ListRolesOutput, error) {
	c := call.From(ctx)
	l, err := s.list(c, in.Marker, in.MaxItems, wire.Val(in.PathPrefix))
	if err != nil {
		return nil, err
	}
	out := &api.ListRolesOutput{Roles: []api.Role{}}
	err = s.holdersOf(ctx, l, roleKind, in.PathPrefix, func(r store.Reader, h *holder) error {
		role, err := h.role(r, c.Principal.Account, false)
		if err == nil {
			out.Roles = append(out.Roles, *role)
		}
		return err
	})
	out.IsTruncated, out.Marker = l.answer()
	return out, err
}

// UpdateRole sets the description and the longest session of a role, as far as they are given.
func (s *Service) UpdateRole(ctx context.Context, in *api.UpdateRoleInput) (*api.UpdateRoleOutput, error) {
	return nil, s.change(ctx, roleKind, in.RoleName, func(tx store.Tx, account string, h *holder) error {
		if in.Description != nil {
			h.Description = *in.Description
		}
		if in.MaxSessionDuration != nil {
			h.MaxSession = *in.MaxSessionDuration
		}
		return h.save(tx, account)
	})
}

// UpdateRoleDescription sets the description of a role.
func (s *Service) UpdateRoleDescription(ctx context.Context, in *api.UpdateRoleDescriptionInput) (*api.UpdateRoleDescriptionOutput, error) {
	var out api.UpdateRoleDescriptionOutput
	return &out, s.change(ctx, roleKind, in.RoleName, func(tx store.Tx, account string, h *holder) (err error) {
		h.Description = *in.Description
		if out.Role, err = h.role(tx, account, true); err != nil {
			return err
		}
		return h.save(tx, account)
	})
}

// UpdateAssumeRolePolicy gives a role another trust policy.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, in *api.UpdateAssumeRolePolicyInput) (*api.UpdateAssumeRolePolicyOutput, error) {
	return nil, s.change(ctx, roleKind, in.RoleName, func(tx store.Tx, account string, h *holder) error {
		if err := h.setTrust(tx, *in.PolicyDocument); err != nil {
			return err
		}
		return h.save(tx, account)
	})
}

// DeleteRole deletes a role that holds no policies. Its sessions end with it.
func (s *Service) DeleteRole(ctx context.Context, in *api.DeleteRoleInput) (*api.DeleteRoleOutput, error) {
	return nil, s.change(ctx, roleKind, in.RoleName, func(tx store.Tx, account string, h *holder) error {
		return h.remove(tx, account)
	})
}
