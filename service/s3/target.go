package s3

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/wire"
)

// The types of resources, as audit records name them.
const (
	typeBucket = "AWS::S3::Bucket"
	typeObject = "AWS::S3::Object"
)

// rule says what an operation needs: an action on the object or the bucket that its
// input names ("Actions, resources, and condition keys for Amazon S3", service
// authorization reference).
type rule struct {
	action    string
	versioned string // the action when the input names a version; "" for the same
	onObject  bool
	// also adds further checks. It may be nil.
	also func(*Service, context.Context, *call.Call, *bucket, *[]call.Check) error
	// anywhere says that the operation answers for a bucket of any region.
	anywhere bool
	// own says that the bucket's own account's root user is never held back by the
	// bucket's policy, so that nobody can lock an account out of its bucket for good.
	own bool
	// deferred says that the handler asks for each decision.
	deferred bool
}

func bucketRule(action string) rule { return rule{action: action} }

// rules has a rule for every operation that is implemented; a test proves it. Operations
// that act on no bucket that is there yet are in target.
var rules = map[string]rule{
	"HeadBucket":              bucketRule("s3:ListBucket"),
	"DeleteBucket":            bucketRule("s3:DeleteBucket"),
	"GetBucketLocation":       {action: "s3:GetBucketLocation", anywhere: true},
	"ListObjects":             bucketRule("s3:ListBucket"),
	"ListObjectsV2":           bucketRule("s3:ListBucket"),
	"ListObjectVersions":      bucketRule("s3:ListBucketVersions"),
	"ListMultipartUploads":    bucketRule("s3:ListBucketMultipartUploads"),
	"DeleteObjects":           {deferred: true},
	"PutObject":               {action: "s3:PutObject", onObject: true, also: (*Service).alsoPut},
	"GetObject":               {action: "s3:GetObject", versioned: "s3:GetObjectVersion", onObject: true},
	"HeadObject":              {action: "s3:GetObject", versioned: "s3:GetObjectVersion", onObject: true},
	"GetObjectAttributes":     {action: "s3:GetObject", versioned: "s3:GetObjectVersion", onObject: true, also: (*Service).alsoAttributes},
	"CopyObject":              {action: "s3:PutObject", onObject: true, also: (*Service).alsoCopy},
	"DeleteObject":            {action: "s3:DeleteObject", versioned: "s3:DeleteObjectVersion", onObject: true},
	"CreateMultipartUpload":   {action: "s3:PutObject", onObject: true, also: (*Service).alsoPut},
	"UploadPart":              {action: "s3:PutObject", onObject: true},
	"UploadPartCopy":          {action: "s3:PutObject", onObject: true, also: (*Service).alsoCopy},
	"CompleteMultipartUpload": {action: "s3:PutObject", onObject: true},
	"AbortMultipartUpload":    {action: "s3:AbortMultipartUpload", onObject: true},
	"ListParts":               {action: "s3:ListMultipartUploadParts", onObject: true},
	"GetObjectTagging":        {action: "s3:GetObjectTagging", versioned: "s3:GetObjectVersionTagging", onObject: true},
	"PutObjectTagging":        {action: "s3:PutObjectTagging", versioned: "s3:PutObjectVersionTagging", onObject: true},
	"DeleteObjectTagging":     {action: "s3:DeleteObjectTagging", versioned: "s3:DeleteObjectVersionTagging", onObject: true},
	"GetObjectAcl":            {action: "s3:GetObjectAcl", versioned: "s3:GetObjectVersionAcl", onObject: true},
	"PutObjectAcl":            {action: "s3:PutObjectAcl", versioned: "s3:PutObjectVersionAcl", onObject: true},
	"GetObjectRetention":      {action: "s3:GetObjectRetention", onObject: true},
	"GetObjectLegalHold":      {action: "s3:GetObjectLegalHold", onObject: true},

	"GetBucketPolicy":                 {action: "s3:GetBucketPolicy", own: true},
	"PutBucketPolicy":                 {action: "s3:PutBucketPolicy", own: true},
	"DeleteBucketPolicy":              {action: "s3:DeleteBucketPolicy", own: true},
	"GetBucketPolicyStatus":           bucketRule("s3:GetBucketPolicyStatus"),
	"GetBucketEncryption":             bucketRule("s3:GetEncryptionConfiguration"),
	"PutBucketEncryption":             bucketRule("s3:PutEncryptionConfiguration"),
	"DeleteBucketEncryption":          bucketRule("s3:PutEncryptionConfiguration"),
	"GetBucketTagging":                bucketRule("s3:GetBucketTagging"),
	"PutBucketTagging":                bucketRule("s3:PutBucketTagging"),
	"DeleteBucketTagging":             bucketRule("s3:PutBucketTagging"),
	"GetPublicAccessBlock":            bucketRule("s3:GetBucketPublicAccessBlock"),
	"PutPublicAccessBlock":            bucketRule("s3:PutBucketPublicAccessBlock"),
	"DeletePublicAccessBlock":         bucketRule("s3:PutBucketPublicAccessBlock"),
	"GetBucketOwnershipControls":      bucketRule("s3:GetBucketOwnershipControls"),
	"PutBucketOwnershipControls":      bucketRule("s3:PutBucketOwnershipControls"),
	"DeleteBucketOwnershipControls":   bucketRule("s3:PutBucketOwnershipControls"),
	"GetBucketAcl":                    bucketRule("s3:GetBucketAcl"),
	"PutBucketAcl":                    bucketRule("s3:PutBucketAcl"),
	"GetBucketVersioning":             bucketRule("s3:GetBucketVersioning"),
	"GetBucketLogging":                bucketRule("s3:GetBucketLogging"),
	"GetBucketRequestPayment":         bucketRule("s3:GetBucketRequestPayment"),
	"GetBucketCors":                   bucketRule("s3:GetBucketCORS"),
	"DeleteBucketCors":                bucketRule("s3:PutBucketCORS"),
	"GetBucketLifecycleConfiguration": bucketRule("s3:GetLifecycleConfiguration"),
	"DeleteBucketLifecycle":           bucketRule("s3:PutLifecycleConfiguration"),
	"GetBucketWebsite":                bucketRule("s3:GetBucketWebsite"),
	"DeleteBucketWebsite":             bucketRule("s3:DeleteBucketWebsite"),
	"GetBucketReplication":            bucketRule("s3:GetReplicationConfiguration"),
	"DeleteBucketReplication":         bucketRule("s3:PutReplicationConfiguration"),
	"GetObjectLockConfiguration":      bucketRule("s3:GetBucketObjectLockConfiguration"),

	"GetBucketAccelerateConfiguration":           bucketRule("s3:GetAccelerateConfiguration"),
	"GetBucketNotificationConfiguration":         bucketRule("s3:GetBucketNotification"),
	"GetBucketAnalyticsConfiguration":            bucketRule("s3:GetAnalyticsConfiguration"),
	"ListBucketAnalyticsConfigurations":          bucketRule("s3:GetAnalyticsConfiguration"),
	"GetBucketIntelligentTieringConfiguration":   bucketRule("s3:GetIntelligentTieringConfiguration"),
	"ListBucketIntelligentTieringConfigurations": bucketRule("s3:GetIntelligentTieringConfiguration"),
	"GetBucketInventoryConfiguration":            bucketRule("s3:GetInventoryConfiguration"),
	"ListBucketInventoryConfigurations":          bucketRule("s3:GetInventoryConfiguration"),
	"GetBucketMetricsConfiguration":              bucketRule("s3:GetMetricsConfiguration"),
	"ListBucketMetricsConfigurations":            bucketRule("s3:GetMetricsConfiguration"),
}

// inputFields says where in an operation's input the things are that all inputs have.
type inputFields struct {
	bucket, key, version, owner int            // -1 for none
	named                       map[string]int // by header or query parameter, in lower case
}

func inputFieldsOf(service *wire.Service) map[*wire.Operation]*inputFields {
	all := make(map[*wire.Operation]*inputFields, len(service.Operations))
	for _, op := range service.Operations {
		f := &inputFields{-1, -1, -1, -1, map[string]int{}}
		for _, m := range op.Input.Members {
			switch m.Name {
			case "Bucket":
				f.bucket = m.Field
			case "Key":
				f.key = m.Field
			case "VersionId":
				f.version = m.Field
			case "ExpectedBucketOwner":
				f.owner = m.Field
			}
			if m.Location == wire.Header || m.Location == wire.QueryString {
				f.named[strings.ToLower(m.WireName)] = m.Field
			}
		}
		all[op] = f
	}
	return all
}

// text returns a string member of an input, or nil.
func text(in reflect.Value, field int) *string {
	if field < 0 {
		return nil
	}
	s, _ := in.Field(field).Interface().(*string)
	return s
}

// target says what a call acts on.
func (s *Service) target(ctx context.Context, c *call.Call) (call.Target, error) {
	switch in := c.In.(type) {
	case *api.ListBucketsInput:
		return call.Target{Checks: []call.Check{{Action: "s3:ListAllMyBuckets", Resource: "*", Conditions: s.conditions(ctx, c, nil, "")}}}, nil
	case *api.CreateBucketInput:
		return s.targetCreate(ctx, c, in), nil
	}
	r, ok := rules[c.Op.Name]
	if !ok {
		return call.Target{}, api.API.Unknown(c.Op.Name)
	}
	f, in := s.inputs[c.Op], reflect.ValueOf(c.In).Elem()
	b, err := s.locate(ctx, c, wire.Val(text(in, f.bucket)), text(in, f.owner), r.anywhere)
	if err != nil {
		return call.Target{}, err
	}
	if r.deferred {
		return call.Target{Deferred: true}, nil
	}
	action, key := r.action, ""
	if r.onObject {
		if key = wire.Val(text(in, f.key)); key == "" {
			return call.Target{}, invalidArgument("The object key is empty") // never the bucket's permission for an object's
		}
	}
	if r.versioned != "" && text(in, f.version) != nil {
		action = r.versioned
	}
	checks := []call.Check{s.check(ctx, c, b, action, key)}
	if r.own && c.Principal.Kind == identity.Root && c.Principal.Account == b.Account {
		checks[0].Policy = nil
	}
	if r.also != nil {
		if err := r.also(s, ctx, c, b, &checks); err != nil {
			return call.Target{}, err
		}
	}
	return call.Target{Checks: checks}, nil
}

// locate finds the bucket that a call names, in the call's region unless it answers
// anywhere, and of the owner that the caller expects.
func (s *Service) locate(ctx context.Context, c *call.Call, name string, owner *string, anywhere bool) (*bucket, error) {
	b, err := s.bucket(ctx, name)
	if err != nil {
		return nil, err
	}
	if b.Region != c.Region && !anywhere {
		c.Response = http.Header{"X-Amz-Bucket-Region": {b.Region}}
		return nil, elsewhere(b)
	}
	if owner != nil && *owner != b.Account {
		return nil, accessDenied()
	}
	return b, nil
}

func (s *Service) conditions(ctx context.Context, c *call.Call, b *bucket, key string) *conditions {
	return &conditions{ctx: ctx, call: c, s: s, bucket: b, key: key}
}

// check makes the check of an action on an object of a bucket, or on the bucket where
// key is "".
func (s *Service) check(ctx context.Context, c *call.Call, b *bucket, action, key string) call.Check {
	check := call.Check{Action: action, Resource: b.arn(), Type: typeBucket, Account: b.Account,
		Policy: b.document(c.Principal.Account, c.Principal.Kind == identity.Service), Conditions: s.conditions(ctx, c, b, key)}
	if key != "" {
		check.Resource, check.Type = b.objectARN(key), typeObject
	}
	return check
}

// targetCreate is the target of CreateBucket: a bucket that is not there, of the caller.
func (s *Service) targetCreate(ctx context.Context, c *call.Call, in *api.CreateBucketInput) call.Target {
	check := call.Check{Action: "s3:CreateBucket", Resource: "arn:aws:s3:::" + wire.Val(in.Bucket), Type: typeBucket, Conditions: s.conditions(ctx, c, nil, "")}
	checks := []call.Check{check}
	if in.CreateBucketConfiguration != nil && len(in.CreateBucketConfiguration.Tags) > 0 {
		check.Action = "s3:PutBucketTagging"
		checks = append(checks, check)
	}
	return call.Target{Checks: checks}
}

// alsoPut adds what a new object's tags and ACL need.
func (s *Service) alsoPut(ctx context.Context, c *call.Call, b *bucket, checks *[]call.Check) error {
	switch in := c.In.(type) {
	case *api.PutObjectInput:
		s.alsoWrites(ctx, c, b, wire.Val(in.Key), in.Tagging != nil, in.ACL != "", checks)
	case *api.CreateMultipartUploadInput:
		s.alsoWrites(ctx, c, b, wire.Val(in.Key), in.Tagging != nil, in.ACL != "", checks)
	}
	return nil
}

func (s *Service) alsoWrites(ctx context.Context, c *call.Call, b *bucket, key string, tags, acl bool, checks *[]call.Check) {
	if tags {
		*checks = append(*checks, s.check(ctx, c, b, "s3:PutObjectTagging", key))
	}
	if acl {
		*checks = append(*checks, s.check(ctx, c, b, "s3:PutObjectAcl", key))
	}
}

func (s *Service) alsoAttributes(ctx context.Context, c *call.Call, b *bucket, checks *[]call.Check) error {
	in := c.In.(*api.GetObjectAttributesInput)
	action := "s3:GetObjectAttributes"
	if in.VersionId != nil {
		action = "s3:GetObjectVersionAttributes"
	}
	*checks = append(*checks, s.check(ctx, c, b, action, wire.Val(in.Key)))
	return nil
}

// alsoCopy adds what the source of a copy needs, and the tags that travel with it.
func (s *Service) alsoCopy(ctx context.Context, c *call.Call, b *bucket, checks *[]call.Check) error {
	var header, sourceOwner *string
	var tags, replaced, acl bool
	key := ""
	switch in := c.In.(type) {
	case *api.CopyObjectInput:
		header, sourceOwner, key = in.CopySource, in.ExpectedSourceBucketOwner, wire.Val(in.Key)
		replaced = in.TaggingDirective == api.TaggingDirectiveReplace && in.Tagging != nil
		tags, acl = in.TaggingDirective != api.TaggingDirectiveReplace, in.ACL != ""
	case *api.UploadPartCopyInput:
		header, sourceOwner = in.CopySource, in.ExpectedSourceBucketOwner
	}
	src, err := sourceOf(header)
	if err != nil {
		return err
	}
	from, err := s.bucket(ctx, src.Bucket)
	if err != nil {
		return err
	}
	if sourceOwner != nil && *sourceOwner != from.Account {
		return accessDenied()
	}
	read, readTags := "s3:GetObject", "s3:GetObjectTagging"
	if src.VersionID != "" {
		read, readTags = "s3:GetObjectVersion", "s3:GetObjectVersionTagging"
	}
	*checks = append(*checks, s.check(ctx, c, from, read, src.Key))
	if tags {
		// Tags travel with the copy: whoever copies them must be allowed to read and write them.
		o, err := s.object(ctx, from, src.Key)
		if err != nil {
			return err
		}
		if tags = o != nil && len(o.Tags) > 0; tags {
			*checks = append(*checks, s.check(ctx, c, from, readTags, src.Key))
		}
	}
	s.alsoWrites(ctx, c, b, key, tags || replaced, acl, checks)
	return nil
}
