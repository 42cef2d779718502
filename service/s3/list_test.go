package s3

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/wire"
)

func TestListObjectsPages(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	var keys []string
	for i := range 25 {
		keys = append(keys, fmt.Sprintf("dir%d/file%02d", i%5, i))
	}
	keys = append(keys, "a", "z", "dir1")
	for _, k := range keys {
		h.put("box", k, "12345")
	}
	slices.Sort(keys)
	for _, limit := range []int32{1, 3, 7, 1000} {
		var got []string
		in := &api.ListObjectsV2Input{Bucket: wire.Ptr("box"), MaxKeys: &limit}
		for {
			out := must[api.ListObjectsV2Output](h, "ListObjectsV2", in)
			if int(*out.KeyCount) != len(out.Contents) || len(out.Contents) > int(limit) {
				t.Fatalf("KeyCount %d", *out.KeyCount)
			}
			for _, o := range out.Contents {
				got = append(got, *o.Key)
				if *o.Size != 5 || o.Owner != nil || o.StorageClass != "STANDARD" || !strings.HasPrefix(*o.ETag, `"`) {
					t.Errorf("got %+v", o)
				}
			}
			if !*out.IsTruncated {
				break
			}
			in.ContinuationToken = out.NextContinuationToken
		}
		if !slices.Equal(got, keys) {
			t.Errorf("limit %d: got %q", limit, got)
		}
		got = nil
		v1 := &api.ListObjectsInput{Bucket: wire.Ptr("box"), MaxKeys: &limit, Delimiter: wire.Ptr("/")}
		for {
			out := must[api.ListObjectsOutput](h, "ListObjects", v1)
			for _, o := range out.Contents {
				got = append(got, *o.Key)
			}
			for _, p := range out.CommonPrefixes {
				got = append(got, *p.Prefix)
			}
			if !*out.IsTruncated {
				break
			}
			v1.Marker = out.NextMarker
		}
		slices.Sort(got)
		if want := []string{"a", "dir0/", "dir1", "dir1/", "dir2/", "dir3/", "dir4/", "z"}; !slices.Equal(got, want) {
			t.Errorf("limit %d: got %q", limit, got)
		}
	}
}

func TestListDetails(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	for _, k := range []string{"a b/ü+*", "c"} {
		h.put("box", k, "x")
	}
	out := must[api.ListObjectsV2Output](h, "ListObjectsV2", &api.ListObjectsV2Input{Bucket: wire.Ptr("box"), EncodingType: "url", FetchOwner: wire.Ptr(true), Prefix: wire.Ptr("a b")})
	if *out.Contents[0].Key != "a+b/%C3%BC%2B%2A" || *out.Prefix != "a+b" || *out.Contents[0].Owner.ID != ownerID(account) {
		t.Errorf("got %+v", out)
	}
	out = must[api.ListObjectsV2Output](h, "ListObjectsV2", &api.ListObjectsV2Input{Bucket: wire.Ptr("box"), StartAfter: wire.Ptr("b")})
	if len(out.Contents) != 1 || *out.StartAfter != "b" {
		t.Errorf("got %+v", out)
	}
	if out := must[api.ListObjectsV2Output](h, "ListObjectsV2", &api.ListObjectsV2Input{Bucket: wire.Ptr("box"), MaxKeys: wire.Ptr(int32(0))}); *out.IsTruncated || *out.KeyCount != 0 {
		t.Errorf("got %+v", out)
	}
	refused(h, "InvalidArgument", "ListObjectsV2", &api.ListObjectsV2Input{Bucket: wire.Ptr("box"), MaxKeys: wire.Ptr(int32(-1))})
	refused(h, "InvalidArgument", "ListObjectsV2", &api.ListObjectsV2Input{Bucket: wire.Ptr("box"), ContinuationToken: wire.Ptr("forged")})
	// A token of one bucket is none of another.
	token := must[api.ListObjectsV2Output](h, "ListObjectsV2", &api.ListObjectsV2Input{Bucket: wire.Ptr("box"), MaxKeys: wire.Ptr(int32(1))}).NextContinuationToken
	h.bucket("other")
	refused(h, "InvalidArgument", "ListObjectsV2", &api.ListObjectsV2Input{Bucket: wire.Ptr("other"), ContinuationToken: token})
	versions := must[api.ListObjectVersionsOutput](h, "ListObjectVersions", &api.ListObjectVersionsInput{Bucket: wire.Ptr("box")})
	if len(versions.Versions) != 2 || *versions.Versions[0].VersionId != "null" || !*versions.Versions[0].IsLatest {
		t.Errorf("got %+v", versions)
	}
}

func TestBuckets(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"one", "two", "three"} {
		h.bucket(name)
	}
	refused(h, "BucketAlreadyOwnedByYou", "CreateBucket", &api.CreateBucketInput{Bucket: wire.Ptr("one"), CreateBucketConfiguration: &api.CreateBucketConfiguration{LocationConstraint: wire.Ptr(region)}})
	h.who = user("444455556666", "bob")
	refused(h, "BucketAlreadyExists", "CreateBucket", &api.CreateBucketInput{Bucket: wire.Ptr("one"), CreateBucketConfiguration: &api.CreateBucketConfiguration{LocationConstraint: wire.Ptr(region)}})
	if out := must[api.ListBucketsOutput](h, "ListBuckets", &api.ListBucketsInput{}); len(out.Buckets) != 0 {
		t.Errorf("another account sees %+v", out.Buckets)
	}
	refused(h, "AccessDenied", "ListObjectsV2", &api.ListObjectsV2Input{Bucket: wire.Ptr("one")})
	h.who = user(account, "ann")
	var names []string
	in := &api.ListBucketsInput{MaxBuckets: wire.Ptr(int32(2)), Prefix: wire.Ptr("")}
	for {
		out := must[api.ListBucketsOutput](h, "ListBuckets", in)
		for _, b := range out.Buckets {
			names = append(names, *b.Name)
		}
		if out.ContinuationToken == nil {
			break
		}
		in.ContinuationToken = out.ContinuationToken
	}
	if !slices.Equal(names, []string{"one", "three", "two"}) {
		t.Errorf("got %q", names)
	}
	if out := must[api.ListBucketsOutput](h, "ListBuckets", &api.ListBucketsInput{Prefix: wire.Ptr("t")}); len(out.Buckets) != 2 {
		t.Errorf("got %+v", out.Buckets)
	}
	if out := must[api.GetBucketLocationOutput](h, "GetBucketLocation", &api.GetBucketLocationInput{Bucket: wire.Ptr("one")}); *out.LocationConstraint != region {
		t.Errorf("got %+v", out)
	}
	h.put("one", "k", "x")
	refused(h, "BucketNotEmpty", "DeleteBucket", &api.DeleteBucketInput{Bucket: wire.Ptr("one")})
	must[api.DeleteObjectOutput](h, "DeleteObject", &api.DeleteObjectInput{Bucket: wire.Ptr("one"), Key: wire.Ptr("k")})
	must[api.CreateMultipartUploadOutput](h, "CreateMultipartUpload", &api.CreateMultipartUploadInput{Bucket: wire.Ptr("one"), Key: wire.Ptr("k")})
	must[api.DeleteBucketOutput](h, "DeleteBucket", &api.DeleteBucketInput{Bucket: wire.Ptr("one")})
	refused(h, "NoSuchBucket", "HeadBucket", &api.HeadBucketInput{Bucket: wire.Ptr("one")})
	h.who = user("444455556666", "bob")
	h.bucket("one") // the name is free again, and nothing of the old bucket is in it
	if out := must[api.ListMultipartUploadsOutput](h, "ListMultipartUploads", &api.ListMultipartUploadsInput{Bucket: wire.Ptr("one")}); len(out.Uploads) != 0 {
		t.Errorf("got %+v", out.Uploads)
	}
	later(h)
	if h.records("u\x00") != 0 {
		t.Error("uploads of a deleted bucket are left")
	}
}

func TestCreateBucketRefuses(t *testing.T) {
	h := newHouse(t)
	here := &api.CreateBucketConfiguration{LocationConstraint: wire.Ptr(region)}
	for name, c := range map[string]struct {
		in   api.CreateBucketInput
		code string
	}{
		"short":      {api.CreateBucketInput{Bucket: wire.Ptr("ab"), CreateBucketConfiguration: here}, "InvalidBucketName"},
		"upper case": {api.CreateBucketInput{Bucket: wire.Ptr("Abcd"), CreateBucketConfiguration: here}, "InvalidBucketName"},
		"path":       {api.CreateBucketInput{Bucket: wire.Ptr("../etc"), CreateBucketConfiguration: here}, "InvalidBucketName"},
		"address":    {api.CreateBucketInput{Bucket: wire.Ptr("192.168.5.4"), CreateBucketConfiguration: here}, "InvalidBucketName"},
		"no region":  {api.CreateBucketInput{Bucket: wire.Ptr("abc")}, "IllegalLocationConstraintException"},
		"elsewhere":  {api.CreateBucketInput{Bucket: wire.Ptr("abc"), CreateBucketConfiguration: &api.CreateBucketConfiguration{LocationConstraint: wire.Ptr("us-west-2")}}, "IllegalLocationConstraintException"},
		"public":     {api.CreateBucketInput{Bucket: wire.Ptr("abc"), CreateBucketConfiguration: here, ACL: "public-read"}, "InvalidBucketAclWithObjectOwnership"},
		"lock":       {api.CreateBucketInput{Bucket: wire.Ptr("abc"), CreateBucketConfiguration: here, ObjectLockEnabledForBucket: wire.Ptr(true)}, "NotImplemented"},
		"ownership":  {api.CreateBucketInput{Bucket: wire.Ptr("abc"), CreateBucketConfiguration: here, ObjectOwnership: "ObjectWriter"}, "NotImplemented"},
	} {
		if _, err := do[api.CreateBucketOutput](h, "CreateBucket", &c.in); !wire.IsCode(err, c.code) {
			t.Errorf("%s: got %v, want %s", name, err, c.code)
		}
	}
	h.region = "us-east-1"
	for range 2 { // in the first region making it again succeeds
		must[api.CreateBucketOutput](h, "CreateBucket", &api.CreateBucketInput{Bucket: wire.Ptr("first")})
	}
	if out := must[api.GetBucketLocationOutput](h, "GetBucketLocation", &api.GetBucketLocationInput{Bucket: wire.Ptr("first")}); out.LocationConstraint != nil {
		t.Errorf("got %+v", out)
	}
	h.region = region
	refused(h, "PermanentRedirect", "ListObjectsV2", &api.ListObjectsV2Input{Bucket: wire.Ptr("first")})
	must[api.GetBucketLocationOutput](h, "GetBucketLocation", &api.GetBucketLocationInput{Bucket: wire.Ptr("first")})
}

// What Terraform, the CLI and SDKs read of a plain bucket.
func TestSettingsOfAPlainBucket(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	h.put("box", "k", "x")
	box := wire.Ptr("box")
	for op, c := range map[string]struct {
		in   any
		code string
	}{
		"GetBucketVersioning":                {&api.GetBucketVersioningInput{Bucket: box}, ""},
		"GetBucketLogging":                   {&api.GetBucketLoggingInput{Bucket: box}, ""},
		"GetBucketAccelerateConfiguration":   {&api.GetBucketAccelerateConfigurationInput{Bucket: box}, ""},
		"GetBucketNotificationConfiguration": {&api.GetBucketNotificationConfigurationInput{Bucket: box}, ""},
		"GetBucketRequestPayment":            {&api.GetBucketRequestPaymentInput{Bucket: box}, ""},
		"GetBucketCors":                      {&api.GetBucketCorsInput{Bucket: box}, "NoSuchCORSConfiguration"},
		"DeleteBucketCors":                   {&api.DeleteBucketCorsInput{Bucket: box}, ""},
		"GetBucketLifecycleConfiguration":    {&api.GetBucketLifecycleConfigurationInput{Bucket: box}, "NoSuchLifecycleConfiguration"},
		"GetBucketWebsite":                   {&api.GetBucketWebsiteInput{Bucket: box}, "NoSuchWebsiteConfiguration"},
		"GetBucketReplication":               {&api.GetBucketReplicationInput{Bucket: box}, "ReplicationConfigurationNotFoundError"},
		"GetObjectLockConfiguration":         {&api.GetObjectLockConfigurationInput{Bucket: box}, "ObjectLockConfigurationNotFoundError"},
		"GetBucketTagging":                   {&api.GetBucketTaggingInput{Bucket: box}, "NoSuchTagSet"},
		"GetBucketPolicy":                    {&api.GetBucketPolicyInput{Bucket: box}, "NoSuchBucketPolicy"},
		"GetBucketPolicyStatus":              {&api.GetBucketPolicyStatusInput{Bucket: box}, "NoSuchBucketPolicy"},
		"GetObjectRetention":                 {&api.GetObjectRetentionInput{Bucket: box, Key: wire.Ptr("k")}, "InvalidRequest"},
		"GetObjectLegalHold":                 {&api.GetObjectLegalHoldInput{Bucket: box, Key: wire.Ptr("k")}, "InvalidRequest"},
		"PutBucketVersioning":                {&api.PutBucketVersioningInput{Bucket: box, VersioningConfiguration: &api.VersioningConfiguration{Status: "Enabled"}}, "NotImplemented"},
		"PutBucketCors":                      {&api.PutBucketCorsInput{Bucket: box}, "NotImplemented"},
		"PutBucketWebsite":                   {&api.PutBucketWebsiteInput{Bucket: box}, "NotImplemented"},
		"PutBucketLifecycleConfiguration":    {&api.PutBucketLifecycleConfigurationInput{Bucket: box}, "NotImplemented"},
		"ListBucketInventoryConfigurations":  {&api.ListBucketInventoryConfigurationsInput{Bucket: box}, ""},
		"GetBucketMetricsConfiguration":      {&api.GetBucketMetricsConfigurationInput{Bucket: box, Id: wire.Ptr("x")}, "NoSuchConfiguration"},
	} {
		_, err := h.call(t.Context(), op, c.in)
		if c.code == "" && err != nil || c.code != "" && !wire.IsCode(err, c.code) {
			t.Errorf("%s: got %v, want %s", op, err, c.code)
		}
	}
	acl := must[api.GetBucketAclOutput](h, "GetBucketAcl", &api.GetBucketAclInput{Bucket: box})
	if len(acl.Grants) != 1 || acl.Grants[0].Permission != "FULL_CONTROL" || *acl.Owner.ID != ownerID(account) {
		t.Errorf("got %+v", acl)
	}
	for _, c := range []struct {
		in   api.PutBucketAclInput
		code string
	}{
		{api.PutBucketAclInput{ACL: "private"}, ""},
		{api.PutBucketAclInput{ACL: "public-read"}, "AccessControlListNotSupported"},
		{api.PutBucketAclInput{AccessControlPolicy: &api.AccessControlPolicy{Grants: acl.Grants, Owner: acl.Owner}}, ""},
		{api.PutBucketAclInput{AccessControlPolicy: &api.AccessControlPolicy{Grants: append(acl.Grants, acl.Grants...)}}, "AccessControlListNotSupported"},
		{api.PutBucketAclInput{GrantRead: wire.Ptr("uri=x")}, "InvalidRequest"},
		{api.PutBucketAclInput{GrantFullControl: wire.Ptr("uri=x")}, "AccessControlListNotSupported"},
	} {
		c.in.Bucket = box
		_, err := h.call(t.Context(), "PutBucketAcl", &c.in)
		if c.code == "" && err != nil || c.code != "" && !wire.IsCode(err, c.code) {
			t.Errorf("PutBucketAcl %+v: got %v, want %s", c.in, err, c.code)
		}
	}
	must[api.GetObjectAclOutput](h, "GetObjectAcl", &api.GetObjectAclInput{Bucket: box, Key: wire.Ptr("k")})
	must[api.PutObjectAclOutput](h, "PutObjectAcl", &api.PutObjectAclInput{Bucket: box, Key: wire.Ptr("k"), ACL: "bucket-owner-full-control"})
}

func TestSettingsAreKept(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	box := wire.Ptr("box")
	block := must[api.GetPublicAccessBlockOutput](h, "GetPublicAccessBlock", &api.GetPublicAccessBlockInput{Bucket: box}).PublicAccessBlockConfiguration
	if !*block.BlockPublicAcls || !*block.IgnorePublicAcls || !*block.BlockPublicPolicy || !*block.RestrictPublicBuckets {
		t.Errorf("a new bucket has %+v", block)
	}
	must[api.PutPublicAccessBlockOutput](h, "PutPublicAccessBlock", &api.PutPublicAccessBlockInput{Bucket: box, PublicAccessBlockConfiguration: &api.PublicAccessBlockConfiguration{BlockPublicAcls: wire.Ptr(true)}})
	must[api.PutBucketTaggingOutput](h, "PutBucketTagging", &api.PutBucketTaggingInput{Bucket: box, Tagging: &api.Tagging{TagSet: []api.Tag{{Key: wire.Ptr("k"), Value: wire.Ptr("v")}}}})
	must[api.PutBucketOwnershipControlsOutput](h, "PutBucketOwnershipControls", &api.PutBucketOwnershipControlsInput{Bucket: box,
		OwnershipControls: &api.OwnershipControls{Rules: []api.OwnershipControlsRule{{ObjectOwnership: "BucketOwnerEnforced"}}}})
	refused(h, "NotImplemented", "PutBucketOwnershipControls", &api.PutBucketOwnershipControlsInput{Bucket: box,
		OwnershipControls: &api.OwnershipControls{Rules: []api.OwnershipControlsRule{{ObjectOwnership: "ObjectWriter"}}}})
	h.open()
	block = must[api.GetPublicAccessBlockOutput](h, "GetPublicAccessBlock", &api.GetPublicAccessBlockInput{Bucket: box}).PublicAccessBlockConfiguration
	if !*block.BlockPublicAcls || *block.RestrictPublicBuckets {
		t.Errorf("got %+v", block)
	}
	if tags := must[api.GetBucketTaggingOutput](h, "GetBucketTagging", &api.GetBucketTaggingInput{Bucket: box}).TagSet; len(tags) != 1 || *tags[0].Value != "v" {
		t.Errorf("got %+v", tags)
	}
	must[api.GetBucketOwnershipControlsOutput](h, "GetBucketOwnershipControls", &api.GetBucketOwnershipControlsInput{Bucket: box})
	must[api.DeletePublicAccessBlockOutput](h, "DeletePublicAccessBlock", &api.DeletePublicAccessBlockInput{Bucket: box})
	must[api.DeleteBucketTaggingOutput](h, "DeleteBucketTagging", &api.DeleteBucketTaggingInput{Bucket: box})
	must[api.DeleteBucketOwnershipControlsOutput](h, "DeleteBucketOwnershipControls", &api.DeleteBucketOwnershipControlsInput{Bucket: box})
	refused(h, "NoSuchPublicAccessBlockConfiguration", "GetPublicAccessBlock", &api.GetPublicAccessBlockInput{Bucket: box})
	refused(h, "NoSuchTagSet", "GetBucketTagging", &api.GetBucketTaggingInput{Bucket: box})
	refused(h, "OwnershipControlsNotFoundError", "GetBucketOwnershipControls", &api.GetBucketOwnershipControlsInput{Bucket: box})
	for name, rule := range map[string]api.ServerSideEncryptionRule{
		"unknown":              {ApplyServerSideEncryptionByDefault: &api.ServerSideEncryptionByDefault{SSEAlgorithm: "ROT13"}},
		"key with AES256":      {ApplyServerSideEncryptionByDefault: &api.ServerSideEncryptionByDefault{SSEAlgorithm: "AES256", KMSMasterKeyID: wire.Ptr("k")}},
		"bucket key with DSSE": {ApplyServerSideEncryptionByDefault: &api.ServerSideEncryptionByDefault{SSEAlgorithm: "aws:kms:dsse"}, BucketKeyEnabled: wire.Ptr(true)},
	} {
		in := &api.PutBucketEncryptionInput{Bucket: box, ServerSideEncryptionConfiguration: &api.ServerSideEncryptionConfiguration{Rules: []api.ServerSideEncryptionRule{rule}}}
		if _, err := h.call(t.Context(), "PutBucketEncryption", in); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
