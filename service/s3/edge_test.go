package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// A body is copied out by WriteTo, frame by frame, also across parts.
func TestWriteToAcrossParts(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	_, done := uploading(h, &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")}, partBodies)
	must[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", done)
	whole := bytes.Join(partBodies, nil)
	for _, from := range []int{0, 1, minPart - 1, minPart, len(whole) - 50} {
		out := must[api.GetObjectOutput](h, "GetObject", &api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Range: wire.Ptr(fmt.Sprintf("bytes=%d-", from))})
		var got bytes.Buffer
		// The first byte is read, the rest copied, as a gateway may do.
		one := make([]byte, 1)
		if _, err := io.ReadFull(out.Body, one); err != nil {
			t.Fatal(err)
		}
		got.Write(one)
		if _, err := out.Body.(io.WriterTo).WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), whole[from:]) {
			t.Errorf("from %d: got %d bytes, %v", from, got.Len(), err)
		}
		if err := errors.Join(out.Body.Close(), out.Body.Close()); err != nil {
			t.Error(err)
		}
	}
	must[api.DeleteObjectOutput](h, "DeleteObject", &api.DeleteObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
	later(h)
	if h.blobs.count() != 0 || h.records("m\x00") != 0 || h.records("q\x00") != 0 || h.records("d\x00") != 0 {
		t.Error("a deleted object leaves something")
	}
	h.Service.now = func() time.Time { return time.Now().Add(2 * rememberFor) }
	if _, err := h.Service.sweep(t.Context()); err != nil || h.records("c\x00") != 0 || h.records(trashPrefix) != 0 {
		t.Errorf("the memory of an upload stays: %v", err)
	}
}

func TestSweeperSchedulesItself(t *testing.T) {
	h := newHouse(t)
	due := func() time.Time {
		var j job.Job
		err := h.db.View(t.Context(), func(r store.Reader) (err error) {
			j, _, err = h.jobs.Get(r, sweepKind, "")
			return err
		})
		if err != nil || j.Due.IsZero() {
			t.Fatalf("no sweep is scheduled: %v", err)
		}
		return j.Due
	}
	first := due()
	h.open()
	if !due().Equal(first) {
		t.Error("a restart moved the sweep")
	}
	h.Service.now = func() time.Time { return time.Now().Add(time.Hour) }
	if err := h.runSweeper(t.Context(), job.Job{}); err != nil || !due().After(first) {
		t.Errorf("the sweep is not scheduled again: %v", err)
	}
	h.blobs.fail = func(string) error { return errInjected }
	h.bucket("box")
	h.Service.now = time.Now
	h.blobs.fail = nil
	h.put("box", "k", string(bytesOf(100_000)))
	h.put("box", "k", "x")
	h.blobs.fail = func(string) error { return errInjected }
	h.Service.now = func() time.Time { return time.Now().Add(time.Hour) }
	if err := h.runSweeper(t.Context(), job.Job{}); !errors.Is(err, errInjected) {
		t.Errorf("got %v", err)
	}
	h.blobs.fail = nil
	if err := h.runSweeper(t.Context(), job.Job{}); err != nil || h.blobs.count() != 0 {
		t.Errorf("%d blobs left, %v", h.blobs.count(), err)
	}
}

func TestBodiesOverTheLimit(t *testing.T) {
	c := &call.Call{Principal: user(account, "ann")}
	ctx := call.With(context.Background(), c)
	if _, err := newIntake(ctx, nil, &sent{Length: wire.Ptr(int64(maxPut + 1))}, false); !wire.IsCode(err, "EntityTooLarge") {
		t.Errorf("got %v", err)
	}
	in, err := newIntake(ctx, strings.NewReader("0123456789"), &sent{}, true)
	if err != nil {
		t.Fatal(err)
	}
	in.max = 9
	_, err = io.ReadAll(in)
	if err := in.failure(err); !wire.IsCode(err, "EntityTooLarge") {
		t.Errorf("got %v", err)
	}
	in, _ = newIntake(ctx, strings.NewReader("0123456789"), &sent{}, true)
	in.Read(make([]byte, 3))
	if err := in.failure(nil); !wire.IsCode(err, "InternalError") {
		t.Errorf("a body that was not read to its end: got %v", err)
	}
}

func TestStoreErrorsAreTold(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	h.put("box", "warm", "x")
	h.db.before = func() error { return fmt.Errorf("busy: %w", store.ErrConflict) }
	refused(h, "OperationAborted", "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: strings.NewReader("x")})
	refused(h, "OperationAborted", "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: bytes.NewReader(bytesOf(100_000))})
	refused(h, "OperationAborted", "DeleteObject", &api.DeleteObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("warm")})
	out := must[api.DeleteObjectsOutput](h, "DeleteObjects", &api.DeleteObjectsInput{Bucket: wire.Ptr("box"), Delete: &api.Delete{Objects: []api.ObjectIdentifier{{Key: wire.Ptr("warm")}}}})
	if len(out.Errors) != 1 || *out.Errors[0].Code != "OperationAborted" {
		t.Errorf("got %+v", out)
	}
}

func TestCustomerKeyOfParts(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	create := &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")}
	plain := must[api.CreateMultipartUploadOutput](h, "CreateMultipartUpload", create)
	create.SSECustomerAlgorithm, create.SSECustomerKey, create.SSECustomerKeyMD5 = customer('k')
	sealed := must[api.CreateMultipartUploadOutput](h, "CreateMultipartUpload", create)
	part := func(upload *string, fill byte) *api.UploadPartInput {
		in := &api.UploadPartInput{Bucket: create.Bucket, Key: create.Key, UploadId: upload, PartNumber: wire.Ptr(int32(1)), Body: strings.NewReader("x")}
		if fill != 0 {
			in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = customer(fill)
		}
		return in
	}
	refused(h, "InvalidRequest", "UploadPart", part(sealed.UploadId, 0))
	refused(h, "InvalidRequest", "UploadPart", part(sealed.UploadId, 'x'))
	refused(h, "InvalidRequest", "UploadPart", part(plain.UploadId, 'k'))
	must[api.UploadPartOutput](h, "UploadPart", part(sealed.UploadId, 'k'))
	must[api.UploadPartOutput](h, "UploadPart", part(plain.UploadId, 0))
}

func TestPartNumberOfAWholeObject(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	h.put("box", "k", "hello")
	h.put("box", "empty", "")
	out, got := h.get(&api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), PartNumber: wire.Ptr(int32(1))})
	if got != "hello" || *out.ContentRange != "bytes 0-4/5" || out.PartsCount != nil {
		t.Errorf("got %q, %+v", got, out)
	}
	if out, _ := h.get(&api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("empty"), PartNumber: wire.Ptr(int32(1))}); out.ContentRange != nil {
		t.Errorf("got %+v", out)
	}
	for code, in := range map[string]*api.GetObjectInput{
		"InvalidPartNumber": {PartNumber: wire.Ptr(int32(2))},
		"InvalidArgument":   {PartNumber: wire.Ptr(int32(0))},
		"InvalidRequest":    {PartNumber: wire.Ptr(int32(1)), Range: wire.Ptr("bytes=0-1")},
	} {
		in.Bucket, in.Key = wire.Ptr("box"), wire.Ptr("k")
		refused(h, code, "GetObject", in)
	}
}

// An object of many parts: its manifest has several chunks.
func TestManifestOfManyChunks(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	b, err := h.Service.bucket(t.Context(), "box")
	if err != nil {
		t.Fatal(err)
	}
	ctx := call.With(t.Context(), &call.Call{Region: region, Principal: h.who})
	keys, how, err := h.newKeys(ctx, plan{mode: sseS3}, b, "k")
	if err != nil {
		t.Fatal(err)
	}
	// Parts are far smaller than S3 allows, so that there can be many.
	const n = 2*chunkSegments + 500
	o := &stored{Manifest: newID(time.Now()), Seal: how, Modified: time.Now(), description: description{StorageClass: "STANDARD"}}
	o.ETag.Parts = n
	var want bytes.Buffer
	var list []segment
	for i := range n {
		body := fmt.Appendf(nil, "part %d;", i)
		w, err := h.pieces.write(ctx, bytes.NewReader(body), -1, &keys, place{b.ID, "k"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if i%chunkSegments == 0 {
			o.Chunks = append(o.Chunks, 0)
		}
		o.Chunks[i/chunkSegments] += w.Size
		o.Size += w.Size
		want.Write(body)
		list = append(list, segment{Piece: w.piece})
		if err := h.update(ctx, func(tx store.Tx) error { return h.pieces.keep(tx, w) }); err != nil {
			t.Fatal(err)
		}
	}
	err = h.update(ctx, func(tx store.Tx) error {
		for c := 0; c*chunkSegments < n; c++ {
			if err := tx.Put(manifestKey(o.Manifest, c), packChunk(list[c*chunkSegments:min(n, (c+1)*chunkSegments)])); err != nil {
				return err
			}
		}
		return tx.Put(objectKey(b.ID, "k"), o.pack())
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, got := h.get(&api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")}); got != want.String() {
		t.Errorf("got %d bytes, want %d", len(got), want.Len())
	}
	for _, number := range []int32{1, 999, 1000, 1001, 2000, 2001, n} {
		if _, got := h.get(&api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), PartNumber: &number}); got != fmt.Sprintf("part %d;", number-1) {
			t.Errorf("part %d: got %q", number, got)
		}
	}
	for _, from := range []int{0, want.Len() / 3, want.Len() / 2, want.Len() - 1} {
		if _, got := h.get(&api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Range: wire.Ptr(fmt.Sprintf("bytes=%d-", from))}); got != want.String()[from:] {
			t.Errorf("from %d: got %d bytes", from, len(got))
		}
	}
	seen := 0
	in := &api.GetObjectAttributesInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), ObjectAttributes: []api.ObjectAttributes{"ObjectParts"}}
	for {
		p := must[api.GetObjectAttributesOutput](h, "GetObjectAttributes", in).ObjectParts
		seen += len(p.Parts)
		if !*p.IsTruncated {
			break
		}
		in.PartNumberMarker = p.NextPartNumberMarker
	}
	if seen != n {
		t.Errorf("%d parts listed, want %d", seen, n)
	}
}
