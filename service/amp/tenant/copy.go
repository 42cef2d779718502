package tenant

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/strongroom/strongroom/service/amp/series"
	"github.com/strongroom/strongroom/service/amp/wal"
	"github.com/strongroom/strongroom/store"
)

// Hold keeps segments of logs from being taken away until release is called. It begins when nobody is about to take one.
func (ts *Tenants) Hold() (release func()) {
	ts.hold.Lock()
	return ts.hold.Unlock
}

// Copy gives the logs of all workspaces to add, under the names of their files below the service's folder. Hold must be
// in force, since before the store was copied: what the records say of a log then fits what is copied.
func (ts *Tenants) Copy(ctx context.Context, add func(name string, size int64, r io.Reader) error) error {
	folder, err := ts.folder()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := wal.Copy(filepath.Join(folder, e.Name(), "log"), func(name string, size int64, r io.Reader) error {
			return add(e.Name()+"/log/"+name, size, r)
		})
		if err != nil {
			return fmt.Errorf("log of %s: %w", e.Name(), err)
		}
	}
	return nil
}

// Check authenticates what is kept of workspaces: their blocks by marks, which takes no key, and their logs under the keys of
// the workspaces. A log whose key cannot be used is left out, and tell is told so. It may run while workspaces are used.
func (ts *Tenants) Check(ctx context.Context, all []ID, tell func(string)) error {
	for _, id := range all {
		if w, err := ts.dir.Workspace(ctx, id); err == nil && w.Elsewhere {
			tell(id.ARN() + ": a metrics cluster keeps it; NOT read here")
			continue
		}
		blocks, err := ts.checkBlocks(ctx, id)
		if err != nil {
			return fmt.Errorf("%s: %w", id.ARN(), err)
		}
		segments, err := ts.checkLog(ctx, id)
		var k *KeyError
		switch {
		case errors.As(err, &k):
			tell(fmt.Sprintf("%s: %d blocks; the log was NOT read, because the key can't be used (%s)", id.ARN(), blocks, k.Code))
		case errors.Is(err, ErrNoWorkspace): // it is gone by now
		case err != nil:
			return fmt.Errorf("%s: log: %w", id.ARN(), err)
		default:
			tell(fmt.Sprintf("%s: %d blocks, %d segments of the log", id.ARN(), blocks, segments))
		}
	}
	return nil
}

func (ts *Tenants) checkBlocks(ctx context.Context, id ID) (n int, err error) {
	l := &ledger{ts.opts.Store, ts.opts.Blobs, id, ts.now}
	var state series.State
	err = ts.opts.Store.View(ctx, func(r store.Reader) error {
		state = series.State{}
		return l.readBlocks(r, &state)
	})
	if err != nil {
		return 0, err
	}
	for i := range state.Blocks {
		b := &state.Blocks[i]
		if err := series.CheckBlock(ctx, ts.opts.Blobs, ts.opts.Marks, b); err != nil {
			if same, rerr := ts.sameBlock(ctx, id, b); rerr == nil && !same {
				continue // it has been replaced since, and its bytes may be gone
			}
			return 0, err
		}
	}
	return len(state.Blocks), nil
}

// sameBlock reports whether a block is still what it was.
func (ts *Tenants) sameBlock(ctx context.Context, id ID, b *series.Block) (same bool, err error) {
	want, err := json.Marshal(b)
	if err != nil {
		return false, err
	}
	err = ts.opts.Store.View(ctx, func(r store.Reader) error {
		now, err := r.Get(blockKey(id, b.Meta.ULID))
		same = err == nil && bytes.Equal(now, want)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return same, err
}

// checkLog reads the log of a workspace, as the service itself.
func (ts *Tenants) checkLog(ctx context.Context, id ID) (int, error) {
	w, err := ts.dir.Workspace(ctx, id)
	if err != nil {
		return 0, err
	}
	if w.Lost {
		return 0, &KeyError{ARN: w.ARN, Code: "AccessDeniedException", Lost: true}
	}
	ts.hold.RLock() // the log and what is said of it stay the same
	defer ts.hold.RUnlock()
	l := &ledger{ts.opts.Store, ts.opts.Blobs, id, ts.now}
	covered, err := l.covered(ctx)
	if err != nil {
		return 0, err
	}
	log, _, err := ts.paths(id)
	if err != nil {
		return 0, err
	}
	return wal.Check(ctx, log, id.Workspace, newKeys(ts.seal, id, w), covered.First)
}
