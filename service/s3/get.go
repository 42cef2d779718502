package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// find returns an object of a version, or the error for one that is not there, which
// tells only those who may list the bucket that it is not.
func (s *Service) find(ctx context.Context, b *bucket, key string, version *string) (*stored, error) {
	if err := nullVersion(version); err != nil {
		return nil, err
	}
	o, err := s.object(ctx, b, key)
	if err != nil || o != nil {
		return o, err
	}
	return nil, s.missing(ctx, b)
}

// missing returns the error for an object that is not there: NoSuchKey for callers who
// may list the bucket, else what the refusal to list it is.
func (s *Service) missing(ctx context.Context, b *bucket) error {
	c := call.From(ctx)
	if err := s.authorize(ctx, s.check(ctx, c, b, "s3:ListBucket", "")); err != nil {
		return err
	}
	return noSuchKey()
}

// nullVersion checks a version id. Without versioning every object has the version null.
func nullVersion(version *string) error {
	if version == nil || *version == "null" {
		return nil
	}
	if *version == "" {
		return invalidArgument("Version id cannot be the empty string")
	}
	return invalidArgument("Invalid version id specified")
}

// wanted says which bytes of an object a read wants.
type wanted struct {
	object.Span
	partial bool
	part    *segment // of a read of one part
}

// choose turns Range and partNumber into a span.
func (s *Service) choose(ctx context.Context, o *stored, header *string, number *int32) (w wanted, err error) {
	w.Span = object.Whole(o.Size)
	switch {
	case header != nil && number != nil:
		return w, invalidRequest("Cannot specify both Range header and partNumber query parameter")
	case number != nil:
		return s.choosePart(ctx, o, int(*number))
	case header == nil:
		return w, nil
	}
	span, ok, err := object.ParseSpan(*header, o.Size)
	if err != nil {
		return w, invalidRange()
	}
	if ok {
		w.Span, w.partial = span, true
	}
	return w, nil
}

func (s *Service) choosePart(ctx context.Context, o *stored, number int) (w wanted, err error) {
	count := max(1, o.ETag.Parts)
	if number < 1 || number > 10000 {
		return w, invalidArgument("Part number must be an integer between 1 and 10000, inclusive")
	}
	if number > count {
		return w, wire.Errorf("InvalidPartNumber", http.StatusRequestedRangeNotSatisfiable, "The requested partnumber is not satisfiable")
	}
	w.partial = true
	if !o.inParts() {
		w.Span = object.Whole(o.Size)
		w.partial = o.Size > 0
		return w, nil
	}
	seg, begins, err := s.part(ctx, o, number)
	w.part, w.Span = &seg, object.Span{Offset: begins, Length: seg.Piece.Size}
	return w, err
}

// open returns the bytes of a span of an object. The keys are the reader's from then on.
func (s *Service) open(ctx context.Context, b *bucket, key string, o *stored, keys dataKeys, span object.Span) (io.ReadCloser, error) {
	r := &reader{ctx: ctx, s: s, object: o, keys: keys, place: place{b.ID, key}, next: span.Offset, left: span.Length}
	r.pinned = o.Piece.ID
	if o.inParts() {
		r.pinned = o.Manifest
	}
	s.pieces.pin(r.pinned)
	// Also of nothing the first piece is opened: bytes that were changed, or a key that
	// is wrong, are found before the answer begins.
	if err := r.advance(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// reader gives the bytes of a span of an object, piece by piece. It serves one goroutine.
type reader struct {
	ctx     context.Context
	s       *Service
	object  *stored
	keys    dataKeys
	place   place
	list    []segment // that follow
	begins  int64     // where the first of list begins in the object
	next    int64     // byte of the object that the next piece begins with
	left    int64     // bytes that still follow, the current piece's included
	piece   io.ReadCloser
	held    int64 // bytes left in piece
	current piece // what piece reads
	pinned  id
	closed  bool
}

var (
	_ io.ReadCloser = (*reader)(nil)
	_ io.WriterTo   = (*reader)(nil)
)

// advance opens the next piece.
func (r *reader) advance() error {
	p, begins, err := r.following()
	if err != nil {
		return err
	}
	off := r.next - begins
	n := min(p.Size-off, r.left)
	body, err := r.s.pieces.open(r.ctx, p, &r.keys, r.place, off, n)
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	r.piece, r.held, r.current = body, n, p
	r.next += n
	return nil
}

// following returns the piece that holds the next byte, and where it begins.
func (r *reader) following() (piece, int64, error) {
	if !r.object.inParts() {
		return r.object.Piece, 0, nil
	}
	if len(r.list) == 0 {
		list, begins, err := r.s.segments(r.ctx, r.object, r.next)
		if err != nil {
			return piece{}, 0, err
		}
		r.list, r.begins = list, begins
	}
	p, begins := r.list[0].Piece, r.begins
	r.list, r.begins = r.list[1:], begins+p.Size
	return p, begins, nil
}

// Read gives bytes that have been authenticated.
func (r *reader) Read(b []byte) (int, error) {
	for {
		if r.left == 0 {
			return 0, io.EOF
		}
		if r.held == 0 {
			if err := r.turn(); err != nil {
				return 0, err
			}
		}
		n, err := r.piece.Read(b)
		r.held, r.left = r.held-int64(n), r.left-int64(n)
		if err == io.EOF && r.held == 0 {
			err = nil
		} else if err == io.EOF {
			err = fmt.Errorf("it ends %d bytes early: %w", r.held, store.ErrCorrupt)
		}
		if n > 0 || err != nil || len(b) == 0 {
			return n, r.where(err)
		}
	}
}

// where says in an error of damage which piece it was found in.
func (r *reader) where(err error) error {
	if errors.Is(err, seal.ErrCorrupt) || errors.Is(err, store.ErrCorrupt) {
		return fmt.Errorf("%s: %w", r.current, err)
	}
	return err
}

// turn closes the piece that has been read and opens the next.
func (r *reader) turn() error {
	if err := r.piece.Close(); err != nil {
		return err
	}
	r.piece = memory{bytes.NewReader(nil)}
	return r.advance()
}

// WriteTo writes what is left to w, a frame at a time.
func (r *reader) WriteTo(w io.Writer) (total int64, err error) {
	for r.left > 0 {
		if r.held == 0 {
			if err := r.turn(); err != nil {
				return total, err
			}
		}
		n, err := io.Copy(w, r.piece)
		total += n
		r.held, r.left = r.held-n, r.left-n
		if err == nil && r.held != 0 {
			err = fmt.Errorf("it ends %d bytes early: %w", r.held, store.ErrCorrupt)
		}
		if err != nil {
			return total, r.where(err)
		}
	}
	return total, nil
}

// Close ends the reading and lets go of the pieces.
func (r *reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	r.s.pieces.unpin(r.pinned)
	r.object.Seal.wipe(&r.keys)
	if r.piece == nil {
		return nil
	}
	return r.piece.Close()
}
