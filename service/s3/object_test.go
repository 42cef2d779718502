package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/s3/checksum"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// modes are the ways of encryption, as a request asks for them.
var modes = map[string]func(*api.PutObjectInput){
	"SSE-S3": func(*api.PutObjectInput) {},
	"SSE-KMS": func(in *api.PutObjectInput) {
		in.ServerSideEncryption = "aws:kms"
		in.SSEKMSKeyId = wire.Ptr("key/one")
	},
	"DSSE": func(in *api.PutObjectInput) { in.ServerSideEncryption = "aws:kms:dsse" },
	"SSE-C": func(in *api.PutObjectInput) {
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = customer('k')
	},
}

// customer returns the headers of a customer's key.
func customer(fill byte) (algorithm, key, sum *string) {
	raw := bytes.Repeat([]byte{fill}, 32)
	digest := md5.Sum(raw)
	return wire.Ptr("AES256"), wire.Ptr(base64.StdEncoding.EncodeToString(raw)), wire.Ptr(base64.StdEncoding.EncodeToString(digest[:]))
}

// reading returns the input that reads what in has put.
func reading(in *api.PutObjectInput) *api.GetObjectInput {
	return &api.GetObjectInput{Bucket: in.Bucket, Key: in.Key, SSECustomerAlgorithm: in.SSECustomerAlgorithm,
		SSECustomerKey: in.SSECustomerKey, SSECustomerKeyMD5: in.SSECustomerKeyMD5}
}

func TestPutGetEveryModeAndSize(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	for name, set := range modes {
		for _, size := range []int{0, 1, inlineLimit, inlineLimit + 1, 1 << 16, 1<<16 + 1, 300_000} {
			for _, known := range []bool{true, false} {
				body := bytesOf(size)
				in := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr(fmt.Sprintf("%s/%d/%v", name, size, known)), Body: bytes.NewReader(body)}
				if known {
					in.ContentLength = wire.Ptr(int64(size))
				}
				set(in)
				put := must[api.PutObjectOutput](h, "PutObject", in)
				out, got := h.get(reading(in))
				if got != string(body) || *out.ContentLength != int64(size) || *out.ETag != *put.ETag {
					t.Fatalf("%s, %d bytes: came back wrong (%d bytes)", name, size, len(got))
				}
				sum := md5.Sum(body)
				if isMD5 := *put.ETag == `"`+hex.EncodeToString(sum[:])+`"`; isMD5 != (name == "SSE-S3") {
					t.Errorf("%s: ETag %s", name, *put.ETag)
				}
				if put.ServerSideEncryption != out.ServerSideEncryption || (out.ServerSideEncryption == "") != (name == "SSE-C") {
					t.Errorf("%s: headers %q and %q", name, put.ServerSideEncryption, out.ServerSideEncryption)
				}
			}
		}
	}
	if n := h.records(pendingPrefix); n != 0 {
		t.Errorf("%d notes left", n)
	}
}

func TestNothingIsStoredInTheClear(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	canary := "canary-in-a-coal-mine"
	for name, set := range modes {
		for _, size := range []int{1, 5000} {
			in := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr(name), Body: strings.NewReader(strings.Repeat(canary, size))}
			set(in)
			must[api.PutObjectOutput](h, "PutObject", in)
		}
	}
	for key, data := range h.blobs.kept {
		if bytes.Contains(data, []byte(canary)) {
			t.Errorf("blob %s is in the clear", key)
		}
	}
	err := h.db.View(t.Context(), func(r store.Reader) error {
		for rec, err := range r.Scan(storePrefix("d")) {
			if err != nil {
				return err
			}
			if bytes.Contains(rec.Value, []byte(canary)) {
				t.Errorf("record %q is in the clear", rec.Key)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRanges(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	body := bytesOf(200_000)
	for name, set := range modes {
		for _, size := range []int{1000, len(body)} {
			in := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr(name), Body: bytes.NewReader(body[:size])}
			set(in)
			must[api.PutObjectOutput](h, "PutObject", in)
			for _, c := range []struct {
				header   string
				from, to int // -1 for the whole
			}{
				{"bytes=0-0", 0, 1}, {"bytes=10-19", 10, 20}, {"bytes=999-", 999, size}, {"bytes=-5", size - 5, size},
				{"bytes=0-9999999", 0, size}, {"bytes=-9999999", 0, size}, {"bytes=5-4", -1, 0}, {"bytes=1-2,4-5", -1, 0},
				{"lines=1-2", -1, 0}, {"bytes=a-b", -1, 0}, {fmt.Sprintf("bytes=%d-%d", size/2, size/2+70000), size / 2, min(size, size/2+70001)},
			} {
				get := reading(in)
				get.Range = wire.Ptr(c.header)
				out, got := h.get(get)
				want := string(body[:size])
				if c.from >= 0 {
					want = want[c.from:c.to]
				}
				if got != want || (out.ContentRange != nil) != (c.from >= 0) {
					t.Errorf("%s %s of %d: got %d bytes, want %d (%v)", name, c.header, size, len(got), len(want), out.ContentRange)
				}
				if c.from >= 0 && *out.ContentRange != fmt.Sprintf("bytes %d-%d/%d", c.from, c.to-1, size) {
					t.Errorf("%s: %s", c.header, *out.ContentRange)
				}
			}
			for _, header := range []string{fmt.Sprintf("bytes=%d-", size), "bytes=-0"} {
				get := reading(in)
				get.Range = wire.Ptr(header)
				refused(h, "InvalidRange", "GetObject", get)
			}
		}
	}
}

func TestMetadataAndHeadersComeBack(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	expires := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	in := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: strings.NewReader("x"), ContentType: wire.Ptr("text/plain"),
		CacheControl: wire.Ptr("no-store"), ContentDisposition: wire.Ptr("inline"), ContentEncoding: wire.Ptr("aws-chunked, gzip"), ContentLanguage: wire.Ptr("de"),
		Expires: &expires, WebsiteRedirectLocation: wire.Ptr("/elsewhere"), Metadata: map[string]string{"Color": "blue"},
		StorageClass: api.StorageClassStandardIa, Tagging: wire.Ptr("a=1&b=x%20y")}
	must[api.PutObjectOutput](h, "PutObject", in)
	out := must[api.HeadObjectOutput](h, "HeadObject", &api.HeadObjectInput{Bucket: in.Bucket, Key: in.Key})
	if *out.ContentType != "text/plain" || *out.CacheControl != "no-store" || *out.ContentDisposition != "inline" || *out.ContentEncoding != "gzip" ||
		*out.ContentLanguage != "de" || !out.Expires.Equal(expires) || *out.WebsiteRedirectLocation != "/elsewhere" || out.Metadata["color"] != "blue" ||
		out.StorageClass != api.StorageClassStandardIa || *out.TagCount != 2 {
		t.Errorf("got %+v", out)
	}
	get, _ := h.get(&api.GetObjectInput{Bucket: in.Bucket, Key: in.Key, ResponseContentType: wire.Ptr("a/b"), ResponseCacheControl: wire.Ptr("max-age=1")})
	if *get.ContentType != "a/b" || *get.CacheControl != "max-age=1" || *get.ContentLanguage != "de" {
		t.Errorf("overrides: %+v", get)
	}
	in.Body, in.Metadata = strings.NewReader("x"), map[string]string{"big": strings.Repeat("v", 2048)}
	refused(h, "MetadataTooLarge", "PutObject", in)
	in.Metadata, in.StorageClass = nil, "GLACIER"
	refused(h, "NotImplemented", "PutObject", in)
	in.StorageClass = "GOLD"
	refused(h, "InvalidStorageClass", "PutObject", in)
	in.StorageClass, in.ACL = "", api.ObjectCannedACLPublicRead
	refused(h, "AccessControlListNotSupported", "PutObject", in)
	in.ACL, in.ObjectLockMode = "", "GOVERNANCE"
	refused(h, "InvalidRequest", "PutObject", in)
}

func TestConditionalReads(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	tag := h.put("box", "k", "hello").ETag
	other, past, future := wire.Ptr(`"0123"`), wire.Ptr(time.Now().Add(-time.Hour)), wire.Ptr(time.Now().Add(time.Minute))
	for _, c := range []struct {
		name string
		in   api.GetObjectInput
		code string
	}{
		{"match", api.GetObjectInput{IfMatch: tag}, ""},
		{"no match", api.GetObjectInput{IfMatch: other}, "PreconditionFailed"},
		{"match any of", api.GetObjectInput{IfMatch: wire.Ptr(*other + ", " + *tag)}, ""},
		{"star", api.GetObjectInput{IfMatch: wire.Ptr("*")}, ""},
		{"none match", api.GetObjectInput{IfNoneMatch: tag}, "NotModified"},
		{"none match other", api.GetObjectInput{IfNoneMatch: other}, ""},
		{"modified", api.GetObjectInput{IfModifiedSince: past}, ""},
		{"not modified", api.GetObjectInput{IfModifiedSince: wire.Ptr(time.Now().Add(-time.Millisecond))}, "NotModified"},
		{"modified since a time to come", api.GetObjectInput{IfModifiedSince: future}, ""},
		{"unmodified", api.GetObjectInput{IfUnmodifiedSince: future}, ""},
		{"not unmodified", api.GetObjectInput{IfUnmodifiedSince: past}, "PreconditionFailed"},
		{"match overrules unmodified", api.GetObjectInput{IfMatch: tag, IfUnmodifiedSince: past}, ""},
		{"none match overrules modified", api.GetObjectInput{IfNoneMatch: tag, IfModifiedSince: past}, "NotModified"},
	} {
		c.in.Bucket, c.in.Key = wire.Ptr("box"), wire.Ptr("k")
		out, err := do[api.GetObjectOutput](h, "GetObject", &c.in)
		if c.code == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			} else {
				h.read(out.Body)
			}
		} else if !wire.IsCode(err, c.code) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.code)
		}
	}
}

func TestConditionalWrites(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	in := func(match, none string) *api.PutObjectInput {
		v := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: strings.NewReader("x")}
		if match != "" {
			v.IfMatch = &match
		}
		if none != "" {
			v.IfNoneMatch = &none
		}
		return v
	}
	refused(h, "NoSuchKey", "PutObject", in(`"00"`, ""))
	tag := *must[api.PutObjectOutput](h, "PutObject", in("", "*")).ETag
	refused(h, "PreconditionFailed", "PutObject", in("", "*"))
	refused(h, "PreconditionFailed", "PutObject", in(`"00"`, ""))
	refused(h, "NotImplemented", "PutObject", in("", tag))
	must[api.PutObjectOutput](h, "PutObject", in(tag, ""))
	refused(h, "PreconditionFailed", "DeleteObject", &api.DeleteObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), IfMatch: wire.Ptr(`"00"`)})
	must[api.DeleteObjectOutput](h, "DeleteObject", &api.DeleteObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), IfMatch: &tag})
	refused(h, "NoSuchKey", "DeleteObject", &api.DeleteObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), IfMatch: &tag})
}

func TestChecksumsAreVerifiedAndKept(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	body := bytesOf(100_000)
	for _, a := range checksum.Algorithms {
		sum := a.New()
		sum.Write(body)
		value := checksum.Encode(sum.Sum(nil))
		in := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: bytes.NewReader(body)}
		setSum(in, a, value)
		must[api.PutObjectOutput](h, "PutObject", in)
		out, _ := h.get(&api.GetObjectInput{Bucket: in.Bucket, Key: in.Key, ChecksumMode: "ENABLED"})
		got := []*string{out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256}[a-1]
		if got == nil || *got != value || out.ChecksumType != "FULL_OBJECT" {
			t.Errorf("%s: got %v, want %s", a, got, value)
		}
		in.Body = bytes.NewReader(body[1:])
		refused(h, "BadDigest", "PutObject", in)
		in.Body = bytes.NewReader(body)
		setSum(in, a, "AAAA")
		refused(h, "InvalidRequest", "PutObject", in)

		// The same in a trailer.
		h.request = &http.Request{Header: http.Header{"X-Amz-Trailer": {a.Header()}, "X-Amz-Decoded-Content-Length": {fmt.Sprint(len(body))}}, Trailer: http.Header{}}
		in = &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("t"), ContentLength: wire.Ptr(int64(len(body) + 999)), ChecksumAlgorithm: api.ChecksumAlgorithm(a.String())}
		in.Body = &trailing{bytes.NewReader(body), func() { h.request.Trailer.Set(a.Header(), value) }}
		must[api.PutObjectOutput](h, "PutObject", in)
		in.Body = &trailing{bytes.NewReader(body), func() { h.request.Trailer = http.Header{} }}
		refused(h, "MalformedTrailerError", "PutObject", in)
		wrong := checksum.Encode(make([]byte, a.Size()))
		in.Body = &trailing{bytes.NewReader(body), func() { h.request.Trailer.Set(a.Header(), wrong) }}
		refused(h, "BadDigest", "PutObject", in)
		h.request = nil
	}
	// Without any, S3 computes CRC64NVME.
	h.put("box", "k", "hello")
	head := must[api.HeadObjectOutput](h, "HeadObject", &api.HeadObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), ChecksumMode: "ENABLED"})
	if head.ChecksumCRC64NVME == nil {
		t.Error("no CRC64NVME by default")
	}
	md := md5.Sum([]byte("hello"))
	in := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: strings.NewReader("hello"), ContentMD5: wire.Ptr(base64.StdEncoding.EncodeToString(md[:]))}
	must[api.PutObjectOutput](h, "PutObject", in)
	in.Body = strings.NewReader("hallo")
	refused(h, "BadDigest", "PutObject", in)
	in.ContentMD5 = wire.Ptr("x")
	refused(h, "InvalidDigest", "PutObject", in)
	in.ContentMD5, in.ChecksumCRC32, in.ChecksumSHA1 = nil, wire.Ptr("AAAAAA=="), wire.Ptr("AAAA")
	refused(h, "InvalidRequest", "PutObject", in)
	in.ChecksumCRC32, in.ChecksumSHA1, in.ChecksumSHA512 = nil, nil, wire.Ptr("AAAA")
	refused(h, "NotImplemented", "PutObject", in)
	if n := h.records(pendingPrefix); n != 0 {
		t.Errorf("%d notes left", n)
	}
}

func setSum(in *api.PutObjectInput, a checksum.Algorithm, value string) {
	*[]**string{&in.ChecksumCRC32, &in.ChecksumCRC32C, &in.ChecksumCRC64NVME, &in.ChecksumSHA1, &in.ChecksumSHA256}[a-1] = &value
}

// trailing calls end before it says that it is over.
type trailing struct {
	r   io.Reader
	end func()
}

func (r *trailing) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err == io.EOF {
		r.end()
	}
	return n, err
}

// broken fails after some bytes.
type broken struct {
	r   io.Reader
	err error
}

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err == io.EOF {
		err = b.err
	}
	return n, err
}

func TestBrokenBodiesLeaveNothing(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	h.put("box", "k", "before")
	signature := wire.Errorf("SignatureDoesNotMatch", 403, "no")
	for _, size := range []int{0, 10, inlineLimit, 200_000} {
		for _, c := range []struct {
			err  error
			code string
		}{
			{io.ErrUnexpectedEOF, "IncompleteBody"},
			{fmt.Errorf("tcp: %w", io.EOF), ""},
			{signature.WithCause(io.EOF), "SignatureDoesNotMatch"},
			{errors.New("broken pipe"), ""},
		} {
			for _, length := range []*int64{nil, wire.Ptr(int64(size + 1))} {
				_, err := do[api.PutObjectOutput](h, "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), ContentLength: length,
					Body: &broken{bytes.NewReader(bytesOf(size)), c.err}})
				if err == nil || c.code != "" && !wire.IsCode(err, c.code) {
					t.Errorf("%d bytes and %v: got %v", size, c.err, err)
				}
			}
		}
		refused(h, "IncompleteBody", "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), ContentLength: wire.Ptr(int64(size + 1)), Body: bytes.NewReader(bytesOf(size))})
	}
	if _, got := h.get(&api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")}); got != "before" {
		t.Errorf("got %q", got)
	}
	if h.blobs.count() != 0 || h.records(pendingPrefix) != 0 {
		t.Errorf("%d blobs and %d notes left", h.blobs.count(), h.records(pendingPrefix))
	}
}

func TestNamesAreNeverPaths(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	keys := []string{"..", "../../etc/passwd", "/", "//", "/a", "a//b", "a/", "%2F", "a%2Fb", ".", "a/../b", "\x00", "a\x00b", "\xf4\x8f\xbf\xbf", " ", "é", strings.Repeat("k", 1024), strings.Repeat("é", 512)}
	for _, k := range keys {
		h.put("box", k, "body of "+k)
	}
	for _, k := range keys {
		if _, got := h.get(&api.GetObjectInput{Bucket: wire.Ptr("box"), Key: &k}); got != "body of "+k {
			t.Errorf("%q: got %q", k, got)
		}
	}
	list := must[api.ListObjectsV2Output](h, "ListObjectsV2", &api.ListObjectsV2Input{Bucket: wire.Ptr("box")})
	if len(list.Contents) != len(keys) {
		t.Errorf("%d listed, want %d", len(list.Contents), len(keys))
	}
	refused(h, "KeyTooLongError", "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr(strings.Repeat("k", 1025))})
	refused(h, "InvalidArgument", "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("\xff")})
}

func TestVersionNull(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	h.put("box", "k", "x")
	if _, got := h.get(&api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), VersionId: wire.Ptr("null")}); got != "x" {
		t.Errorf("got %q", got)
	}
	refused(h, "InvalidArgument", "GetObject", &api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), VersionId: wire.Ptr("3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo")})
	must[api.DeleteObjectOutput](h, "DeleteObject", &api.DeleteObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), VersionId: wire.Ptr("null")})
	refused(h, "NoSuchKey", "GetObject", &api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
}

func TestMissingKeyIsToldOnlyToThoseWhoMayList(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	get := &api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("nothing")}
	refused(h, "NoSuchKey", "GetObject", get)
	h.allow = func(c call.Check) bool { return c.Action != "s3:ListBucket" }
	refused(h, "AccessDenied", "GetObject", get)
	refused(h, "AccessDenied", "HeadObject", &api.HeadObjectInput{Bucket: get.Bucket, Key: get.Key})
}

func TestDeleteObjects(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	for _, k := range []string{"a", "b", "c"} {
		h.put("box", k, k)
	}
	h.allow = func(c call.Check) bool { return !strings.HasSuffix(c.Resource, "/b") }
	ids := []api.ObjectIdentifier{{Key: wire.Ptr("a")}, {Key: wire.Ptr("b")}, {Key: wire.Ptr("gone")}, {Key: wire.Ptr("c"), VersionId: wire.Ptr("bad")}}
	out := must[api.DeleteObjectsOutput](h, "DeleteObjects", &api.DeleteObjectsInput{Bucket: wire.Ptr("box"), Delete: &api.Delete{Objects: ids}})
	if len(out.Deleted) != 2 || len(out.Errors) != 2 || *out.Errors[0].Code != "AccessDenied" || *out.Errors[0].Key != "b" || *out.Errors[1].Code != "InvalidArgument" {
		t.Errorf("got %+v", out)
	}
	out = must[api.DeleteObjectsOutput](h, "DeleteObjects", &api.DeleteObjectsInput{Bucket: wire.Ptr("box"), Delete: &api.Delete{Objects: ids[:2], Quiet: wire.Ptr(true)}})
	if len(out.Deleted) != 0 || len(out.Errors) != 1 {
		t.Errorf("quiet: got %+v", out)
	}
	for _, empty := range []*api.Delete{nil, {}, {Objects: []api.ObjectIdentifier{}}, {Quiet: wire.Ptr(true)}} {
		refused(h, "MalformedXML", "DeleteObjects", &api.DeleteObjectsInput{Bucket: wire.Ptr("box"), Delete: empty})
	}
	refused(h, "MalformedXML", "DeleteObjects", &api.DeleteObjectsInput{Bucket: wire.Ptr("box"), Delete: &api.Delete{Objects: make([]api.ObjectIdentifier, 1001)}})
	h.allow = nil
	if list := must[api.ListObjectsV2Output](h, "ListObjectsV2", &api.ListObjectsV2Input{Bucket: wire.Ptr("box")}); len(list.Contents) != 2 {
		t.Errorf("%d objects left", len(list.Contents))
	}
}

func TestTagging(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	h.put("box", "k", "x")
	tags := &api.Tagging{TagSet: []api.Tag{{Key: wire.Ptr("b"), Value: wire.Ptr("2")}, {Key: wire.Ptr("a"), Value: wire.Ptr("1")}}}
	must[api.PutObjectTaggingOutput](h, "PutObjectTagging", &api.PutObjectTaggingInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Tagging: tags})
	out := must[api.GetObjectTaggingOutput](h, "GetObjectTagging", &api.GetObjectTaggingInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
	if len(out.TagSet) != 2 || *out.TagSet[0].Key != "a" {
		t.Errorf("got %+v", out.TagSet)
	}
	must[api.DeleteObjectTaggingOutput](h, "DeleteObjectTagging", &api.DeleteObjectTaggingInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
	if out := must[api.GetObjectTaggingOutput](h, "GetObjectTagging", &api.GetObjectTaggingInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")}); len(out.TagSet) != 0 {
		t.Errorf("got %+v", out.TagSet)
	}
	if _, got := h.get(&api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")}); got != "x" {
		t.Errorf("got %q", got)
	}
	tags.TagSet = append(tags.TagSet, api.Tag{Key: wire.Ptr("a")})
	refused(h, "InvalidTag", "PutObjectTagging", &api.PutObjectTaggingInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Tagging: tags})
	tags.TagSet[2].Key = wire.Ptr("aws:x")
	refused(h, "InvalidTag", "PutObjectTagging", &api.PutObjectTaggingInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Tagging: tags})
	refused(h, "NoSuchKey", "PutObjectTagging", &api.PutObjectTaggingInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("no"), Tagging: &api.Tagging{}})
	refused(h, "InvalidArgument", "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Tagging: wire.Ptr("a=1&a=2")})
}
