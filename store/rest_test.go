package store

import (
	"fmt"
	"testing"
	"time"
)

// TestRestMovesTheMemtable fills much of the table in memory and rests: its records are in tables on the disk then, and none is lost.
func TestRestMovesTheMemtable(t *testing.T) {
	root, dir := newTestRoot(), t.TempDir()
	f, err := OpenFile(dir, root, Options{Cache: 16 << 20, restAfter: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	write := func(from, n, size int) {
		t.Helper()
		for i := range n {
			err := f.Update(t.Context(), TxID{}, func(tx Tx) error {
				return tx.Put(fmt.Append(nil, "k", from+i), make([]byte, size))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	flushes := func() int64 { return f.eng.db.Metrics().Flush.Count }
	before := flushes()
	write(0, 3, 100<<10)
	rests(t, f)
	if n := flushes() - before; n != 0 {
		t.Errorf("%d flushes of a table that holds little", n)
	}
	write(3, int(f.eng.memTable/restShare/(200<<10))+2, 100<<10) // each is in the log twice, with the history's
	for deadline := time.Now().Add(2 * time.Minute); flushes() == before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the table stays in memory")
		}
	}
	rests(t, f)
	err = f.View(t.Context(), func(r Reader) error {
		for i := range 3 {
			if v, err := r.Get(fmt.Append(nil, "k", i)); err != nil || len(v) != 100<<10 {
				return fmt.Errorf("record %d: %d bytes, %w", i, len(v), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// rests waits until nobody looks whether the writers rest.
func rests(t *testing.T, f *File) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		f.w.Lock()
		done := f.rest == nil
		f.w.Unlock()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("still looked at")
		}
	}
}
