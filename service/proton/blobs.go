package proton

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/store"
)

// Bundles and rendered files are too large for records: they are blobs, sealed as streams with
// the name of the blob as associated data, each under a data key of its own. Bytes come first,
// then the record that names them. Before a blob is written a job to sweep it away is there; the
// transaction that names the blob takes the job away, and fails when it is gone. So there is
// never a blob that neither a record nor a job knows.

const (
	jobSweep   = "sweep"
	blobPrefix = "proton/"
	sweepAfter = time.Hour   // a blob that no record came to name
	sweepLater = time.Minute // one that a record has named: reads that go on may end
)

// sealedBytes says where sealed bytes are and how they open.
type sealedBytes struct {
	Blob    string
	Size    int64 // of the blob
	Wrapped []byte
	KeyARN  string
}

// keepBytes seals data for a resource and writes it. The transaction that names it calls claim.
func (s *Service) keepBytes(ctx context.Context, h *head, data []byte) (*sealedBytes, error) {
	dk, err := s.keys.Make(h.context(ctx), h.keyID(), h.pairs())
	if err != nil {
		return nil, keyError(h.Resource, err)
	}
	id := strings.ToLower(rand.Text())
	b := &sealedBytes{Blob: blobPrefix + id[:2] + "/" + id, Wrapped: dk.Wrapped, KeyARN: dk.KeyARN}
	err = s.update(ctx, func(tx store.Tx) error {
		return s.jobs.Schedule(tx, job.Job{Kind: jobSweep, ID: b.Blob, Due: s.now().Add(sweepAfter)})
	})
	if err != nil {
		return nil, err
	}
	r, err := seal.NewSealer(bytes.NewReader(data), dk.Plaintext, []byte(b.Blob))
	if err != nil {
		return nil, err
	}
	b.Size, err = s.blobs.Put(ctx, b.Blob, r)
	return b, err
}

// claim says that the record which tx writes names the blob.
func (s *Service) claim(tx store.Tx, b *sealedBytes) error {
	if _, found, err := s.jobs.Get(tx, jobSweep, b.Blob); err != nil || !found {
		return errors.Join(err, fmt.Errorf("blob %s was swept away before a record named it", b.Blob))
	}
	return s.jobs.Cancel(tx, jobSweep, b.Blob)
}

// discard says that no record names the blob any more.
func (s *Service) discard(tx store.Tx, name string) error {
	return s.jobs.Schedule(tx, job.Job{Kind: jobSweep, ID: name, Due: s.now().Add(sweepLater)})
}

// sweep removes a blob that no record names.
func (s *Service) sweep(ctx context.Context, j job.Job) error {
	err := s.blobs.Delete(ctx, j.ID)
	if errors.Is(err, blob.ErrNotFound) {
		return nil
	}
	return err
}

// bytesOf opens sealed bytes of a resource.
func (s *Service) bytesOf(ctx context.Context, h *head, b *sealedBytes) ([]byte, error) {
	dk, err := s.keys.Open(h.context(ctx), b.KeyARN, b.Wrapped, h.pairs())
	if err != nil {
		return nil, keyError(h.Resource, err)
	}
	src, err := s.blobs.Get(ctx, b.Blob, 0, -1)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	r, err := seal.NewReader(src, dk, []byte(b.Blob))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
