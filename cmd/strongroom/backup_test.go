package main

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/secret"
)

// opener of a root key with a provider.
func with(p rootkey.Provider) func(*config) (*rootkey.Key, error) {
	return func(c *config) (*rootkey.Key, error) { return rootkey.Open(c.path(sealName), p) }
}

// accounts returns how many accounts the house in a data directory has.
func accounts(t *testing.T, cfg *config, open func(*config) (*rootkey.Key, error)) int {
	t.Helper()
	root, err := open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	h, err := openHouse(t.Context(), cfg, root, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	list, err := h.iam.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestRestore makes a house, backs it up, and restores it with its key file and, after that is
// lost, with its recovery code. What is not whole, or not ours, leaves nothing.
func TestRestore(t *testing.T) {
	base := t.TempDir()
	at := func(name string) *config { return &config{Data: filepath.Join(base, name), Log: "error"} }
	keyFile := filepath.Join(base, "root.key")
	from := at("first")
	if err := os.Mkdir(from.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	root, code, err := rootkey.Init(from.path(sealName), rootkey.FileProvider(keyFile))
	if err != nil {
		t.Fatal(err)
	}
	h, err := openHouse(t.Context(), from, root, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.firstAccount(t.Context()); err != nil {
		t.Fatal(err)
	}
	const segment = foldersName + "/aps/ws-1/log/00000001"
	if err := writeSynced(from.path(segment), strings.NewReader("a log")); err != nil {
		t.Fatal(err)
	}
	var backup bytes.Buffer
	if err := errors.Join(h.Backup(t.Context(), &backup), h.Close()); err != nil {
		t.Fatal(err)
	}
	root.Close()

	file := with(rootkey.FileProvider(keyFile))
	recovery := with(rootkey.RecoveryProvider(func() (secret.Bytes, error) {
		return secret.FromString(string(code.Reveal())), nil // a copy: what is given out is wiped
	}))
	for name, open := range map[string]func(*config) (*rootkey.Key, error){"by file": file, "by code": recovery} {
		to := at(name)
		if err := restore(t.Context(), to, bytes.NewReader(backup.Bytes()), name, open); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if n := accounts(t, to, open); n != 1 {
			t.Errorf("%s: there are %d accounts", name, n)
		}
		if text, err := os.ReadFile(to.path(segment)); err != nil || string(text) != "a log" {
			t.Errorf("%s: got %q of a log, %v", name, text, err)
		}
	}
	changed := bytes.Clone(backup.Bytes())
	changed[len(changed)/2] ^= 1
	for name, c := range map[string]struct {
		bytes []byte
		open  func(*config) (*rootkey.Key, error)
	}{
		"cut":     {backup.Bytes()[:backup.Len()/2], file},
		"changed": {changed, file},
		"no key":  {backup.Bytes(), with(rootkey.FileProvider(filepath.Join(base, "another.key")))},
	} {
		to := at(name)
		if err := restore(t.Context(), to, bytes.NewReader(c.bytes), name, c.open); err == nil {
			t.Errorf("%s: it was restored", name)
		}
		if _, err := os.Lstat(to.Data); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: something is left: %v", name, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(base, "*.restoring-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}
