package protocol_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/protocol"
)

func codecOf(b *testing.B, svc *wire.Service) wire.Codec {
	c, err := protocol.New(svc)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	return c
}

func BenchmarkRouteDecodeEncrypt(b *testing.B) {
	r := &wire.Request{
		Method: http.MethodPost, Path: "/",
		Header: http.Header{"X-Amz-Target": {"TrentService.Encrypt"}},
		Body: []byte(`{"KeyId":"arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",` +
			`"Plaintext":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=","EncryptionContext":{"aws:s3:arn":"arn:aws:s3:::bucket/key","tenant":"blue"},` +
			`"EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`),
	}
	c := codecOf(b, kms.API)
	for b.Loop() {
		op, err := c.Route(r)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.DecodeInput(op, r, op.NewInput()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeEncrypt(b *testing.B) {
	out := &kms.EncryptOutput{
		CiphertextBlob: make([]byte, 184), EncryptionAlgorithm: "SYMMETRIC_DEFAULT",
		KeyId: wire.Ptr("arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
	}
	c := codecOf(b, kms.API)
	op, w := kms.API.Operation("Encrypt"), &wire.Response{Header: http.Header{}}
	for b.Loop() {
		if err := c.EncodeOutput(op, out, wire.Meta{RequestID: "1234abcd-12ab-34cd-56ef-1234567890ab"}, w); err != nil {
			b.Fatal(err)
		}
		w.Release()
	}
}

func BenchmarkEncodeListObjectsV2(b *testing.B) {
	out := &s3.ListObjectsV2Output{Name: wire.Ptr("bucket"), IsTruncated: wire.Ptr(false), KeyCount: wire.Ptr(int32(1000))}
	for i := range 1000 {
		out.Contents = append(out.Contents, s3.Object{
			Key: wire.Ptr(fmt.Sprintf("folder/photo & video/%06d.jpg", i)), ETag: wire.Ptr(`"d41d8cd98f00b204e9800998ecf8427e"`),
			Size: wire.Ptr(int64(i) * 1000), LastModified: wire.Ptr(time.Unix(1700000000, 123e6)), StorageClass: "STANDARD",
		})
	}
	c := codecOf(b, s3.API)
	op, w := s3.API.Operation("ListObjectsV2"), &wire.Response{Header: http.Header{}}
	for b.Loop() {
		if err := c.EncodeOutput(op, out, wire.Meta{RequestID: "id"}, w); err != nil {
			b.Fatal(err)
		}
		w.Release()
	}
}

func BenchmarkRouteDecodeGetObject(b *testing.B) {
	c := codecOf(b, s3.API)
	h := http.Header{
		"Authorization": {"x"}, "X-Amz-Date": {"20260101T000000Z"}, "X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"},
		"Range": {"bytes=0-1048575"}, "User-Agent": {"aws-cli"}, "Accept-Encoding": {"identity"},
	}
	for b.Loop() {
		r := &wire.Request{Method: http.MethodGet, Path: "/bucket/folder/key.bin", RawQuery: "x-id=GetObject", Header: h}
		op, err := c.Route(r)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.DecodeInput(op, r, op.NewInput()); err != nil {
			b.Fatal(err)
		}
	}
}
