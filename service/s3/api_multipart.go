package s3

import (
	"context"
	"strconv"
	"strings"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/s3/checksum"
	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// CreateMultipartUpload begins an upload in parts.
func (s *Service) CreateMultipartUpload(ctx context.Context, in *api.CreateMultipartUploadInput) (*api.CreateMultipartUploadOutput, error) {
	c, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	o, err := ordered(c, b, &api.PutObjectInput{
		Key: in.Key, ACL: in.ACL, GrantFullControl: in.GrantFullControl, GrantRead: in.GrantRead, GrantReadACP: in.GrantReadACP, GrantWriteACP: in.GrantWriteACP,
		ObjectLockMode: in.ObjectLockMode, ObjectLockRetainUntilDate: in.ObjectLockRetainUntilDate, ObjectLockLegalHoldStatus: in.ObjectLockLegalHoldStatus,
		StorageClass: in.StorageClass, Metadata: in.Metadata, Tagging: in.Tagging, ContentType: in.ContentType, CacheControl: in.CacheControl,
		ContentDisposition: in.ContentDisposition, ContentEncoding: in.ContentEncoding, ContentLanguage: in.ContentLanguage, Expires: in.Expires,
		WebsiteRedirectLocation: in.WebsiteRedirectLocation, ServerSideEncryption: in.ServerSideEncryption, SSEKMSKeyId: in.SSEKMSKeyId,
		SSEKMSEncryptionContext: in.SSEKMSEncryptionContext, BucketKeyEnabled: in.BucketKeyEnabled,
		SSECustomerAlgorithm: in.SSECustomerAlgorithm, SSECustomerKey: in.SSECustomerKey, SSECustomerKeyMD5: in.SSECustomerKeyMD5,
	})
	if err != nil {
		return nil, err
	}
	what, asked, err := uploadSum(in.ChecksumAlgorithm, in.ChecksumType)
	if err != nil {
		return nil, err
	}
	u, err := s.beginUpload(ctx, o, initiator(c), what, asked)
	if err != nil {
		return nil, err
	}
	enc := u.Seal.headers(o.plan.customer)
	out := &api.CreateMultipartUploadOutput{
		Bucket: in.Bucket, Key: in.Key, UploadId: wire.Ptr(u.ID.String()),
		ServerSideEncryption: enc.Algorithm, SSEKMSKeyId: enc.KeyID, SSEKMSEncryptionContext: enc.Context, BucketKeyEnabled: enc.BucketKey,
		SSECustomerAlgorithm: enc.CustomerAlgorithm, SSECustomerKeyMD5: enc.CustomerKeyMD5,
	}
	if asked {
		out.ChecksumAlgorithm, out.ChecksumType = in.ChecksumAlgorithm, api.ChecksumType(what.Type.String())
	}
	return out, nil
}

// uploadSum returns the checksum that an upload's object gets.
func uploadSum(named api.ChecksumAlgorithm, kind api.ChecksumType) (what sum, asked bool, err error) {
	if named == "" {
		if kind != "" {
			return sum{}, false, invalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
		return sum{Algorithm: defaultSum, Type: checksum.FullObject}, false, nil
	}
	if what.Algorithm, err = checksum.Parse(string(named)); err != nil {
		return sum{}, false, notImplemented()
	}
	if what.Type, err = checksum.ParseType(string(kind), what.Algorithm); err != nil {
		return sum{}, false, invalidRequest("The %s checksum type cannot be used with the %s checksum algorithm.", kind, strings.ToLower(string(named)))
	}
	return what, true, nil
}

// initiator names a caller as listings of uploads do.
func initiator(c *call.Call) person { return person{c.Principal.ARN, c.Principal.Name} }

// UploadPart stores a part.
func (s *Service) UploadPart(ctx context.Context, in *api.UploadPartInput) (*api.UploadPartOutput, error) {
	t, customer, err := s.slot(ctx, in.Bucket, in.Key, in.UploadId, in.PartNumber, customerHeaders{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5})
	if err != nil {
		return nil, err
	}
	h := &sent{
		MD5: in.ContentMD5, Named: in.ChecksumAlgorithm, Length: in.ContentLength,
		Values: [...]*string{in.ChecksumCRC32, in.ChecksumCRC32C, in.ChecksumCRC64NVME, in.ChecksumSHA1, in.ChecksumSHA256},
		Others: [...]*string{in.ChecksumMD5, in.ChecksumSHA512, in.ChecksumXXHASH3, in.ChecksumXXHASH64, in.ChecksumXXHASH128},
	}
	body, err := newIntake(ctx, in.Body, h, t.upload.Seal.Mode.plain())
	if err != nil {
		return nil, err
	}
	t.named = h.Algorithm
	if err := t.prepare(body); err != nil {
		return nil, err
	}
	p, err := s.putPart(ctx, t, body, customer)
	if err != nil {
		return nil, err
	}
	enc := t.upload.Seal.headers(customer)
	out := &api.UploadPartOutput{
		ETag: wire.Ptr(p.tag()), ServerSideEncryption: enc.Algorithm, SSEKMSKeyId: enc.KeyID, BucketKeyEnabled: enc.BucketKey,
		SSECustomerAlgorithm: enc.CustomerAlgorithm, SSECustomerKeyMD5: enc.CustomerKeyMD5,
	}
	if shown, ok := t.shown(p, body); ok {
		checksumFields{&out.ChecksumCRC32, &out.ChecksumCRC32C, &out.ChecksumCRC64NVME, &out.ChecksumSHA1, &out.ChecksumSHA256, nil}.set(shown, 0)
	}
	return out, nil
}

// shown returns the checksum that the answer to an uploaded part says: the one its
// request brought, else its upload's.
func (t *slot) shown(p *part, in *intake) (sum, bool) {
	if t.named != checksum.None {
		return sum{Algorithm: t.named, Value: in.sum(t.named)}, true
	}
	return p.Sum, t.upload.Asked
}

// slot finds the upload that a part is for.
func (s *Service) slot(ctx context.Context, bucket, key, uploadID *string, number *int32, h customerHeaders) (*slot, customerKey, error) {
	c, b, err := s.enter(ctx, bucket)
	if err != nil {
		return nil, customerKey{}, err
	}
	if n := wire.Val(number); n < 1 || n > maxParts {
		return nil, customerKey{}, invalidArgument("Part number must be an integer between 1 and 10000, inclusive")
	}
	t := &slot{bucket: b, number: int(*number)}
	if t.key, err = checkKey(key); err != nil {
		return nil, customerKey{}, err
	}
	if t.upload, err = s.upload(ctx, b, t.key, wire.Val(uploadID)); err != nil {
		return nil, customerKey{}, err
	}
	customer, err := h.read(c)
	if err != nil {
		return nil, customerKey{}, err
	}
	return t, customer, uploadAccepts(&t.upload.Seal, customer)
}

// uploadAccepts words what accepts says for a part.
func uploadAccepts(how *sealing, customer customerKey) error {
	if how.Mode == sseC && !customer.given() {
		return invalidRequest("The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.")
	}
	if how.Mode != sseC && customer.given() {
		return invalidRequest("The multipart upload initiate did not request encryption. Please resend the request without sending encryption parameters.")
	}
	if err := how.accepts(customer); err != nil {
		return invalidRequest("The provided encryption parameters did not match the ones used originally.").WithCause(err)
	}
	return nil
}

// UploadPartCopy stores a part whose bytes are another object's.
func (s *Service) UploadPartCopy(ctx context.Context, in *api.UploadPartCopyInput) (*api.UploadPartCopyOutput, error) {
	from, err := s.take(ctx, call.From(ctx), origin{in.CopySource,
		object.Conditions{Match: wire.Val(in.CopySourceIfMatch), NoneMatch: wire.Val(in.CopySourceIfNoneMatch),
			ModifiedSince: wire.Val(in.CopySourceIfModifiedSince), UnmodSince: wire.Val(in.CopySourceIfUnmodifiedSince)},
		customerHeaders{in.CopySourceSSECustomerAlgorithm, in.CopySourceSSECustomerKey, in.CopySourceSSECustomerKeyMD5}})
	if err != nil {
		return nil, err
	}
	t, customer, err := s.slot(ctx, in.Bucket, in.Key, in.UploadId, in.PartNumber, customerHeaders{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5})
	if err != nil {
		return nil, err
	}
	span := object.Whole(from.object.Size)
	if in.CopySourceRange != nil {
		if span, err = object.ParseCopySpan(*in.CopySourceRange, from.object.Size); err != nil {
			return nil, invalidArgument("Range specified is not valid for source object of size: %d", from.object.Size)
		}
	}
	if span.Length > maxPut {
		return nil, invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(maxPut))
	}
	stream, err := from.body(ctx, s, span)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	body := newCopyIntake(ctx, stream, span.Length, t.upload.Seal.Mode.plain(), t.upload.Sum.Algorithm)
	p, err := s.putPart(ctx, t, body, customer)
	if err != nil {
		return nil, err
	}
	enc := t.upload.Seal.headers(customer)
	result := &api.CopyPartResult{ETag: wire.Ptr(p.tag()), LastModified: wire.Ptr(p.Modified)}
	if t.upload.Asked {
		checksumFields{&result.ChecksumCRC32, &result.ChecksumCRC32C, &result.ChecksumCRC64NVME, &result.ChecksumSHA1, &result.ChecksumSHA256, nil}.set(p.Sum, 0)
	}
	return &api.UploadPartCopyOutput{
		CopyPartResult: result, ServerSideEncryption: enc.Algorithm, SSEKMSKeyId: enc.KeyID, BucketKeyEnabled: enc.BucketKey,
		SSECustomerAlgorithm: enc.CustomerAlgorithm, SSECustomerKeyMD5: enc.CustomerKeyMD5,
	}, nil
}

// CompleteMultipartUpload makes an object of parts.
func (s *Service) CompleteMultipartUpload(ctx context.Context, in *api.CompleteMultipartUploadInput) (*api.CompleteMultipartUploadOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	r := &completion{bucket: b, size: in.MpuObjectSize, kind: in.ChecksumType,
		guard: object.Guard{Match: wire.Val(in.IfMatch), NoneMatch: wire.Val(in.IfNoneMatch)}}
	if r.key, err = checkKey(in.Key); err != nil {
		return nil, err
	}
	if r.upload, err = parseID(wire.Val(in.UploadId)); err != nil {
		return nil, noSuchUpload()
	}
	if in.MultipartUpload == nil || len(in.MultipartUpload.Parts) == 0 {
		return nil, malformedXML()
	}
	r.parts = in.MultipartUpload.Parts
	for _, v := range []*string{in.ChecksumMD5, in.ChecksumSHA512, in.ChecksumXXHASH3, in.ChecksumXXHASH64, in.ChecksumXXHASH128} {
		if v != nil {
			return nil, notImplemented()
		}
	}
	if err := r.expect([...]*string{in.ChecksumCRC32, in.ChecksumCRC32C, in.ChecksumCRC64NVME, in.ChecksumSHA1, in.ChecksumSHA256}); err != nil {
		return nil, err
	}
	if err := s.foresee(ctx, &order{bucket: b, key: r.key, guard: r.guard}); err != nil {
		if out, again := s.again(ctx, r); again == nil {
			return out, nil
		}
		return nil, err
	}
	made, err := s.complete(ctx, r)
	if wire.IsCode(err, noSuchUpload().Code) {
		return s.again(ctx, r)
	}
	if err != nil {
		return nil, err
	}
	return completed(b, r.key, made), nil
}

// expect reads the checksum that the object is to have.
func (r *completion) expect(values [5]*string) (err error) {
	for i, v := range values {
		if v == nil {
			continue
		}
		text, count, composite := strings.Cut(*v, "-")
		a := checksum.Algorithms[i]
		if composite && count != strconv.Itoa(len(r.parts)) {
			return invalidRequest("Value for %s header is invalid.", a.Header())
		}
		if r.want, err = a.Decode(text); err != nil {
			return invalidRequest("Value for %s header is invalid.", a.Header()).WithCause(err)
		}
		r.wantOf = a
	}
	return nil
}

func completed(b *bucket, key string, made *stored) *api.CompleteMultipartUploadOutput {
	enc := made.Seal.headers(customerKey{})
	out := &api.CompleteMultipartUploadOutput{
		Bucket: wire.Ptr(b.Name), Key: wire.Ptr(key), ETag: wire.Ptr(made.ETag.String()), Location: wire.Ptr("/" + b.Name + "/" + object.EncodeName(key)),
		ServerSideEncryption: enc.Algorithm, SSEKMSKeyId: enc.KeyID, BucketKeyEnabled: enc.BucketKey,
	}
	checksumFields{&out.ChecksumCRC32, &out.ChecksumCRC32C, &out.ChecksumCRC64NVME, &out.ChecksumSHA1, &out.ChecksumSHA256, &out.ChecksumType}.set(made.Sum, made.ETag.Parts)
	return out
}

// AbortMultipartUpload ends an upload and gives up its parts.
func (s *Service) AbortMultipartUpload(ctx context.Context, in *api.AbortMultipartUploadInput) (*api.AbortMultipartUploadOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if in.IfMatchInitiatedTime != nil {
		return nil, notImplemented()
	}
	u, err := s.upload(ctx, b, wire.Val(in.Key), wire.Val(in.UploadId))
	if err != nil {
		return nil, err
	}
	return nil, s.abortUpload(ctx, b, *in.Key, u)
}

// ListParts returns the parts of an upload.
func (s *Service) ListParts(ctx context.Context, in *api.ListPartsInput) (*api.ListPartsOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	u, err := s.upload(ctx, b, wire.Val(in.Key), wire.Val(in.UploadId))
	if err != nil {
		return nil, err
	}
	limit, after, err := partsPage(in.MaxParts, in.PartNumberMarker)
	if err != nil {
		return nil, err
	}
	var list []part
	err = s.db.View(ctx, func(r store.Reader) error {
		list, err = parts(r, u.ID, after, limit+1)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &api.ListPartsOutput{
		Bucket: in.Bucket, Key: in.Key, UploadId: in.UploadId, MaxParts: wire.Ptr(int32(limit)), PartNumberMarker: wire.Ptr(int32(after)),
		IsTruncated: wire.Ptr(len(list) > limit), StorageClass: api.StorageClass(u.StorageClass),
		Initiator: &api.Initiator{ID: wire.Ptr(u.Initiator.ID), DisplayName: wire.Ptr(u.Initiator.Name)}, Owner: owner(b.Account),
	}
	if u.Asked {
		out.ChecksumAlgorithm, out.ChecksumType = api.ChecksumAlgorithm(u.Sum.Algorithm.String()), api.ChecksumType(u.Sum.Type.String())
	}
	list = list[:min(len(list), limit)]
	for i := range list {
		out.Parts = append(out.Parts, showPart(u, &list[i]))
	}
	if n := len(list); n > 0 {
		out.NextPartNumberMarker = wire.Ptr(int32(list[n-1].Number))
	}
	return out, nil
}

// partsPage reads max-parts and part-number-marker.
func partsPage(size, marker *int32) (limit, after int, err error) {
	if limit, err = pageSize(size, "max-parts"); err != nil {
		return 0, 0, err
	}
	if wire.Val(marker) < 0 {
		return 0, 0, invalidArgument("Argument part-number-marker must be an integer between 0 and 2147483647")
	}
	return limit, int(min(wire.Val(marker), maxParts)), nil
}

func showPart(u *upload, p *part) api.Part {
	shown := api.Part{PartNumber: wire.Ptr(int32(p.Number)), LastModified: wire.Ptr(p.Modified), ETag: wire.Ptr(p.tag()), Size: wire.Ptr(p.Piece.Size)}
	if u.Asked {
		checksumFields{&shown.ChecksumCRC32, &shown.ChecksumCRC32C, &shown.ChecksumCRC64NVME, &shown.ChecksumSHA1, &shown.ChecksumSHA256, nil}.set(p.Sum, 0)
	}
	return shown
}

// ListMultipartUploads returns the uploads that go on in a bucket.
func (s *Service) ListMultipartUploads(ctx context.Context, in *api.ListMultipartUploadsInput) (*api.ListMultipartUploadsOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	limit, err := pageSize(in.MaxUploads, "max-uploads")
	if err != nil {
		return nil, err
	}
	page, err := s.listUploads(ctx, b, uploadQuery(wire.Val(in.Prefix), wire.Val(in.Delimiter), wire.Val(in.KeyMarker), wire.Val(in.UploadIdMarker), limit))
	if err != nil {
		return nil, err
	}
	name := namer(in.EncodingType)
	out := &api.ListMultipartUploadsOutput{
		Bucket: in.Bucket, Prefix: name(in.Prefix), Delimiter: name(in.Delimiter), KeyMarker: name(wire.Ptr(wire.Val(in.KeyMarker))),
		UploadIdMarker: wire.Ptr(wire.Val(in.UploadIdMarker)), MaxUploads: wire.Ptr(int32(limit)), EncodingType: in.EncodingType,
		IsTruncated: wire.Ptr(page.Truncated()),
	}
	for i := range page.Entries {
		out.Uploads = append(out.Uploads, showUpload(&page.Entries[i], b, name))
	}
	for _, p := range page.Prefixes {
		out.CommonPrefixes = append(out.CommonPrefixes, api.CommonPrefix{Prefix: name(wire.Ptr(unzeros(p)))})
	}
	if page.Truncated() {
		if key, number, err := splitUploadKey(page.Next); err == nil {
			out.NextKeyMarker, out.NextUploadIdMarker = name(&key), wire.Ptr(number.String())
		} else {
			out.NextKeyMarker = name(wire.Ptr(unzeros(page.Next)))
		}
	}
	return out, nil
}

func showUpload(u *listedUpload, b *bucket, name func(*string) *string) api.MultipartUpload {
	shown := api.MultipartUpload{
		Key: name(&u.Key), UploadId: wire.Ptr(u.ID.String()), Initiated: wire.Ptr(u.Initiated), StorageClass: api.StorageClass(u.StorageClass),
		Owner: owner(b.Account), Initiator: &api.Initiator{ID: wire.Ptr(u.Initiator.ID), DisplayName: wire.Ptr(u.Initiator.Name)},
	}
	if u.Asked {
		shown.ChecksumAlgorithm, shown.ChecksumType = api.ChecksumAlgorithm(u.Sum.Algorithm.String()), api.ChecksumType(u.Sum.Type.String())
	}
	return shown
}
