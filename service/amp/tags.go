package amp

import (
	"context"
	"errors"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

type tagMap = resource.Tags

// newTags checks the tags of a request that makes a resource.
func newTags(tags map[string]string) (tagMap, error) {
	merged, err := resource.Tags(nil).Merge(tags)
	return merged, tagError(err)
}

func tagError(err error) error {
	if errors.Is(err, resource.ErrTag) || errors.Is(err, resource.ErrTooManyTags) {
		return invalid("tags", "%v", err)
	}
	return err
}

// readTags returns the tags of a resource; one without has none.
func readTags(r store.Reader, arn string) (tagMap, error) {
	tags, _, err := get[tagMap](r, tagsKey(arn))
	return tags, err
}

// tagsOf returns the tags of a resource.
func (s *Service) tagsOf(ctx context.Context, arn string) (tags tagMap, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		tags, err = readTags(r, arn)
		return err
	})
	return tags, err
}

// putTags replaces the tags of a resource.
func putTags(tx store.Tx, arn string, tags tagMap) error {
	if len(tags) == 0 {
		return tx.Delete(tagsKey(arn))
	}
	return put(tx, tagsKey(arn), tags)
}

// tagged returns nil when there is a resource of the name in the caller's place.
func tagged(ctx context.Context, r store.Reader, arn string) error {
	n, ok := parseName(arn)
	if !ok || n.place != here(ctx) {
		return notFound("resource", arn)
	}
	found, err := resourceExists(r, n)
	if err == nil && !found {
		return notFound(n.kind, arn)
	}
	return err
}

// resourceExists reports whether there is a resource.
func resourceExists(r store.Reader, n resourceName) (bool, error) {
	var k []byte
	switch n.kind {
	case kindWorkspace:
		k = workspaceKey(n.workspace(n.parts[0]))
	case kindRules:
		k = namespaceKey(n.workspace(n.parts[0]), n.parts[1])
	case kindDetector:
		k = detectorKey(n.workspace(n.parts[0]), n.parts[1])
	case kindScraper:
		k = scraperKey(n.place, n.parts[0])
	default:
		return false, nil
	}
	_, err := r.Get(k)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// retag changes the tags of a resource that is there.
func (s *Service) retag(ctx context.Context, arn string, change func(tagMap) (tagMap, error)) error {
	return s.update(ctx, func(tx store.Tx) error {
		if err := tagged(ctx, tx, arn); err != nil {
			return err
		}
		tags, err := readTags(tx, arn)
		if err != nil {
			return err
		}
		if tags, err = change(tags); err != nil {
			return tagError(err)
		}
		return putTags(tx, arn, tags)
	})
}

// TagResource adds tags to a resource, or gives those that it has new values.
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	return &api.TagResourceOutput{}, s.retag(ctx, wire.Val(in.ResourceArn), func(t tagMap) (tagMap, error) { return t.Merge(in.Tags) })
}

// UntagResource takes tags away from a resource.
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return &api.UntagResourceOutput{}, s.retag(ctx, wire.Val(in.ResourceArn), func(t tagMap) (tagMap, error) { return t.Without(in.TagKeys), nil })
}

// ListTagsForResource lists the tags of a resource.
func (s *Service) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	out := &api.ListTagsForResourceOutput{Tags: map[string]string{}}
	err := s.db.View(ctx, func(r store.Reader) error {
		if err := tagged(ctx, r, wire.Val(in.ResourceArn)); err != nil {
			return err
		}
		tags, err := readTags(r, *in.ResourceArn)
		if tags != nil {
			out.Tags = tags
		}
		return err
	})
	return out, err
}
