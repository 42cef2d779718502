package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/store"
)

// inlineLimit is the longest piece, in bytes of plaintext, that is kept in the record
// store. One group commit makes record and bytes durable there, where a blob needs its
// own two syncs and a note before.
const inlineLimit = 32 << 10

// pieces writes and reads pieces. Calls may run together.
type pieces struct {
	db    store.DB
	blobs blob.Store
	marks secret.Bytes // key of the marks of blobs

	mu      sync.Mutex
	writing map[id]bool // their notes are not for the sweeper
	reading map[id]int  // not to be erased yet
}

func newPieces(db store.DB, blobs blob.Store, marks secret.Bytes) *pieces {
	return &pieces{db: db, blobs: blobs, marks: marks, writing: map[id]bool{}, reading: map[id]int{}}
}

// place says where a piece belongs: what is authenticated with its bytes.
type place struct{ bucket, key string }

// aad returns the associated data of a layer of a piece:
//
//	"strongroom s3 piece v1" 0 layer (0 inner, 1 outer) bucket id 0 piece id key
func (p place) aad(piece id, layer byte) []byte {
	b := make([]byte, 0, 64+len(p.bucket)+len(p.key))
	b = append(append(b, "strongroom s3 piece v1\x00"...), layer)
	b = append(append(b, p.bucket...), 0)
	b = append(b, piece[:]...)
	return append(b, p.key...)
}

// written is a piece that no record names yet. It must be kept or discarded.
type written struct {
	piece
	sealed []byte // of an inline piece
	noted  bool   // there is a note, and perhaps a blob
}

// buffers holds the first bytes of bodies of unknown length.
var buffers = sync.Pool{New: func() any { return new([inlineLimit + 1]byte) }}

// write seals a body under keys. length is the body's, -1 when unknown. When it returns
// without an error, the bytes are durable or, of an inline piece, will be with the
// record that names it; on an error nothing is left but perhaps a note.
func (ps *pieces) write(ctx context.Context, body io.Reader, length int64, keys *dataKeys, at place, now time.Time) (*written, error) {
	w := &written{piece: piece{ID: newID(now)}}
	if length > inlineLimit {
		return w, ps.stream(ctx, body, keys, at, w)
	}
	buf := buffers.Get().(*[inlineLimit + 1]byte)
	n, err := io.ReadFull(body, buf[:])
	defer func() { clear(buf[:n]); buffers.Put(buf) }()
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		// The body's own end: an intake that is not content answers with another error.
		return w, w.inline(buf[:n], keys, at)
	case err != nil:
		return w, err
	}
	return w, ps.stream(ctx, io.MultiReader(bytes.NewReader(buf[:n]), body), keys, at, w)
}

// inline seals a small piece in memory.
func (w *written) inline(plain []byte, keys *dataKeys, at place) (err error) {
	w.Size, w.Inline, w.sealed = int64(len(plain)), true, plain
	for layer := range keys.layers() {
		if w.sealed, err = seal.Bytes(keys[layer], w.sealed, at.aad(w.ID, byte(layer))); err != nil {
			return fmt.Errorf("seal piece: %w", err)
		}
	}
	return nil
}

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// stream seals a body into a blob.
func (ps *pieces) stream(ctx context.Context, body io.Reader, keys *dataKeys, at place, w *written) error {
	plain := &counter{r: body}
	var r io.Reader = plain
	for layer := range keys.layers() {
		sealer, err := seal.NewSealer(r, keys[layer], at.aad(w.ID, byte(layer)))
		if err != nil {
			return fmt.Errorf("seal piece: %w", err)
		}
		r = sealer
	}
	marker, err := seal.NewMarker(r, ps.marks, w.ID.String())
	if err != nil {
		return fmt.Errorf("mark piece: %w", err)
	}
	if err := ps.note(ctx, w); err != nil {
		return err
	}
	if _, err := ps.blobs.Put(ctx, w.ID.blobKey(), marker); err != nil {
		ps.discard(ctx, w)
		return err
	}
	w.Size, w.Mark = plain.n, marker.Mark()
	return nil
}

// note writes down that a blob of the piece may come to be.
func (ps *pieces) note(ctx context.Context, w *written) error {
	ps.mu.Lock()
	ps.writing[w.ID] = true
	ps.mu.Unlock()
	w.noted = true
	err := ps.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		return tx.Put(pendingKey(w.ID), nil)
	})
	if err != nil {
		ps.forget(w)
	}
	return storeError(err)
}

// forget leaves the note of a piece, if there is one, to the sweeper.
func (ps *pieces) forget(w *written) {
	if w.noted {
		ps.mu.Lock()
		delete(ps.writing, w.ID)
		ps.mu.Unlock()
	}
}

// keep makes a written piece part of a transaction that names it.
func (ps *pieces) keep(tx store.Tx, w *written) error {
	if w.Inline {
		return tx.Put(inlineKey(w.ID), w.sealed)
	}
	if _, err := tx.Get(pendingKey(w.ID)); err != nil {
		return known(err, internalError(errors.New("the note of a pending piece is gone")))
	}
	return tx.Delete(pendingKey(w.ID))
}

// settle ends the writing of a piece whose transaction returned err. When nothing
// happened the piece is discarded; when that is not known, the sweeper finds out by the note.
func (ps *pieces) settle(ctx context.Context, w *written, err error) {
	if err == nil || errors.Is(err, store.ErrUnknown) {
		ps.forget(w)
		return
	}
	ps.discard(ctx, w)
}

// discard removes the blob and the note of a piece that no record names. What fails is
// left to the sweeper.
func (ps *pieces) discard(ctx context.Context, w *written) {
	if !w.noted {
		return
	}
	defer ps.forget(w)
	ctx = context.WithoutCancel(ctx)
	if ps.blobs.Delete(ctx, w.ID.blobKey()) != nil {
		return
	}
	_ = ps.db.Update(ctx, store.TxID{}, func(tx store.Tx) error { return tx.Delete(pendingKey(w.ID)) })
}

// drop takes a piece out of use in the transaction that removes the last record naming it.
func dropPiece(tx store.Tx, p piece, due time.Time) error {
	if p.Inline {
		return tx.Delete(inlineKey(p.ID))
	}
	return tx.Put(trashKey(due, trashBlob, p.ID.String()), nil)
}

// pin keeps pieces from being erased while they are read; unpin lets them go.
func (ps *pieces) pin(piece id) {
	ps.mu.Lock()
	ps.reading[piece]++
	ps.mu.Unlock()
}

func (ps *pieces) unpin(piece id) {
	ps.mu.Lock()
	if ps.reading[piece]--; ps.reading[piece] <= 0 {
		delete(ps.reading, piece)
	}
	ps.mu.Unlock()
}

// busy reports whether a piece is being written or read.
func (ps *pieces) busy(piece id) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.writing[piece] || ps.reading[piece] > 0
}

// open returns n bytes of a piece from off. The bytes are authenticated before they are
// delivered. gone(err) says that the piece has been erased.
func (ps *pieces) open(ctx context.Context, p piece, keys *dataKeys, at place, off, n int64) (io.ReadCloser, error) {
	if p.Inline {
		return ps.openInline(ctx, p, keys, at, off, n)
	}
	source := func(off, n int64) (io.ReadCloser, error) {
		return ps.blobs.Get(ctx, p.ID.blobKey(), off, n)
	}
	size := seal.SealedSize(p.Size)
	if keys.layers() == 2 {
		blobSource, outer := source, seal.SealedSize(size)
		source = func(off, n int64) (io.ReadCloser, error) {
			return seal.OpenRange(blobSource, outer, off, n, keys[1], at.aad(p.ID, 1))
		}
	}
	return seal.OpenRange(source, size, off, n, keys[0], at.aad(p.ID, 0))
}

func (ps *pieces) openInline(ctx context.Context, p piece, keys *dataKeys, at place, off, n int64) (io.ReadCloser, error) {
	var sealed []byte
	err := ps.db.View(ctx, func(r store.Reader) (err error) {
		sealed, err = r.Get(inlineKey(p.ID))
		return err
	})
	if err != nil {
		return nil, err
	}
	for layer := keys.layers() - 1; layer >= 0; layer-- {
		if sealed, err = seal.OpenBytes(keys[layer], sealed, at.aad(p.ID, byte(layer))); err != nil {
			return nil, err
		}
	}
	if int64(len(sealed)) != p.Size || off+n > p.Size {
		return nil, fmt.Errorf("piece of %d bytes, recorded with %d: %w", len(sealed), p.Size, store.ErrCorrupt)
	}
	return memory{bytes.NewReader(sealed[off : off+n])}, nil
}

// memory is a piece that has been opened whole.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }
