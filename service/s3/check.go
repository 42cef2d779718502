package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/store"
)

// verifyBatch is how many records are read at a time, so that no snapshot is held for as long
// as their blobs take to read.
const verifyBatch = 500

// progressEvery is how many blobs are read between two lines of progress.
const progressEvery = 1000

// verifier reads every blob that a record names and compares it with its mark. That needs no
// data key: what nobody may read, because its key is disabled, is authenticated all the same.
type verifier struct {
	s     *Service
	tell  func(string)
	blobs int
	bytes int64
}

// verify authenticates all that the service keeps outside the store. It may run while the
// service serves. The error names the file, and the bucket that it belongs to.
func (s *Service) verify(ctx context.Context, tell func(string)) error {
	c := &verifier{s: s, tell: tell}
	if err := c.records(ctx, "o\x00", c.object); err != nil {
		return err
	}
	if err := c.records(ctx, "q\x00", c.part); err != nil {
		return err
	}
	tell(fmt.Sprintf("s3: %d files, %d MiB", c.blobs, c.bytes>>20))
	return nil
}

// records calls fn for all records under a prefix.
func (c *verifier) records(ctx context.Context, prefix string, fn func(ctx context.Context, key, value []byte) error) error {
	scan := store.Prefix([]byte(prefix))
	scan.Limit = verifyBatch
	for {
		var found []store.Record
		err := c.s.db.View(ctx, func(r store.Reader) error {
			found = nil
			for rec, err := range r.Scan(scan) {
				if err != nil {
					return err
				}
				found = append(found, store.Record{Key: append([]byte(nil), rec.Key...), Value: append([]byte(nil), rec.Value...)})
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i := range found {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(ctx, found[i].Key, found[i].Value); err != nil {
				return err
			}
		}
		if len(found) < verifyBatch {
			return nil
		}
		scan.From = append(found[len(found)-1].Key, 0)
	}
}

// object checks the pieces of an object, unless it is gone or replaced by now.
func (c *verifier) object(ctx context.Context, key, value []byte) error {
	o, err := unpackObject(value)
	if err != nil {
		return err
	}
	pinned := o.Piece.ID
	if o.inParts() {
		pinned = o.Manifest
	}
	c.s.pieces.pin(pinned)
	defer c.s.pieces.unpin(pinned)
	if err = c.pieces(ctx, o); err == nil {
		return nil
	}
	if now, rerr := c.value(ctx, key); rerr == nil && string(now) != string(value) {
		return nil // it has changed since it was read, and its bytes may be gone
	}
	return fmt.Errorf("object %s: %w", c.name(ctx, key), err)
}

func (c *verifier) pieces(ctx context.Context, o *stored) error {
	if !o.inParts() {
		return c.piece(ctx, o.Piece)
	}
	for chunk := range o.Chunks {
		list, err := c.s.chunk(ctx, o, chunk)
		if err != nil {
			return err
		}
		for i := range list {
			if err := c.piece(ctx, list[i].Piece); err != nil {
				return err
			}
		}
	}
	return nil
}

// part checks the piece of an uploaded part, unless the upload has ended by now.
func (c *verifier) part(ctx context.Context, key, value []byte) error {
	p, err := unpackPart(0, value)
	if err != nil {
		return err
	}
	c.s.pieces.pin(p.Piece.ID)
	defer c.s.pieces.unpin(p.Piece.ID)
	err = c.piece(ctx, p.Piece)
	if err == nil {
		return nil
	}
	// Parts of an upload that is over stay as records for a while after their bytes, in blobs or in the store.
	gone := errors.Is(err, blob.ErrNotFound) || errors.Is(err, store.ErrNotFound)
	if gone && !c.running(ctx, key) {
		return nil
	}
	if now, rerr := c.value(ctx, key); rerr == nil && string(now) != string(value) {
		return nil
	}
	return fmt.Errorf("part of an upload: %w", err)
}

// running reports whether the upload that a part belongs to goes on.
func (c *verifier) running(ctx context.Context, partKey []byte) (found bool) {
	if len(partKey) < 2+base32IDLength {
		return true
	}
	upload := string(partKey[2 : 2+base32IDLength])
	err := c.s.db.View(ctx, func(r store.Reader) error {
		found = false
		scan := store.Prefix([]byte("u\x00"))
		scan.KeysOnly = true
		for rec, err := range r.Scan(scan) {
			if err != nil {
				return err
			}
			if n := len(rec.Key) - base32IDLength; n > 0 && string(rec.Key[n:]) == upload {
				found = true
				return nil
			}
		}
		return nil
	})
	return found || err != nil
}

// value returns a record as it is now; nil when it is gone.
func (c *verifier) value(ctx context.Context, key []byte) (value []byte, err error) {
	err = c.s.db.View(ctx, func(r store.Reader) error {
		value, err = r.Get(key)
		return known(err, nil)
	})
	return value, err
}

// piece compares the blob of a piece with its mark.
func (c *verifier) piece(ctx context.Context, p piece) error {
	if p.Inline {
		// The store has authenticated it, if it is there.
		return c.s.db.View(ctx, func(r store.Reader) error {
			_, err := r.Get(inlineKey(p.ID))
			return err
		})
	}
	name := p.ID.blobKey()
	body, err := c.s.blobs.Get(ctx, name, 0, -1)
	if err != nil {
		return fmt.Errorf("file of blob %s: %w", name, err)
	}
	err = seal.CheckMark(body, c.s.pieces.marks, p.ID.String(), p.Mark)
	if err := errors.Join(err, body.Close()); err != nil {
		return fmt.Errorf("file of blob %s: %w", name, err)
	}
	c.blobs++
	c.bytes += p.Size
	if c.blobs%progressEvery == 0 {
		c.tell(fmt.Sprintf("s3: %d files, %d MiB so far", c.blobs, c.bytes>>20))
	}
	return nil
}

// name tells the operator which bucket a record of an object belongs to. The object's own key
// is its owner's and not for the operator's eyes.
func (c *verifier) name(ctx context.Context, key []byte) string {
	bucket, _, _ := strings.Cut(string(key[2:]), "\x00")
	if name, err := c.value(ctx, bucketIDKey(bucket)); err == nil && name != nil {
		return "in bucket " + string(name)
	}
	return "in a bucket that is gone"
}
