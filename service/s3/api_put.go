package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/s3/checksum"
	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/wire"
)

// enter returns the call and the bucket it acts on. It is the bucket whose policy was
// asked: one that was deleted and made again by another account since then is not it.
func (s *Service) enter(ctx context.Context, name *string) (*call.Call, *bucket, error) {
	c := call.From(ctx)
	b, err := s.bucket(ctx, wire.Val(name))
	if err != nil {
		return c, nil, err
	}
	arn := b.arn()
	for i := range c.Target.Checks {
		rest, ours := strings.CutPrefix(c.Target.Checks[i].Resource, arn)
		if ours && (rest == "" || rest[0] == '/') && c.Target.Checks[i].Account != b.Account {
			return c, nil, noSuchBucket()
		}
	}
	return c, b, nil
}

// checkKey checks an object's key.
func checkKey(key *string) (string, error) {
	switch err := object.CheckKey(wire.Val(key)); {
	case errors.Is(err, object.ErrKeyTooLong):
		return "", keyTooLong()
	case err != nil:
		return "", invalidArgument("Object key is not valid UTF-8").WithCause(err)
	}
	return *key, nil
}

// PutObject stores an object.
func (s *Service) PutObject(ctx context.Context, in *api.PutObjectInput) (*api.PutObjectOutput, error) {
	c, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	o, err := ordered(c, b, in)
	if err != nil {
		return nil, err
	}
	h := &sent{
		MD5: in.ContentMD5, Named: in.ChecksumAlgorithm, Length: in.ContentLength,
		Values: [...]*string{in.ChecksumCRC32, in.ChecksumCRC32C, in.ChecksumCRC64NVME, in.ChecksumSHA1, in.ChecksumSHA256},
		Others: [...]*string{in.ChecksumMD5, in.ChecksumSHA512, in.ChecksumXXHASH3, in.ChecksumXXHASH64, in.ChecksumXXHASH128},
	}
	body, err := newIntake(ctx, in.Body, h, o.plan.mode.plain())
	if err != nil {
		return nil, err
	}
	if h.Algorithm == checksum.None {
		h.Algorithm = defaultSum
	}
	made, err := s.put(ctx, o, body, h.Algorithm)
	if err != nil {
		return nil, err
	}
	enc := made.Seal.headers(o.plan.customer)
	out := &api.PutObjectOutput{
		ETag: wire.Ptr(made.ETag.String()), ServerSideEncryption: enc.Algorithm, SSEKMSKeyId: enc.KeyID,
		SSEKMSEncryptionContext: enc.Context, BucketKeyEnabled: enc.BucketKey,
		SSECustomerAlgorithm: enc.CustomerAlgorithm, SSECustomerKeyMD5: enc.CustomerKeyMD5,
	}
	checksumFields{&out.ChecksumCRC32, &out.ChecksumCRC32C, &out.ChecksumCRC64NVME, &out.ChecksumSHA1, &out.ChecksumSHA256, &out.ChecksumType}.set(made.Sum, 0)
	return out, nil
}

// ordered reads from a request which object it wants.
func ordered(c *call.Call, b *bucket, in *api.PutObjectInput) (o *order, err error) {
	o = &order{bucket: b, guard: object.Guard{Match: wire.Val(in.IfMatch), NoneMatch: wire.Val(in.IfNoneMatch)}}
	if o.key, err = checkKey(in.Key); err != nil {
		return nil, err
	}
	if err := refuse(in.WriteOffsetBytes != nil, locks{in.ObjectLockMode, in.ObjectLockRetainUntilDate, in.ObjectLockLegalHoldStatus},
		acl{string(in.ACL), []*string{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP}}); err != nil {
		return nil, err
	}
	if o.description, err = described(in.StorageClass, in.Metadata, in.Tagging, headers{
		ContentType: wire.Val(in.ContentType), CacheControl: wire.Val(in.CacheControl), ContentDisposition: wire.Val(in.ContentDisposition),
		ContentEncoding: wire.Val(in.ContentEncoding), ContentLanguage: wire.Val(in.ContentLanguage),
		Expires: httpTime(in.Expires), Redirect: wire.Val(in.WebsiteRedirectLocation),
	}); err != nil {
		return nil, err
	}
	o.plan, err = wish{in.ServerSideEncryption, in.SSEKMSKeyId, in.SSEKMSEncryptionContext, in.BucketKeyEnabled,
		customerHeaders{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5}}.plan(c, b)
	return o, err
}

// locks are the headers of object lock, which no bucket has.
type locks struct {
	mode  api.ObjectLockMode
	until *time.Time
	hold  api.ObjectLockLegalHoldStatus
}

// acl is what a request says of ACLs.
type acl struct {
	canned string
	grants []*string
}

// check refuses every ACL but the one that all have: with ACLs disabled the bucket's
// owner has full control, and nobody else anything (S3 user guide, "Disabling ACLs").
func (a acl) check() error {
	for _, g := range a.grants {
		if g != nil {
			return noACLs()
		}
	}
	switch api.ObjectCannedACL(a.canned) {
	case "", api.ObjectCannedACLPrivate, api.ObjectCannedACLBucketOwnerFullControl:
		return nil
	}
	return noACLs()
}

// refuse refuses what writes of objects may ask for and the house does not have.
func refuse(unsupported bool, l locks, a acl) error {
	if unsupported {
		return notImplemented()
	}
	if l.mode != "" || l.until != nil || l.hold != "" {
		return invalidRequest("Bucket is missing Object Lock Configuration")
	}
	return a.check()
}

// described checks what a request says of an object.
func described(class api.StorageClass, metadata map[string]string, tagging *string, h headers) (d description, err error) {
	if d.StorageClass, err = storageClass(class); err != nil {
		return d, err
	}
	if d.Metadata, err = object.Metadata(metadata); err != nil {
		return d, badRequest("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size").WithCause(err)
	}
	if d.Tags, err = headerTags(tagging); err != nil {
		return d, err
	}
	if h.Redirect != "" && !strings.HasPrefix(h.Redirect, "/") && !strings.HasPrefix(h.Redirect, "http://") && !strings.HasPrefix(h.Redirect, "https://") {
		return d, badRequest("InvalidRedirectLocation", "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.")
	}
	if h.ContentType == "" {
		h.ContentType = "binary/octet-stream"
	}
	h.ContentEncoding = withoutChunked(h.ContentEncoding)
	d.Headers = h
	return d, nil
}

// withoutChunked takes aws-chunked, which is about the request and not about the object,
// out of a Content-Encoding.
func withoutChunked(encoding string) string {
	if !strings.Contains(encoding, "aws-chunked") {
		return encoding
	}
	var kept []string
	for one := range strings.SplitSeq(encoding, ",") {
		if one = strings.TrimSpace(one); one != "aws-chunked" && one != "" {
			kept = append(kept, one)
		}
	}
	return strings.Join(kept, ",")
}

// httpTime writes a time as the Expires header has it; "" for none.
func httpTime(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(http.TimeFormat)
}

// fromHTTPTime reads what httpTime wrote.
func fromHTTPTime(text string) *time.Time {
	t, err := http.ParseTime(text)
	if err != nil {
		return nil
	}
	return &t
}
