package s3

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/strongroom/strongroom/service/s3/checksum"
	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/store"
)

// Limits of uploads in parts (S3 user guide, "Amazon S3 multipart upload limits").
const (
	maxParts    = 10000
	minPart     = 5 << 20 // of every part but the last
	maxObject   = 5 << 40
	rememberFor = 7 * 24 * time.Hour // that a completed upload is remembered
)

// beginUpload writes the record of a new upload, whose data keys are made now and used
// by all its parts.
func (s *Service) beginUpload(ctx context.Context, o *order, who person, what sum, asked bool) (*upload, error) {
	keys, how, err := s.newKeys(ctx, o.plan, o.bucket, o.key)
	if err != nil {
		return nil, err
	}
	how.wipe(&keys)
	u := &upload{ID: newID(s.now()), Initiated: s.at(), Initiator: who, description: o.description, Seal: how, Sum: what, Asked: asked}
	name := uploadKey(o.bucket.ID, o.key, u.ID)
	if len(name) > store.MaxKey {
		return nil, keyTooLong() // more than 900 zero bytes
	}
	return u, s.update(ctx, func(tx store.Tx) error {
		if err := o.bucket.stillThere(tx); err != nil {
			return err
		}
		return tx.Put(name, u.pack())
	})
}

// upload reads an upload that goes on.
func (s *Service) upload(ctx context.Context, b *bucket, key, uploadID string) (u *upload, err error) {
	number, err := parseID(uploadID)
	if err != nil {
		return nil, noSuchUpload().WithCause(err)
	}
	err = s.db.View(ctx, func(r store.Reader) error {
		u, err = loadUpload(r, b, key, number)
		return err
	})
	return u, err
}

func loadUpload(r store.Reader, b *bucket, key string, number id) (*upload, error) {
	value, err := r.Get(uploadKey(b.ID, key, number))
	if err != nil {
		return nil, known(err, noSuchUpload())
	}
	return unpackUpload(value)
}

// slot is the place of a part that is being written.
type slot struct {
	bucket *bucket
	key    string
	upload *upload
	number int
	named  checksum.Algorithm // that the request brought a checksum of
}

// prepare makes in compute what the part's record needs, or returns the error for a part
// that brings another checksum than its upload asks for.
func (t *slot) prepare(in *intake) error {
	want := t.upload.Sum.Algorithm
	if t.upload.Asked && t.upload.Sum.Type == checksum.Composite && t.named != want {
		got := "null"
		if t.named != checksum.None {
			got = strings.ToLower(t.named.String())
		}
		return invalidRequest("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", strings.ToLower(want.String()), got)
	}
	in.compute(want)
	return nil
}

// putPart stores a body as a part of an upload, replacing the one of its number.
func (s *Service) putPart(ctx context.Context, t *slot, in *intake, customer customerKey) (*part, error) {
	keys, err := s.openKeys(ctx, &t.upload.Seal, t.bucket, t.key, customer)
	if err != nil {
		return nil, err
	}
	defer t.upload.Seal.wipe(&keys)
	w, err := s.pieces.write(ctx, in, in.length, &keys, place{t.bucket.ID, t.key}, s.now())
	if err := in.failure(err); err != nil {
		s.pieces.discard(ctx, w)
		return nil, err
	}
	algorithm := t.upload.Sum.Algorithm
	p := &part{Number: t.number, Modified: s.at(), Piece: w.piece, Tag: newTag(t.upload.Seal.Mode, in),
		Sum: sum{Algorithm: algorithm, Type: t.upload.Sum.Type, Value: in.sum(algorithm)}}
	err = s.update(ctx, func(tx store.Tx) error { return s.keepPart(tx, t, p, w) })
	s.pieces.settle(ctx, w, err)
	return p, err
}

// keepPart writes a part's record, if its upload still goes on.
func (s *Service) keepPart(tx store.Tx, t *slot, p *part, w *written) error {
	u, err := loadUpload(tx, t.bucket, t.key, t.upload.ID)
	if err != nil {
		return err
	}
	if err := s.pieces.keep(tx, w); err != nil {
		return err
	}
	key := partKey(u.ID, p.Number)
	value, err := tx.Get(key)
	switch {
	case err == nil:
		old, err := unpackPart(p.Number, value)
		if err != nil {
			return err
		}
		if err := dropPiece(tx, old.Piece, s.at().Add(grace)); err != nil {
			return err
		}
		u.Replaced++
		if err := tx.Put(uploadKey(t.bucket.ID, t.key, u.ID), u.pack()); err != nil {
			return err
		}
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	return tx.Put(key, p.pack())
}

// abortUpload ends an upload and puts its parts in the trash.
func (s *Service) abortUpload(ctx context.Context, b *bucket, key string, u *upload) error {
	return s.update(ctx, func(tx store.Tx) error {
		if _, err := loadUpload(tx, b, key, u.ID); err != nil {
			return err
		}
		if err := tx.Delete(uploadKey(b.ID, key, u.ID)); err != nil {
			return err
		}
		return tx.Put(trashKey(s.at().Add(grace), trashUpload, u.ID.String()), nil)
	})
}

// parts reads parts of an upload in order: those behind a number, so many at most.
func parts(r store.Reader, upload id, after, limit int) (list []part, err error) {
	prefix := partsPrefix(upload)
	scan := store.Prefix(prefix)
	scan.From, scan.Limit = partKey(upload, after+1), limit
	for rec, err := range r.Scan(scan) {
		if err != nil {
			return nil, err
		}
		number, err := strconv.Atoi(string(rec.Key[len(prefix):]))
		if err != nil {
			return nil, err
		}
		p, err := unpackPart(number, rec.Value)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// snapshot reads an upload with all its parts.
func (s *Service) snapshot(ctx context.Context, b *bucket, key string, number id) (u *upload, list []part, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		if u, err = loadUpload(r, b, key, number); err != nil {
			return err
		}
		list, err = parts(r, u.ID, 0, 0)
		return err
	})
	return u, list, err
}

// tag returns the ETag of a part as it travels.
func (v *part) tag() string { return object.ETag{Sum: v.Tag}.String() }
