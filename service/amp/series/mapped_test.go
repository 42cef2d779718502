package series

import (
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/strongroom/strongroom/seal"
)

// TestTruncated cuts the files of blocks off while they are open and have been read: a query fails as if they had been so before,
// and with the files as they were all is back.
func TestTruncated(t *testing.T) {
	p := newPlace(t, nil)
	db := p.open(t)
	var want []string
	for i := range 3000 {
		want = append(want, fmt.Sprintf("m%d %d %d", i%600, i, i))
	}
	put(t, db, want...)
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range mapAfter { // in the end from memory
		same(t, "at first", all(t, db), want)
		if err := db.Forget(); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range db.blocks[0].open.blobs {
		if r.at == r.open.(io.ReaderAt) {
			t.Error("a file that is read again and again is not mapped")
		}
	}
	cut := 0
	for _, path := range files(t, p.blobs) {
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(whole) < 10_000 {
			continue
		}
		cut++
		if err := os.Truncate(path, 4096); err != nil {
			t.Fatal(err)
		}
		if _, err := read(db); !errors.Is(err, seal.ErrCorrupt) {
			t.Errorf("a block of which a file was cut: got %v, want ErrCorrupt", err)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(whole, 0); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Close(), db.Forget()); err != nil {
			t.Fatal(err)
		}
	}
	if cut < 2 {
		t.Errorf("%d files were cut, want an index and chunks", cut)
	}
	same(t, "with all files", all(t, db), want)
	before := openBlobs.Load()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if after := openBlobs.Load(); after != before-2 {
		t.Errorf("%d blobs are open after Close, %d before", after, before)
	}
}

// TestTire maintains a store whose blocks are read, and then no more: their files are closed when nobody has read them
// for a while, and open again.
func TestTire(t *testing.T) {
	p := newPlace(t, nil)
	db := p.open(t)
	put(t, db, "m 1000 1")
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := openBlobs.Load()
	for i, want := range []struct {
		read bool
		open int64
	}{{true, 2}, {true, 2}, {false, 0}, {false, 0}, {true, 2}, {false, 0}} {
		if want.read {
			same(t, "read", all(t, db), []string{"m 1000 1"})
		}
		if err := errors.Join(db.cool(), db.Forget()); err != nil {
			t.Fatal(err)
		}
		if got := openBlobs.Load() - before; got != want.open {
			t.Errorf("step %d: %d files are open, want %d", i, got, want.open)
		}
	}
}
