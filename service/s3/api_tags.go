package s3

import (
	"context"
	"fmt"
	"maps"
	"slices"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// tagsOf reads and checks the tags of a request's body.
func tagsOf(set *api.Tagging, most int) (map[string]string, error) {
	if set == nil {
		return nil, malformedXML()
	}
	return tagSet(set.TagSet, most)
}

func tagSet(list []api.Tag, most int) (map[string]string, error) {
	tags := make(map[string]string, len(list))
	for i := range list {
		key := wire.Val(list[i].Key)
		if _, twice := tags[key]; twice {
			return nil, badRequest("InvalidTag", "Cannot provide multiple Tags with the same key")
		}
		tags[key] = wire.Val(list[i].Value)
	}
	return tags, checkTags(tags, most)
}

// showTags lists tags by key.
func showTags(tags map[string]string) []api.Tag {
	list := make([]api.Tag, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, api.Tag{Key: wire.Ptr(k), Value: wire.Ptr(tags[k])})
	}
	return list
}

// GetObjectTagging returns an object's tags.
func (s *Service) GetObjectTagging(ctx context.Context, in *api.GetObjectTaggingInput) (*api.GetObjectTaggingOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	o, err := s.find(ctx, b, wire.Val(in.Key), in.VersionId)
	if err != nil {
		return nil, err
	}
	return &api.GetObjectTaggingOutput{TagSet: showTags(o.Tags), VersionId: in.VersionId}, nil
}

// PutObjectTagging replaces an object's tags.
func (s *Service) PutObjectTagging(ctx context.Context, in *api.PutObjectTaggingInput) (*api.PutObjectTaggingOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.Tagging, object.MaxTags)
	if err != nil {
		return nil, err
	}
	if err := nullVersion(in.VersionId); err != nil {
		return nil, err
	}
	err = s.changeObject(ctx, b, wire.Val(in.Key), func(o *stored) { o.Tags = tags })
	return &api.PutObjectTaggingOutput{VersionId: in.VersionId}, err
}

// DeleteObjectTagging removes an object's tags.
func (s *Service) DeleteObjectTagging(ctx context.Context, in *api.DeleteObjectTaggingInput) (*api.DeleteObjectTaggingOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if err := nullVersion(in.VersionId); err != nil {
		return nil, err
	}
	err = s.changeObject(ctx, b, wire.Val(in.Key), func(o *stored) { o.Tags = nil })
	return &api.DeleteObjectTaggingOutput{VersionId: in.VersionId}, err
}

// GetBucketTagging returns a bucket's tags.
func (s *Service) GetBucketTagging(ctx context.Context, in *api.GetBucketTaggingInput) (*api.GetBucketTaggingOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if len(b.Tags) == 0 {
		return nil, notFound("NoSuchTagSet", "The TagSet does not exist")
	}
	return &api.GetBucketTaggingOutput{TagSet: showTags(b.Tags)}, nil
}

// PutBucketTagging replaces a bucket's tags.
func (s *Service) PutBucketTagging(ctx context.Context, in *api.PutBucketTaggingInput) (*api.PutBucketTaggingOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.Tagging, resource.MaxTags)
	if err != nil {
		return nil, err
	}
	return nil, s.changeBucket(ctx, b, func(b *bucket) error { b.Tags = tags; return nil })
}

// DeleteBucketTagging removes a bucket's tags.
func (s *Service) DeleteBucketTagging(ctx context.Context, in *api.DeleteBucketTaggingInput) (*api.DeleteBucketTaggingOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	return nil, s.changeBucket(ctx, b, func(b *bucket) error { b.Tags = nil; return nil })
}

// GetObjectAttributes returns chosen facts about an object.
func (s *Service) GetObjectAttributes(ctx context.Context, in *api.GetObjectAttributesInput) (*api.GetObjectAttributesOutput, error) {
	c, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	o, err := s.find(ctx, b, wire.Val(in.Key), in.VersionId)
	if err != nil {
		return nil, err
	}
	customer, err := customerHeaders{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5}.read(c)
	if err != nil {
		return nil, err
	}
	if err := o.Seal.accepts(customer); err != nil {
		return nil, err
	}
	out := &api.GetObjectAttributesOutput{LastModified: wire.Ptr(o.Modified), VersionId: in.VersionId}
	for _, a := range in.ObjectAttributes {
		switch a {
		case api.ObjectAttributesETag:
			out.ETag = wire.Ptr(o.ETag.Bare())
		case api.ObjectAttributesStorageClass:
			out.StorageClass = api.StorageClass(o.StorageClass)
		case api.ObjectAttributesObjectSize:
			out.ObjectSize = wire.Ptr(o.Size)
		case api.ObjectAttributesChecksum:
			sums := &api.Checksum{}
			checksumFields{&sums.ChecksumCRC32, &sums.ChecksumCRC32C, &sums.ChecksumCRC64NVME, &sums.ChecksumSHA1, &sums.ChecksumSHA256, &sums.ChecksumType}.set(o.Sum, 0)
			out.Checksum = sums
		case api.ObjectAttributesObjectParts:
			if out.ObjectParts, err = s.partsOf(ctx, o, in); err != nil {
				return nil, err
			}
		default:
			return nil, invalidArgument("Invalid attribute name specified.")
		}
	}
	return out, nil
}

// partsOf makes a page of an object's parts; nil when it has none.
func (s *Service) partsOf(ctx context.Context, o *stored, in *api.GetObjectAttributesInput) (*api.GetObjectAttributesParts, error) {
	if !o.inParts() {
		return nil, nil
	}
	limit, after, err := partsPage(in.MaxParts, in.PartNumberMarker)
	if err != nil {
		return nil, err
	}
	out := &api.GetObjectAttributesParts{TotalPartsCount: wire.Ptr(int32(o.ETag.Parts)), MaxParts: wire.Ptr(int32(limit)),
		PartNumberMarker: wire.Ptr(int32(after))}
	last := min(after, o.ETag.Parts)
	for number := last + 1; number <= o.ETag.Parts && len(out.Parts) < limit; {
		list, err := s.chunk(ctx, o, (number-1)/chunkSegments)
		if err != nil {
			return nil, err
		}
		begun := number
		for _, seg := range list[min((number-1)%chunkSegments, len(list)):] {
			if len(out.Parts) == limit {
				break
			}
			p := api.ObjectPart{PartNumber: wire.Ptr(int32(number)), Size: wire.Ptr(seg.Piece.Size)}
			checksumFields{&p.ChecksumCRC32, &p.ChecksumCRC32C, &p.ChecksumCRC64NVME, &p.ChecksumSHA1, &p.ChecksumSHA256, nil}.set(sum{o.Sum.Algorithm, o.Sum.Type, seg.Sum}, 0)
			out.Parts = append(out.Parts, p)
			last = number
			number++
		}
		if number == begun {
			return nil, fmt.Errorf("manifest %s is too short: %w", o.Manifest, store.ErrCorrupt)
		}
	}
	out.NextPartNumberMarker = wire.Ptr(int32(last))
	out.IsTruncated = wire.Ptr(last < o.ETag.Parts && limit > 0)
	return out, nil
}
