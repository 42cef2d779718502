package series

import (
	"errors"
	"fmt"
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
	for range 2 { // the second time from memory
		same(t, "at first", all(t, db), want)
		if err := db.Forget(); err != nil {
			t.Fatal(err)
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
