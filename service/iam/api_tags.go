package iam

import (
	"context"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/store"
)

// untag returns tags less keys, whatever their letter case.
func untag(tags resource.Tags, keys []string) resource.Tags {
	for _, key := range keys {
		tags = without(tags, key)
	}
	if len(tags) == 0 {
		return nil
	}
	return tags
}

// retag changes the tags of a holder.
func (s *Service) retag(ctx context.Context, k kind, name *string, fn func(resource.Tags) (resource.Tags, error)) error {
	return s.change(ctx, k, name, func(tx store.Tx, account string, h *holder) (err error) {
		if h.Tags, err = fn(h.Tags); err != nil {
			return err
		}
		return h.save(tx, account)
	})
}

func adding(tags []api.Tag) func(resource.Tags) (resource.Tags, error) {
	return func(old resource.Tags) (resource.Tags, error) { return merge(old, tags) }
}

func removing(keys []string) func(resource.Tags) (resource.Tags, error) {
	return func(old resource.Tags) (resource.Tags, error) { return untag(old, keys), nil }
}

// tagPage returns a page of tags.
func tagPage(l *listing, tags resource.Tags) []api.Tag {
	return pageOf(l, tagList(tags), func(t api.Tag) string { return *t.Key })
}

// TagUser sets tags of a user.
func (s *Service) TagUser(ctx context.Context, in *api.TagUserInput) (*api.TagUserOutput, error) {
	return nil, s.retag(ctx, userKind, in.UserName, adding(in.Tags))
}

// TagRole sets tags of a role.
func (s *Service) TagRole(ctx context.Context, in *api.TagRoleInput) (*api.TagRoleOutput, error) {
	return nil, s.retag(ctx, roleKind, in.RoleName, adding(in.Tags))
}

// TagPolicy sets tags of a managed policy.
func (s *Service) TagPolicy(ctx context.Context, in *api.TagPolicyInput) (*api.TagPolicyOutput, error) {
	return nil, s.retagPolicy(ctx, in.PolicyArn, adding(in.Tags))
}

// TagMFADevice sets tags of a device.
func (s *Service) TagMFADevice(ctx context.Context, in *api.TagMFADeviceInput) (*api.TagMFADeviceOutput, error) {
	return nil, s.retagDevice(ctx, in.SerialNumber, adding(in.Tags))
}

// UntagUser removes tags of a user.
func (s *Service) UntagUser(ctx context.Context, in *api.UntagUserInput) (*api.UntagUserOutput, error) {
	return nil, s.retag(ctx, userKind, in.UserName, removing(in.TagKeys))
}

// UntagRole removes tags of a role.
func (s *Service) UntagRole(ctx context.Context, in *api.UntagRoleInput) (*api.UntagRoleOutput, error) {
	return nil, s.retag(ctx, roleKind, in.RoleName, removing(in.TagKeys))
}

// UntagPolicy removes tags of a managed policy.
func (s *Service) UntagPolicy(ctx context.Context, in *api.UntagPolicyInput) (*api.UntagPolicyOutput, error) {
	return nil, s.retagPolicy(ctx, in.PolicyArn, removing(in.TagKeys))
}

// UntagMFADevice removes tags of a device.
func (s *Service) UntagMFADevice(ctx context.Context, in *api.UntagMFADeviceInput) (*api.UntagMFADeviceOutput, error) {
	return nil, s.retagDevice(ctx, in.SerialNumber, removing(in.TagKeys))
}

func (s *Service) retagPolicy(ctx context.Context, arn *string, fn func(resource.Tags) (resource.Tags, error)) error {
	return s.changePolicy(ctx, arn, func(tx store.Tx, account string, m *managed) (err error) {
		if m.Tags, err = fn(m.Tags); err != nil {
			return err
		}
		return m.save(tx, account)
	})
}

func (s *Service) retagDevice(ctx context.Context, serial *string, fn func(resource.Tags) (resource.Tags, error)) error {
	return s.changeDevice(ctx, serial, func(tx store.Tx, account string, d *device) (err error) {
		if d.Tags, err = fn(d.Tags); err != nil {
			return err
		}
		return d.save(tx, account)
	})
}

// ListUserTags lists the tags of a user.
func (s *Service) ListUserTags(ctx context.Context, in *api.ListUserTagsInput) (*api.ListUserTagsOutput, error) {
	tags, more, next, err := s.listTags(ctx, userKind, in.UserName, in.Marker, in.MaxItems)
	return &api.ListUserTagsOutput{Tags: tags, IsTruncated: more, Marker: next}, err
}

// ListRoleTags lists the tags of a role.
func (s *Service) ListRoleTags(ctx context.Context, in *api.ListRoleTagsInput) (*api.ListRoleTagsOutput, error) {
	tags, more, next, err := s.listTags(ctx, roleKind, in.RoleName, in.Marker, in.MaxItems)
	return &api.ListRoleTagsOutput{Tags: tags, IsTruncated: more, Marker: next}, err
}

func (s *Service) listTags(ctx context.Context, k kind, name, marker *string, maxItems *int32) (tags []api.Tag, more *bool, next *string, err error) {
	l, err := s.list(call.From(ctx), marker, maxItems, *name)
	if err != nil {
		return nil, nil, nil, err
	}
	err = s.look(ctx, k, name, func(_ store.Reader, _ string, h *holder) error {
		tags = tagPage(l, h.Tags)
		return nil
	})
	more, next = l.answer()
	return tags, more, next, err
}

// ListPolicyTags lists the tags of a managed policy.
func (s *Service) ListPolicyTags(ctx context.Context, in *api.ListPolicyTagsInput) (*api.ListPolicyTagsOutput, error) {
	l, err := s.list(call.From(ctx), in.Marker, in.MaxItems, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	var out api.ListPolicyTagsOutput
	err = s.view(ctx, func(r store.Reader) error {
		m, _, err := lookUp(r, call.From(ctx).Principal.Account, *in.PolicyArn)
		if err == nil {
			out.Tags = tagPage(l, m.Tags)
		}
		return err
	})
	out.IsTruncated, out.Marker = l.answer()
	return &out, err
}

// ListMFADeviceTags lists the tags of a device.
func (s *Service) ListMFADeviceTags(ctx context.Context, in *api.ListMFADeviceTagsInput) (*api.ListMFADeviceTagsOutput, error) {
	l, err := s.list(call.From(ctx), in.Marker, in.MaxItems, *in.SerialNumber)
	if err != nil {
		return nil, err
	}
	var out api.ListMFADeviceTagsOutput
	err = s.view(ctx, func(r store.Reader) error {
		d, err := deviceAt(r, call.From(ctx).Principal.Account, *in.SerialNumber)
		if err == nil {
			out.Tags = tagPage(l, d.Tags)
		}
		return err
	})
	out.IsTruncated, out.Marker = l.answer()
	return &out, err
}
