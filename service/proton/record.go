package proton

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/store"
)

// A resource is up to three kinds of records, written together:
//
//	key        head and the members that are not sealed, JSON
//	x key      header: the wrapped data key of this writing, JSON
//	y key n    piece n of the sealed members: seal.Bytes over JSON, aad "proton" 0 key 0 rev 0 n 0 pieces
//
// Every writing has a data key of its own, made by KMS under the key of the resource's template,
// with the template and the resource as encryption context. No data key is kept in memory: each
// reading asks KMS, so that disabling a key or retiring its grant counts from the next call on.

// head is what the service keeps of every resource beside what the API shows.
type head struct {
	Rev      string `json:"rev"`      // of this writing
	Template string `json:"template"` // ARN of the template whose key protects the resource: the first pair of the context
	Resource string `json:"resource"` // the resource's own ARN: the second pair
	Key      string `json:"key"`      // KMS key of the template; "" for the account's Proton-owned key
	Sealed   bool   `json:"sealed"`   // there is a header and pieces
}

// record is a resource of type T as the store has it. Whoever reads it gets the sealed members
// too, unless he asked for what is plain only.
type record[T any] struct {
	head
	V T

	key    []byte
	closed bool    // read without the sealed members
	box    *header // as it was read
	text   []byte  // the sealed members as they were read
}

// header says how the sealed members of a record are sealed.
type header struct {
	Rev     string `json:"rev"` // of the writing that sealed them
	Wrapped []byte `json:"wrapped"`
	KeyARN  string `json:"keyArn"`
	Pieces  int    `json:"pieces"`
}

const pieceSize = 192 << 10

type stored[T any] struct {
	Head  head `json:"head"`
	Value T    `json:"value"`
}

// decode reads the plain part of a record.
func decode[T any](k, text []byte) (*record[T], error) {
	var s stored[T]
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("record %q: %w", k, err)
	}
	return &record[T]{head: s.Head, V: s.Value, key: bytes.Clone(k), closed: s.Head.Sealed}, nil
}

// peek reads the plain part of a record in a transaction or snapshot.
func peek[T any](r store.Reader, k []byte) (*record[T], error) {
	text, err := r.Get(k)
	if err != nil {
		return nil, err
	}
	return decode[T](k, text)
}

// plain reads the plain part of a record. Its sealed members are empty.
func plain[T any](ctx context.Context, s *Service, k []byte) (rec *record[T], err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		rec, err = peek[T](r, k)
		return err
	})
	return rec, err
}

// get reads a whole record, which asks KMS when there is anything sealed.
func get[T any](ctx context.Context, s *Service, k []byte) (rec *record[T], err error) {
	var pieces [][]byte
	err = s.db.View(ctx, func(r store.Reader) error {
		if rec, err = peek[T](r, k); err != nil {
			return err
		}
		pieces, err = rec.readSealed(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return rec, rec.unseal(ctx, s, pieces)
}

// readSealed reads what opens a record, and its sealed pieces.
func (rec *record[T]) readSealed(r store.Reader) (pieces [][]byte, err error) {
	if !rec.Sealed {
		return nil, nil
	}
	text, err := r.Get(headerKey(rec.key))
	if err != nil {
		return nil, fmt.Errorf("header of %q: %w", rec.key, notMissing(err))
	}
	rec.box = new(header)
	if err := json.Unmarshal(text, rec.box); err != nil {
		return nil, fmt.Errorf("header of %q: %w", rec.key, err)
	}
	for i := range rec.box.Pieces {
		piece, err := r.Get(pieceKey(rec.key, i))
		if err != nil {
			return nil, fmt.Errorf("piece of %q: %w", rec.key, notMissing(err))
		}
		pieces = append(pieces, piece)
	}
	return pieces, nil
}

// notMissing turns ErrNotFound, which callers take for a missing resource, into corruption.
func notMissing(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return store.ErrCorrupt
	}
	return err
}

// unseal opens the sealed members of a record that was just read.
func (rec *record[T]) unseal(ctx context.Context, s *Service, pieces [][]byte) error {
	if rec.box == nil {
		return nil
	}
	dk, err := s.keys.Open(rec.context(ctx), rec.box.KeyARN, rec.box.Wrapped, rec.pairs())
	if err != nil {
		return keyError(rec.Resource, err)
	}
	var text []byte
	for i, piece := range pieces {
		opened, err := seal.OpenBytes(dk, piece, pieceName(rec.key, rec.box, i))
		if err != nil {
			return fmt.Errorf("sealed members of %q: %w", rec.key, err)
		}
		text = append(text, opened...)
	}
	var secret T
	if err := json.Unmarshal(text, &secret); err != nil {
		return fmt.Errorf("sealed members of %q: %w", rec.key, err)
	}
	rec.V, rec.text, rec.closed = join(rec.V, secret), text, false
	return nil
}

// context is the context in which the service itself uses the key of a resource, in its region.
func (h *head) context(ctx context.Context) context.Context {
	p, _, _ := keyOfARN(h.Resource)
	return service.AsService(call.InRegion(call.ForSource(ctx, p.account, h.Resource), p.region))
}

// pairs is the encryption context of a resource: exactly these two, and nothing a customer sets.
func (h *head) pairs() map[string]string {
	return map[string]string{"aws:proton:template": h.Template, "aws:proton:resource": h.Resource}
}

// keyID is the KMS key that protects a resource.
func (h *head) keyID() string {
	if h.Key != "" {
		return h.Key
	}
	p, _, _ := keyOfARN(h.Resource)
	return "alias/owned/proton/" + p.account
}

func pieceName(k []byte, b *header, i int) []byte {
	return fmt.Appendf(nil, "proton\x00%s\x00%s\x00%d\x00%d", k, b.Rev, i, b.Pieces)
}

// writing is a record made ready to be put into the store: what KMS has to do is done.
type writing struct {
	key, text []byte
	header    []byte
	pieces    [][]byte
	keep      bool // the sealed part stays as it is
}

// prepare seals what is to be sealed of rec. It changes rec.Rev.
func prepare[T any](ctx context.Context, s *Service, rec *record[T]) (*writing, error) {
	open, secret, hides := split(rec.V)
	w := &writing{key: rec.key, keep: rec.closed}
	rec.Rev = newRev()
	if rec.closed && hides {
		return nil, fmt.Errorf("record %q: sealed members are set that were never read", rec.key)
	}
	if !rec.closed {
		rec.Sealed = hides
		if err := w.seal(ctx, s, &rec.head, rec.box, rec.text, secret, hides); err != nil {
			return nil, err
		}
	}
	var err error
	w.text, err = compact(stored[T]{rec.head, open})
	return w, err
}

// seal seals secret, unless it is what the record holds already.
func (w *writing) seal(ctx context.Context, s *Service, h *head, old *header, before []byte, secret any, hides bool) error {
	if !hides {
		return nil
	}
	text, err := compact(secret)
	if err != nil {
		return err
	}
	if old != nil && bytes.Equal(text, before) {
		w.keep = true
		return nil
	}
	dk, err := s.keys.Make(h.context(ctx), h.keyID(), h.pairs())
	if err != nil {
		return keyError(h.Resource, err)
	}
	b := &header{Rev: h.Rev, Wrapped: dk.Wrapped, KeyARN: dk.KeyARN, Pieces: (len(text) + pieceSize - 1) / pieceSize}
	for i := range b.Pieces {
		piece, err := seal.Bytes(dk.Plaintext, text[i*pieceSize:min(len(text), (i+1)*pieceSize)], pieceName(w.key, b, i))
		if err != nil {
			return err
		}
		w.pieces = append(w.pieces, piece)
	}
	w.header, err = compact(b)
	return err
}

// compact is JSON without the escapes for HTML.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// put writes the record in a transaction.
func (w *writing) put(tx store.Tx) error {
	if err := tx.Put(w.key, w.text); err != nil || w.keep {
		return err
	}
	if err := removeSealed(tx, w.key); err != nil || w.header == nil {
		return err
	}
	for i, piece := range w.pieces {
		if err := tx.Put(pieceKey(w.key, i), piece); err != nil {
			return err
		}
	}
	return tx.Put(headerKey(w.key), w.header)
}

// remove deletes a record with all that is sealed of it.
func remove(tx store.Tx, k []byte) error {
	if err := removeSealed(tx, k); err != nil {
		return err
	}
	return tx.Delete(k)
}

func removeSealed(tx store.Tx, k []byte) error {
	var old [][]byte
	scan := store.Prefix(piecePrefix(k))
	scan.KeysOnly = true
	for r, err := range tx.Scan(scan) {
		if err != nil {
			return err
		}
		old = append(old, bytes.Clone(r.Key))
	}
	for _, p := range append(old, headerKey(k)) {
		if err := tx.Delete(p); err != nil {
			return err
		}
	}
	return nil
}
