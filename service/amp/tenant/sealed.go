package tenant

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/store"
)

// ErrNoDocument says that a workspace has no document of a name.
var ErrNoDocument = errors.New("document not found")

// MaxDocument is the longest document, in bytes.
const MaxDocument = 16 << 20

// inline is the longest sealed document that stands in the store itself.
const inline = 128 << 10

// A sealed document is
//
//	offset  bytes
//	     0      1  version: 1
//	     1      2  length of the wrapped data key, big-endian
//	     3      n  the data key, wrapped by KMS
//	   3+n         a stream of package seal; associated data: "strongroom metrics document" 0 workspace 0 name
//
// Each has a data key of its own.
const documentVersion = 1

func documentName(id ID, name string) []byte {
	return []byte("strongroom metrics document" + sep + id.Workspace + sep + name)
}

// Seal seals a document of the workspace under a data key of its own. The name says which document it is, and is needed to
// open it.
func (t *Tenant) Seal(ctx context.Context, name string, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxDocument {
		return nil, fmt.Errorf("document %s is longer than %d bytes", name, MaxDocument)
	}
	dk, err := t.keys.Make(ctx)
	if err != nil {
		return nil, err
	}
	defer dk.Plaintext.Wipe()
	if len(dk.Wrapped) > 0xffff {
		return nil, fmt.Errorf("wrapped data key has %d bytes", len(dk.Wrapped))
	}
	out := bytes.NewBuffer(binary.BigEndian.AppendUint16([]byte{documentVersion}, uint16(len(dk.Wrapped))))
	out.Write(dk.Wrapped)
	w, err := seal.NewWriter(out, dk.Plaintext, documentName(t.ID, name))
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plaintext); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Open opens what Seal has sealed under the same name. A change of it is seal.ErrCorrupt.
func (t *Tenant) Open(ctx context.Context, name string, sealed []byte) ([]byte, error) {
	wrapped, body, err := parseDocument(sealed)
	if err != nil {
		return nil, fmt.Errorf("document %s: %w", name, err)
	}
	key, err := t.keys.Open(ctx, wrapped)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	r, err := seal.NewReader(bytes.NewReader(body), key, documentName(t.ID, name))
	if err != nil {
		return nil, fmt.Errorf("document %s: %w", name, err)
	}
	defer r.Close()
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("document %s: %w", name, err)
	}
	return plain, nil
}

// parseDocument takes a sealed document apart.
func parseDocument(sealed []byte) (wrapped, body []byte, err error) {
	if len(sealed) < 3 || sealed[0] != documentVersion {
		return nil, nil, fmt.Errorf("%w: no sealed document", seal.ErrCorrupt)
	}
	n := int(binary.BigEndian.Uint16(sealed[1:]))
	if n == 0 || len(sealed) < 3+n {
		return nil, nil, fmt.Errorf("%w: sealed document ends early", seal.ErrCorrupt)
	}
	return sealed[3 : 3+n], sealed[3+n:], nil
}

// document is what the store has of a document: its sealed bytes, or the blob that they are in.
type document struct {
	Sealed []byte `json:"sealed,omitempty"`
	Blob   string `json:"blob,omitempty"`
}

func documentKey(id ID, name string) []byte { return Key(id, "doc", name) }

// PutDocument seals a document and keeps it under a name, durably, in the place of the one that was there. also, where it is not nil,
// writes in the same transaction; an error of it is returned, and nothing is changed. The name holds no zero byte.
func (t *Tenant) PutDocument(ctx context.Context, name string, plaintext []byte, also func(store.Tx) error) error {
	if name == "" || strings.Contains(name, sep) {
		return fmt.Errorf("%q is no name of a document", name)
	}
	sealed, err := t.Seal(ctx, name, plaintext)
	if err != nil {
		return err
	}
	d := document{Sealed: sealed}
	if len(sealed) > inline {
		if d, err = t.keep(ctx, sealed); err != nil {
			return err
		}
	}
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return t.replace(ctx, name, also, func(tx store.Tx) error {
		if d.Blob != "" {
			if err := t.ledger.claim(tx, d.Blob); err != nil {
				return err
			}
		}
		return tx.Put(documentKey(t.ID, name), text)
	})
}

// keep writes a sealed document into a blob that nobody names yet.
func (t *Tenant) keep(ctx context.Context, sealed []byte) (document, error) {
	var random [16]byte
	rand.Read(random[:])
	id := hex.EncodeToString(random[:])
	d := document{Blob: blobPrefix + id[:2] + "/" + id}
	if err := t.ledger.Pending(ctx, d.Blob); err != nil {
		return d, err
	}
	_, err := t.ledger.blobs.Put(ctx, d.Blob, bytes.NewReader(sealed))
	return d, err
}

// replace lets put write what is kept under a name now, and removes the blob of what was kept before.
func (t *Tenant) replace(ctx context.Context, name string, also, put func(store.Tx) error) error {
	gone := ""
	err := t.ledger.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		gone = ""
		old, err := readDocument(tx, t.ID, name)
		if err != nil && !errors.Is(err, ErrNoDocument) {
			return err
		}
		if gone = old.Blob; gone != "" {
			if err := t.ledger.putPending(tx, gone); err != nil {
				return err
			}
		}
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		return put(tx)
	})
	if err != nil || gone == "" {
		return err
	}
	if err := t.ledger.sweep(context.WithoutCancel(ctx), []string{gone}); err != nil {
		t.log.Warn("a document that was replaced is still there; it will be swept", "error", err)
	}
	return nil
}

func readDocument(r store.Reader, id ID, name string) (d document, err error) {
	text, err := r.Get(documentKey(id, name))
	if errors.Is(err, store.ErrNotFound) {
		return d, fmt.Errorf("%w: %s", ErrNoDocument, name)
	}
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(text, &d)
}

// Document opens the document of a name, or returns ErrNoDocument.
func (t *Tenant) Document(ctx context.Context, name string) ([]byte, error) {
	for tries := 0; ; tries++ {
		sealed, err := t.sealed(ctx, name)
		if errors.Is(err, blob.ErrNotFound) && tries < 3 {
			continue // it was replaced between the two readings
		}
		if err != nil {
			return nil, err
		}
		return t.Open(ctx, name, sealed)
	}
}

// sealed returns the sealed bytes of a document.
func (t *Tenant) sealed(ctx context.Context, name string) (sealed []byte, err error) {
	var d document
	err = t.ledger.db.View(ctx, func(r store.Reader) error {
		d, err = readDocument(r, t.ID, name)
		return err
	})
	if err != nil || d.Blob == "" {
		return d.Sealed, err
	}
	r, err := t.ledger.blobs.Get(ctx, d.Blob, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// DeleteDocument removes the document of a name, if there is one. also is as for PutDocument.
func (t *Tenant) DeleteDocument(ctx context.Context, name string, also func(store.Tx) error) error {
	return t.replace(ctx, name, also, func(tx store.Tx) error { return tx.Delete(documentKey(t.ID, name)) })
}

// Documents lists the names of the documents that begin with prefix, in their order.
func (t *Tenant) Documents(ctx context.Context, prefix string) (list []string, err error) {
	err = t.ledger.db.View(ctx, func(r store.Reader) error {
		list, err = names(r, store.Prefix(documentKey(t.ID, prefix)))
		return err
	})
	for i := range list {
		list[i] = prefix + list[i]
	}
	return list, err
}
