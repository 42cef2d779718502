package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// benchHouse is a house whose blobs are files.
func benchHouse(b *testing.B) *house {
	b.Helper()
	h := newHouse(b)
	dir, err := blob.OpenDir(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = dir.Close() })
	h.Service.blobs, h.Service.pieces.blobs = dir, dir
	h.bucket("box")
	return h
}

// zero gives zeros for ever and costs nothing, so that only the service is measured.
type zero struct{}

func (zero) Read(p []byte) (int, error) { return len(p), nil }

func BenchmarkPut(b *testing.B) {
	for _, size := range []int64{4 << 10, 64 << 10, 64 << 20} {
		for _, mode := range []string{"SSE-S3", "SSE-KMS"} {
			b.Run(fmt.Sprintf("%s/%dKiB", mode, size>>10), func(b *testing.B) {
				h := benchHouse(b)
				var n atomic.Int64
				b.SetBytes(size)
				b.ReportAllocs()
				b.SetParallelism(8)
				put := func() {
					in := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr(fmt.Sprintf("key/%08d", n.Add(1)%1000)), Body: io.LimitReader(zero{}, size), ContentLength: &size}
					modes[mode](in)
					if _, err := h.call(context.Background(), "PutObject", in); err != nil {
						b.Fatal(err)
					}
				}
				if size > 1<<20 {
					for b.Loop() {
						put()
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						put()
					}
				})
			})
		}
	}
}

func BenchmarkGet(b *testing.B) {
	for _, size := range []int64{4 << 10, 64 << 10, 64 << 20} {
		for _, mode := range []string{"SSE-S3", "SSE-KMS"} {
			b.Run(fmt.Sprintf("%s/%dKiB", mode, size>>10), func(b *testing.B) {
				h := benchHouse(b)
				in := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: io.LimitReader(zero{}, size)}
				modes[mode](in)
				must[api.PutObjectOutput](h, "PutObject", in)
				get := reading(in)
				b.SetBytes(size)
				b.ReportAllocs()
				for b.Loop() {
					out, err := h.call(context.Background(), "GetObject", get)
					if err != nil {
						b.Fatal(err)
					}
					body := out.(*api.GetObjectOutput).Body
					if _, err := io.Copy(io.Discard, body); err != nil {
						b.Fatal(err)
					}
					body.Close()
				}
			})
		}
	}
}

func BenchmarkList1000(b *testing.B) {
	h := benchHouse(b)
	err := h.db.Update(context.Background(), store.TxID{}, func(tx store.Tx) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	body := bytes.Repeat([]byte("x"), 100)
	for i := range 1200 {
		h.put("box", fmt.Sprintf("dir%02d/%06d", i%20, i), string(body))
	}
	for name, in := range map[string]*api.ListObjectsV2Input{
		"flat":      {Bucket: wire.Ptr("box")},
		"delimited": {Bucket: wire.Ptr("box"), Delimiter: wire.Ptr("/")},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must[api.ListObjectsV2Output](h, "ListObjectsV2", in)
			}
		})
	}
}
