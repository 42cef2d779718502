package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/strongroom/strongroom/rootkey"
)

// rotated makes a root key, has fn use it, and rotates it.
func rotated(t *testing.T, fn func(old *rootkey.Key)) *rootkey.Key {
	t.Helper()
	seal, file := filepath.Join(t.TempDir(), "seal.json"), rootkey.FileProvider(filepath.Join(t.TempDir(), "key"))
	old, _, err := rootkey.Init(seal, file)
	if err != nil {
		t.Fatal(err)
	}
	fn(old)
	key, _, err := rootkey.Rotate(seal, old, file)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestRewrap(t *testing.T) {
	dir, key := t.TempDir(), []byte("k")
	var before *rootkey.Key
	root := rotated(t, func(old *rootkey.Key) {
		before = old
		f, err := OpenFile(dir, old, Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = f.Update(context.Background(), TxID{}, func(tx Tx) error { return tx.Put(key, []byte("v")) })
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	})
	if n, err := Rewrap(dir, root); err != nil || n != 2 {
		t.Errorf("got %d, %v, want the keyring and the mark", n, err)
	}
	if n, err := Rewrap(dir, root); err != nil || n != 0 {
		t.Errorf("a second time: got %d, %v", n, err)
	}
	if _, err := OpenFile(dir, before, Options{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the old root key: got %v", err)
	}
	f, err := OpenFile(dir, root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = f.View(context.Background(), func(r Reader) error {
		v, err := r.Get(key)
		if string(v) != "v" {
			t.Errorf("got %q", v)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if n, err := Rewrap(dir, root); err != nil || n != 0 { // an open store has no mark
		t.Errorf("without a mark: got %d, %v", n, err)
	}
}

func TestRewrapRefusals(t *testing.T) {
	root := rotated(t, func(*rootkey.Key) {})
	dir := t.TempDir()
	if _, err := Rewrap(dir, root); err == nil {
		t.Error("a store without a keyring was rewrapped")
	}
	for name, data := range map[string]string{"empty": "", "other": "SRKEYS\x00\x02xxxx", "damaged": "SRKEYS\x00\x01\x01xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"} {
		if err := os.WriteFile(filepath.Join(dir, keyringName), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Rewrap(dir, root); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
