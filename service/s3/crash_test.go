package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

var errInjected = errors.New("injected")

// failAt makes the n-th operation fail, and all that follow, as a machine that stops.
func failAt(n int) (fail func() error, reached func() bool) {
	count := 0
	return func() error {
		if count++; count >= n {
			return errInjected
		}
		return nil
	}, func() bool { return count >= n }
}

// The state of an object: what a client would see.
func (h *house) state(key string) string {
	h.Helper()
	out, err := do[api.GetObjectOutput](h, "GetObject", &api.GetObjectInput{Bucket: wire.Ptr("box"), Key: &key})
	if wire.IsCode(err, "NoSuchKey") {
		return ""
	}
	if err != nil {
		h.Fatalf("%s: %v", key, err)
	}
	return h.read(out.Body)
}

// crashes are changes that are made while everything fails from some point on.
var crashes = map[string]struct {
	before, after string // of the object "k"
	run           func(h *house) error
}{
	"put small": {"old", "new", func(h *house) error {
		_, err := do[api.PutObjectOutput](h, "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: strings.NewReader("new")})
		return err
	}},
	"put large over small": {"old", string(bytesOf(100_000)), func(h *house) error {
		_, err := do[api.PutObjectOutput](h, "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: bytes.NewReader(bytesOf(100_000))})
		return err
	}},
	"put small over large": {string(bytesOf(100_000)), "new", func(h *house) error {
		_, err := do[api.PutObjectOutput](h, "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: strings.NewReader("new")})
		return err
	}},
	"delete large": {string(bytesOf(100_000)), "", func(h *house) error {
		_, err := do[api.DeleteObjectOutput](h, "DeleteObject", &api.DeleteObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
		return err
	}},
	"upload": {"old", string(bytesOf(minPart)) + string(bytesOf(50_000)), func(h *house) error {
		up, err := do[api.CreateMultipartUploadOutput](h, "CreateMultipartUpload", &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
		if err != nil {
			return err
		}
		done := &api.CompleteMultipartUploadInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, MultipartUpload: &api.CompletedMultipartUpload{}}
		for i, size := range []int{minPart, 50_000} {
			p, err := do[api.UploadPartOutput](h, "UploadPart", &api.UploadPartInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, PartNumber: wire.Ptr(int32(i + 1)), Body: bytes.NewReader(bytesOf(size))})
			if err != nil {
				return err
			}
			done.MultipartUpload.Parts = append(done.MultipartUpload.Parts, api.CompletedPart{PartNumber: wire.Ptr(int32(i + 1)), ETag: p.ETag})
		}
		_, err = do[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", done)
		return err
	}},
}

func TestEveryWriteThatFailsLeavesOldOrNew(t *testing.T) {
	kinds := map[string]func(h *house, fail func() error){
		"store, before": func(h *house, fail func() error) { h.db.before = fail },
		"store, unknown": func(h *house, fail func() error) {
			h.db.after = func() error {
				if fail() != nil {
					return store.ErrUnknown
				}
				return nil
			}
		},
		"blobs": func(h *house, fail func() error) { h.blobs.fail = func(string) error { return fail() } },
	}
	for name, c := range crashes {
		for kind, inject := range kinds {
			t.Run(name+"/"+kind, func(t *testing.T) {
				h := newHouse(t)
				h.bucket("box")
				for n := 1; ; n++ {
					h.put("box", "k", c.before)
					fail, reached := failAt(n)
					inject(h, fail)
					err := c.run(h)
					h.db.before, h.db.after, h.blobs.fail = nil, nil, nil
					h.open() // the process is gone, and with it what it remembered
					got := h.state("k")
					switch {
					case err == nil && got != c.after:
						t.Fatalf("write %d: acknowledged, but lost", n)
					case err != nil && got != c.before && got != c.after:
						t.Fatalf("write %d: half written", n)
					case err != nil && kind == "store, before" && got != c.before:
						t.Fatalf("write %d: failed, but happened", n)
					}
					h.nothingLost(n, got)
					if !reached() {
						break
					}
				}
			})
		}
	}
}

// nothingLost sweeps and checks that exactly what is named by a record is kept.
func (h *house) nothingLost(n int, want string) {
	h.Helper()
	list := must[api.ListMultipartUploadsOutput](h, "ListMultipartUploads", &api.ListMultipartUploadsInput{Bucket: wire.Ptr("box")})
	for _, u := range list.Uploads {
		must[api.AbortMultipartUploadOutput](h, "AbortMultipartUpload", &api.AbortMultipartUploadInput{Bucket: wire.Ptr("box"), Key: u.Key, UploadId: u.UploadId})
	}
	later(h)
	later(h)
	if got := h.state("k"); got != want {
		h.Fatalf("write %d: the sweeper took what was in use", n)
	}
	large, small := 0, 0
	switch {
	case want == "":
	case len(want) > minPart:
		large = 2
	case len(want) > inlineLimit:
		large = 1
	default:
		small = 1
	}
	if h.blobs.count() != large || h.records("d\x00") != small || h.records(pendingPrefix) != 0 {
		h.Fatalf("write %d: %d blobs (want %d), %d small pieces (want %d), %d notes", n, h.blobs.count(), large, h.records("d\x00"), small, h.records(pendingPrefix))
	}
}

func TestSweeperWaitsForReaders(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	body := string(bytesOf(300_000))
	h.put("box", "k", body)
	out := must[api.GetObjectOutput](h, "GetObject", &api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
	must[api.DeleteObjectOutput](h, "DeleteObject", &api.DeleteObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
	later(h)
	if h.blobs.count() != 1 {
		t.Error("a blob went while it was read")
	}
	if got := h.read(out.Body); got != body {
		t.Error("the read was cut")
	}
	later(h)
	if h.blobs.count() != 0 {
		t.Error("the blob stays")
	}
}

func TestSweeperLeavesWritersAlone(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	entered, leave := make(chan bool), make(chan bool)
	h.blobs.fail = func(op string) error {
		if op == "put" {
			entered <- true
			<-leave
		}
		return nil
	}
	failed := make(chan error)
	go func() {
		_, err := h.call(context.Background(), "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: bytes.NewReader(bytesOf(100_000))})
		failed <- err
	}()
	<-entered
	h.Service.now = func() time.Time { return time.Now().Add(2 * orphanAge) }
	for range 3 {
		if _, err := h.Service.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	h.Service.now = time.Now
	leave <- true
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if got := h.state("k"); got != string(bytesOf(100_000)) {
		t.Error("came back wrong")
	}
}

// A writer whose note the sweeper of another process took must not succeed.
func TestWriterWithoutNoteFails(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	h.blobs.fail = func(op string) error {
		if op != "put" {
			return nil
		}
		h.blobs.fail = nil
		return h.db.Update(context.Background(), store.TxID{}, func(tx store.Tx) error {
			for rec, err := range tx.Scan(store.Prefix([]byte(pendingPrefix))) {
				if err != nil {
					return err
				}
				return tx.Delete(bytes.Clone(rec.Key))
			}
			return errors.New("no note")
		})
	}
	refused(h, "InternalError", "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: bytes.NewReader(bytesOf(100_000))})
	if h.state("k") != "" || h.blobs.count() != 0 {
		t.Error("something is left")
	}
}

func TestFlippedBytesAreFound(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	h.put("box", "k", string(bytesOf(200_000)))
	for key, data := range h.blobs.kept {
		for _, at := range []int{0, 5, 40, 80, len(data) / 2, len(data) - 1} {
			bad := bytes.Clone(data)
			bad[at] ^= 1
			h.blobs.kept[key] = bad
			out, err := do[api.GetObjectOutput](h, "GetObject", &api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
			if err == nil {
				var got bytes.Buffer
				_, err = got.ReadFrom(out.Body)
				out.Body.Close()
				if !bytes.HasPrefix(bytesOf(200_000), got.Bytes()) {
					t.Errorf("byte %d: wrong bytes were delivered", at)
				}
			}
			if err == nil {
				t.Errorf("byte %d: not noticed", at)
			}
		}
		for _, cut := range []int{0, 71, 100, len(data) - 1} {
			h.blobs.kept[key] = data[:cut]
			out, err := do[api.GetObjectOutput](h, "GetObject", &api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
			if err == nil {
				_, err = new(bytes.Buffer).ReadFrom(out.Body)
				out.Body.Close()
			}
			if err == nil {
				t.Errorf("cut at %d: not noticed", cut)
			}
		}
		h.blobs.kept[key] = data
	}
}

func TestConcurrentOverwritesAreWhole(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	bodies := make([]string, 8)
	for i := range bodies {
		bodies[i] = strings.Repeat(fmt.Sprint(i), 10_000*(1+i%5))
	}
	h.put("box", "k", bodies[0])
	done := make(chan error)
	for w := range 4 {
		go func() {
			for i := range 15 {
				body := bodies[(w*2+i)%len(bodies)]
				if _, err := h.call(context.Background(), "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k"), Body: strings.NewReader(body)}); err != nil {
					done <- err
					return
				}
				out, err := h.call(context.Background(), "GetObject", &api.GetObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
				if err != nil {
					done <- err
					return
				}
				var got bytes.Buffer
				get := out.(*api.GetObjectOutput)
				_, err = got.ReadFrom(get.Body)
				get.Body.Close()
				whole := false
				for _, b := range bodies {
					whole = whole || b == got.String()
				}
				if err != nil || !whole {
					done <- fmt.Errorf("got %d bytes, %v", got.Len(), err)
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	later(h)
	if h.blobs.count()+h.records("d\x00") != 1 {
		t.Errorf("%d blobs and %d small pieces left", h.blobs.count(), h.records("d\x00"))
	}
}
