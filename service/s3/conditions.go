package s3

import (
	"context"
	"reflect"
	"strconv"
	"strings"
	"time"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/wire"
)

// conditions answers the condition keys of S3 for one check ("Actions, resources, and
// condition keys for Amazon S3", service authorization reference). It is asked only for
// keys that a policy names, so nothing is looked up for the usual one.
//
// Keys that are named after a header or query parameter, such as
// s3:x-amz-server-side-encryption, s3:prefix or s3:if-none-match, are what the request
// says and nothing else: S3 evaluates policies before it applies a bucket's default encryption.
type conditions struct {
	ctx    context.Context
	call   *call.Call
	s      *Service
	bucket *bucket // nil when the call is about none
	key    string  // of the object the check is about; "" for none

	looked bool
	found  *stored
}

var _ policy.Context = (*conditions)(nil)

// Value returns the value of a condition key in lower case.
func (x *conditions) Value(key string) policy.Values {
	name, ours := strings.CutPrefix(key, "s3:")
	if !ours {
		return policy.Values{}
	}
	if tag, ok := strings.CutPrefix(name, "existingobjecttag/"); ok {
		return one(lookupFold(x.existing(), tag))
	}
	if tag, ok := strings.CutPrefix(name, "requestobjecttag/"); ok {
		return one(lookupFold(x.requested(), tag))
	}
	switch name {
	case "requestobjecttagkeys":
		var keys []string
		for k := range x.requested() {
			keys = append(keys, k)
		}
		return policy.Many(keys)
	case "resourceaccount":
		if x.bucket != nil {
			return policy.One(x.bucket.Account)
		}
		return policy.Values{}
	case "locationconstraint":
		if in, ok := x.call.In.(*api.CreateBucketInput); ok && in.CreateBucketConfiguration != nil {
			return one(in.CreateBucketConfiguration.LocationConstraint)
		}
		return policy.Values{}
	}
	if v, ok := x.signature(name); ok {
		return v
	}
	return x.member(name)
}

// signature answers the keys about how a request was signed.
func (x *conditions) signature(name string) (policy.Values, bool) {
	signed := x.call.Signed
	switch name {
	case "signatureversion":
		if signed.Type == "" {
			return policy.Values{}, true
		}
		return policy.One("AWS4-HMAC-SHA256"), true
	case "authtype":
		if signed.Type == "" {
			return policy.Values{}, true
		}
		return policy.One(signed.Type), true
	case "signatureage":
		if signed.Time.IsZero() {
			return policy.Values{}, true
		}
		return policy.One(strconv.FormatInt(x.call.Time.Sub(signed.Time).Milliseconds(), 10)), true
	case "x-amz-content-sha256":
		if signed.Payload == "" {
			return policy.Values{}, true
		}
		return policy.One(signed.Payload), true
	case "tlsversion":
		v := x.call.Root().TLS.Version // "TLSv1.3"; the key is a number
		digit := strings.IndexAny(v, "0123456789")
		if digit < 0 {
			return policy.Values{}, true
		}
		return policy.One(v[digit:]), true
	}
	return policy.Values{}, false
}

// existing returns the tags of the object that is there.
func (x *conditions) existing() map[string]string {
	if !x.looked && x.bucket != nil && x.key != "" {
		x.looked = true
		// An object that cannot be read has no tags: what depends on them is not allowed.
		x.found, _ = x.s.object(x.ctx, x.bucket, x.key)
	}
	if x.found == nil {
		return nil
	}
	return x.found.Tags
}

// requested returns the tags that a request brings.
func (x *conditions) requested() map[string]string {
	var header *string
	switch in := x.call.In.(type) {
	case *api.PutObjectTaggingInput:
		if in.Tagging == nil {
			return nil
		}
		tags, _ := tagSet(in.Tagging.TagSet, object.MaxTags) // the handler refuses malformed ones
		return tags
	case *api.PutObjectInput:
		header = in.Tagging
	case *api.CreateMultipartUploadInput:
		header = in.Tagging
	case *api.CopyObjectInput:
		header = in.Tagging
	}
	tags, _ := object.ParseTagging(wire.Val(header)) // the handler refuses malformed ones
	return tags
}

// lookupFold finds a tag whatever the case of its key: condition keys have none.
func lookupFold(tags map[string]string, key string) *string {
	for k, v := range tags {
		if strings.EqualFold(k, key) {
			return &v
		}
	}
	return nil
}

func one(v *string) policy.Values {
	if v == nil {
		return policy.Values{}
	}
	return policy.One(*v)
}

// member answers a key that is named after a header or query parameter.
func (x *conditions) member(name string) policy.Values {
	f := x.s.inputs[x.call.Op]
	if f == nil || x.call.In == nil {
		return policy.Values{}
	}
	field, ok := f.named[name]
	if !ok {
		return policy.Values{}
	}
	v := reflect.ValueOf(x.call.In).Elem().Field(field)
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return policy.Values{}
		}
		v = v.Elem()
	}
	if t, ok := v.Interface().(time.Time); ok {
		return policy.One(t.UTC().Format(time.RFC3339))
	}
	switch v.Kind() {
	case reflect.String:
		if v.Len() == 0 && v.Type() != reflect.TypeFor[string]() {
			return policy.Values{} // an absent enum
		}
		return policy.One(v.String())
	case reflect.Bool:
		return policy.Bool(v.Bool())
	case reflect.Int32, reflect.Int64:
		return policy.One(strconv.FormatInt(v.Int(), 10))
	}
	return policy.Values{}
}
