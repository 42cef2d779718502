package series

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service/amp/wal"
)

// keeping are blobs of which none goes, as while a backup runs.
type keeping struct{ blob.Store }

func (keeping) Delete(context.Context, string) error { return nil }

// TestCopyWhileInUse copies what is known of blocks, then goes on appending and compacting, and then copies the log. What is
// made of the copies has every sample that was there when the copying began, and those of the log besides.
func TestCopyWhileInUse(t *testing.T) {
	hold := new(sync.RWMutex)
	p := newPlace(t, func(o *Options) { o.Hold, o.WAL.Segment = hold, 2000 })
	p.opts.Blobs = keeping{p.opts.Blobs}
	db := p.open(t)
	fill(t, db, 5)
	hold.Lock()
	state, err := p.ledger.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := all(t, db)
	for at := 5 * hour; at < 12*hour; at += hour / 6 {
		s := fmt.Sprintf("m0 %d 1", at)
		put(t, db, s)
		want = append(want, s)
		if err := db.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.ledger.state.Blocks) <= len(state.Blocks) || p.ledger.state.Covered.First != state.Covered.First {
		t.Fatalf("nothing was compacted, or the log was cut, while it was held: %v", p.ledger.state.Covered)
	}
	q := newPlace(t, nil)
	q.opts.Blobs, q.keys = p.opts.Blobs, p.keys
	q.ledger.state = state
	err = wal.Copy(p.opts.Log, func(name string, size int64, r io.Reader) error {
		text, err := io.ReadAll(r)
		if err != nil || int64(len(text)) != size {
			t.Errorf("segment %s: %d bytes of %d", name, len(text), size)
		}
		return errors.Join(err, os.WriteFile(filepath.Join(q.opts.Log, name), text, 0o600))
	})
	if err != nil {
		t.Fatal(err)
	}
	hold.Unlock()
	same(t, "what was copied", all(t, q.open(t)), want)
	if n, err := wal.Check(t.Context(), p.opts.Log, p.opts.Name, p.keys, p.ledger.state.Covered.First); err != nil || n < 3 {
		t.Errorf("check of the log: %d segments, %v", n, err)
	}
	put(t, db, fmt.Sprintf("m0 %d 1", 16*hour))
	if err := db.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.ledger.state.Covered.First == state.Covered.First {
		t.Error("the log is not cut any more")
	}
	same(t, "what was copied from", all(t, p.open(t)), append(want, fmt.Sprintf("m0 %d 1", 16*hour)))
}

// TestCheck finds a flipped bit in any blob of a block, and in the log, and needs no key for the block.
func TestCheck(t *testing.T) {
	p := newPlace(t, nil)
	db := p.open(t)
	fill(t, db, 5)
	if err := db.Delete(t.Context(), 0, hour, is("m1")); err != nil {
		t.Fatal(err)
	}
	check := func() (err error) {
		for _, b := range db.Blocks() {
			err = errors.Join(err, CheckBlock(t.Context(), p.opts.Blobs, p.opts.Marks, &b))
		}
		_, lerr := wal.Check(t.Context(), p.opts.Log, p.opts.Name, p.keys, 0)
		return errors.Join(err, lerr)
	}
	if err := check(); err != nil {
		t.Fatal(err)
	}
	for _, path := range append(files(t, p.blobs), files(t, p.opts.Log)...) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := len(raw) / 2
		raw[at] ^= 1
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := check(); !errors.Is(err, seal.ErrCorrupt) {
			t.Errorf("%s was changed: got %v", path, err)
		}
		raw[at] ^= 1
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := check(); err != nil {
		t.Error(err)
	}
}
