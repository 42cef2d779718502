package s3

import (
	"context"
	"io"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/wire"
)

// tries bounds how often a read begins again because the object was replaced meanwhile.
const tries = 4

// GetObject returns an object or a range of it.
func (s *Service) GetObject(ctx context.Context, in *api.GetObjectInput) (*api.GetObjectOutput, error) {
	_, _, out, err := s.read(ctx, in, true)
	return out, err
}

// HeadObject returns what is known of an object.
func (s *Service) HeadObject(ctx context.Context, in *api.HeadObjectInput) (*api.HeadObjectOutput, error) {
	o, w, g, err := s.read(ctx, &api.GetObjectInput{
		Bucket: in.Bucket, Key: in.Key, VersionId: in.VersionId, Range: in.Range, PartNumber: in.PartNumber, ChecksumMode: in.ChecksumMode,
		IfMatch: in.IfMatch, IfNoneMatch: in.IfNoneMatch, IfModifiedSince: in.IfModifiedSince, IfUnmodifiedSince: in.IfUnmodifiedSince,
		ResponseCacheControl: in.ResponseCacheControl, ResponseContentDisposition: in.ResponseContentDisposition,
		ResponseContentEncoding: in.ResponseContentEncoding, ResponseContentLanguage: in.ResponseContentLanguage,
		ResponseContentType: in.ResponseContentType, ResponseExpires: in.ResponseExpires,
		SSECustomerAlgorithm: in.SSECustomerAlgorithm, SSECustomerKey: in.SSECustomerKey, SSECustomerKeyMD5: in.SSECustomerKeyMD5,
	}, false)
	if err != nil {
		return nil, err
	}
	out := &api.HeadObjectOutput{
		AcceptRanges: g.AcceptRanges, LastModified: g.LastModified, ContentLength: g.ContentLength, ETag: g.ETag,
		CacheControl: g.CacheControl, ContentDisposition: g.ContentDisposition, ContentEncoding: g.ContentEncoding,
		ContentLanguage: g.ContentLanguage, ContentType: g.ContentType, ContentRange: g.ContentRange, Expires: g.Expires,
		WebsiteRedirectLocation: g.WebsiteRedirectLocation, Metadata: g.Metadata, StorageClass: g.StorageClass,
		PartsCount: g.PartsCount, TagCount: g.TagCount, ServerSideEncryption: g.ServerSideEncryption, SSEKMSKeyId: g.SSEKMSKeyId,
		BucketKeyEnabled: g.BucketKeyEnabled, SSECustomerAlgorithm: g.SSECustomerAlgorithm, SSECustomerKeyMD5: g.SSECustomerKeyMD5,
	}
	if in.ChecksumMode == api.ChecksumModeEnabled {
		s.headSums(o, w, out)
	}
	return out, nil
}

func (s *Service) headSums(o *stored, w wanted, out *api.HeadObjectOutput) {
	fields := checksumFields{&out.ChecksumCRC32, &out.ChecksumCRC32C, &out.ChecksumCRC64NVME, &out.ChecksumSHA1, &out.ChecksumSHA256, &out.ChecksumType}
	w.sums(o, fields)
}

// sums tells the checksum of what is wanted of an object: of the whole or of one part,
// never of a range, whose own it is not.
func (w *wanted) sums(o *stored, fields checksumFields) {
	switch {
	case w.part != nil:
		fields.set(sum{o.Sum.Algorithm, o.Sum.Type, w.part.Sum}, 0)
	case !w.partial || w.Length == o.Size:
		fields.set(o.Sum, o.ETag.Parts)
	}
}

// read does what GET and HEAD have in common. Without body the answer has none, and
// no key is asked for unless the checksum of what is sealed under it is to be told.
func (s *Service) read(ctx context.Context, in *api.GetObjectInput, body bool) (*stored, wanted, *api.GetObjectOutput, error) {
	c, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, wanted{}, nil, err
	}
	customer, err := customerHeaders{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5}.read(c)
	if err != nil {
		return nil, wanted{}, nil, err
	}
	key := wire.Val(in.Key)
	for try := 1; ; try++ {
		o, err := s.find(ctx, b, key, in.VersionId)
		if err != nil {
			return nil, wanted{}, nil, err
		}
		w, stream, err := s.readOnce(ctx, c, b, o, in, customer, body)
		if gone(err) && try < tries {
			continue // it was replaced after its record was read: read the new one
		}
		if err != nil {
			return nil, wanted{}, nil, err
		}
		out := present(o, w, in, customer)
		out.Body = stream
		return o, w, out, nil
	}
}

func (s *Service) readOnce(ctx context.Context, c *call.Call, b *bucket, o *stored, in *api.GetObjectInput, customer customerKey, body bool) (w wanted, stream io.ReadCloser, err error) {
	if err := o.Seal.accepts(customer); err != nil {
		return w, nil, err
	}
	if err := conditional(o, in, body); err != nil {
		return w, nil, err
	}
	if w, err = s.choose(ctx, o, in.Range, in.PartNumber); err != nil {
		return w, nil, err
	}
	if err := overrides(c, in); err != nil {
		return w, nil, err
	}
	if !body && in.ChecksumMode != api.ChecksumModeEnabled {
		return w, nil, nil
	}
	keys, err := s.openKeys(ctx, &o.Seal, b, wire.Val(in.Key), customer)
	if err != nil {
		return w, nil, err
	}
	if !body {
		o.Seal.wipe(&keys)
		return w, nil, nil
	}
	stream, err = s.open(ctx, b, wire.Val(in.Key), o, keys, w.Span)
	return w, stream, err
}

// conditional decides the conditions of a read. The headers that tell a cache what it
// has go along with a NotModified.
func conditional(o *stored, in *api.GetObjectInput, body bool) error {
	verdict := object.Conditions{
		Match: wire.Val(in.IfMatch), NoneMatch: wire.Val(in.IfNoneMatch),
		ModifiedSince: wire.Val(in.IfModifiedSince), UnmodSince: wire.Val(in.IfUnmodifiedSince),
	}.Read(o.ETag, o.Modified)
	switch verdict {
	case object.Failed:
		return preconditionFailed()
	case object.NotModified:
		tag, at := wire.Ptr(o.ETag.String()), wire.Ptr(o.Modified)
		if body {
			return notModified(&api.GetObjectOutput{ETag: tag, LastModified: at})
		}
		return notModified(&api.HeadObjectOutput{ETag: tag, LastModified: at})
	}
	return nil
}

// overrides refuses response-* parameters of unsigned requests, as S3 does.
func overrides(c *call.Call, in *api.GetObjectInput) error {
	asked := in.ResponseCacheControl != nil || in.ResponseContentDisposition != nil || in.ResponseContentEncoding != nil ||
		in.ResponseContentLanguage != nil || in.ResponseContentType != nil || in.ResponseExpires != nil
	if asked && c.Principal.Kind == identity.Anonymous {
		return invalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
	}
	return nil
}

// present writes down what an answer says of an object.
func present(o *stored, w wanted, in *api.GetObjectInput, customer customerKey) *api.GetObjectOutput {
	enc := o.Seal.headers(customer)
	h := &o.Headers
	out := &api.GetObjectOutput{
		AcceptRanges: wire.Ptr("bytes"), LastModified: wire.Ptr(o.Modified), ContentLength: wire.Ptr(w.Length), ETag: wire.Ptr(o.ETag.String()),
		ContentType:        choice(in.ResponseContentType, h.ContentType),
		CacheControl:       choice(in.ResponseCacheControl, h.CacheControl),
		ContentDisposition: choice(in.ResponseContentDisposition, h.ContentDisposition),
		ContentEncoding:    choice(in.ResponseContentEncoding, h.ContentEncoding),
		ContentLanguage:    choice(in.ResponseContentLanguage, h.ContentLanguage),
		Expires:            in.ResponseExpires, WebsiteRedirectLocation: choice(nil, h.Redirect), Metadata: o.Metadata,
		ServerSideEncryption: enc.Algorithm, SSEKMSKeyId: enc.KeyID, BucketKeyEnabled: enc.BucketKey,
		SSECustomerAlgorithm: enc.CustomerAlgorithm, SSECustomerKeyMD5: enc.CustomerKeyMD5,
	}
	if out.Expires == nil && h.Expires != "" {
		out.Expires = fromHTTPTime(h.Expires)
	}
	if w.partial {
		out.ContentRange = wire.Ptr(w.ContentRange(o.Size))
	}
	if in.PartNumber != nil && o.inParts() {
		out.PartsCount = wire.Ptr(int32(o.ETag.Parts))
	}
	if n := len(o.Tags); n > 0 {
		out.TagCount = wire.Ptr(int32(n))
	}
	if class := api.StorageClass(o.StorageClass); class != api.StorageClassStandard {
		out.StorageClass = class
	}
	if in.ChecksumMode == api.ChecksumModeEnabled {
		w.sums(o, checksumFields{&out.ChecksumCRC32, &out.ChecksumCRC32C, &out.ChecksumCRC64NVME, &out.ChecksumSHA1, &out.ChecksumSHA256, &out.ChecksumType})
	}
	return out
}

// choice returns the override of a header, or what is stored; nil for neither.
func choice(override *string, kept string) *string {
	if override != nil {
		return override
	}
	if kept == "" {
		return nil
	}
	return &kept
}
