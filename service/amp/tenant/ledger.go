package tenant

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/service/amp/series"
	"github.com/strongroom/strongroom/store"
)

// blobPrefix stands before the names of the blobs of all workspaces.
const blobPrefix = "amp/"

// All that is kept of a workspace in the store, beside its record, stands under one prefix, so that it goes with it:
//
//	d 0 region 0 account 0 workspace 0 block 0 ULID        a block, JSON
//	d 0 region 0 account 0 workspace 0 covered             how much of the log is in blocks, JSON
//	d 0 region 0 account 0 workspace 0 pending 0 blob      a blob that no block names: since when
//	d 0 region 0 account 0 workspace 0 doc 0 name          a sealed document, or where it is, JSON
//	d 0 region 0 account 0 workspace 0 other words         what other parts of the service keep
const sep = "\x00"

// Prefix returns the prefix of all that is kept of a workspace. It ends with a zero byte.
func Prefix(id ID) []byte {
	return []byte("d" + sep + id.Region + sep + id.Account + sep + id.Workspace + sep)
}

// Key returns the key of something of a workspace. No part of it holds a zero byte. The words "block", "covered", "pending" and "doc" are taken.
func Key(id ID, parts ...string) []byte {
	b := Prefix(id)
	for i, p := range parts {
		if i > 0 {
			b = append(b, 0)
		}
		b = append(b, p...)
	}
	return b
}

func blockKey(id ID, u ulid.ULID) []byte   { return Key(id, "block", u.String()) }
func pendingKey(id ID, name string) []byte { return Key(id, "pending", name) }
func below(id ID, word string) store.Range { return store.Prefix(append(Key(id, word), 0)) }

// ledger notes the blocks of a workspace in the store.
type ledger struct {
	db    store.DB
	blobs blob.Store
	id    ID
	now   func() time.Time
}

var _ series.Ledger = (*ledger)(nil)

// Load returns the blocks, after it has removed the blobs that no block names: nobody writes or reads one before the store is open.
func (l *ledger) Load(ctx context.Context) (state series.State, err error) {
	var orphans []string
	err = l.db.View(ctx, func(r store.Reader) error {
		state, orphans = series.State{}, nil
		if err := l.readBlocks(r, &state); err != nil {
			return err
		}
		text, err := r.Get(Key(l.id, "covered"))
		if err == nil {
			err = json.Unmarshal(text, &state.Covered)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("covered: %w", err)
		}
		orphans, err = names(r, below(l.id, "pending"))
		return err
	})
	if err != nil {
		return state, err
	}
	return state, l.sweep(ctx, orphans)
}

// covered returns how much of the log is in blocks.
func (l *ledger) covered(ctx context.Context) (c series.Covered, err error) {
	err = l.db.View(ctx, func(r store.Reader) error {
		text, err := r.Get(Key(l.id, "covered"))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &c)
	})
	return c, err
}

func (l *ledger) readBlocks(r store.Reader, state *series.State) error {
	for rec, err := range r.Scan(below(l.id, "block")) {
		if err != nil {
			return err
		}
		var b series.Block
		if err := json.Unmarshal(rec.Value, &b); err != nil {
			return fmt.Errorf("block %q: %w", rec.Key, err)
		}
		state.Blocks = append(state.Blocks, b)
	}
	return nil
}

// names returns what stands behind the prefix of each key.
func names(r store.Reader, scan store.Range) (list []string, err error) {
	scan.KeysOnly = true
	for rec, err := range r.Scan(scan) {
		if err != nil {
			return nil, err
		}
		list = append(list, string(bytes.TrimPrefix(rec.Key, scan.From)))
	}
	return list, nil
}

// sweep removes blobs that nobody names, and then the notes of them.
func (l *ledger) sweep(ctx context.Context, orphans []string) error {
	for _, name := range orphans {
		if err := l.blobs.Delete(ctx, name); err != nil && !errors.Is(err, blob.ErrNotFound) {
			return err
		}
	}
	for len(orphans) > 0 {
		some := orphans[:min(len(orphans), 500)]
		orphans = orphans[len(some):]
		err := l.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
			for _, name := range some {
				if err := tx.Delete(pendingKey(l.id, name)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Pending notes that a blob may come to be.
func (l *ledger) Pending(ctx context.Context, name string) error {
	return l.db.Update(ctx, store.TxID{}, func(tx store.Tx) error { return l.putPending(tx, name) })
}

// claim says that what tx writes names the blob. It fails when the blob was swept away meanwhile.
func (l *ledger) claim(tx store.Tx, name string) error {
	if _, err := tx.Get(pendingKey(l.id, name)); err != nil {
		return fmt.Errorf("blob %s was swept away before it was named: %w", name, err)
	}
	return tx.Delete(pendingKey(l.id, name))
}

func (l *ledger) putPending(tx store.Tx, name string) error {
	return tx.Put(pendingKey(l.id, name), []byte(l.now().UTC().Format(time.RFC3339)))
}

// Replace takes blocks away and puts others in their place. The blobs of those that go are noted until they are gone: who reads them
// now goes on.
func (l *ledger) Replace(ctx context.Context, remove []ulid.ULID, add []series.Block, covered series.Covered) error {
	text, err := json.Marshal(covered)
	if err != nil {
		return err
	}
	return l.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		for _, u := range remove {
			if err := l.remove(tx, u); err != nil {
				return err
			}
		}
		for i := range add {
			if err := l.add(tx, &add[i]); err != nil {
				return err
			}
		}
		return tx.Put(Key(l.id, "covered"), text)
	})
}

func (l *ledger) remove(tx store.Tx, u ulid.ULID) error {
	text, err := tx.Get(blockKey(l.id, u))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var b series.Block
	if err := json.Unmarshal(text, &b); err != nil {
		return fmt.Errorf("block %s: %w", u, err)
	}
	for _, f := range b.Files {
		if err := l.putPending(tx, f.Blob); err != nil {
			return err
		}
	}
	return tx.Delete(blockKey(l.id, u))
}

func (l *ledger) add(tx store.Tx, b *series.Block) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	for _, f := range b.Files {
		if err := l.claim(tx, f.Blob); err != nil {
			return err
		}
	}
	return tx.Put(blockKey(l.id, b.Meta.ULID), text)
}
