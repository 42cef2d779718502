package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/service/s3/checksum"
	"github.com/strongroom/strongroom/wire"
)

// partsBody is the body of the parts of most tests: two full ones and a small last.
var partBodies = [][]byte{bytesOf(minPart), bytesOf(minPart + 12345), bytesOf(100)}

// uploading uploads parts and returns what completes them.
func uploading(h *house, create *api.CreateMultipartUploadInput, bodies [][]byte) (string, *api.CompleteMultipartUploadInput) {
	h.Helper()
	up := must[api.CreateMultipartUploadOutput](h, "CreateMultipartUpload", create)
	done := &api.CompleteMultipartUploadInput{Bucket: create.Bucket, Key: create.Key, UploadId: up.UploadId, MultipartUpload: &api.CompletedMultipartUpload{}}
	for i, body := range bodies {
		in := &api.UploadPartInput{Bucket: create.Bucket, Key: create.Key, UploadId: up.UploadId, PartNumber: wire.Ptr(int32(i + 1)), Body: bytes.NewReader(body),
			SSECustomerAlgorithm: create.SSECustomerAlgorithm, SSECustomerKey: create.SSECustomerKey, SSECustomerKeyMD5: create.SSECustomerKeyMD5}
		p := api.CompletedPart{PartNumber: in.PartNumber}
		if create.ChecksumAlgorithm == "SHA256" {
			sum := checksum.SHA256.New()
			sum.Write(body)
			in.ChecksumSHA256 = wire.Ptr(checksum.Encode(sum.Sum(nil)))
			p.ChecksumSHA256 = in.ChecksumSHA256
		}
		p.ETag = must[api.UploadPartOutput](h, "UploadPart", in).ETag
		done.MultipartUpload.Parts = append(done.MultipartUpload.Parts, p)
	}
	return *up.UploadId, done
}

func TestMultipartEveryMode(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	whole := bytes.Join(partBodies, nil)
	for name, set := range modes {
		put := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr(name)}
		set(put)
		create := &api.CreateMultipartUploadInput{Bucket: put.Bucket, Key: put.Key, ServerSideEncryption: put.ServerSideEncryption, SSEKMSKeyId: put.SSEKMSKeyId,
			SSECustomerAlgorithm: put.SSECustomerAlgorithm, SSECustomerKey: put.SSECustomerKey, SSECustomerKeyMD5: put.SSECustomerKeyMD5,
			ContentType: wire.Ptr("a/b"), Metadata: map[string]string{"m": "v"}, Tagging: wire.Ptr("t=1")}
		_, done := uploading(h, create, partBodies)
		out := must[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", done)
		if !strings.HasSuffix(*out.ETag, `-3"`) || out.ChecksumCRC64NVME == nil || out.ChecksumType != "FULL_OBJECT" || out.ServerSideEncryption != put.ServerSideEncryption && name != "SSE-S3" {
			t.Errorf("%s: got %+v", name, out)
		}
		get, got := h.get(reading(put))
		if got != string(whole) || *get.ContentLength != int64(len(whole)) || *get.ETag != *out.ETag || *get.ContentType != "a/b" || get.Metadata["m"] != "v" || *get.TagCount != 1 {
			t.Errorf("%s: came back wrong: %d bytes", name, len(got))
		}
		for _, r := range [][2]int{{0, 1}, {minPart - 1, minPart + 1}, {minPart - 70000, 2*minPart + 12345 + 50}, {len(whole) - 1, len(whole)}, {2*minPart + 12345, 2*minPart + 12346}} {
			in := reading(put)
			in.Range = wire.Ptr(fmt.Sprintf("bytes=%d-%d", r[0], r[1]-1))
			if _, got := h.get(in); got != string(whole[r[0]:r[1]]) {
				t.Errorf("%s %v: got %d bytes", name, r, len(got))
			}
		}
		for i, body := range partBodies {
			in := reading(put)
			in.PartNumber = wire.Ptr(int32(i + 1))
			if out, got := h.get(in); got != string(body) || *out.PartsCount != 3 {
				t.Errorf("%s part %d: got %d bytes", name, i+1, len(got))
			}
		}
		// The checksum of the whole follows from those of the parts.
		sum := checksum.CRC64NVME.New()
		sum.Write(whole)
		if want := checksum.Encode(sum.Sum(nil)); *out.ChecksumCRC64NVME != want {
			t.Errorf("%s: checksum %s, want %s", name, *out.ChecksumCRC64NVME, want)
		}
		// Asking again gets the same answer.
		if again := must[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", done); *again.ETag != *out.ETag {
			t.Errorf("%s: again %s", name, *again.ETag)
		}
		in := reading(put)
		in.PartNumber = wire.Ptr(int32(4))
		refused(h, "InvalidPartNumber", "GetObject", in)
	}
	if h.records(pendingPrefix) != 0 || h.records("u\x00") != 0 {
		t.Error("notes or uploads are left")
	}
}

func TestMultipartTag(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	_, done := uploading(h, &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")}, partBodies)
	var all []byte
	for _, b := range partBodies {
		sum := md5.Sum(b)
		all = append(all, sum[:]...)
	}
	sum := md5.Sum(all)
	out := must[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", done)
	if want := `"` + hex.EncodeToString(sum[:]) + `-3"`; *out.ETag != want {
		t.Errorf("got %s, want %s", *out.ETag, want)
	}
}

func TestCompositeChecksum(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	create := &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), ChecksumAlgorithm: "SHA256"}
	id, done := uploading(h, create, partBodies)
	refused(h, "InvalidRequest", "UploadPart", &api.UploadPartInput{Bucket: create.Bucket, Key: create.Key, UploadId: &id, PartNumber: wire.Ptr(int32(9)), Body: strings.NewReader("x")})
	wrong := *done
	wrong.ChecksumSHA256 = wire.Ptr(checksum.Encode(make([]byte, 32)) + "-3")
	refused(h, "BadDigest", "CompleteMultipartUpload", &wrong)
	out := must[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", done)
	if out.ChecksumSHA256 == nil || !strings.HasSuffix(*out.ChecksumSHA256, "-3") || out.ChecksumType != "COMPOSITE" {
		t.Errorf("got %v %s", out.ChecksumSHA256, out.ChecksumType)
	}
	attributes := must[api.GetObjectAttributesOutput](h, "GetObjectAttributes", &api.GetObjectAttributesInput{Bucket: create.Bucket, Key: create.Key,
		ObjectAttributes: []api.ObjectAttributes{"ETag", "Checksum", "ObjectParts", "ObjectSize", "StorageClass"}, MaxParts: wire.Ptr(int32(2))})
	p := attributes.ObjectParts
	if *p.TotalPartsCount != 3 || len(p.Parts) != 2 || !*p.IsTruncated || *p.NextPartNumberMarker != 2 || p.Parts[0].ChecksumSHA256 == nil || *p.Parts[1].Size != int64(len(partBodies[1])) {
		t.Errorf("got %+v", p)
	}
	if attributes.ETag == nil || strings.Contains(*attributes.ETag, `"`) || *attributes.ObjectSize == 0 || attributes.Checksum.ChecksumSHA256 == nil {
		t.Errorf("got %+v", attributes)
	}
	for in, code := range map[*api.CreateMultipartUploadInput]string{
		{ChecksumType: "COMPOSITE"}:                                 "InvalidRequest",
		{ChecksumAlgorithm: "CRC64NVME", ChecksumType: "COMPOSITE"}: "InvalidRequest",
		{ChecksumAlgorithm: "SHA1", ChecksumType: "FULL_OBJECT"}:    "InvalidRequest",
		{ChecksumAlgorithm: "MD5"}:                                  "NotImplemented",
	} {
		in.Bucket, in.Key = create.Bucket, create.Key
		refused(h, code, "CreateMultipartUpload", in)
	}
}

// TestCompleteWithAnotherChecksum completes an upload that was begun without an algorithm with a checksum all the same. One that the
// house has is compared, others are passed over, as S3 does; where an algorithm was named, no other one is taken.
func TestCompleteWithAnotherChecksum(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	crc, none := checksum.Encode(make([]byte, 4)), checksum.Encode(make([]byte, 8))
	for name, c := range map[string]struct {
		algorithm api.ChecksumAlgorithm
		set       func(in *api.CompleteMultipartUploadInput)
		code      string // "" where it is taken
	}{
		"CRC32":                   {"", func(in *api.CompleteMultipartUploadInput) { in.ChecksumCRC32 = &crc }, ""},
		"CRC32, full":             {"", func(in *api.CompleteMultipartUploadInput) { in.ChecksumCRC32, in.ChecksumType = &crc, "FULL_OBJECT" }, ""},
		"CRC32 of nothing":        {"", func(in *api.CompleteMultipartUploadInput) { in.ChecksumCRC32 = wire.Ptr("x") }, "InvalidRequest"},
		"composite":               {"", func(in *api.CompleteMultipartUploadInput) { in.ChecksumType = "COMPOSITE" }, "InvalidRequest"},
		"CRC64NVME that is wrong": {"", func(in *api.CompleteMultipartUploadInput) { in.ChecksumCRC64NVME = &none }, "BadDigest"},
		"another than was named":  {"CRC64NVME", func(in *api.CompleteMultipartUploadInput) { in.ChecksumCRC32 = &crc }, "InvalidRequest"},
	} {
		_, done := uploading(h, &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), ChecksumAlgorithm: c.algorithm}, [][]byte{[]byte("one")})
		c.set(done)
		out, err := do[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", done)
		if c.code != "" {
			if !wire.IsCode(err, c.code) {
				t.Errorf("%s: got %v, want %s", name, err, c.code)
			}
			continue
		}
		if err != nil || out.ChecksumCRC32 != nil || out.ChecksumCRC64NVME == nil || out.ChecksumType != "FULL_OBJECT" {
			t.Errorf("%s: got %+v, %v", name, out, err)
		}
	}
}

func TestCompleteRefuses(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	_, done := uploading(h, &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")}, [][]byte{bytesOf(minPart), []byte("small"), []byte("last")})
	parts := done.MultipartUpload.Parts
	for name, c := range map[string]struct {
		parts []api.CompletedPart
		code  string
	}{
		"no parts":       {nil, "MalformedXML"},
		"order":          {[]api.CompletedPart{parts[1], parts[0]}, "InvalidPartOrder"},
		"twice":          {[]api.CompletedPart{parts[0], parts[0]}, "InvalidPartOrder"},
		"too small":      {parts, "EntityTooSmall"},
		"unknown part":   {[]api.CompletedPart{parts[0], {PartNumber: wire.Ptr(int32(7)), ETag: parts[0].ETag}}, "InvalidPart"},
		"wrong tag":      {[]api.CompletedPart{{PartNumber: wire.Ptr(int32(1)), ETag: wire.Ptr("x")}}, "InvalidPart"},
		"wrong checksum": {[]api.CompletedPart{{PartNumber: wire.Ptr(int32(1)), ETag: parts[0].ETag, ChecksumCRC32: wire.Ptr("AAAAAA==")}}, "InvalidPart"},
	} {
		in := *done
		in.MultipartUpload = &api.CompletedMultipartUpload{Parts: c.parts}
		if _, err := do[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", &in); !wire.IsCode(err, c.code) {
			t.Errorf("%s: got %v, want %s", name, err, c.code)
		}
	}
	in := *done
	in.MultipartUpload = &api.CompletedMultipartUpload{Parts: []api.CompletedPart{parts[0], parts[2]}}
	in.MpuObjectSize = wire.Ptr(int64(5))
	refused(h, "InvalidRequest", "CompleteMultipartUpload", &in)
	in.MpuObjectSize = wire.Ptr(int64(minPart + 4))
	h.put("box", "k", "there")
	in.IfNoneMatch = wire.Ptr("*")
	refused(h, "PreconditionFailed", "CompleteMultipartUpload", &in)
	in.IfNoneMatch = nil
	must[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", &in)
	in.UploadId = wire.Ptr("nothing")
	refused(h, "NoSuchUpload", "CompleteMultipartUpload", &in)
	refused(h, "NoSuchUpload", "UploadPart", &api.UploadPartInput{Bucket: in.Bucket, Key: in.Key, UploadId: done.UploadId, PartNumber: wire.Ptr(int32(1)), Body: strings.NewReader("x")})
	refused(h, "InvalidArgument", "UploadPart", &api.UploadPartInput{Bucket: in.Bucket, Key: in.Key, UploadId: done.UploadId, PartNumber: wire.Ptr(int32(10001)), Body: strings.NewReader("x")})
	// The part that was left out is erased with the upload, the others are not.
	later(h)
	if _, got := h.get(&api.GetObjectInput{Bucket: in.Bucket, Key: in.Key}); len(got) != minPart+4 {
		t.Errorf("got %d bytes", len(got))
	}
	if h.records("q\x00") != 0 || h.blobs.count() != 1 || h.records("d\x00") != 1 {
		t.Errorf("%d parts, %d blobs, %d small pieces left", h.records("q\x00"), h.blobs.count(), h.records("d\x00"))
	}
}

func TestReplacedPartAndAbort(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	up := must[api.CreateMultipartUploadOutput](h, "CreateMultipartUpload", &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
	for _, size := range []int{100_000, 200_000, 5} {
		must[api.UploadPartOutput](h, "UploadPart", &api.UploadPartInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, PartNumber: wire.Ptr(int32(1)), Body: bytes.NewReader(bytesOf(size))})
	}
	list := must[api.ListPartsOutput](h, "ListParts", &api.ListPartsInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId})
	if len(list.Parts) != 1 || *list.Parts[0].Size != 5 {
		t.Errorf("got %+v", list.Parts)
	}
	later(h)
	if h.blobs.count() != 0 {
		t.Errorf("%d blobs left of replaced parts", h.blobs.count())
	}
	must[api.UploadPartOutput](h, "UploadPart", &api.UploadPartInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, PartNumber: wire.Ptr(int32(2)), Body: bytes.NewReader(bytesOf(100_000))})
	must[api.AbortMultipartUploadOutput](h, "AbortMultipartUpload", &api.AbortMultipartUploadInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId})
	refused(h, "NoSuchUpload", "AbortMultipartUpload", &api.AbortMultipartUploadInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId})
	refused(h, "NoSuchUpload", "ListParts", &api.ListPartsInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId})
	later(h)
	if h.records("q\x00") != 0 || h.blobs.count() != 0 || h.records("d\x00") != 0 {
		t.Error("an aborted upload leaves something")
	}
}

func TestListPartsPages(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	up := must[api.CreateMultipartUploadOutput](h, "CreateMultipartUpload", &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
	for _, n := range []int32{1, 3, 7, 10000} {
		must[api.UploadPartOutput](h, "UploadPart", &api.UploadPartInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, PartNumber: &n, Body: strings.NewReader("x")})
	}
	in := &api.ListPartsInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, MaxParts: wire.Ptr(int32(3))}
	out := must[api.ListPartsOutput](h, "ListParts", in)
	if len(out.Parts) != 3 || !*out.IsTruncated || *out.NextPartNumberMarker != 7 {
		t.Errorf("got %+v", out)
	}
	in.PartNumberMarker = out.NextPartNumberMarker
	if out := must[api.ListPartsOutput](h, "ListParts", in); len(out.Parts) != 1 || *out.IsTruncated || *out.Parts[0].PartNumber != 10000 {
		t.Errorf("got %+v", out)
	}
}

func TestListMultipartUploads(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	var want []string
	for _, key := range []string{"a", "a/1", "a/2", "a\x00b", "b", "b", "c/x"} {
		up := must[api.CreateMultipartUploadOutput](h, "CreateMultipartUpload", &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: &key})
		_ = up
	}
	for _, limit := range []int32{1, 2, 3, 100} {
		var got []string
		in := &api.ListMultipartUploadsInput{Bucket: wire.Ptr("box"), MaxUploads: &limit}
		for {
			out := must[api.ListMultipartUploadsOutput](h, "ListMultipartUploads", in)
			for _, u := range out.Uploads {
				got = append(got, *u.Key)
			}
			if !*out.IsTruncated {
				break
			}
			in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
		}
		if want = []string{"a", "a\x00b", "a/1", "a/2", "b", "b", "c/x"}; strings.Join(got, ",") != strings.Join(want, ",") {
			t.Errorf("limit %d: got %q", limit, got)
		}
		got = nil
		in = &api.ListMultipartUploadsInput{Bucket: wire.Ptr("box"), MaxUploads: &limit, Delimiter: wire.Ptr("/")}
		for {
			out := must[api.ListMultipartUploadsOutput](h, "ListMultipartUploads", in)
			for _, u := range out.Uploads {
				got = append(got, *u.Key)
			}
			for _, p := range out.CommonPrefixes {
				got = append(got, *p.Prefix)
			}
			if !*out.IsTruncated {
				break
			}
			in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
		}
		if len(got) != 6 {
			t.Errorf("limit %d with delimiter: got %q", limit, got)
		}
	}
	out := must[api.ListMultipartUploadsOutput](h, "ListMultipartUploads", &api.ListMultipartUploadsInput{Bucket: wire.Ptr("box"), Prefix: wire.Ptr("a/")})
	if len(out.Uploads) != 2 {
		t.Errorf("prefix: got %d", len(out.Uploads))
	}
}

func TestMultipartNeedsDecrypt(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	create := &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), ServerSideEncryption: "aws:kms", SSEKMSKeyId: wire.Ptr("key/one")}
	_, done := uploading(h, create, [][]byte{[]byte("x")})
	if h.kms.calls("GenerateDataKey") != 1 || h.kms.calls("Decrypt") != 1 {
		t.Errorf("asked %+v", h.kms.asked)
	}
	h.kms.disabled["key/one"] = true
	refused(h, "KMS.DisabledException", "UploadPart", &api.UploadPartInput{Bucket: create.Bucket, Key: create.Key, UploadId: done.UploadId, PartNumber: wire.Ptr(int32(2)), Body: strings.NewReader("x")})
	refused(h, "KMS.DisabledException", "CompleteMultipartUpload", done)
	h.kms.disabled["key/one"] = false
	must[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", done)
}

func TestEmptyPart(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	_, done := uploading(h, &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")}, [][]byte{{}})
	must[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", done)
	if _, got := h.get(&api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")}); got != "" {
		t.Errorf("got %q", got)
	}
}

// later moves the clock on and sweeps until nothing is left to do.
func later(h *house) {
	h.Helper()
	clock := h.Service.now
	h.Service.now = func() (t time.Time) { return clock().Add(2 * orphanAge) }
	defer func() { h.Service.now = clock }()
	for range 10 {
		if _, err := h.Service.sweep(h.Context()); err != nil {
			h.Fatal(err)
		}
	}
}
