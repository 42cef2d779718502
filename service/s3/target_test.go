package s3

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/wire"
)

func TestEveryImplementedOperationHasATarget(t *testing.T) {
	h := newHouse(t)
	for _, op := range api.API.Operations {
		_, ok := rules[op.Name]
		ok = ok || op.Name == "ListBuckets" || op.Name == "CreateBucket"
		if have := wire.Implemented(h.Service, op); have != ok {
			t.Errorf("%s: implemented %v, target %v", op.Name, have, ok)
		}
	}
	for name := range rules {
		if api.API.Operation(name) == nil {
			t.Errorf("a rule for %s, which is no operation", name)
		}
	}
}

func policyOf(statements ...string) *string {
	return wire.Ptr(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
}

func putPolicy(h *house, statements ...string) {
	h.Helper()
	must[api.PutBucketPolicyOutput](h, "PutBucketPolicy", &api.PutBucketPolicyInput{Bucket: wire.Ptr("box"), Policy: policyOf(statements...)})
}

func TestBucketPolicyDecides(t *testing.T) {
	bob := user("444455556666", "bob")
	statement := func(effect, action, resource, condition string) string {
		return fmt.Sprintf(`{"Effect":%q,"Principal":{"AWS":"444455556666"},"Action":%q,"Resource":"arn:aws:s3:::%s","Condition":%s}`, effect, action, resource, condition)
	}
	get := &api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")}
	for name, c := range map[string]struct {
		statement string
		op        string
		in        func() any
		allowed   bool
	}{
		"by name":              {statement("Allow", "s3:GetObject", "box/k", "{}"), "GetObject", func() any { return get }, true},
		"another object":       {statement("Allow", "s3:GetObject", "box/x", "{}"), "GetObject", func() any { return get }, false},
		"existing tag":         {statement("Allow", "s3:GetObject", "box/*", `{"StringEquals":{"s3:ExistingObjectTag/Team":"blue"}}`), "GetObject", func() any { return get }, true},
		"existing tag differs": {statement("Allow", "s3:GetObject", "box/*", `{"StringEquals":{"s3:ExistingObjectTag/Team":"red"}}`), "GetObject", func() any { return get }, false},
		"prefix":               {statement("Allow", "s3:ListBucket", "box", `{"StringLike":{"s3:prefix":"home/*"}}`), "ListObjectsV2", func() any { return &api.ListObjectsV2Input{Bucket: wire.Ptr("box"), Prefix: wire.Ptr("home/x")} }, true},
		"other prefix":         {statement("Allow", "s3:ListBucket", "box", `{"StringLike":{"s3:prefix":"home/*"}}`), "ListObjectsV2", func() any { return &api.ListObjectsV2Input{Bucket: wire.Ptr("box")} }, false},
		"max keys":             {statement("Allow", "s3:ListBucket", "box", `{"NumericLessThanEquals":{"s3:max-keys":"10"}}`), "ListObjectsV2", func() any { return &api.ListObjectsV2Input{Bucket: wire.Ptr("box"), MaxKeys: wire.Ptr(int32(10))} }, true},
		"encryption said": {statement("Allow", "s3:PutObject", "box/*", `{"StringEquals":{"s3:x-amz-server-side-encryption":"aws:kms"}}`), "PutObject", func() any {
			return &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), ServerSideEncryption: "aws:kms"}
		}, true},
		"encryption only default": {statement("Allow", "s3:PutObject", "box/*", `{"StringEquals":{"s3:x-amz-server-side-encryption":"AES256"}}`), "PutObject", func() any { return &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")} }, false},
		"encryption null":         {statement("Allow", "s3:PutObject", "box/*", `{"Null":{"s3:x-amz-server-side-encryption":"true"}}`), "PutObject", func() any { return &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")} }, true},
		"request tag": {`{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":["s3:PutObject","s3:PutObjectTagging"],"Resource":"arn:aws:s3:::box/*","Condition":{"StringEquals":{"s3:RequestObjectTag/a":"1"}}}`, "PutObject", func() any {
			return &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Tagging: wire.Ptr("a=1")}
		}, true},
		"tags need their action": {statement("Allow", "s3:PutObject", "box/*", "{}"), "PutObject", func() any {
			return &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Tagging: wire.Ptr("a=1")}
		}, false},
		"resource account": {statement("Allow", "s3:GetObject", "box/*", `{"StringEquals":{"s3:ResourceAccount":"111122223333"}}`), "GetObject", func() any { return get }, true},
		"tls":              {statement("Allow", "s3:GetObject", "box/*", `{"NumericGreaterThanEquals":{"s3:TlsVersion":"1.3"}}`), "GetObject", func() any { return get }, true},
		"conditional write": {statement("Allow", "s3:PutObject", "box/*", `{"Null":{"s3:if-none-match":"false"}}`), "PutObject", func() any {
			return &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("new"), IfNoneMatch: wire.Ptr("*")}
		}, true},
		"version": {statement("Allow", "s3:GetObjectVersion", "box/*", "{}"), "GetObject", func() any {
			return &api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), VersionId: wire.Ptr("null")}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.bucket("box")
			must[api.PutObjectOutput](h, "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: strings.NewReader("x"), Tagging: wire.Ptr("Team=blue")})
			putPolicy(h, c.statement)
			h.who = bob
			_, err := h.call(t.Context(), c.op, c.in())
			if (err == nil) != c.allowed {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPublicAccessBlock(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	h.put("box", "k", "x")
	public := `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::box/*"}`
	refused(h, "AccessDenied", "PutBucketPolicy", &api.PutBucketPolicyInput{Bucket: wire.Ptr("box"), Policy: policyOf(public)})
	block := func(policy, restrict bool) {
		must[api.PutPublicAccessBlockOutput](h, "PutPublicAccessBlock", &api.PutPublicAccessBlockInput{Bucket: wire.Ptr("box"),
			PublicAccessBlockConfiguration: &api.PublicAccessBlockConfiguration{BlockPublicPolicy: &policy, RestrictPublicBuckets: &restrict}})
	}
	block(false, true)
	putPolicy(h, public)
	if out := must[api.GetBucketPolicyStatusOutput](h, "GetBucketPolicyStatus", &api.GetBucketPolicyStatusInput{Bucket: wire.Ptr("box")}); !*out.PolicyStatus.IsPublic {
		t.Error("not public")
	}
	get := &api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")}
	ann := h.who
	for _, who := range []*identity.Principal{identity.Nobody, user("444455556666", "bob")} {
		h.who = who
		refused(h, "AccessDenied", "GetObject", get)
		h.who = ann
		block(false, false)
		h.who = who
		h.get(get)
		if who == identity.Nobody {
			refused(h, "InvalidRequest", "GetObject", &api.GetObjectInput{Bucket: get.Bucket, Key: get.Key, ResponseContentType: wire.Ptr("a/b")})
			// Nobody may list, so nobody learns which keys there are.
			refused(h, "AccessDenied", "GetObject", &api.GetObjectInput{Bucket: get.Bucket, Key: wire.Ptr("none")})
		}
		h.who = ann
		block(false, true)
	}
}

func TestPolicyIsChecked(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	statement := func(action, resource string) string {
		return fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":%q,"Resource":%q}`, action, resource)
	}
	for _, c := range []struct {
		statement string
		ok        bool
	}{
		{statement("s3:GetObject", "arn:aws:s3:::box/*"), true},
		{statement("S3:*", "arn:aws:s3:::box"), true},
		{statement("s3:GetObject", "arn:aws:s3:::b*"), true},
		{statement("s3:GetObject", "arn:aws:s3:::other/*"), false},
		{statement("kms:Decrypt", "arn:aws:s3:::box/*"), false},
		{statement("s3:GetObject", "arn:aws:sqs:::box"), false},
		{`{"Effect":"Allow","Action":"s3:*","Resource":"*"}`, false},
		{`{`, false},
	} {
		_, err := h.call(t.Context(), "PutBucketPolicy", &api.PutBucketPolicyInput{Bucket: wire.Ptr("box"), Policy: policyOf(c.statement)})
		if c.ok != (err == nil) || !c.ok && !wire.IsCode(err, "MalformedPolicy") {
			t.Errorf("%s: got %v", c.statement, err)
		}
	}
	text := policyOf(statement("s3:GetObject", "arn:aws:s3:::box/*"))
	must[api.PutBucketPolicyOutput](h, "PutBucketPolicy", &api.PutBucketPolicyInput{Bucket: wire.Ptr("box"), Policy: text})
	if out := must[api.GetBucketPolicyOutput](h, "GetBucketPolicy", &api.GetBucketPolicyInput{Bucket: wire.Ptr("box")}); *out.Policy != *text {
		t.Errorf("got %s", *out.Policy)
	}
	// Nobody can lock the account's root user out.
	putPolicy(h, `{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::box","arn:aws:s3:::box/*"]}`)
	refused(h, "AccessDenied", "DeleteBucketPolicy", &api.DeleteBucketPolicyInput{Bucket: wire.Ptr("box")})
	h.who = &identity.Principal{Kind: identity.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root"}
	refused(h, "AccessDenied", "ListObjectsV2", &api.ListObjectsV2Input{Bucket: wire.Ptr("box")})
	must[api.DeleteBucketPolicyOutput](h, "DeleteBucketPolicy", &api.DeleteBucketPolicyInput{Bucket: wire.Ptr("box")})
}

func TestExpectedBucketOwner(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	must[api.HeadBucketOutput](h, "HeadBucket", &api.HeadBucketInput{Bucket: wire.Ptr("box"), ExpectedBucketOwner: wire.Ptr(account)})
	refused(h, "AccessDenied", "HeadBucket", &api.HeadBucketInput{Bucket: wire.Ptr("box"), ExpectedBucketOwner: wire.Ptr("444455556666")})
}

func TestCopyAsksForBothSides(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	h.bucket("other")
	must[api.PutObjectOutput](h, "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: strings.NewReader("x"), Tagging: wire.Ptr("a=1")})
	asked := func(in *api.CopyObjectInput) []string {
		h.checks = nil
		in.Bucket, in.Key = wire.Ptr("other"), wire.Ptr("c")
		must[api.CopyObjectOutput](h, "CopyObject", in)
		var got []string
		for _, c := range h.checks {
			got = append(got, c.Action+" "+strings.TrimPrefix(c.Resource, "arn:aws:s3:::"))
		}
		slices.Sort(got)
		return got
	}
	got := asked(&api.CopyObjectInput{CopySource: wire.Ptr("/box/k")})
	if want := []string{"s3:GetObject box/k", "s3:GetObjectTagging box/k", "s3:PutObject other/c", "s3:PutObjectTagging other/c"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	got = asked(&api.CopyObjectInput{CopySource: wire.Ptr("box/k?versionId=null"), TaggingDirective: "REPLACE"})
	if want := []string{"s3:GetObjectVersion box/k", "s3:PutObject other/c"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	refused(h, "AccessDenied", "CopyObject", &api.CopyObjectInput{Bucket: wire.Ptr("other"), Key: wire.Ptr("c"), CopySource: wire.Ptr("box/k"), ExpectedSourceBucketOwner: wire.Ptr("444455556666")})
	refused(h, "NoSuchBucket", "CopyObject", &api.CopyObjectInput{Bucket: wire.Ptr("other"), Key: wire.Ptr("c"), CopySource: wire.Ptr("nowhere/k")})
	refused(h, "InvalidArgument", "CopyObject", &api.CopyObjectInput{Bucket: wire.Ptr("other"), Key: wire.Ptr("c"), CopySource: wire.Ptr("box")})
}

func TestSignatureConditions(t *testing.T) {
	now := time.Now()
	c := &call.Call{Time: now, Principal: user(account, "ann"), Signed: call.Signature{Type: "REST-QUERY-STRING", Time: now.Add(-1500 * time.Millisecond), Payload: "UNSIGNED-PAYLOAD"}}
	h := newHouse(t)
	x := h.Service.conditions(context.Background(), c, nil, "")
	for key, want := range map[string]string{"s3:signatureversion": "AWS4-HMAC-SHA256", "s3:authtype": "REST-QUERY-STRING", "s3:signatureage": "1500", "s3:x-amz-content-sha256": "UNSIGNED-PAYLOAD"} {
		if v := x.Value(key); v.Len() != 1 || v.At(0) != want {
			t.Errorf("%s: got %v", key, v)
		}
	}
	c.Signed = call.Signature{}
	for _, key := range []string{"s3:signatureversion", "s3:authtype", "s3:signatureage", "s3:unheard", "aws:sourceip", "s3:existingobjecttag/a"} {
		if x.Value(key).Present() {
			t.Errorf("%s is there", key)
		}
	}
}
