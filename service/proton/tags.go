package proton

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

type tagMap = resource.Tags

// tagsOf reads and checks the tags of a request.
func tagsOf(tags []api.Tag) (tagMap, error) {
	set := make(tagMap, len(tags))
	for _, t := range tags {
		if _, twice := set[wire.Val(t.Key)]; twice {
			return nil, invalid("The tag key %s is there twice.", *t.Key)
		}
		set[wire.Val(t.Key)] = wire.Val(t.Value)
	}
	merged, err := resource.Tags(nil).Merge(set)
	return merged, tagError(err)
}

func tagError(err error) error {
	if errors.Is(err, resource.ErrTag) || errors.Is(err, resource.ErrTooManyTags) {
		return invalid("%v", err)
	}
	return err
}

// readTags returns the tags of a resource; one without has none.
func readTags(r store.Reader, arn string) (tags tagMap, err error) {
	text, err := r.Get(tagsKey(arn))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return tags, json.Unmarshal(text, &tags)
}

// putTags replaces the tags of a resource.
func putTags(tx store.Tx, arn string, tags tagMap) error {
	if len(tags) == 0 {
		return tx.Delete(tagsKey(arn))
	}
	text, err := compact(tags)
	if err != nil {
		return err
	}
	return tx.Put(tagsKey(arn), text)
}

// tagged returns the key of the resource whose tags are asked for, in the caller's place.
func tagged(ctx context.Context, arn *string) ([]byte, error) {
	p, k, ok := keyOfARN(wire.Val(arn))
	if !ok || p != here(ctx) {
		return nil, notFound("resource", wire.Val(arn))
	}
	return k, nil
}

// retag changes the tags of a resource that is there.
func (s *Service) retag(ctx context.Context, arn *string, change func(tagMap) (tagMap, error)) error {
	k, err := tagged(ctx, arn)
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx store.Tx) error {
		if err := absentRecord(tx, k, notFound("resource", *arn)); err != nil {
			return err
		}
		tags, err := readTags(tx, *arn)
		if err != nil {
			return err
		}
		if tags, err = change(tags); err != nil {
			return tagError(err)
		}
		return putTags(tx, *arn, tags)
	})
}

// TagResource adds tags to a resource, or gives those that it has new values.
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	set, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	return &api.TagResourceOutput{}, s.retag(ctx, in.ResourceArn, func(t tagMap) (tagMap, error) { return t.Merge(set) })
}

// UntagResource takes tags away from a resource.
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return &api.UntagResourceOutput{}, s.retag(ctx, in.ResourceArn, func(t tagMap) (tagMap, error) { return t.Without(in.TagKeys), nil })
}

// ListTagsForResource lists the tags of a resource, by key.
func (s *Service) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	k, err := tagged(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	p := page{here(ctx).scope("tags", *in.ResourceArn), in.NextToken, in.MaxResults}
	after, err := s.position(p)
	if err != nil {
		return nil, err
	}
	var tags tagMap
	err = s.db.View(ctx, func(r store.Reader) error {
		if err := absentRecord(r, k, notFound("resource", *in.ResourceArn)); err != nil {
			return err
		}
		tags, err = readTags(r, *in.ResourceArn)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsForResourceOutput{Tags: []api.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if k < after {
			continue
		}
		if in.MaxResults != nil && len(out.Tags) == int(*in.MaxResults) {
			out.NextToken = s.token(p, k)
			break
		}
		out.Tags = append(out.Tags, api.Tag{Key: wire.Ptr(k), Value: wire.Ptr(tags[k])})
	}
	return out, nil
}
