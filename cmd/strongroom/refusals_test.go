package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/rootkey"
)

// happened is a record of the house's own trail, as a test compares it.
type happened struct {
	event      string
	parameters map[string]string
}

// trail returns what the house's own trail says, the oldest first.
func (h *house) trail(t *testing.T) []happened {
	t.Helper()
	found, err := h.audit.Lookup(t.Context(), audit.Query{Account: identity.HouseAccount, Region: h.settings.Regions[0], To: time.Now().Add(time.Hour), Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var all []happened
	for _, f := range slices.Backward(found) {
		var r audit.Record
		one := happened{event: f.EventName}
		if err := errors.Join(json.Unmarshal(f.JSON, &r), json.Unmarshal(r.RequestParameters, &one.parameters)); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// events are the names of what happened.
func events(all []happened) []string {
	var names []string
	for _, one := range all {
		names = append(names, one.event)
	}
	return names
}

// run runs a command of the program and returns what it printed.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := command()
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// trailOf reads the trail of a house that does not run.
func trailOf(t *testing.T, data, file string) (all []happened) {
	t.Helper()
	cfg := &config{Data: data, RootKey: file, Metrics: "off"}
	key, err := openRoot(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	inHouse(t, cfg, key, func(h *house) error {
		all = h.trail(t)
		return nil
	})
	return all
}

// TestCommandsAreRecorded runs what works on a house that does not run. Each leaves its record, with what opened the house,
// and so does what was refused before.
func TestCommandsAreRecorded(t *testing.T) {
	cfg, key := rotatingHouse(t)
	key.Close()
	base := filepath.Dir(cfg.Data)
	wrong := filepath.Join(base, "wrong.key")
	other := &config{Data: filepath.Join(base, "other"), RootKey: wrong}
	if k, _, err := rootkey.Init(filepath.Join(t.TempDir(), sealName), rootkey.FileProvider(wrong)); err != nil {
		t.Fatal(err)
	} else {
		k.Close()
	}
	house := func(file string, args ...string) []string {
		return append(args, "--data", cfg.Data, "--root-key", file)
	}
	for _, args := range [][]string{{"check"}, {"backup", filepath.Join(base, "no.backup")}, {"rootkey", "rotate"}} {
		if text, err := run(t, house(wrong, args...)...); !errors.Is(err, rootkey.ErrWrongKey) {
			t.Fatalf("%v with another key: %v\n%s", args, err, text)
		}
	}
	backup, next := filepath.Join(base, "house.backup"), filepath.Join(base, "next.key")
	for _, args := range [][]string{
		house(cfg.RootKey, "check"), house(cfg.RootKey, "backup", backup), house(cfg.RootKey, "rootkey", "add", "--new-recovery"), house(cfg.RootKey, "rootkey", "remove", "2"),
		{"restore", backup, "--data", other.Data, "--root-key", cfg.RootKey}, house(cfg.RootKey, "rootkey", "rotate", "--new-root-key", next),
	} {
		if text, err := run(t, args...); err != nil || strings.Contains(text, "WARNING: no record") {
			t.Fatalf("%v: %v\n%s", args, err, text)
		}
	}
	made := []string{"CreateAccount", "CreateAccount", "CreateAccount"}
	all := trailOf(t, cfg.Data, next)
	want := append(slices.Clone(made), "RefuseUnseal", "Check", "Backup", "AddRootKeySlot", "RemoveRootKeySlot", "RotateRootKey")
	if got := events(all); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	if p := all[3].parameters; p["attempts"] != "3" || p[byConfiguration] != "3" || p["first"] == "" || p["last"] == "" {
		t.Errorf("refused: got %v", p)
	}
	if p := all[8].parameters; p["openedBy"] != byConfiguration || p["to"] != "key file" || p["goesOn"] != "false" {
		t.Errorf("rotation: got %v", p)
	}
	if _, err := os.Lstat(cfg.path(refusalsName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was refused is still noted: %v", err)
	}
	all = trailOf(t, other.Data, cfg.RootKey)
	if got, want := events(all), append(slices.Clone(made), "RefuseUnseal", "Check", "Backup", "Restore"); !slices.Equal(got, want) {
		t.Fatalf("restored: got %v, want %v", got, want)
	}
	if p := all[6].parameters; p["openedBy"] != byConfiguration {
		t.Errorf("restored: got %v", p)
	}
}

// TestUnsealRefused tries to open a house with what does not fit, sealed and open. Each attempt is counted, and no
// secret is.
func TestUnsealRefused(t *testing.T) {
	cfg, key := rotatingHouse(t)
	defer key.Close()
	c := &control{cfg: cfg, log: slog.New(slog.DiscardHandler), keys: make(chan unsealed, 1)}
	try := func(body string) {
		t.Helper()
		w := httptest.NewRecorder()
		c.unseal(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/unseal", strings.NewReader(body)))
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: got %d %s", body, w.Code, w.Body)
		}
	}
	try(`{"recovery":"canary-recovery"}`)
	try(`{"recovery":"canary-recovery"}`)
	try(`{"passphrase":"canary-passphrase"}`)
	note, err := os.ReadFile(cfg.path(refusalsName))
	if err != nil || bytes.Contains(note, []byte("canary")) {
		t.Fatalf("got %s, %v", note, err)
	}
	inHouse(t, cfg, key, func(h *house) error {
		if err := h.recordRefusals(t.Context()); err != nil {
			return err
		}
		c.house = h
		try(`{"recovery":"canary-recovery"}`)
		all := h.trail(t)[3:]
		if got := events(all); !slices.Equal(got, []string{"RefuseUnseal", "RefuseUnseal"}) {
			t.Fatalf("got %v", got)
		}
		if p := all[0].parameters; p["attempts"] != "3" || p[byRecovery] != "2" || p[byPassphrase] != "1" {
			t.Errorf("while it was sealed: got %v", p)
		}
		if p := all[1].parameters; p["attempts"] != "1" {
			t.Errorf("while it was open: got %v", p)
		}
		return nil
	})
	inHouse(t, cfg, key, func(h *house) error {
		if err := os.WriteFile(cfg.path(refusalsName), []byte("spoilt"), 0o600); err != nil {
			return err
		}
		err := h.recordRefusals(t.Context())
		if all := h.trail(t); !strings.HasPrefix(all[len(all)-1].parameters["attempts"], "unknown") {
			t.Errorf("a spoilt note: got %v", all[len(all)-1])
		}
		return err
	})
}

// TestRefusalsStaySmall counts more attempts than anybody makes.
func TestRefusalsStaySmall(t *testing.T) {
	r := &refusals{Of: map[string]uint64{byPassphrase: 1<<64 - 1, byRecovery: 1<<64 - 2, byPIN: 1<<64 - 1, byConfiguration: 1<<64 - 1}}
	now := time.Now().UTC()
	for range 3 {
		r.note(byRecovery, now)
	}
	text, err := json.Marshal(r)
	if err != nil || len(text) > 1<<10 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if p := r.parameters(); p[byRecovery] != "18446744073709551615" || p["attempts"] != "18446744073709551615" {
		t.Errorf("got %v", p)
	}
}

// TestReadingGoesOn reads a house whose log cannot be written: that is told, and done. Nothing that changes the house is.
func TestReadingGoesOn(t *testing.T) {
	cfg, key := rotatingHouse(t)
	defer key.Close()
	inHouse(t, cfg, key, func(h *house) error {
		if err := h.audit.Close(); err != nil {
			return err
		}
		if err := h.recordReading(t.Context(), "Check"); !errors.Is(err, audit.ErrClosed) {
			t.Errorf("got %v", err)
		}
		return nil
	})
	segments, err := filepath.Glob(cfg.path(auditName + "/*.seg"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("%v, %v", segments, err)
	}
	damage(t, segments[len(segments)-1])
	text, err := run(t, "check", "--data", cfg.Data, "--root-key", cfg.RootKey)
	if err == nil || !strings.Contains(text, unrecorded) {
		t.Errorf("a damaged log: %v\n%s", err, text)
	}
	text, err = run(t, "rootkey", "add", "--new-recovery", "--data", cfg.Data, "--root-key", cfg.RootKey)
	if err == nil || !strings.Contains(err.Error(), "so it is not done") {
		t.Errorf("a slot was added without a record: %v\n%s", err, text)
	}
	if slots, err := rootkey.Slots(cfg.path(sealName)); err != nil || len(slots) != 2 {
		t.Errorf("there are %d slots, %v", len(slots), err)
	}
}

// damage changes a byte of a file's header.
func damage(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, 40); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, 40); err != nil {
		t.Fatal(err)
	}
}
