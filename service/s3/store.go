package s3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/store"
)

// grace is how long trash stays: longer than any read needs from the record to the pin.
const grace = time.Minute

func loadObject(r store.Reader, key []byte) (*stored, error) {
	value, err := r.Get(key)
	if err != nil {
		return nil, err
	}
	return unpackObject(value)
}

// object returns an object, or nil when there is none. It is shared and must not be
// changed. A key longer than any object's is an error in S3's words.
func (s *Service) object(ctx context.Context, b *bucket, key string) (*stored, error) {
	if len(key) > object.MaxKey {
		return nil, keyTooLong()
	}
	o, err := s.objects.Get(ctx, string(objectKey(b.ID, key)))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return o, err
}

// current returns the object in a transaction or snapshot, or nil.
func current(r store.Reader, b *bucket, key string) (*stored, error) {
	if len(key) > object.MaxKey {
		return nil, keyTooLong()
	}
	o, err := loadObject(r, objectKey(b.ID, key))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return o, err
}

// putObject writes an object's record in tx, over the guard's conditions, and takes the
// one it replaces out of use.
func (s *Service) putObject(tx store.Tx, b *bucket, key string, o *stored, guard object.Guard) error {
	if err := b.stillThere(tx); err != nil {
		return err
	}
	old, err := current(tx, b, key)
	if err != nil {
		return err
	}
	if err := decide(guard, old); err != nil {
		return err
	}
	if old != nil {
		if err := s.dropObject(tx, old); err != nil {
			return err
		}
	}
	return tx.Put(objectKey(b.ID, key), o.pack())
}

// decide turns the conditions of a write over what is stored into an error or nil.
func decide(guard object.Guard, old *stored) error {
	var tag *object.ETag
	if old != nil {
		tag = &old.ETag
	}
	switch guard.Decide(tag) {
	case object.Refuse:
		return preconditionFailed()
	case object.Absent:
		return noSuchKey()
	}
	return nil
}

// dropObject takes the bytes of an object out of use in the transaction that removes or
// replaces its record.
func (s *Service) dropObject(tx store.Tx, o *stored) error {
	if o.inParts() {
		return tx.Put(trashKey(s.at().Add(grace), trashManifest, o.Manifest.String()), nil)
	}
	return dropPiece(tx, o.Piece, s.at().Add(grace))
}

// removeObject deletes an object; what is not there is no error.
func (s *Service) removeObject(ctx context.Context, b *bucket, key string, guard object.Guard) error {
	return s.update(ctx, func(tx store.Tx) error {
		old, err := current(tx, b, key)
		if err != nil {
			return err
		}
		if err := decide(guard, old); err != nil || old == nil {
			return err
		}
		if err := s.dropObject(tx, old); err != nil {
			return err
		}
		return tx.Delete(objectKey(b.ID, key))
	})
}

// changeObject changes the record of an object that is there, and nothing of its bytes.
func (s *Service) changeObject(ctx context.Context, b *bucket, key string, change func(*stored)) error {
	return s.update(ctx, func(tx store.Tx) error {
		o, err := current(tx, b, key)
		if err != nil {
			return err
		}
		if o == nil {
			return noSuchKey()
		}
		change(o)
		return tx.Put(objectKey(b.ID, key), o.pack())
	})
}

// segments returns the parts of an object from the one that holds the byte at off, and
// where in the object that part begins. Fewer than all that follow may come, never none.
func (s *Service) segments(ctx context.Context, o *stored, off int64) (list []segment, begins int64, err error) {
	chunk := 0
	for chunk < len(o.Chunks)-1 && begins+o.Chunks[chunk] <= off {
		begins += o.Chunks[chunk]
		chunk++
	}
	if list, err = s.chunk(ctx, o, chunk); err != nil {
		return nil, 0, err
	}
	for len(list) > 1 && begins+list[0].Piece.Size <= off {
		begins += list[0].Piece.Size
		list = list[1:]
	}
	if len(list) == 0 {
		return nil, 0, fmt.Errorf("manifest %s is empty: %w", o.Manifest, store.ErrCorrupt)
	}
	return list, begins, nil
}

// chunk reads a chunk of an object's manifest.
func (s *Service) chunk(ctx context.Context, o *stored, number int) (list []segment, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		value, err := r.Get(manifestKey(o.Manifest, number))
		if err != nil {
			return fmt.Errorf("manifest %s: %w", o.Manifest, err)
		}
		list, err = unpackChunk(value)
		return err
	})
	return list, err
}

// part returns the n-th part of an object, counted from 1, and where it begins.
func (s *Service) part(ctx context.Context, o *stored, n int) (seg segment, begins int64, err error) {
	number := (n - 1) / chunkSegments
	for _, size := range o.Chunks[:number] {
		begins += size
	}
	list, err := s.chunk(ctx, o, number)
	if err != nil {
		return segment{}, 0, err
	}
	i := (n - 1) % chunkSegments
	if i >= len(list) {
		return segment{}, 0, fmt.Errorf("manifest %s: %w", o.Manifest, store.ErrCorrupt)
	}
	for _, before := range list[:i] {
		begins += before.Piece.Size
	}
	return list[i], begins, nil
}
