package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestTornFrameIsCutOff(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	mustAppend(t, l, entry(0))
	begin := l.written
	mustAppend(t, l, entry(1))
	end := l.written
	path := segmentPath(dir, 1)
	for cut := begin; cut < end; cut++ {
		back := copyDir(t, dir)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		clear(b[cut:end])
		if err := os.WriteFile(segmentPath(back, 1), b, 0o600); err != nil {
			t.Fatal(err)
		}
		l2, err := Open(back, keysForTest, quiet())
		if err != nil {
			t.Fatalf("cut at %d of %d..%d: %v", cut, begin, end, err)
		}
		want := 1
		if got := len(lookup(t, l2, Query{})); got != want && cut != end-1 {
			t.Fatalf("cut at %d: %d records, want %d", cut, got, want)
		}
		if err := l2.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	for i := range 3 {
		mustAppend(t, l, entry(i))
	}
	size := l.written
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, dir)
	mustAppend(t, l, entry(3))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Base(segmentPath("", 1)), filepath.Base(summaryPath("", 1))} {
		whole, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		n := int64(len(whole))
		if filepath.Ext(name) == segmentExt {
			n = size // what follows is zeros that no one reads
		}
		for i := range n {
			bad := bytes.Clone(whole)
			bad[i] ^= 0x40
			if err := os.WriteFile(filepath.Join(dir, name), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := openAndCheck(dir); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s, byte %d flipped: %v", name, i, err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := openAndCheck(dir); err != nil {
		t.Fatal(err)
	}
}

func TestMissingAndShortenedFilesAreFound(t *testing.T) {
	build := func(t *testing.T) string {
		dir := t.TempDir()
		for i := range 4 {
			l := mustOpen(t, dir)
			mustAppend(t, l, entry(i))
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	for name, harm := range map[string]func(dir string) error{
		"first segment gone":    func(dir string) error { return os.Remove(segmentPath(dir, 1)) },
		"middle segment gone":   func(dir string) error { return os.Remove(segmentPath(dir, 2)) },
		"segment shortened":     func(dir string) error { return shorten(segmentPath(dir, 2), 10) },
		"segment emptied":       func(dir string) error { return os.Truncate(segmentPath(dir, 3), 0) },
		"segments swapped":      func(dir string) error { return os.Rename(segmentPath(dir, 2), segmentPath(dir, 3)) },
		"stranger among them":   func(dir string) error { return os.WriteFile(filepath.Join(dir, "zz.seg"), nil, 0o600) },
		"summary of another":    func(dir string) error { return os.Rename(summaryPath(dir, 2), summaryPath(dir, 3)) },
		"another house's files": func(dir string) error { return os.WriteFile(segmentPath(dir, 2), []byte(magic), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := build(t)
			if err := harm(dir); err != nil {
				t.Fatal(err)
			}
			if err := openAndCheck(dir); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("got %v", err)
			}
		})
	}
	t.Run("summary gone is made again", func(t *testing.T) {
		dir := build(t)
		for n := range uint64(4) {
			if err := os.Remove(summaryPath(dir, n+1)); err != nil {
				t.Fatal(err)
			}
		}
		if err := openAndCheck(dir); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("another root key", func(t *testing.T) {
		if _, err := Open(build(t), testKeys{bytes.Repeat([]byte{8}, 32)}, quiet()); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("got %v", err)
		}
	})
}
