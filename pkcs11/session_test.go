package pkcs11

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strongroom/strongroom/pkcs11/frame"
	"github.com/strongroom/strongroom/secret"
)

// fakeMode has the test binary be a helper that behaves in one of the ways below. Tests
// with a token are beside the true helper, in cmd/strongroom-pkcs11.
const (
	fakeMode = "STRONGROOM_TEST_FAKE_HELPER"
	fakeLog  = "STRONGROOM_TEST_FAKE_LOG" // each start of a helper adds a byte to this file
	testPIN  = "canary-pin"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeMode); mode != "" {
		started()
		fake(mode)
		return
	}
	os.Exit(m.Run())
}

func started() {
	f, err := os.OpenFile(os.Getenv(fakeLog), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, _ = f.Write([]byte("x"))
		_ = f.Close()
	}
}

// fake answers requests: "encryption" is nonce, text and tag in the clear.
func fake(mode string) {
	for {
		var r frame.Request
		if frame.Read(os.Stdin, &r) != nil {
			return
		}
		reply := frame.Reply{ID: r.ID}
		switch r.Op {
		case frame.Open:
			reply.Info = &frame.Info{Label: r.Token, Serial: "1"}
			if log, _ := os.ReadFile(os.Getenv(fakeLog)); mode == "swapped" && len(log) > 1 {
				reply.Info.Serial = "2"
			}
			if mode == "no info" {
				reply.Info = nil
			}
			if mode == "deaf" {
				time.Sleep(time.Hour)
			}
			if log, _ := os.ReadFile(os.Getenv(fakeLog)); mode == "pin" || mode == "pin changes" && len(log) > 1 {
				reply = frame.Reply{ID: r.ID, Kind: frame.WrongPIN, Error: "no"}
			}
		case frame.Encrypt:
			reply.Data = append(append(make([]byte, 12), r.Data...), make([]byte, 16)...)
			if mode == "short" {
				reply.Data = reply.Data[1:]
			}
		case frame.Random:
			misbehave(mode, &reply)
			reply.Data = make([]byte, r.Count)
		case frame.List:
			if r.Label == "" || mode == "loop" {
				reply.Labels = []string{"a", "b"}
			}
		}
		if frame.Write(os.Stdout, reply) != nil {
			return
		}
	}
}

func misbehave(mode string, reply *frame.Reply) {
	log, _ := os.ReadFile(os.Getenv(fakeLog))
	switch {
	case mode == "crash", mode == "crash once" && len(log) == 1, mode == "swapped", mode == "pin changes":
		os.Exit(3)
	case mode == "hang" && len(log) == 1:
		time.Sleep(time.Hour)
	case mode == "garbage":
		_, _ = os.Stdout.WriteString("module says hello\n")
	case mode == "other id":
		reply.ID += 5
	case mode == "long error":
		reply.Kind, reply.Error = "strange", strings.Repeat("x", 5000)
	}
}

// fakeConfig has the test binary be the helper.
func fakeConfig(t *testing.T, mode string) Config {
	t.Setenv(fakeMode, mode)
	t.Setenv(fakeLog, filepath.Join(t.TempDir(), "log"))
	return Config{Helper: os.Args[0], Module: "m", Token: "t", PIN: secret.FromString(testPIN), Timeout: time.Minute}
}

func starts(t *testing.T) int {
	log, err := os.ReadFile(os.Getenv(fakeLog))
	if err != nil {
		t.Fatal(err)
	}
	return len(log)
}

func TestHelpersThatMisbehave(t *testing.T) {
	for mode, test := range map[string]struct {
		want   error // of Random
		starts int
	}{
		"well":        {nil, 1},
		"crash once":  {nil, 2},
		"crash":       {ErrUnavailable, 2},
		"garbage":     {ErrHelper, 1},
		"other id":    {ErrHelper, 1},
		"long error":  {ErrHelper, 1},
		"swapped":     {ErrUnavailable, 2},
		"pin changes": {ErrPIN, 2},
	} {
		t.Run(mode, func(t *testing.T) {
			s, err := Open(t.Context(), fakeConfig(t, mode))
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Random(t.Context(), 8)
			if test.want == nil && err != nil || !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if err != nil && (strings.Contains(err.Error(), testPIN) || len(err.Error()) > 1000) {
				t.Errorf("error is %q", err)
			}
			if got := starts(t); got != test.starts {
				t.Errorf("%d helpers were started, want %d", got, test.starts)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, err := s.Random(t.Context(), 8); !errors.Is(err, ErrClosed) && !errors.Is(err, ErrPIN) {
				t.Errorf("after Close: got %v", err)
			}
		})
	}
}

// TestRefusedPIN sees that a PIN that was refused once is never tried again.
func TestRefusedPIN(t *testing.T) {
	if _, err := Open(t.Context(), fakeConfig(t, "pin")); !errors.Is(err, ErrPIN) {
		t.Errorf("got %v", err)
	}
	s, err := Open(t.Context(), fakeConfig(t, "pin changes"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 5 {
		if _, err := s.Random(t.Context(), 8); !errors.Is(err, ErrPIN) {
			t.Errorf("got %v", err)
		}
		s.mu.Lock()
		s.again = time.Time{}
		s.mu.Unlock()
	}
	if got := starts(t); got != 2 {
		t.Errorf("%d logins, want 2", got)
	}
}

// TestHang sees that a module that hangs is ended, and that everybody who waits is told.
func TestHang(t *testing.T) {
	s, err := Open(t.Context(), fakeConfig(t, "hang"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.helper.timeout = 200 * time.Millisecond // of this one only; the next may take its time to start
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := s.Random(t.Context(), 8); !errors.Is(err, ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if _, err := s.Random(t.Context(), 8); err != nil {
		t.Errorf("a new helper: %v", err)
	}
}

// TestCallerGivesUp sees that a caller who gives up neither waits nor ends the helper.
func TestCallerGivesUp(t *testing.T) {
	cfg := fakeConfig(t, "hang")
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Random(ctx, 8); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	s.mu.Lock()
	h := s.helper
	s.mu.Unlock()
	if h == nil {
		t.Error("the helper was ended")
	}
	h.end(ErrClosed)
	_ = s.Close()
	deaf, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Open(deaf, fakeConfig(t, "deaf")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("open: got %v", err)
	}
}

func TestAnswersAreChecked(t *testing.T) {
	if _, err := Open(t.Context(), fakeConfig(t, "no info")); !errors.Is(err, ErrHelper) {
		t.Errorf("no info: got %v", err)
	}
	s, err := Open(t.Context(), fakeConfig(t, "short"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	k, err := s.Key(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Encrypt(t.Context(), nil, []byte("p")); !errors.Is(err, ErrHelper) {
		t.Errorf("short ciphertext: got %v", err)
	}
	if got, err := s.Labels(t.Context()); err != nil || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("labels: got %v, %v", got, err)
	}
	loop, err := Open(t.Context(), fakeConfig(t, "loop"))
	if err != nil {
		t.Fatal(err)
	}
	defer loop.Close()
	if _, err := loop.Labels(t.Context()); !errors.Is(err, ErrHelper) {
		t.Errorf("endless list: got %v", err)
	}
}

func TestLimits(t *testing.T) {
	s, err := Open(t.Context(), fakeConfig(t, "well"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, big := t.Context(), make([]byte, MaxData+1)
	k, err := s.Key(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"plaintext":  second(k.Encrypt(ctx, nil, big)),
		"context":    second(k.Encrypt(ctx, big, nil)),
		"random":     second(s.Random(ctx, MaxData+1)),
		"negative":   second(s.Random(ctx, -1)),
		"label":      second(s.Key(ctx, strings.Repeat("x", MaxLabel+1))),
		"no label":   second(s.Key(ctx, "")),
		"raw label":  second(s.Key(ctx, "\xff")),
		"long name":  second(Open(ctx, Config{Module: strings.Repeat("x", 5000), Token: "t"})),
		"del label":  s.DeleteKey(ctx, ""),
		"make label": second(s.GenerateKey(ctx, "")),
	} {
		if !errors.Is(err, ErrLimit) {
			t.Errorf("%s: got %v, want ErrLimit", name, err)
		}
	}
	for name, data := range map[string][]byte{"cut": make([]byte, Overhead-1), "long": make([]byte, MaxData+Overhead+1)} {
		if _, err := k.Decrypt(ctx, nil, data); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", name, err)
		}
	}
	sealed, err := k.Encrypt(ctx, nil, []byte("p"))
	if err != nil || !bytes.Equal(sealed[12:13], []byte("p")) {
		t.Errorf("got %x, %v", sealed, err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestConfigHidesPIN prints everything that holds a PIN.
func TestConfigHidesPIN(t *testing.T) {
	s, err := Open(t.Context(), fakeConfig(t, "well"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(verb, s.cfg); strings.Contains(text, testPIN) || strings.Contains(text, fmt.Sprint([]byte(testPIN))) {
			t.Errorf("%s prints the PIN: %s", verb, text)
		}
	}
}

func TestFindHelper(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if _, err := findHelper(""); !errors.Is(err, ErrHelper) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("none: got %v", err)
	}
	name := filepath.Join(dir, HelperName)
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := findHelper(""); err != nil || got != name {
		t.Errorf("in PATH: got %q, %v", got, err)
	}
	if got, err := findHelper(os.Args[0]); err != nil || !filepath.IsAbs(got) {
		t.Errorf("the one asked for: got %q, %v", got, err)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := findHelper(name); !errors.Is(err, ErrHelper) {
		t.Errorf("not a program: got %v", err)
	}
}
