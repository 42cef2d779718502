package blob_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/strongroom/strongroom/blob"
)

// mapping returns a blob, its reads by way of a mapping, and its file.
func mapping(t *testing.T, want []byte) (r io.ReadCloser, at io.ReaderAt, path string) {
	t.Helper()
	dir := t.TempDir()
	d := open(t, dir)
	if _, err := d.Put(t.Context(), "a", bytes.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	r, err := d.Get(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if at, err = r.(blob.Mapper).Map(); err != nil {
		if strconv.IntSize < 64 || runtime.GOOS == "windows" {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	err = filepath.WalkDir(filepath.Join(dir, "blobs"), func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			path = name
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, at, path
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(5, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestMapped reads ranges of many lengths, of which some are not there, from a mapping and from the file.
func TestMapped(t *testing.T) {
	for _, size := range []int{1, 100, 16 << 10, 16<<10 + 1, 500_000} {
		want := noise(size)
		r, at, _ := mapping(t, want)
		random := rand.New(rand.NewPCG(1, 2))
		for range 2000 {
			off := random.Int64N(int64(size)+10) - 2
			p := make([]byte, random.IntN([]int{10, 3000, 40_000}[random.IntN(3)]))
			q := make([]byte, len(p))
			n, err := at.ReadAt(p, off)
			m, werr := r.(io.ReaderAt).ReadAt(q, off)
			if n != m || !errors.Is(err, werr) || !bytes.Equal(p[:n], q[:m]) {
				t.Fatalf("%d bytes from %d of %d: got %d, %v; the file gives %d, %v", len(p), off, size, n, err, m, werr)
			}
			if err == nil && !bytes.Equal(p, want[off:off+int64(len(p))]) {
				t.Fatalf("%d bytes from %d of %d are others", len(p), off, size)
			}
		}
	}
}

// TestMappedTruncated cuts the file off under its mapping, which has been read: whoever touches what is gone would die of it.
func TestMappedTruncated(t *testing.T) {
	want := noise(200_000)
	r, at, path := mapping(t, want)
	all := make([]byte, len(want))
	for off := 0; off < len(want); off += 1000 {
		if _, err := at.ReadAt(all[off:off+1000], int64(off)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(all, want) {
		t.Fatal("the blob is another")
	}
	if err := os.Truncate(path, 64<<10); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 1000, 40_000} {
		for _, off := range []int64{64 << 10, 64<<10 - 1, 100_000, 150_000} {
			p := make([]byte, n)
			got, err := at.ReadAt(p, off)
			m, werr := r.(io.ReaderAt).ReadAt(make([]byte, n), off)
			if got != m || err != werr || err == nil && off+int64(n) > 64<<10 {
				t.Errorf("%d bytes from %d of a file that was cut: got %d, %v; the file gives %d, %v", n, off, got, err, m, werr)
			}
		}
	}
	p := make([]byte, 1000)
	if _, err := at.ReadAt(p, 3000); err != nil || !bytes.Equal(p, want[3000:4000]) {
		t.Errorf("what is left of the file: got %v", err)
	}
}

func TestMappedClosed(t *testing.T) {
	want := noise(100_000)
	r, at, path := mapping(t, want)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			p := make([]byte, 900)
			for off := int64(0); ; off = (off + 777) % 99_000 {
				if _, err := at.ReadAt(p, off); err != nil {
					if !errors.Is(err, os.ErrClosed) {
						t.Errorf("while it is closed: got %v", err)
					}
					return
				}
				if !bytes.Equal(p, want[off:off+900]) {
					t.Error("bytes of a blob that is closed are others")
					return
				}
			}
		})
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if _, err := at.ReadAt(make([]byte, 10), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: got %v", err)
	}
	if maps, err := os.ReadFile("/proc/self/maps"); err == nil && strings.Contains(string(maps), path) {
		t.Error("the blob is mapped after Close")
	}
}

// TestNotMapped asks for mappings of what is none: a part of a blob, and no bytes.
func TestNotMapped(t *testing.T) {
	d := open(t, t.TempDir())
	for key, text := range map[string]string{"a": "some bytes", "b": ""} {
		if _, err := d.Put(t.Context(), key, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		key string
		off int64
	}{{"a", 1}, {"b", 0}} {
		r, err := d.Get(t.Context(), tc.key, tc.off, -1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.(blob.Mapper).Map(); err == nil {
			t.Errorf("%s from %d on is mapped", tc.key, tc.off)
		}
		if _, err := r.(io.ReaderAt).ReadAt(make([]byte, 20), 0); err != io.EOF {
			t.Errorf("%s is not read as before: got %v", tc.key, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
