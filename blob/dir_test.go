package blob_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/blob/blobtest"
	"github.com/strongroom/strongroom/durable"
)

func open(t testing.TB, path string) *blob.Dir {
	t.Helper()
	d, err := blob.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestContract(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, t.TempDir()) })
}

func TestOpenDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "blobs")
	d := open(t, path)
	if _, err := blob.OpenDir(path); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("opened twice: got %v, want ErrLocked", err)
	}
	if _, err := d.Put(t.Context(), "a", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	stray := filepath.Join(path, "tmp", "1")
	if err := os.WriteFile(stray, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	d = open(t, path)
	if _, err := os.Stat(stray); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a stray file is still there: %v", err)
	}
	if _, err := d.Stat(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	for info, err := range d.List(t.Context(), "", "") {
		if err != nil || info.Key != "a" {
			t.Errorf("listed %v, %v", info, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := blob.OpenDir(file); err == nil {
		t.Error("a file was opened as a folder")
	}
}

// TestPermissions checks that nobody else can read blobs.
func TestPermissions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "blobs")
	d := open(t, path)
	if _, err := d.Put(t.Context(), "a/b", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(path, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDiskErrors makes the disk fail where a file system lets us: no room for the bytes,
// and no way to make the name.
func TestDiskErrors(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	full := func(p []byte) (int, error) { return 0, syscall.ENOSPC }
	if _, err := d.Put(t.Context(), "a", readerFunc(full)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	// A file where the blob's folder must be.
	if err := os.WriteFile(filepath.Join(path, "blobs", "=b"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Put(t.Context(), "b", strings.NewReader("x")); err == nil {
		t.Error("a blob was put below a file")
	}
	left, err := os.ReadDir(filepath.Join(path, "tmp"))
	if err != nil || len(left) != 0 {
		t.Errorf("failed puts left %v, %v", left, err)
	}
	if err := os.RemoveAll(filepath.Join(path, "tmp")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Put(t.Context(), "c", strings.NewReader("x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want not exist", err)
	}
	if _, err := d.Stat(t.Context(), "c"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func FuzzCheckKey(f *testing.F) {
	for _, key := range []string{"a", "a/b", "", "..", "a//b", "/", strings.Repeat("a", 129)} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if blob.CheckKey(key) != nil {
			return
		}
		if !filepath.IsLocal(key) || filepath.Clean(key) != key || len(key) > 128 {
			t.Errorf("accepted %q", key)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("4KiB/writers=%d", writers), func(b *testing.B) {
			d := open(b, b.TempDir())
			body := strings.Repeat("x", 4096)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for {
						i := next.Add(1)
						if i > int64(b.N) {
							return
						}
						key := fmt.Sprintf("0%015x", uint64(i)*0x9e3779b97f4a7c15>>4)
						if _, err := d.Put(context.Background(), key, strings.NewReader(body)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
		})
	}
	b.Run("64MiB", func(b *testing.B) {
		d := open(b, b.TempDir())
		const size = 64 << 20
		b.SetBytes(size)
		b.ReportAllocs()
		for i := range b.N {
			key := fmt.Sprintf("%016x", i)
			if _, err := d.Put(context.Background(), key, io.LimitReader(zeros{}, size)); err != nil {
				b.Fatal(err)
			}
			if err := d.Delete(context.Background(), key); err != nil {
				b.Fatal(err)
			}
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func BenchmarkGet(b *testing.B) {
	d := open(b, b.TempDir())
	const size = 4096
	if _, err := d.Put(context.Background(), "abcd", io.LimitReader(zeros{}, size)); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, size)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		r, err := d.Get(context.Background(), "abcd", 0, -1)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(r, buf); err != nil {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
