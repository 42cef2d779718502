package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestOpenFile(t *testing.T) {
	dir, root := filepath.Join(t.TempDir(), "deep", "store"), newTestRoot()
	open := func() *File {
		t.Helper()
		f, err := OpenFile(dir, root, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	l := &ledger{}
	f := open()
	for range 3 {
		if err := l.add(f, TxID{7}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenFile(dir, root, Options{}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("opened twice: got %v, want ErrLocked with the folder's name", err)
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, err := range map[string]error{
		"View":   f.View(t.Context(), func(Reader) error { return nil }),
		"Update": f.Update(t.Context(), TxID{}, func(Tx) error { return nil }),
		"Backup": f.Backup(t.Context(), io.Discard),
		"Check":  f.Check(t.Context()),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: got %v, want ErrClosed", name, err)
		}
	}
	if _, err := OpenFile(dir, newTestRoot(), Options{}); !errors.Is(err, ErrCorrupt) || !errors.Is(err, errTestRoot) {
		t.Errorf("another root key: got %v, want ErrCorrupt and the key's own error", err)
	}
	f = open()
	if n, err := l.check(f); err != nil || n != 3 {
		t.Errorf("%d entries after opening again, %v", n, err)
	}
	if done, err := f.Outcome(t.Context(), TxID{7}); !done || err != nil {
		t.Errorf("outcome after opening again is %v, %v", done, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestNothingReadable searches everything in the folder for what was put in.
func TestNothingReadable(t *testing.T) {
	const canary = "canary-canary-canary"
	dir := t.TempDir()
	f, err := OpenFile(dir, newTestRoot(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	search := func(when string) {
		t.Helper()
		err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if bytes.Contains(b, []byte("canary")) || strings.Contains(path, "canary") {
				t.Errorf("%s: %s holds what was put in", when, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err = f.Update(t.Context(), TxID{}, func(tx Tx) error {
		return tx.Put([]byte(canary), []byte(strings.Repeat(canary, 100)))
	})
	if err != nil {
		t.Fatal(err)
	}
	search("in the log")
	if err := f.eng.db.Flush(); err != nil {
		t.Fatal(err)
	}
	search("in a table")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	search("closed")
}

// closedStore returns a small store that was closed, with a table and a log.
func closedStore(t *testing.T, root Wrapper) (base *vfs.MemFS, l *ledger) {
	t.Helper()
	base, l = vfs.NewMem(), &ledger{pad: "some more text"}
	f := mustOpen(t, base, root, Options{})
	for i := range 6 {
		if err := l.add(f, TxID{byte(i)}); err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			if err := f.eng.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return base, l
}

// files returns the path and the content of all files of a store.
func files(t *testing.T, base *vfs.MemFS) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for _, dir := range []string{"store", "store/db"} {
		names, err := base.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			path := base.PathJoin(dir, name)
			if info, err := base.Stat(path); err != nil || info.IsDir() {
				continue
			}
			f, err := base.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if all[path], err = io.ReadAll(f); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// put makes a store of files.
func putFiles(t *testing.T, all map[string][]byte) *vfs.MemFS {
	t.Helper()
	base := vfs.NewMem()
	if err := base.MkdirAll("store/db", 0o700); err != nil {
		t.Fatal(err)
	}
	for path, data := range all {
		f, err := base.Create(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(bytes.Clone(data)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return base
}

// verdict opens, checks and reads a store, and says whether it passed for whole. An
// error must be ErrCorrupt; without one, every record must be right.
func verdict(t *testing.T, what string, base *vfs.MemFS, root Wrapper, l *ledger) error {
	t.Helper()
	f, err := openOn(base, "store", root, Options{})
	if err != nil {
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", what, err)
		}
		return err
	}
	defer func() { _ = f.Close() }()
	if _, rerr := l.check(f); rerr != nil && !errors.Is(rerr, ErrCorrupt) {
		t.Errorf("%s: wrong data was read: %v", what, rerr)
	}
	err = f.Check(context.Background())
	if err != nil && !errors.Is(err, ErrCorrupt) {
		t.Errorf("%s: got %v, want ErrCorrupt", what, err)
	}
	return err
}

// TestFlips changes bytes all over the files of a closed store. Package cryptfs does so
// with every byte of a file.
func TestFlips(t *testing.T) {
	root := newTestRoot()
	base, l := closedStore(t, root)
	good := files(t, base)
	if err := verdict(t, "untouched", putFiles(t, good), root, l); err != nil {
		t.Fatal(err)
	}
	for path, data := range good {
		name := base.PathBase(path)
		for i := 0; i < len(data); i += max(1, len(data)/25) {
			all := make(map[string][]byte)
			for p, d := range good {
				all[p] = d
			}
			all[path] = bytes.Clone(data)
			all[path][i] ^= 1 << (i % 8)
			err := verdict(t, name, putFiles(t, all), root, l)
			switch {
			case err == nil && !strings.HasPrefix(name, "marker."):
				// A marker speaks by its name, and is replaced when the store is opened.
				t.Errorf("%s: the change of byte %d of %d went unseen", name, i, len(data))
			case err != nil && !strings.Contains(err.Error(), name):
				t.Errorf("%s: the error does not name the file: %v", name, err)
			}
		}
	}
}

// TestCuts cuts, empties and removes files of a closed store.
func TestCuts(t *testing.T) {
	root := newTestRoot()
	base, l := closedStore(t, root)
	good := files(t, base)
	for path, data := range good {
		name := base.PathBase(path)
		for i := 0; i <= len(data); i += max(1, len(data)/25) {
			all := make(map[string][]byte)
			for p, d := range good {
				all[p] = d
			}
			all[path] = data[:i]
			if i == len(data) {
				delete(all, path)
			}
			err := verdict(t, name, putFiles(t, all), root, l)
			if err == nil && (name != closedName || i < len(data)) { // without the mark it is as after a crash
				t.Errorf("%s cut at byte %d of %d went unseen", name, i, len(data))
			}
		}
	}
}

// TestHistoryIsPruned writes more than the change log keeps.
func TestHistoryIsPruned(t *testing.T) {
	base, root := vfs.NewMem(), newTestRoot()
	f := mustOpen(t, base, root, Options{HistoryBytes: 20_000})
	l := &ledger{pad: strings.Repeat("x", 300)}
	for range 100 {
		if err := l.add(f, TxID{}); err != nil {
			t.Fatal(err)
		}
	}
	var first uint64
	for c, err := range f.Watch(t.Context(), nil, 0) {
		if err != nil {
			t.Fatal(err)
		}
		first = c.Revision
		break
	}
	if first < 70 || first > 99 {
		t.Errorf("the first revision that is kept is %d of 100", first)
	}
	if size := f.hist.total - f.hist.before; size > 24_000 {
		t.Errorf("%d bytes of changes are kept, want about 20,000", size)
	}
	for rev, want := range map[uint64]error{1: ErrPruned, first - 2: ErrPruned, first - 1: nil, 100: nil, 101: ErrPruned} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		for _, err := range f.Watch(ctx, nil, rev) {
			if want == nil && errors.Is(err, ErrPruned) || want != nil && !errors.Is(err, want) {
				t.Errorf("watching after %d: got %v, want %v", rev, err, want)
			}
			break
		}
		cancel()
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// Everything is too old now, but for the newest, which carries the revision.
	f = mustOpen(t, base, root, Options{HistoryAge: time.Nanosecond})
	time.Sleep(1100 * time.Millisecond) // ages are whole seconds
	if err := l.add(f, TxID{}); err != nil {
		t.Fatal(err)
	}
	if f.hist.first != 101 || f.applied != 101 {
		t.Errorf("first revision is %d, last %d, want 101 for both", f.hist.first, f.applied)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = mustOpen(t, base, root, Options{})
	if f.hist.first != 101 || f.applied != 101 || f.hist.total == 0 || f.hist.before >= f.hist.total {
		t.Errorf("opened again: %+v, applied %d", f.hist, f.applied)
	}
	if _, err := l.check(f); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWatchEndsWithClose(t *testing.T) {
	f := mustOpen(t, vfs.NewMem(), newTestRoot(), Options{})
	done := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		for c, err := range f.Watch(context.Background(), countKey, 0) {
			if err != nil {
				done <- err
				return
			}
			if c.Revision == 1 {
				close(started)
			}
		}
	}()
	if err := (&ledger{}).add(f, TxID{}); err != nil {
		t.Fatal(err)
	}
	<-started
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

func TestOutcomesArePruned(t *testing.T) {
	f := mustOpen(t, vfs.NewMem(), newTestRoot(), Options{})
	today := dayOf(time.Now())
	for age := range uint32(5) {
		if err := f.eng.db.Set(outcomeKey(today-age, TxID{byte(age + 1)}), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	l := &ledger{}
	if err := l.add(f, TxID{99}); err != nil {
		t.Fatal(err)
	}
	for age := range uint32(5) {
		got, err := f.Outcome(t.Context(), TxID{byte(age + 1)})
		if err != nil || got != (age <= outcomeDays) {
			t.Errorf("outcome %d days old: %v, %v", age, got, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func FuzzParseChanges(f *testing.F) {
	f.Add(make([]byte, historyHead))
	f.Add(append(make([]byte, historyHead), 0, 1, 'k', 2, 'v', 'v', 1, 1, 'k', 0))
	f.Add(append(make([]byte, historyHead), 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1))
	f.Fuzz(func(t *testing.T, value []byte) {
		err := parseChanges(1, value, func(c Change) bool { return len(c.Key)+len(c.Value) >= 0 })
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("got %v, want ErrCorrupt", err)
		}
	})
}
