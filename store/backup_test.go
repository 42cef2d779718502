package store

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestBackupAndRestore(t *testing.T) {
	root := newTestRoot()
	f := mustOpen(t, vfs.NewMem(), root, Options{})
	l := &ledger{pad: strings.Repeat("canary", 5000)}
	for i := range 40 {
		if err := l.add(f, TxID{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	var copied bytes.Buffer
	if err := f.Backup(t.Context(), &copied); err != nil {
		t.Fatal(err)
	}
	acked := l.acked.Load()
	if err := l.add(f, TxID{100}); err != nil { // not in the backup
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	l.acked.Store(acked)
	if bytes.Contains(copied.Bytes(), []byte("canary")) {
		t.Error("the backup can be read")
	}
	dir := filepath.Join(t.TempDir(), "restored")
	if err := Restore(dir, root, iotest.HalfReader(&copied)); err != nil {
		t.Fatal(err)
	}
	if err := Restore(dir, root, &copied); err == nil {
		t.Error("restored over a store")
	}
	r, err := OpenFile(dir, root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := l.check(r); n != acked || err != nil {
		t.Errorf("%d entries, %v, want %d", n, err, acked)
	}
	for id, want := range map[TxID]bool{{39}: true, {100}: false} {
		if got, err := r.Outcome(t.Context(), id); err != nil || got != want {
			t.Errorf("outcome of %d is %v, %v, want %v", id[0], got, err, want)
		}
	}
	if err := l.add(r, TxID{}); err != nil {
		t.Error(err)
	}
	if r.applied != acked+1 {
		t.Errorf("the revision goes on at %d, want %d", r.applied, acked+1)
	}
	if err := r.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// TestDamagedBackup changes and cuts a small backup at every byte.
func TestDamagedBackup(t *testing.T) {
	root := newTestRoot()
	f := mustOpen(t, vfs.NewMem(), root, Options{})
	if err := (&ledger{}).add(f, TxID{}); err != nil {
		t.Fatal(err)
	}
	var good bytes.Buffer
	if err := f.Backup(t.Context(), &good); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	try := func(data []byte, root Wrapper) error {
		in, err := newBackupReader(bytes.NewReader(data), root)
		if err != nil {
			return err
		}
		_, err = io.ReadAll(in)
		return err
	}
	if err := try(good.Bytes(), root); err != nil {
		t.Fatal(err)
	}
	for i := range good.Len() {
		bad := bytes.Clone(good.Bytes())
		bad[i] ^= 0x80
		if err := try(bad, root); !errors.Is(err, ErrCorrupt) {
			t.Errorf("change of byte %d: got %v, want ErrCorrupt", i, err)
		}
		if err := try(good.Bytes()[:i], root); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut at byte %d: got %v, want ErrCorrupt", i, err)
		}
	}
	if err := try(append(bytes.Clone(good.Bytes()), 0), root); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a byte more: got %v, want ErrCorrupt", err)
	}
	if err := try(good.Bytes(), newTestRoot()); !errors.Is(err, ErrCorrupt) || !errors.Is(err, errTestRoot) {
		t.Errorf("another root key: got %v, want ErrCorrupt and the key's own error", err)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	for name, r := range map[string]io.Reader{
		"cut":    bytes.NewReader(good.Bytes()[:good.Len()-1]),
		"broken": io.MultiReader(bytes.NewReader(good.Bytes()[:good.Len()-1]), iotest.ErrReader(io.ErrClosedPipe)),
		"empty":  strings.NewReader(""),
	} {
		err := Restore(dir, root, r)
		if want := map[bool]error{true: io.ErrClosedPipe, false: ErrCorrupt}[name == "broken"]; !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
		if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 0 {
			t.Errorf("%s: a failed restore left %v, %v", name, left, err)
		}
	}
}

// TestLargeFrames writes backups whose length is at and around whole frames.
func TestLargeFrames(t *testing.T) {
	root := newTestRoot()
	for _, size := range []int{0, 1, backupFrame - 1, backupFrame, backupFrame + 1, 2 * backupFrame, 3*backupFrame + 7} {
		want := bytes.Repeat([]byte{byte(size)}, size)
		var buf bytes.Buffer
		w, err := newBackupWriter(&buf, root)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(want); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := newBackupReader(&buf, root)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes came back as %d, %v", size, len(got), err)
		}
	}
}

func FuzzBackup(f *testing.F) {
	root := newTestRoot()
	var buf bytes.Buffer
	w, err := newBackupWriter(&buf, root)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := w.Write([]byte("\x01k\x01v\x00\x01")); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	good := buf.Bytes()
	f.Add(good)
	f.Add([]byte(backupMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := newBackupReader(bytes.NewReader(data), root)
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if (err == nil) != bytes.Equal(data, good) {
			t.Errorf("%d bytes: got %v", len(data), err)
		}
	})
}
