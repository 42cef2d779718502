package main

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/rootkey"
)

// wrappers are all places that call a method Wrap, and what wraps again there when the root key is rotated.
// Who wraps something under the root key adds a line, and sees to it that rotate.go reaches it.
var wrappers = map[string]string{
	"audit/segment.go":         "audit.Rewrap",
	"gateway/certs.go":         "gateway.RewrapAuthority",
	"rootkey/rotate.go":        "it is what wraps again",
	"service/kms/domain.go":    "service.Service.Rewrap of kms: domain keys",
	"service/kms/keystore.go":  "service.Service.Rewrap of kms: credentials of key stores",
	"service/kms/jobs.go":      "under a domain key",
	"service/kms/material.go":  "under a domain key",
	"store/backup.go":          "in a backup, which has its own seal file",
	"store/closed.go":          "store.Rewrap",
	"store/cryptfs/keyring.go": "store.Rewrap",
}

// TestEveryWrapperIsKnown reads the source for what could be left behind by a rotation.
func TestEveryWrapperIsKnown(t *testing.T) {
	call := regexp.MustCompile(`\.Wrap\(`)
	found := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && d.Name() != ".." && strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 {
				return filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(filepath.ToSlash(path), "../../"))
		for line := range bytes.Lines(text) {
			if call.Match(line) && !bytes.HasPrefix(bytes.TrimSpace(line), []byte("//")) {
				found[name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range found {
		if wrappers[name] == "" {
			t.Errorf("%s wraps something. If that is under the root key it must be wrapped again when the root key is rotated "+
				"(cmd/strongroom/rotate.go, service.Service.Rewrap); then give the file a line in wrappers", name)
		}
	}
	for name := range wrappers {
		if !found[name] {
			t.Errorf("wrappers names %s, which wraps nothing", name)
		}
	}
}

// rotatingHouse makes a house with a log of several segments, and stops it.
func rotatingHouse(t *testing.T) (cfg *config, key *rootkey.Key) {
	t.Helper()
	base := t.TempDir()
	cfg = &config{Data: filepath.Join(base, "data"), RootKey: filepath.Join(base, "old.key"), Metrics: "off"}
	if err := os.Mkdir(cfg.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	key, _, err := rootkey.Init(cfg.path(sealName), rootkey.FileProvider(cfg.RootKey))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		inHouse(t, cfg, key, func(h *house) error {
			_, err := h.createAccount(t.Context(), "one")
			return err
		})
	}
	return cfg, key
}

// inHouse opens the house, calls fn and closes it.
func inHouse(t *testing.T, cfg *config, key *rootkey.Key, fn func(h *house) error) {
	t.Helper()
	h, err := openHouse(t.Context(), cfg, key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fn(h), h.Close()); err != nil {
		t.Fatal(err)
	}
}

// failing fails its n-th rewrapping, as a full disk would the write after it.
type failing struct {
	*rootkey.Key
	left int
}

var errFull = errors.New("no space left")

func (f *failing) Rewrap(purpose string, wrapped []byte) ([]byte, bool, error) {
	out, changed, err := f.Key.Rewrap(purpose, wrapped)
	if changed {
		if f.left--; f.left < 0 {
			return nil, false, errFull
		}
	}
	return out, changed, err
}

var _ audit.Rewrapper = (*failing)(nil)

// TestRotationStops stops a rotation before each thing that it wraps. The house opens and works after that, wraps more
// under the new key, and a second try finishes it.
func TestRotationStops(t *testing.T) {
	quiet := func(string) {}
	for n, whole := 0, false; !whole; n++ {
		cfg, old := rotatingHouse(t)
		file := rootkey.FileProvider(filepath.Join(filepath.Dir(cfg.Data), "new.key"))
		key, _, err := rootkey.Rotate(cfg.path(sealName), old, file)
		if err != nil {
			t.Fatal(err)
		}
		done, err := rewrap(t.Context(), cfg, key, &failing{key, n}, quiet)
		if whole = err == nil; !whole && !errors.Is(err, errFull) {
			t.Fatalf("stopped at %d: %v", n, err)
		}
		if whole && n != done {
			t.Errorf("%d were wrapped again, %d tries failed", done, n)
		}
		key.Close()
		if key, err = rootkey.Open(cfg.path(sealName), file); err != nil {
			t.Fatalf("stopped at %d: %v", n, err)
		}
		if unfinished, err := rootkey.Unfinished(cfg.path(sealName), key); err != nil || !unfinished {
			t.Errorf("stopped at %d: unfinished %v, %v", n, unfinished, err)
		}
		inHouse(t, cfg, key, func(h *house) error {
			accounts, err := h.iam.Accounts(t.Context())
			if len(accounts) != 3 {
				t.Errorf("stopped at %d: %d accounts", n, len(accounts))
			}
			return errors.Join(err, h.Check(t.Context(), quiet))
		})
		if _, err := rewrap(t.Context(), cfg, key, key, quiet); err != nil {
			t.Fatalf("stopped at %d, second try: %v", n, err)
		}
		if err := rootkey.FinishRotation(cfg.path(sealName), key); err != nil {
			t.Fatal(err)
		}
		inHouse(t, cfg, key, func(h *house) error { return h.Check(t.Context(), quiet) })
		if whole && n < 5 {
			t.Errorf("only %d things were wrapped again", n)
		}
	}
}

func TestWays(t *testing.T) {
	for name, test := range map[string]struct {
		way  way
		kind string
	}{
		"file":       {way{file: "/k"}, "file"},
		"asked":      {way{passphrase: "ask"}, "passphrase"},
		"passphrase": {way{passphrase: "/p"}, "passphrase"},
		"token":      {way{pkcs11: "module=/m.so,token=a=b,pin-file=/p,key=k,helper=/h"}, "pkcs11"},
		"TPM":        {way{tpm: "device=unix:/s,pcrs=7+11,pin-file=ask"}, "tpm"},
	} {
		p, err := test.way.provider(asking{})
		if err != nil || p.Kind() != test.kind {
			t.Errorf("%s: got %v, %v", name, p, err)
		}
	}
	if got := (way{tpm: "device=d,pin-file=/p,pcrs=7"}).withPIN(); got.tpm != "device=d,pcrs=7,pin-file=ask" {
		t.Errorf("got %+v", got)
	}
	for err, want := range map[error]bool{rootkey.ErrSealed: true, rootkey.ErrWrongKey: false, rootkey.ErrCorrupt: false} {
		if err == rootkey.ErrWrongKey {
			err = errors.Join(rootkey.ErrSealed, err)
		}
		if got := (&config{RootKey: "/k"}).waits(err); got != want {
			t.Errorf("key file, %v: waits %v", err, got)
		}
	}
	wrong := errors.Join(rootkey.ErrSealed, rootkey.ErrWrongKey)
	if !(&config{RootKeyTPM: "device=d"}).waits(wrong) || !(&config{RootKeyPKCS11: "module=m,token=t"}).waits(wrong) ||
		!(&config{Passphrase: "ask"}).waits(wrong) || (&config{Passphrase: "/p"}).waits(wrong) || (&config{RootKeyTPM: "x"}).waits(nil) {
		t.Error("a wrong key is waited for where it should not be, or the other way round")
	}
}
