package s3

import (
	"context"
	"io"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/s3/checksum"
	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/wire"
)

// origin is the source of a copy as its request gives it.
type origin struct {
	Source     *string
	Conditions object.Conditions
	Customer   customerHeaders
}

// sourceOf reads x-amz-copy-source.
func sourceOf(header *string) (object.Source, error) {
	src, err := object.ParseSource(wire.Val(header))
	if err != nil {
		return src, invalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey").WithCause(err)
	}
	return src, nil
}

// taken is an object that is being copied from.
type taken struct {
	bucket   *bucket
	key      string
	object   *stored
	customer customerKey
}

// take finds the source of a copy and decides its conditions.
func (s *Service) take(ctx context.Context, c *call.Call, from origin) (*taken, error) {
	src, err := sourceOf(from.Source)
	if err != nil {
		return nil, err
	}
	t := &taken{key: src.Key}
	if _, t.bucket, err = s.enter(ctx, &src.Bucket); err != nil {
		return nil, err
	}
	var version *string
	if src.VersionID != "" {
		version = &src.VersionID
	}
	if t.object, err = s.find(ctx, t.bucket, t.key, version); err != nil {
		return nil, err
	}
	if t.customer, err = from.Customer.read(c); err != nil {
		return nil, err
	}
	if err := t.object.Seal.accepts(t.customer); err != nil {
		return nil, err
	}
	if from.Conditions.Copy(t.object.ETag, t.object.Modified) != object.Proceed {
		return nil, preconditionFailed()
	}
	return t, nil
}

// body opens the bytes of the source.
func (t *taken) body(ctx context.Context, s *Service, span object.Span) (io.ReadCloser, error) {
	keys, err := s.openKeys(ctx, &t.object.Seal, t.bucket, t.key, t.customer)
	if err != nil {
		return nil, err
	}
	return s.open(ctx, t.bucket, t.key, t.object, keys, span)
}

// newCopyIntake reads bytes that come from the house itself.
func newCopyIntake(ctx context.Context, body io.Reader, length int64, tagged bool, sum checksum.Algorithm) *intake {
	in := &intake{r: body, ctx: ctx, max: maxPut, length: length}
	if tagged {
		in.md5 = checksum.NewMD5()
	}
	in.compute(sum)
	return in
}

// CopyObject makes an object of another one's bytes, sealed anew under the copy's own
// key.
func (s *Service) CopyObject(ctx context.Context, in *api.CopyObjectInput) (*api.CopyObjectOutput, error) {
	c, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if err := refuse(false, locks{in.ObjectLockMode, in.ObjectLockRetainUntilDate, in.ObjectLockLegalHoldStatus},
		acl{string(in.ACL), []*string{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP}}); err != nil {
		return nil, err
	}
	from, err := s.take(ctx, c, origin{in.CopySource,
		object.Conditions{Match: wire.Val(in.CopySourceIfMatch), NoneMatch: wire.Val(in.CopySourceIfNoneMatch),
			ModifiedSince: wire.Val(in.CopySourceIfModifiedSince), UnmodSince: wire.Val(in.CopySourceIfUnmodifiedSince)},
		customerHeaders{in.CopySourceSSECustomerAlgorithm, in.CopySourceSSECustomerKey, in.CopySourceSSECustomerKeyMD5}})
	if err != nil {
		return nil, err
	}
	o := &order{bucket: b, guard: object.Guard{Match: wire.Val(in.IfMatch), NoneMatch: wire.Val(in.IfNoneMatch)}}
	if o.key, err = checkKey(in.Key); err != nil {
		return nil, err
	}
	if err := o.inherit(in, from); err != nil {
		return nil, err
	}
	if o.plan, err = (wish{in.ServerSideEncryption, in.SSEKMSKeyId, in.SSEKMSEncryptionContext, in.BucketKeyEnabled,
		customerHeaders{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5}}).plan(c, b); err != nil {
		return nil, err
	}
	made, err := s.copyObject(ctx, o, from, in.ChecksumAlgorithm)
	if err != nil {
		return nil, err
	}
	return copied(made, o.plan.customer), nil
}

// copyObject moves the bytes.
func (s *Service) copyObject(ctx context.Context, o *order, from *taken, named api.ChecksumAlgorithm) (*stored, error) {
	if from.object.Size > maxPut {
		return nil, invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(maxPut))
	}
	algorithm, err := checksum.Parse(string(named))
	if err != nil {
		return nil, invalidRequest("Value for x-amz-checksum-algorithm header is invalid.")
	}
	if algorithm == checksum.None {
		// The copy has the source's algorithm; a checksum of parts becomes one of the whole.
		if algorithm = from.object.Sum.Algorithm; algorithm == checksum.None {
			algorithm = defaultSum
		}
	}
	body, err := from.body(ctx, s, object.Whole(from.object.Size))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return s.put(ctx, o, newCopyIntake(ctx, body, from.object.Size, o.plan.mode.plain(), algorithm), algorithm)
}

// inherit fills the order from the source, as the directives say.
func (o *order) inherit(in *api.CopyObjectInput, from *taken) (err error) {
	replace := in.MetadataDirective == api.MetadataDirectiveReplace
	same := from.bucket.ID == o.bucket.ID && from.key == o.key
	if same && !replace && in.StorageClass == "" && in.WebsiteRedirectLocation == nil && !changesEncryption(in) &&
		in.TaggingDirective != api.TaggingDirectiveReplace {
		return invalidRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	h := headers{
		ContentType: wire.Val(in.ContentType), CacheControl: wire.Val(in.CacheControl), ContentDisposition: wire.Val(in.ContentDisposition),
		ContentEncoding: wire.Val(in.ContentEncoding), ContentLanguage: wire.Val(in.ContentLanguage), Expires: httpTime(in.Expires),
	}
	metadata := in.Metadata
	if !replace {
		h, metadata = from.object.Headers, from.object.Metadata
	}
	h.Redirect = wire.Val(in.WebsiteRedirectLocation) // is never copied
	tagging := in.Tagging
	if in.TaggingDirective != api.TaggingDirectiveReplace {
		tagging = nil
	}
	if o.description, err = described(in.StorageClass, metadata, tagging, h); err != nil {
		return err
	}
	if in.TaggingDirective != api.TaggingDirectiveReplace {
		o.Tags = from.object.Tags
	}
	return nil
}

// changesEncryption reports whether a copy asks for an encryption of its own.
func changesEncryption(in *api.CopyObjectInput) bool {
	return in.ServerSideEncryption != "" || in.SSEKMSKeyId != nil || in.SSECustomerKey != nil || in.BucketKeyEnabled != nil
}

func copied(made *stored, customer customerKey) *api.CopyObjectOutput {
	enc := made.Seal.headers(customer)
	result := &api.CopyObjectResult{ETag: wire.Ptr(made.ETag.String()), LastModified: wire.Ptr(made.Modified)}
	checksumFields{&result.ChecksumCRC32, &result.ChecksumCRC32C, &result.ChecksumCRC64NVME, &result.ChecksumSHA1, &result.ChecksumSHA256, &result.ChecksumType}.set(made.Sum, 0)
	return &api.CopyObjectOutput{
		CopyObjectResult: result, ServerSideEncryption: enc.Algorithm, SSEKMSKeyId: enc.KeyID, SSEKMSEncryptionContext: enc.Context,
		BucketKeyEnabled: enc.BucketKey, SSECustomerAlgorithm: enc.CustomerAlgorithm, SSECustomerKeyMD5: enc.CustomerKeyMD5,
	}
}
