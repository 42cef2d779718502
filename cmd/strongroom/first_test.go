package main

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/secret"
)

// deaf is an output that takes nothing any more.
type deaf struct{}

var errDeaf = errors.New("nobody listens")

func (deaf) Write([]byte) (int, error) { return 0, errDeaf }

// TestCodeIsShownFirst makes a house whose recovery code cannot be printed, and which therefore is not there, and makes it again.
func TestCodeIsShownFirst(t *testing.T) {
	base := t.TempDir()
	cfg := &config{Data: filepath.Join(base, "data"), RootKey: filepath.Join(base, "root.key")}
	if err := os.Mkdir(cfg.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := &cobra.Command{}
	cmd.SetOut(deaf{})
	if _, err := makeRoot(cmd, cfg); !errors.Is(err, errDeaf) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Lstat(cfg.path(sealName)); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("there is a seal file with a code that nobody has seen: %v", err)
	}
	var out bytes.Buffer
	cmd.SetOut(&out)
	key, err := makeRoot(cmd, cfg)
	if err != nil {
		t.Fatal(err)
	}
	key.Close()
	code := regexp.MustCompile(`(?m)^    (\S+)$`).FindStringSubmatch(out.String())
	if code == nil || !strings.Contains(out.String(), "WARNING") {
		t.Fatalf("it printed:\n%s", &out)
	}
	key, err = rootkey.Open(cfg.path(sealName), rootkey.RecoveryProvider(func() (secret.Bytes, error) { return secret.FromString(code[1]), nil }))
	if err != nil {
		t.Fatal(err)
	}
	key.Close()
}

// TestCredentialsUntilTheyAreShown starts a new house again and again, until it has printed the credentials of its first account.
func TestCredentialsUntilTheyAreShown(t *testing.T) {
	base := t.TempDir()
	cfg := &config{Data: filepath.Join(base, "data"), RootKey: filepath.Join(base, "root.key"), Metrics: "off"}
	if err := os.Mkdir(cfg.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	key, _, err := rootkey.Init(cfg.path(sealName), rootkey.FileProvider(cfg.RootKey))
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	var out bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	secretKey := ""
	for n, listens := range []bool{false, false, true} {
		inHouse(t, cfg, key, func(h *house) error {
			made, err := h.firstAccount(t.Context())
			if err != nil || made == nil || secretKey != "" && made.SecretAccessKey != secretKey {
				t.Fatalf("start %d: got %+v, %v", n, made, err)
			}
			secretKey = made.SecretAccessKey
			h.log = slog.New(slog.DiscardHandler)
			if cmd.SetOut(&out); !listens {
				cmd.SetOut(deaf{})
			}
			h.announce(cmd, &net.TCPAddr{}, made)
			return nil
		})
	}
	if secretKey == "" || !strings.Contains(out.String(), secretKey) {
		t.Errorf("it printed:\n%s", &out)
	}
	inHouse(t, cfg, key, func(h *house) error {
		if made, err := h.firstAccount(t.Context()); made != nil || err != nil {
			t.Errorf("after it was printed: got %+v, %v", made, err)
		}
		if got, want := events(h.trail(t)), []string{"CreateAccount", "CreateAccount", "CreateAccount"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		return nil
	})
}

// TestWhatACrashLeftIsSwept takes the lock of a data directory in which a write of the seal file was killed in the middle.
func TestWhatACrashLeftIsSwept(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"." + sealName + ".tmp-1", sealName} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := lockData(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if left, err := filepath.Glob(filepath.Join(dir, ".*.tmp-*")); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(dir, sealName)); err != nil {
		t.Error(err)
	}
}
