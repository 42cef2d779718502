package s3

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// TestVerifyNeedsNoKey finds damage to what nobody may read at the time: the customer's key is
// disabled, or was sent with the request and is not here.
func TestVerifyNeedsNoKey(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	for name, set := range modes {
		for _, size := range []int{10, 100_000, 300_000} {
			in := &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr(name + string(rune('a'+size%7))), Body: bytes.NewReader(bytesOf(size))}
			set(in)
			must[api.PutObjectOutput](h, "PutObject", in)
		}
	}
	_, done := uploading(h, &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("parts")}, partBodies)
	must[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", done)
	uploading(h, &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("goes on")}, partBodies[:1])
	for key := range map[string]bool{"key/one": true, "key/two": true, "alias/owned/s3/" + account: true} {
		h.kms.disabled[key] = true
	}
	var lines []string
	if err := h.verify(t.Context(), func(s string) { lines = append(lines, s) }); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "s3: ") {
		t.Errorf("told %q", lines)
	}
	asked := len(h.kms.asked)
	for key, data := range h.blobs.kept {
		for _, at := range []int{0, 80, len(data) / 2, len(data) - 1} {
			h.blobs.kept[key] = slices.Concat(data[:at], []byte{data[at] ^ 1}, data[at+1:])
			if err := h.verify(t.Context(), func(string) {}); !errors.Is(err, seal.ErrCorrupt) || !strings.Contains(err.Error(), key) {
				t.Errorf("byte %d of %s flipped: got %v", at, key, err)
			}
		}
		h.blobs.kept[key] = data[:len(data)-1]
		if err := h.verify(t.Context(), func(string) {}); !errors.Is(err, seal.ErrCorrupt) {
			t.Errorf("%s cut: got %v", key, err)
		}
		delete(h.blobs.kept, key)
		if err := h.verify(t.Context(), func(string) {}); !errors.Is(err, blob.ErrNotFound) || !strings.Contains(err.Error(), key) {
			t.Errorf("%s gone: got %v", key, err)
		}
		h.blobs.kept[key] = data
	}
	if len(h.kms.asked) != asked {
		t.Error("verifying asked for a key")
	}
}

// TestVerifyPassesOverWhatIsLeaving verifies while deleted objects and ended uploads wait to be erased.
func TestVerifyPassesOverWhatIsLeaving(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	h.put("box", "k", string(bytesOf(100_000)))
	_, done := uploading(h, &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("parts")}, partBodies)
	must[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", done)
	ended, _ := uploading(h, &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("ended")}, partBodies[:1])
	must[api.AbortMultipartUploadOutput](h, "AbortMultipartUpload", &api.AbortMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("ended"), UploadId: &ended})
	must[api.DeleteObjectOutput](h, "DeleteObject", &api.DeleteObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("k")})
	must[api.DeleteObjectOutput](h, "DeleteObject", &api.DeleteObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("parts")})
	small, _ := uploading(h, &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("small")}, [][]byte{[]byte("x")})
	must[api.AbortMultipartUploadOutput](h, "AbortMultipartUpload", &api.AbortMultipartUploadInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("small"), UploadId: &small})
	// As the sweeper does, before it takes the part records away.
	clear(h.blobs.kept)
	h.eraseInline()
	if err := h.verify(t.Context(), func(string) {}); err != nil {
		t.Error(err)
	}
}

// eraseInline takes away the bytes that lie in the store.
func (h *house) eraseInline() {
	h.Helper()
	err := h.db.Update(h.Context(), store.TxID{}, func(tx store.Tx) error {
		var keys [][]byte
		for rec, err := range tx.Scan(store.Prefix([]byte("d\x00"))) {
			if err != nil {
				return err
			}
			keys = append(keys, slices.Clone(rec.Key))
		}
		if len(keys) == 0 {
			h.Error("nothing lies in the store")
		}
		for _, k := range keys {
			if err := tx.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
}
