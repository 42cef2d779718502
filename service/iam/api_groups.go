package iam

import (
	"context"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// group returns h as the API shows it.
func (h *holder) group(account string) *api.Group {
	return &api.Group{
		Path: wire.Ptr(h.Path), GroupName: wire.Ptr(h.Name), GroupId: wire.Ptr(h.ID),
		Arn: wire.Ptr(h.arn(account)), CreateDate: wire.Ptr(h.Created),
	}
}

// CreateGroup makes a group.
func (s *Service) CreateGroup(ctx context.Context, in *api.CreateGroupInput) (*api.CreateGroupOutput, error) {
	account := call.From(ctx).Principal.Account
	h := &holder{Kind: groupKind, ID: newID(groupKind), Name: *in.GroupName, Path: pathOr(in.Path), Created: now()}
	if err := s.update(ctx, func(tx store.Tx) error { return h.make(tx, account) }); err != nil {
		return nil, err
	}
	return &api.CreateGroupOutput{Group: h.group(account)}, nil
}

// GetGroup returns a group and the users in it.
func (s *Service) GetGroup(ctx context.Context, in *api.GetGroupInput) (*api.GetGroupOutput, error) {
	l, err := s.list(call.From(ctx), in.Marker, in.MaxItems, *in.GroupName)
	if err != nil {
		return nil, err
	}
	out := &api.GetGroupOutput{Users: []api.User{}}
	err = s.look(ctx, groupKind, in.GroupName, func(r store.Reader, account string, h *holder) error {
		out.Group = h.group(account)
		ids, err := h.members(r, account)
		if err != nil {
			return err
		}
		for _, id := range pageOf(l, ids, func(id string) string { return id }) {
			member, err := read[holder](r, path(holderTag, account, id))
			if err != nil {
				return err
			}
			out.Users = append(out.Users, *member.user(account, false))
		}
		return nil
	})
	out.IsTruncated, out.Marker = l.answer()
	return out, err
}

// ListGroups lists the groups below a path.
func (s *Service) ListGroups(ctx context.Context, in *api.ListGroupsInput) (*api.ListGroupsOutput, error) {
	c := call.From(ctx)
	l, err := s.list(c, in.Marker, in.MaxItems, wire.Val(in.PathPrefix))
	if err != nil {
		return nil, err
	}
	out := &api.ListGroupsOutput{Groups: []api.Group{}}
	err = s.holdersOf(ctx, l, groupKind, in.PathPrefix, func(_ store.Reader, h *holder) error {
		out.Groups = append(out.Groups, *h.group(c.Principal.Account))
		return nil
	})
	out.IsTruncated, out.Marker = l.answer()
	return out, err
}

// ListGroupsForUser lists the groups that a user is in.
func (s *Service) ListGroupsForUser(ctx context.Context, in *api.ListGroupsForUserInput) (*api.ListGroupsForUserOutput, error) {
	out := &api.ListGroupsForUserOutput{Groups: []api.Group{}, IsTruncated: wire.Ptr(false)}
	return out, s.look(ctx, userKind, in.UserName, func(r store.Reader, account string, h *holder) error {
		for _, id := range h.Groups { // ten at most: one page
			group, err := read[holder](r, path(holderTag, account, id))
			if err != nil {
				return err
			}
			out.Groups = append(out.Groups, *group.group(account))
		}
		return nil
	})
}

// UpdateGroup gives a group another name or path.
func (s *Service) UpdateGroup(ctx context.Context, in *api.UpdateGroupInput) (*api.UpdateGroupOutput, error) {
	return nil, s.change(ctx, groupKind, in.GroupName, func(tx store.Tx, account string, h *holder) error {
		return h.rename(tx, account, in.NewGroupName, in.NewPath)
	})
}

// DeleteGroup deletes a group that nobody is in and that holds no policies.
func (s *Service) DeleteGroup(ctx context.Context, in *api.DeleteGroupInput) (*api.DeleteGroupOutput, error) {
	return nil, s.change(ctx, groupKind, in.GroupName, func(tx store.Tx, account string, h *holder) error {
		return h.remove(tx, account)
	})
}

// AddUserToGroup puts a user into a group.
func (s *Service) AddUserToGroup(ctx context.Context, in *api.AddUserToGroupInput) (*api.AddUserToGroupOutput, error) {
	return nil, s.membership(ctx, in.GroupName, in.UserName, (*holder).join)
}

// RemoveUserFromGroup takes a user out of a group.
func (s *Service) RemoveUserFromGroup(ctx context.Context, in *api.RemoveUserFromGroupInput) (*api.RemoveUserFromGroupOutput, error) {
	return nil, s.membership(ctx, in.GroupName, in.UserName, (*holder).leave)
}

func (s *Service) membership(ctx context.Context, groupName, userName *string, fn func(h *holder, tx store.Tx, account string, group *holder) error) error {
	return s.change(ctx, groupKind, groupName, func(tx store.Tx, account string, group *holder) error {
		h, err := find(tx, account, userKind, *userName)
		if err != nil {
			return err
		}
		return fn(h, tx, account, group)
	})
}
