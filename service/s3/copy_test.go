package s3

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/wire"
)

func TestCopyFromEveryModeToEveryMode(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	body := bytesOf(150_000)
	for from, set := range modes {
		put := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr(from), Body: bytes.NewReader(body), ContentType: wire.Ptr("a/b"), Metadata: map[string]string{"m": "v"}}
		set(put)
		must[api.PutObjectOutput](h, "PutObject", put)
		for to, set := range modes {
			dest := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr(from + " to " + to)}
			set(dest)
			in := &api.CopyObjectInput{Bucket: dest.Bucket, Key: dest.Key, CopySource: wire.Ptr("box/" + from), ServerSideEncryption: dest.ServerSideEncryption, SSEKMSKeyId: dest.SSEKMSKeyId,
				SSECustomerAlgorithm: dest.SSECustomerAlgorithm, SSECustomerKey: dest.SSECustomerKey, SSECustomerKeyMD5: dest.SSECustomerKeyMD5,
				CopySourceSSECustomerAlgorithm: put.SSECustomerAlgorithm, CopySourceSSECustomerKey: put.SSECustomerKey, CopySourceSSECustomerKeyMD5: put.SSECustomerKeyMD5}
			out := must[api.CopyObjectOutput](h, "CopyObject", in)
			get, got := h.get(reading(dest))
			if got != string(body) || *get.ContentType != "a/b" || get.Metadata["m"] != "v" || *get.ETag != *out.CopyObjectResult.ETag || get.ServerSideEncryption != out.ServerSideEncryption {
				t.Errorf("%s to %s: came back wrong: %+v", from, to, get)
			}
			if from == "SSE-C" {
				in.CopySourceSSECustomerKey = nil
				refused(h, "InvalidArgument", "CopyObject", in)
				in.CopySourceSSECustomerAlgorithm, in.CopySourceSSECustomerKeyMD5 = nil, nil
				refused(h, "InvalidRequest", "CopyObject", in)
			}
		}
	}
}

func TestCopyDirectives(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	must[api.PutObjectOutput](h, "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: strings.NewReader("x"),
		ContentType: wire.Ptr("a/b"), Metadata: map[string]string{"m": "old"}, Tagging: wire.Ptr("t=old"), WebsiteRedirectLocation: wire.Ptr("/r")})
	self := func() *api.CopyObjectInput {
		return &api.CopyObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), CopySource: wire.Ptr("box/k")}
	}
	refused(h, "InvalidRequest", "CopyObject", self())
	in := self()
	in.MetadataDirective, in.Metadata, in.ContentType = "REPLACE", map[string]string{"m": "new"}, wire.Ptr("c/d")
	must[api.CopyObjectOutput](h, "CopyObject", in)
	out, got := h.get(&api.GetObjectInput{Bucket: in.Bucket, Key: in.Key})
	if got != "x" || out.Metadata["m"] != "new" || *out.ContentType != "c/d" || *out.TagCount != 1 || out.WebsiteRedirectLocation != nil {
		t.Errorf("got %+v", out)
	}
	in = self()
	in.TaggingDirective, in.Tagging = "REPLACE", wire.Ptr("t=new&u=1")
	must[api.CopyObjectOutput](h, "CopyObject", in)
	if out, _ := h.get(&api.GetObjectInput{Bucket: in.Bucket, Key: in.Key}); *out.TagCount != 2 || out.Metadata["m"] != "new" {
		t.Errorf("got %+v", out)
	}
	in = self()
	in.ServerSideEncryption = "aws:kms"
	if out := must[api.CopyObjectOutput](h, "CopyObject", in); out.SSEKMSKeyId == nil {
		t.Errorf("got %+v", out)
	}
	for _, c := range []struct {
		set  func(*api.CopyObjectInput)
		code string
	}{
		{func(in *api.CopyObjectInput) { in.CopySourceIfMatch = wire.Ptr(`"0"`) }, "PreconditionFailed"},
		{func(in *api.CopyObjectInput) { in.CopySourceIfNoneMatch = wire.Ptr("*") }, "PreconditionFailed"},
		{func(in *api.CopyObjectInput) { in.CopySourceIfUnmodifiedSince = wire.Ptr(time.Now().Add(-time.Hour)) }, "PreconditionFailed"},
		{func(in *api.CopyObjectInput) { in.CopySource = wire.Ptr("box/none") }, "NoSuchKey"},
		{func(in *api.CopyObjectInput) { in.CopySource = wire.Ptr("box/k?versionId=7") }, "InvalidArgument"},
		{func(in *api.CopyObjectInput) { in.IfNoneMatch = wire.Ptr("*") }, "PreconditionFailed"},
	} {
		in := self()
		in.StorageClass = "STANDARD_IA"
		c.set(in)
		refused(h, c.code, "CopyObject", in)
	}
}

func TestCopyOfPartsAndPartsOfCopies(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	_, done := uploading(h, &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("big"), ServerSideEncryption: "aws:kms"}, partBodies)
	must[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", done)
	whole := bytes.Join(partBodies, nil)
	// A copy is in one piece, whatever its source was.
	out := must[api.CopyObjectOutput](h, "CopyObject", &api.CopyObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("copy"), CopySource: wire.Ptr("box/big")})
	if strings.Contains(*out.CopyObjectResult.ETag, "-") {
		t.Errorf("got %s", *out.CopyObjectResult.ETag)
	}
	if _, got := h.get(&api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("copy")}); got != string(whole) {
		t.Error("the copy came back wrong")
	}
	up := must[api.CreateMultipartUploadOutput](h, "CreateMultipartUpload", &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("again")})
	finish := &api.CompleteMultipartUploadInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, MultipartUpload: &api.CompletedMultipartUpload{}}
	cut := 6 << 20
	for i, r := range []string{fmt.Sprintf("bytes=0-%d", cut-1), fmt.Sprintf("bytes=%d-%d", cut, len(whole)-1)} {
		p := must[api.UploadPartCopyOutput](h, "UploadPartCopy", &api.UploadPartCopyInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, PartNumber: wire.Ptr(int32(i + 1)), CopySource: wire.Ptr("box/big"), CopySourceRange: &r})
		finish.MultipartUpload.Parts = append(finish.MultipartUpload.Parts, api.CompletedPart{PartNumber: wire.Ptr(int32(i + 1)), ETag: p.CopyPartResult.ETag})
	}
	refused(h, "InvalidArgument", "UploadPartCopy", &api.UploadPartCopyInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, PartNumber: wire.Ptr(int32(3)), CopySource: wire.Ptr("box/big"), CopySourceRange: wire.Ptr("bytes=0-99999999")})
	must[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", finish)
	if _, got := h.get(&api.GetObjectInput{Bucket: up.Bucket, Key: up.Key}); got != string(whole) {
		t.Error("the copied parts came back wrong")
	}
}

func TestCopyAcrossRegionsAsksKMSWhereTheSourceIs(t *testing.T) {
	h := newHouse(t)
	h.bucket("near")
	must[api.PutObjectOutput](h, "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("near"), Key: wire.Ptr("k"), Body: strings.NewReader("x"), ServerSideEncryption: "aws:kms"})
	h.region = "us-west-2"
	h.bucket("far")
	h.kms.asked = nil
	must[api.CopyObjectOutput](h, "CopyObject", &api.CopyObjectInput{Bucket: wire.Ptr("far"), Key: wire.Ptr("k"), CopySource: wire.Ptr("near/k"), ServerSideEncryption: "aws:kms"})
	if len(h.kms.asked) != 2 || h.kms.asked[0].region != region && h.kms.asked[1].region != region {
		t.Errorf("asked %+v", h.kms.asked)
	}
}
