package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"testing"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// checked runs a check and returns what it told last.
func (h *house) checked() (last string, err error) {
	err = h.Service.checkAll(context.Background(), func(line string) { last = line })
	return last, err
}

// fill makes a bucket with an object of each kind, large and small, in parts and not.
func (h *house) fill() {
	h.Helper()
	h.bucket("box")
	large := string(bytesOf(200_000))
	raw := bytes.Repeat([]byte{7}, 32)
	sum := md5.Sum(raw)
	for _, body := range []string{"", "small", large} {
		key := "s3-" + strconv.Itoa(len(body))
		h.put("box", key, body)
		for _, mode := range []api.ServerSideEncryption{"aws:kms", "aws:kms:dsse"} {
			must[api.PutObjectOutput](h, "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr(string(mode) + key), Body: strings.NewReader(body),
				ServerSideEncryption: mode, SSEKMSKeyId: wire.Ptr("a-key")})
		}
		must[api.PutObjectOutput](h, "PutObject", &api.PutObjectInput{Bucket: wire.Ptr("box"), Key: wire.Ptr("c" + key), Body: strings.NewReader(body),
			SSECustomerAlgorithm: wire.Ptr("AES256"), SSECustomerKey: wire.Ptr(base64.StdEncoding.EncodeToString(raw)), SSECustomerKeyMD5: wire.Ptr(base64.StdEncoding.EncodeToString(sum[:]))})
	}
	for _, key := range []string{"parts", "unfinished"} {
		up := must[api.CreateMultipartUploadOutput](h, "CreateMultipartUpload", &api.CreateMultipartUploadInput{Bucket: wire.Ptr("box"), Key: &key, ServerSideEncryption: "aws:kms", SSEKMSKeyId: wire.Ptr("a-key")})
		part := must[api.UploadPartOutput](h, "UploadPart", &api.UploadPartInput{Bucket: wire.Ptr("box"), Key: &key, UploadId: up.UploadId, PartNumber: wire.Ptr(int32(1)), Body: strings.NewReader(large)})
		if key == "parts" {
			must[api.CompleteMultipartUploadOutput](h, "CompleteMultipartUpload", &api.CompleteMultipartUploadInput{Bucket: wire.Ptr("box"), Key: &key, UploadId: up.UploadId,
				MultipartUpload: &api.CompletedMultipartUpload{Parts: []api.CompletedPart{{ETag: part.ETag, PartNumber: wire.Ptr(int32(1))}}}})
		}
	}
}

func TestCheck(t *testing.T) {
	h := newHouse(t)
	h.fill()
	asked := h.kms.calls("Decrypt")
	last, err := h.checked()
	if err != nil || !strings.Contains(last, "3 objects under keys of the house") || !strings.Contains(last, "10 under keys of customers") {
		t.Fatalf("got %q, %v", last, err)
	}
	if n := h.kms.calls("Decrypt") - asked; n != 0 {
		t.Errorf("the check used a customer's key %d times", n)
	}
}

// TestCheckFindsEveryMissingOrShortBlob damages each blob of a house in turn.
func TestCheckFindsEveryMissingOrShortBlob(t *testing.T) {
	h := newHouse(t)
	h.fill()
	if len(h.blobs.kept) != 6 {
		t.Fatalf("there are %d blobs", len(h.blobs.kept))
	}
	for key, whole := range h.blobs.kept {
		h.blobs.kept[key] = whole[:len(whole)-1]
		if _, err := h.checked(); err == nil {
			t.Errorf("%s is short, and nobody sees it", key)
		}
		delete(h.blobs.kept, key)
		if _, err := h.checked(); err == nil {
			t.Errorf("%s is missing, and nobody sees it", key)
		}
		h.blobs.kept[key] = whole
	}
	if _, err := h.checked(); err != nil {
		t.Error(err)
	}
}

func TestCheckFindsAChangedByte(t *testing.T) {
	h := newHouse(t)
	h.bucket("box")
	h.put("box", "large", string(bytesOf(200_000)))
	h.put("box", "small", "small")
	for key, whole := range h.blobs.kept {
		for _, at := range []int{0, 100, len(whole) / 2, len(whole) - 1} {
			bad := bytes.Clone(whole)
			bad[at] ^= 1
			h.blobs.kept[key] = bad
			if _, err := h.checked(); err == nil {
				t.Errorf("byte %d is changed, and nobody sees it", at)
			}
		}
		h.blobs.kept[key] = whole
	}
	err := h.db.Update(context.Background(), store.TxID{}, func(tx store.Tx) error {
		for rec, err := range tx.Scan(storePrefix("d")) {
			if err != nil {
				return err
			}
			return tx.Put(bytes.Clone(rec.Key), append(bytes.Clone(rec.Value[:len(rec.Value)-1]), rec.Value[len(rec.Value)-1]^1))
		}
		return errors.New("there is no small piece")
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.checked(); err == nil {
		t.Error("a small piece is changed, and nobody sees it")
	}
}
