package store

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// eraseWait is how often Erase looks whether what it waits for has come.
const eraseWait = 5 * time.Millisecond

// Erase rewrites the tables that hold anything under prefix, and drops the whole change log, which holds
// the values of every update, but for its last entry: a Watch that is behind begins again. It then
// waits until Pebble has removed the old tables and logs.
//
// A view or backup that began before holds the old state, in the tables and on the
// disk, and Erase waits for its end.
func (f *File) Erase(ctx context.Context, prefix []byte) error {
	eng, seq, err := f.cutHistory(ctx)
	if err != nil {
		return fmt.Errorf("erase: %w", mapError(err))
	}
	defer eng.unref()
	err = poll(ctx, func() (bool, error) {
		m := eng.db.Metrics()
		return m.Snapshots.Count == 0 || m.Snapshots.EarliestSeqNum > seq, eng.fs.Err()
	})
	if err == nil {
		err = eng.rewrite(ctx, prefix)
	}
	if err == nil {
		err = poll(ctx, func() (bool, error) { return eng.onlyLive(f.path(tablesName)) })
	}
	if err != nil {
		return fmt.Errorf("erase: %w", mapError(err))
	}
	return nil
}

// cutHistory drops the change log but for its last entry, and moves views on to a state
// without it. It returns the engine, with a reference, and the place of the cut in the
// engine's order of writes.
func (f *File) cutHistory(ctx context.Context) (*engine, pebble.SeqNum, error) {
	f.w.Lock()
	defer f.w.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if err := f.ready(); err != nil {
		return nil, 0, err
	}
	f.inflight.Wait() // so that the newest state is durable, and may be shown
	if err := f.eng.fs.Err(); err != nil {
		return nil, 0, err
	}
	b := f.eng.db.NewBatch()
	defer b.Close()
	hist := f.hist
	if err := hist.dropAll(b, f.eng.db, f.applied); err != nil {
		return nil, 0, err
	}
	if err := f.eng.db.Apply(b, pebble.Sync); err != nil {
		return nil, 0, err
	}
	if err := f.eng.fs.Err(); err != nil {
		return nil, 0, err
	}
	f.hist = hist
	f.publish(f.eng.newSnapshot(f.applied), true)
	f.eng.refs.Add(1)
	return f.eng, b.SeqNum(), nil
}

// dropAll adds to a batch the removal of all changes but those of the newest commit.
func (h *history) dropAll(b *pebble.Batch, db *pebble.DB, newest uint64) error {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceHistory}, UpperBound: []byte{spaceHistory + 1}})
	if err != nil {
		return err
	}
	defer it.Close()
	if newest > h.first {
		return h.cut(b, it, newest)
	}
	// Nothing is to be dropped, but a batch must have something to have a place in the order.
	return b.Set([]byte{spaceVersion}, []byte{layoutVersion}, nil)
}

// rewrite moves everything from the memory tables to tables, and those with the change log
// or with anything under prefix through all levels.
func (e *engine) rewrite(ctx context.Context, prefix []byte) error {
	if err := e.db.Flush(); err != nil {
		return err
	}
	data := append([]byte{spaceData}, prefix...)
	if err := e.db.Compact(ctx, data, PrefixEnd(data), false); err != nil {
		return err
	}
	return e.db.Compact(ctx, []byte{spaceHistory}, []byte{spaceHistory + 1}, false)
}

// onlyLive reports whether every table in the folder is one that Pebble uses, and every log
// one that it still needs.
func (e *engine) onlyLive(dir string) (bool, error) {
	if err := e.fs.Err(); err != nil {
		return false, err
	}
	names, err := e.fs.List(dir)
	if err != nil {
		return false, err
	}
	logs := 0
	for _, name := range names {
		if e.leftOver(name) {
			return false, nil
		}
		if filepath.Ext(name) == ".log" {
			logs++
		}
	}
	// The log in use is newer than the flush. A write since then may have begun another.
	return int64(logs) <= e.db.Metrics().WAL.Files, nil
}

// poll asks done until it says so.
func poll(ctx context.Context, done func() (bool, error)) error {
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(eraseWait):
		}
	}
}

// remover deletes Pebble's files as soon as they are obsolete. Without it Pebble would keep logs
// to write them again, which cryptfs never lets it do. A cleaner that wants to see
// what is in the files gets them at once, and only the archiver can say that it does.
type remover struct {
	pebble.DeleteCleaner
	readsFiles
}

type readsFiles struct{ pebble.ArchiveCleaner }
