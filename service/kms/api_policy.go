package kms

import (
	"context"
	"errors"
	"maps"
	"slices"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// GetKeyPolicy gives the text of a key's policy.
func (s *Service) GetKeyPolicy(ctx context.Context, in *api.GetKeyPolicyInput) (*api.GetKeyPolicyOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	if err := checkPolicyName(in.PolicyName); err != nil {
		return nil, err
	}
	text, err := s.policyText(ctx, &e.record, e.policy.Text())
	return &api.GetKeyPolicyOutput{Policy: &text, PolicyName: wire.Ptr(defaultPolicyName)}, err
}

// PutKeyPolicy replaces a key's policy. It takes effect on the next call.
func (s *Service) PutKeyPolicy(ctx context.Context, in *api.PutKeyPolicyInput) (*api.PutKeyPolicyOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	if err := checkPolicyName(in.PolicyName); err != nil {
		return nil, err
	}
	if e.Manager != api.KeyManagerTypeCustomer {
		return nil, denied("The policy of an AWS managed key cannot be changed.")
	}
	var with record
	if err := s.setPolicy(ctx, &with, e.home, in.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
		return nil, err
	}
	// A key that is pending deletion may still get a policy (KMS developer guide, "Key states").
	return nil, s.change(ctx, e.home, func(_ store.Tx, r *record) error {
		r.Policy, r.Bound = with.Policy, with.Bound
		return nil
	})
}

func checkPolicyName(name *string) error {
	if name != nil && *name != defaultPolicyName {
		return api.NotFoundException("No such policy exists")
	}
	return nil
}

// ListKeyPolicies names the policies of a key, of which there is one.
func (s *Service) ListKeyPolicies(_ context.Context, in *api.ListKeyPoliciesInput) (*api.ListKeyPoliciesOutput, error) {
	if in.Marker != nil {
		return nil, badMarker()
	}
	return &api.ListKeyPoliciesOutput{PolicyNames: []string{defaultPolicyName}, Truncated: wire.Ptr(false)}, nil
}

// TagResource adds and changes tags of a key.
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	return nil, s.changeAuthorized(ctx, func(_ store.Tx, r *record) (err error) {
		r.Tags, err = mergeTags(r.Tags, in.Tags)
		return err
	})
}

// UntagResource removes tags of a key.
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return nil, s.changeAuthorized(ctx, func(_ store.Tx, r *record) error {
		r.Tags = r.Tags.Without(in.TagKeys)
		return nil
	})
}

// ListResourceTags lists the tags of a key, which always fit on one page.
func (s *Service) ListResourceTags(ctx context.Context, in *api.ListResourceTagsInput) (*api.ListResourceTagsOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	p, err := s.page("ListResourceTags", e.home, in.Marker, in.Limit, resource.MaxTags, resource.MaxTags)
	if err != nil {
		return nil, err
	}
	out := &api.ListResourceTagsOutput{Tags: []api.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(e.Tags)) {
		if !p.take(k) {
			continue
		}
		out.Tags = append(out.Tags, api.Tag{TagKey: wire.Ptr(k), TagValue: wire.Ptr(e.Tags[k])})
	}
	out.NextMarker, out.Truncated = p.marker()
	return out, nil
}

// tagList returns tags in their order.
func tagList(tags resource.Tags) []api.Tag {
	list := []api.Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, api.Tag{TagKey: wire.Ptr(k), TagValue: wire.Ptr(tags[k])})
	}
	return list
}

// tagError says in the words of KMS what is wrong with tags.
func tagError(err error) error {
	switch {
	case errors.Is(err, resource.ErrTooManyTags):
		return api.LimitExceededException("Too many tags: at most %d are allowed.", resource.MaxTags)
	case errors.Is(err, resource.ErrTag):
		return api.TagException("%s", err)
	}
	return err
}
