package s3

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/store"
)

// checkBatch is how many records a check reads at a time.
const checkBatch = 200

// checkAll reads what every object and every part of an upload is made of. What lies under
// the service's own keys (SSE-S3) is opened and authenticated. What lies under a key of a
// customer is the customer's to open: of that it only sees that all is there, and as long as
// it was written.
func (s *Service) checkAll(ctx context.Context, tell func(string)) error {
	opened, left := 0, 0
	err := s.each(ctx, "o\x00", func(bucketID, key string, _ []byte) error {
		mine, err := s.checkObject(ctx, bucketID, key)
		if mine {
			opened++
		} else {
			left++
		}
		if (opened+left)%10_000 == 0 {
			tell(fmt.Sprintf("s3: %d objects", opened+left))
		}
		return err
	})
	if err == nil {
		err = s.each(ctx, "u\x00", func(_, _ string, value []byte) error { return s.checkUpload(ctx, value) })
	}
	if err != nil {
		return err
	}
	tell(fmt.Sprintf("s3: %d objects under keys of the house were authenticated; %d under keys of customers are there whole, and only those keys open them", opened, left))
	return nil
}

// each calls fn with the records of a prefix whose keys go on with the id of a bucket and a name.
func (s *Service) each(ctx context.Context, prefix string, fn func(bucketID, name string, value []byte) error) error {
	type found struct{ key, value []byte }
	for r := store.Prefix([]byte(prefix)); ; {
		r.Limit = checkBatch
		var batch []found
		err := s.db.View(ctx, func(rd store.Reader) error {
			batch = nil
			for rec, err := range rd.Scan(r) {
				if err != nil {
					return err
				}
				batch = append(batch, found{append([]byte(nil), rec.Key...), append([]byte(nil), rec.Value...)})
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, f := range batch {
			if err := ctx.Err(); err != nil {
				return err
			}
			rest := string(f.key[len(prefix):])
			if len(rest) <= base32IDLength {
				return fmt.Errorf("record of %q: %w", prefix[:1], store.ErrCorrupt)
			}
			if err := fn(rest[:base32IDLength], rest[base32IDLength+1:], f.value); err != nil {
				return err
			}
		}
		if len(batch) < checkBatch {
			return nil
		}
		r.From = append(batch[len(batch)-1].key, 0)
	}
}

// checkObject checks an object as it is now; mine says that it was opened. An object that is
// replaced or deleted meanwhile is nobody's damage.
func (s *Service) checkObject(ctx context.Context, bucketID, key string) (mine bool, err error) {
	b, o, err := s.inBucket(ctx, bucketID, key)
	if err != nil || o == nil {
		return false, err
	}
	if mine = o.Seal.Mode == sseS3; mine {
		err = s.authenticate(ctx, b, key, o)
	} else {
		err = s.present(ctx, o)
	}
	if err == nil {
		return mine, nil
	}
	_, now, again := s.inBucket(ctx, bucketID, key)
	if again != nil {
		return mine, errors.Join(err, again)
	}
	if now == nil || now.Piece != o.Piece || now.Manifest != o.Manifest {
		return mine, nil
	}
	what := o.Piece.ID
	if o.inParts() {
		what = o.Manifest
	}
	return mine, fmt.Errorf("object with the bytes %s: %w", what, err)
}

// inBucket returns a bucket by its id and an object of it, or nil for an object, or a
// bucket, that is not there.
func (s *Service) inBucket(ctx context.Context, bucketID, key string) (b *bucket, o *stored, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		name, err := r.Get(bucketIDKey(bucketID))
		if err != nil {
			return err
		}
		if b, err = loadBucket(r, bucketKey(string(name))); err != nil {
			return err
		}
		o, err = current(r, b, key)
		return err
	})
	return b, o, known(err, nil)
}

// authenticate opens all bytes of an object under the service's own keys.
func (s *Service) authenticate(ctx context.Context, b *bucket, key string, o *stored) error {
	keys, err := s.openKeys(ctx, &o.Seal, b, key, customerKey{})
	if err != nil {
		return err
	}
	r, err := s.open(ctx, b, key, o, keys, object.Whole(o.Size))
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return errors.Join(err, r.Close())
}

// present sees that all pieces of an object are there, and as long as they were written.
func (s *Service) present(ctx context.Context, o *stored) error {
	if !o.inParts() {
		return s.presentPiece(ctx, o.Piece, o.Seal.Mode)
	}
	for i := range o.Chunks {
		list, err := s.chunk(ctx, o, i)
		if err != nil {
			return err
		}
		for _, part := range list {
			if err := s.presentPiece(ctx, part.Piece, o.Seal.Mode); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) presentPiece(ctx context.Context, p piece, m mode) error {
	var size int64
	if p.Inline {
		err := s.db.View(ctx, func(r store.Reader) error {
			sealed, err := r.Get(inlineKey(p.ID))
			size = int64(len(sealed))
			return err
		})
		if err != nil {
			return fmt.Errorf("piece %s: %w", p.ID, err)
		}
	} else {
		info, err := s.blobs.Stat(ctx, p.ID.blobKey())
		if err != nil {
			return err
		}
		size = info.Size
	}
	if want := p.sealedSize(m); size != want {
		return fmt.Errorf("piece %s has %d bytes and not %d: %w", p.ID, size, want, store.ErrCorrupt)
	}
	return nil
}

// sealedSize returns how many bytes a piece has as it is stored.
func (p piece) sealedSize(m mode) int64 {
	size := p.Size
	layers := 1
	if m == dsseKMS {
		layers = 2
	}
	for range layers {
		if p.Inline {
			size += seal.RecordOverhead
		} else {
			size = seal.SealedSize(size)
		}
	}
	return size
}

// checkUpload sees that the parts of an upload that goes on are there. A part that is gone
// because it was replaced, or its upload has ended, is nobody's damage.
func (s *Service) checkUpload(ctx context.Context, value []byte) error {
	u, err := unpackUpload(value)
	if err != nil {
		return err
	}
	have, err := s.uploadParts(ctx, u.ID)
	if err != nil {
		return err
	}
	for _, p := range have {
		err := s.presentPiece(ctx, p.Piece, u.Seal.Mode)
		if errors.Is(err, blob.ErrNotFound) || errors.Is(err, store.ErrNotFound) {
			now, again := s.uploadParts(ctx, u.ID)
			if again == nil && !contains(now, p) {
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("part %d of upload %s: %w", p.Number, u.ID, err)
		}
	}
	return nil
}

func (s *Service) uploadParts(ctx context.Context, upload id) (list []part, err error) {
	err = s.db.View(ctx, func(r store.Reader) (err error) {
		list, err = parts(r, upload, 0, 0)
		return err
	})
	return list, err
}

func contains(list []part, p part) bool {
	for i := range list {
		if list[i].Piece == p.Piece {
			return true
		}
	}
	return false
}
