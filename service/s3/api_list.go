package s3

import (
	"context"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/service/s3/checksum"
	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/wire"
)

// maxPage is the most entries of a page.
const maxPage = 1000

// pageSize reads max-keys and its like.
func pageSize(asked *int32, name string) (int, error) {
	switch {
	case asked == nil:
		return maxPage, nil
	case *asked < 0:
		return 0, invalidArgument("Argument %s must be an integer between 0 and 2147483647", name)
	}
	return int(min(*asked, maxPage)), nil
}

// namer returns how names are written in an answer; nil stays nil.
func namer(encoding api.EncodingType) func(*string) *string {
	if encoding != api.EncodingTypeUrl {
		return func(name *string) *string { return name }
	}
	return func(name *string) *string {
		if name == nil {
			return nil
		}
		return wire.Ptr(object.EncodeName(*name))
	}
}

func owner(account string) *api.Owner { return &api.Owner{ID: wire.Ptr(ownerID(account))} }

// ListObjectsV2 returns a page of a bucket's objects.
func (s *Service) ListObjectsV2(ctx context.Context, in *api.ListObjectsV2Input) (*api.ListObjectsV2Output, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	limit, err := pageSize(in.MaxKeys, "max-keys")
	if err != nil {
		return nil, err
	}
	q := object.Query{Prefix: wire.Val(in.Prefix), Delimiter: wire.Val(in.Delimiter), After: wire.Val(in.StartAfter), Limit: limit}
	scope := "ListObjectsV2/" + b.ID
	if in.ContinuationToken != nil {
		if q.After, err = s.pager.Position(scope, *in.ContinuationToken); err != nil {
			return nil, invalidArgument("The continuation token provided is incorrect").WithCause(err)
		}
	}
	page, err := s.list(ctx, b, q)
	if err != nil {
		return nil, err
	}
	name := namer(in.EncodingType)
	out := &api.ListObjectsV2Output{
		Name: in.Bucket, Prefix: name(wire.Ptr(q.Prefix)), Delimiter: name(in.Delimiter), StartAfter: name(in.StartAfter),
		MaxKeys: wire.Ptr(int32(limit)), EncodingType: in.EncodingType, ContinuationToken: in.ContinuationToken,
		IsTruncated: wire.Ptr(page.Truncated()), KeyCount: wire.Ptr(int32(len(page.Entries) + len(page.Prefixes))),
		CommonPrefixes: prefixes(page.Prefixes, name),
	}
	var who *api.Owner
	if wire.Val(in.FetchOwner) {
		who = owner(b.Account)
	}
	out.Contents = contents(page.Entries, name, who)
	if page.Truncated() {
		out.NextContinuationToken = wire.Ptr(s.pager.Token(scope, page.Next))
	}
	return out, nil
}

// ListObjects returns a page of a bucket's objects in the older form.
func (s *Service) ListObjects(ctx context.Context, in *api.ListObjectsInput) (*api.ListObjectsOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	limit, err := pageSize(in.MaxKeys, "max-keys")
	if err != nil {
		return nil, err
	}
	q := object.Query{Prefix: wire.Val(in.Prefix), Delimiter: wire.Val(in.Delimiter), After: wire.Val(in.Marker), Limit: limit}
	page, err := s.list(ctx, b, q)
	if err != nil {
		return nil, err
	}
	name := namer(in.EncodingType)
	out := &api.ListObjectsOutput{
		Name: in.Bucket, Prefix: name(wire.Ptr(q.Prefix)), Delimiter: name(in.Delimiter), Marker: name(wire.Ptr(q.After)),
		MaxKeys: wire.Ptr(int32(limit)), EncodingType: in.EncodingType, IsTruncated: wire.Ptr(page.Truncated()),
		Contents: contents(page.Entries, name, owner(b.Account)), CommonPrefixes: prefixes(page.Prefixes, name),
	}
	if page.Truncated() && q.Delimiter != "" {
		out.NextMarker = name(&page.Next) // without a delimiter clients take the last key, as S3 documents
	}
	return out, nil
}

// ListObjectVersions returns a page of a bucket's objects as versions: without
// versioning each has one, null.
func (s *Service) ListObjectVersions(ctx context.Context, in *api.ListObjectVersionsInput) (*api.ListObjectVersionsOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	limit, err := pageSize(in.MaxKeys, "max-keys")
	if err != nil {
		return nil, err
	}
	if in.VersionIdMarker != nil && in.KeyMarker == nil {
		return nil, invalidArgument("A version-id marker cannot be specified without a key marker.")
	}
	q := object.Query{Prefix: wire.Val(in.Prefix), Delimiter: wire.Val(in.Delimiter), After: wire.Val(in.KeyMarker), Limit: limit}
	page, err := s.list(ctx, b, q)
	if err != nil {
		return nil, err
	}
	name := namer(in.EncodingType)
	out := &api.ListObjectVersionsOutput{
		Name: in.Bucket, Prefix: name(wire.Ptr(q.Prefix)), Delimiter: name(in.Delimiter), KeyMarker: name(wire.Ptr(q.After)),
		VersionIdMarker: wire.Ptr(wire.Val(in.VersionIdMarker)), MaxKeys: wire.Ptr(int32(limit)), EncodingType: in.EncodingType,
		IsTruncated: wire.Ptr(page.Truncated()), CommonPrefixes: prefixes(page.Prefixes, name),
	}
	who := owner(b.Account)
	for i := range page.Entries {
		e := &page.Entries[i]
		v := api.ObjectVersion{Key: name(&e.Key), VersionId: wire.Ptr("null"), IsLatest: wire.Ptr(true), LastModified: wire.Ptr(e.Modified),
			ETag: wire.Ptr(e.ETag.String()), Size: wire.Ptr(e.Size), StorageClass: api.ObjectVersionStorageClass(e.StorageClass), Owner: who}
		v.ChecksumAlgorithm, v.ChecksumType = e.checksum()
		out.Versions = append(out.Versions, v)
	}
	if page.Truncated() {
		out.NextKeyMarker, out.NextVersionIdMarker = name(&page.Next), wire.Ptr("null")
	}
	return out, nil
}

func contents(entries []summary, name func(*string) *string, who *api.Owner) []api.Object {
	list := make([]api.Object, len(entries))
	for i := range entries {
		e := &entries[i]
		list[i] = api.Object{Key: name(&e.Key), LastModified: &e.Modified, ETag: wire.Ptr(e.ETag.String()), Size: &e.Size,
			StorageClass: api.ObjectStorageClass(e.StorageClass), Owner: who}
		list[i].ChecksumAlgorithm, list[i].ChecksumType = e.checksum()
	}
	return list
}

// checksum returns what listings tell of an object's checksum.
func (e *summary) checksum() ([]api.ChecksumAlgorithm, api.ChecksumType) {
	if e.Sum.Algorithm == checksum.None {
		return nil, ""
	}
	return []api.ChecksumAlgorithm{api.ChecksumAlgorithm(e.Sum.Algorithm.String())}, api.ChecksumType(e.Sum.Type.String())
}

func prefixes(list []string, name func(*string) *string) []api.CommonPrefix {
	shown := make([]api.CommonPrefix, len(list))
	for i := range list {
		shown[i].Prefix = name(&list[i])
	}
	return shown
}
