package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/strongroom/strongroom/store/cryptfs"
)

// inFiles reports in which of a store's files, decrypted, something stands. The store may be writing one meanwhile, or removing one:
// then it looks again.
func inFiles(t *testing.T, f *File, what []byte) []string {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		in, err := filesWith(f, what)
		if err == nil {
			return in
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

func filesWith(f *File, what []byte) (in []string, err error) {
	fs := cryptfs.New(f.base, f.ring)
	names, err := fs.List(f.path(tablesName))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		file, err := fs.Open(f.path(tablesName) + "/" + name)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(io.Reader(file))
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil
		}
		if err := errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if bytes.Contains(text, what) {
			in = append(in, name)
		}
	}
	return in, nil
}

func put(t *testing.T, db DB, key string, value []byte) {
	t.Helper()
	err := db.Update(t.Context(), TxID{}, func(tx Tx) error {
		if value == nil {
			return tx.Delete([]byte(key))
		}
		return tx.Put([]byte(key), value)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestErase says that what was deleted or replaced stands in no file afterwards, wherever it
// had come to lie: in the log, the memory tables, tables, or the change log.
func TestErase(t *testing.T) {
	for _, flushed := range []bool{false, true} {
		for _, replaced := range []bool{false, true} {
			t.Run(fmt.Sprintf("flushed %v, replaced %v", flushed, replaced), func(t *testing.T) {
				f, err := openOn(vfs.Default, t.TempDir(), newTestRoot(), Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				secret := make([]byte, 64)
				_, _ = rand.Read(secret)
				part := Sub(f, "kms/")
				put(t, part, "b1", []byte("kept"))
				put(t, part, "b2", secret)
				put(t, f, "other", []byte("also kept"))
				if flushed {
					if err := f.eng.db.Flush(); err != nil {
						t.Fatal(err)
					}
					if err := f.eng.db.Compact(t.Context(), []byte("a"), []byte("z"), false); err != nil {
						t.Fatal(err)
					}
				}
				if replaced {
					put(t, part, "b2", []byte("new"))
				} else {
					put(t, part, "b2", nil)
				}
				if len(inFiles(t, f, secret)) == 0 {
					t.Fatal("the secret is nowhere, even before it is erased")
				}
				for range 2 { // the second finds nothing to do
					if err := part.Erase(t.Context(), []byte("b")); err != nil {
						t.Fatal(err)
					}
				}
				if in := inFiles(t, f, secret); len(in) > 0 {
					t.Errorf("left in %v", in)
				}
				for key, want := range map[string]string{"kms/b1": "kept", "other": "also kept"} {
					var got []byte
					err := f.View(t.Context(), func(r Reader) (err error) { got, err = r.Get([]byte(key)); return err })
					if err != nil || string(got) != want {
						t.Errorf("%s: %q, %v", key, got, err)
					}
				}
				put(t, part, "b3", []byte("after"))
				if err := f.Check(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestEraseWaits says that an old view keeps what it sees, and that Erase does not claim more
// than there is.
func TestEraseWaits(t *testing.T) {
	f, err := openOn(vfs.Default, t.TempDir(), newTestRoot(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	secret := make([]byte, 64)
	_, _ = rand.Read(secret)
	put(t, f, "k", secret)
	err = f.View(t.Context(), func(r Reader) error {
		put(t, f, "k", nil)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := f.Erase(ctx, []byte("k")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a view open: %v", err)
		}
		got, err := r.Get([]byte("k"))
		if err == nil && !bytes.Equal(got, secret) {
			t.Error("the view changed")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Erase(t.Context(), []byte("k")); err != nil {
		t.Fatal(err)
	}
	if in := inFiles(t, f, secret); len(in) > 0 {
		t.Errorf("left in %v", in)
	}
}

// TestEraseAndReopen says that an erased store opens again, after a close and after a crash,
// and goes on with its revisions.
func TestEraseAndReopen(t *testing.T) {
	dir, root := t.TempDir(), newTestRoot()
	for round := range 3 {
		f, err := openOn(vfs.Default, dir, root, Options{})
		if err != nil {
			t.Fatal(round, err)
		}
		put(t, f, "k", []byte{byte(round)})
		if err := f.Erase(t.Context(), []byte("k")); err != nil {
			t.Fatal(err)
		}
		if f.applied != uint64(round+1) {
			t.Errorf("revision %d in round %d", f.applied, round)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := f.Erase(t.Context(), []byte("k")); !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	}
}
