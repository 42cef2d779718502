//go:build cgo

package main

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

	mod "github.com/miekg/pkcs11"

	"github.com/strongroom/strongroom/pkcs11"
	"github.com/strongroom/strongroom/pkcs11/frame"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/test/softhsm"
)

// asHelper has the test binary be the helper.
const asHelper = "STRONGROOM_TEST_AS_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(asHelper) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// token makes a token for a test, with this binary as its helper.
func hsm(t *testing.T) pkcs11.Config {
	t.Helper()
	module := softhsm.Module(t)
	softhsm.Store(t)
	softhsm.AddToken(t, "house", softhsm.PIN)
	t.Setenv(asHelper, "1")
	return pkcs11.Config{Helper: os.Args[0], Module: module, Token: "house", PIN: secret.FromString(softhsm.PIN)}
}

// open opens a session that the test closes.
func open(t *testing.T, cfg pkcs11.Config) *pkcs11.Session {
	t.Helper()
	s, err := pkcs11.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestToken(t *testing.T) {
	ctx := t.Context()
	s := open(t, hsm(t))
	if got := s.Token(); got.Label != "house" || got.Serial == "" || got.Model == "" {
		t.Errorf("token is %+v", got)
	}
	if err := s.Ping(ctx); err != nil {
		t.Error(err)
	}
	if _, err := s.Key(ctx, "root"); !errors.Is(err, pkcs11.ErrNotFound) {
		t.Errorf("no key yet: got %v", err)
	}
	k, err := s.GenerateKey(ctx, "root")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.GenerateKey(ctx, "root"); !errors.Is(err, pkcs11.ErrExists) {
		t.Errorf("second key: got %v", err)
	}
	for _, size := range []int{0, 1, 32, pkcs11.MaxData} {
		plain, aad := bytes.Repeat([]byte{7}, size), bytes.Repeat([]byte{9}, size)
		sealed, err := k.Encrypt(ctx, aad, plain)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		got, err := k.Decrypt(ctx, aad, sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	a, err := s.Random(ctx, 64)
	b, err2 := s.Random(ctx, 64)
	if err != nil || err2 != nil || bytes.Equal(a, b) {
		t.Errorf("random bytes: %v, %v", err, err2)
	}
	if got, err := s.Labels(ctx); err != nil || !slices.Equal(got, []string{"root"}) {
		t.Errorf("labels are %v, %v", got, err)
	}
	if err := s.DeleteKey(ctx, "root"); err != nil {
		t.Error(err)
	}
	if _, err := k.Encrypt(ctx, nil, nil); !errors.Is(err, pkcs11.ErrNotFound) {
		t.Errorf("deleted key: got %v", err)
	}
}

// TestCiphertext changes every byte of a ciphertext, and what it was bound to.
func TestCiphertext(t *testing.T) {
	ctx := t.Context()
	s := open(t, hsm(t))
	k, err := s.GenerateKey(ctx, "root")
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.GenerateKey(ctx, "other")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := k.Encrypt(ctx, []byte("aad"), []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	corrupt := func(what string, k *pkcs11.Key, aad string, data []byte) {
		t.Helper()
		if _, err := k.Decrypt(ctx, []byte(aad), data); !errors.Is(err, pkcs11.ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", what, err)
		}
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		corrupt(fmt.Sprint("flip at ", i), k, "aad", bad)
		corrupt(fmt.Sprint("cut at ", i), k, "aad", sealed[:i])
	}
	corrupt("other data", k, "aae", sealed)
	corrupt("no data", k, "", sealed)
	corrupt("other key", other, "aad", sealed)
	if got, err := k.Decrypt(ctx, []byte("aad"), sealed); err != nil || string(got) != "plain" {
		t.Errorf("after all that: %q, %v", got, err)
	}
}

func TestTogether(t *testing.T) {
	ctx := t.Context()
	s := open(t, hsm(t))
	k, err := s.GenerateKey(ctx, "root")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			for j := range 10 {
				text := fmt.Sprint(i, " ", j)
				sealed, err := k.Encrypt(ctx, []byte(text), []byte(text))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := k.Decrypt(ctx, []byte(text), sealed); err != nil || string(got) != text {
					t.Errorf("got %q, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestOpenRefusals(t *testing.T) {
	good := hsm(t)
	softhsm.AddToken(t, "twin", softhsm.PIN)
	softhsm.AddToken(t, "twin", softhsm.PIN)
	for name, test := range map[string]struct {
		change func(c *pkcs11.Config)
		want   error
	}{
		"wrong PIN":     {func(c *pkcs11.Config) { c.PIN = secret.FromString("canary-wrong-pin") }, pkcs11.ErrPIN},
		"no PIN":        {func(c *pkcs11.Config) { c.PIN = secret.Bytes{} }, pkcs11.ErrPIN},
		"other token":   {func(c *pkcs11.Config) { c.Token = "elsewhere" }, pkcs11.ErrUnavailable},
		"two tokens":    {func(c *pkcs11.Config) { c.Token = "twin" }, pkcs11.ErrAmbiguous},
		"no module":     {func(c *pkcs11.Config) { c.Module += ".absent" }, pkcs11.ErrUnavailable},
		"not a module":  {func(c *pkcs11.Config) { c.Module = os.Args[0] }, pkcs11.ErrUnavailable},
		"no name":       {func(c *pkcs11.Config) { c.Token = "" }, pkcs11.ErrLimit},
		"absent helper": {func(c *pkcs11.Config) { c.Helper = filepath.Join(t.TempDir(), "x") }, pkcs11.ErrHelper},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			test.change(&cfg)
			_, err := pkcs11.Open(t.Context(), cfg)
			if !errors.Is(err, test.want) || strings.Contains(fmt.Sprintf("%+v", err), "canary") {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
	_ = open(t, good)
}

// TestUnfitKeys makes keys that could leave the token, with the module itself.
func TestUnfitKeys(t *testing.T) {
	cfg := hsm(t)
	ctx := mod.New(cfg.Module)
	if err := ctx.Initialize(); err != nil {
		t.Fatal(err)
	}
	raw := &p11Token{ctx: ctx, idle: make(chan mod.SessionHandle, maxOpen), handles: map[string]mod.ObjectHandle{}}
	t.Cleanup(raw.close)
	if err := errors.Join(raw.choose("house"), raw.login(softhsm.PIN)); err != nil {
		t.Fatal(err)
	}
	for label, change := range map[string]*mod.Attribute{
		"extractable": mod.NewAttribute(mod.CKA_EXTRACTABLE, true),
		"readable":    mod.NewAttribute(mod.CKA_SENSITIVE, false),
		"one way":     mod.NewAttribute(mod.CKA_DECRYPT, false),
		"short":       mod.NewAttribute(mod.CKA_VALUE_LEN, 16),
	} {
		template := []*mod.Attribute{
			mod.NewAttribute(mod.CKA_VALUE_LEN, 32), mod.NewAttribute(mod.CKA_LABEL, label), mod.NewAttribute(mod.CKA_TOKEN, true),
			mod.NewAttribute(mod.CKA_SENSITIVE, true), mod.NewAttribute(mod.CKA_EXTRACTABLE, false),
			mod.NewAttribute(mod.CKA_ENCRYPT, true), mod.NewAttribute(mod.CKA_DECRYPT, true),
		}
		for i, a := range template {
			if a.Type == change.Type {
				template[i] = change
			}
		}
		err := raw.with(func(s mod.SessionHandle) error {
			_, err := ctx.GenerateKey(s, []*mod.Mechanism{mod.NewMechanism(mod.CKM_AES_KEY_GEN, nil)}, template)
			return err
		})
		if err != nil {
			t.Fatal(label, err)
		}
		var f *failure
		if err := raw.find(label); !errors.As(err, &f) || f.kind != frame.Unfit {
			t.Errorf("%s: got %v", label, err)
		}
	}
}

// TestLostToken takes the token away under an open session and puts it back.
func TestLostToken(t *testing.T) {
	ctx := t.Context()
	cfg := hsm(t)
	s := open(t, cfg)
	k, err := s.GenerateKey(ctx, "root")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := k.Encrypt(ctx, nil, []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	tokens := filepath.Join(filepath.Dir(os.Getenv("SOFTHSM2_CONF")), "tokens")
	if err := os.Rename(tokens, tokens+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := pkcs11.Open(ctx, cfg); !errors.Is(err, pkcs11.ErrUnavailable) {
		t.Errorf("removed: got %v", err)
	}
	if err := os.Rename(tokens+".away", tokens); err != nil {
		t.Fatal(err)
	}
	for {
		got, err := k.Decrypt(ctx, nil, sealed)
		if err == nil && string(got) == "plain" {
			return
		}
		if !errors.Is(err, pkcs11.ErrUnavailable) && !errors.Is(err, pkcs11.ErrNotFound) {
			t.Fatalf("put back: got %q, %v", got, err)
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// TestPINStaysInside looks for the PIN where other processes could see it.
func TestPINStaysInside(t *testing.T) {
	s := open(t, hsm(t))
	if _, err := s.Random(context.Background(), 8); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("/proc/[0-9]*/*")
	if err != nil || len(files) == 0 {
		t.Skip("NOT TESTED: there is no /proc")
	}
	seen := 0
	for _, name := range files {
		if base := filepath.Base(name); base != "cmdline" && base != "environ" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			continue // of another user, or gone
		}
		seen++
		if bytes.Contains(text, []byte(softhsm.PIN)) {
			t.Errorf("%s holds the PIN", name)
		}
	}
	if seen == 0 {
		t.Error("nothing was looked at")
	}
}

// TestSealed plays tokens that insist on making the nonce.
func TestSealed(t *testing.T) {
	zero, theirs := make([]byte, nonceSize), bytes.Repeat([]byte{5}, nonceSize)
	for name, test := range map[string]struct {
		encrypt func(nonce []byte) ([]byte, []byte, error)
		ok      bool
	}{
		"takes ours": {func(n []byte) ([]byte, []byte, error) { return []byte("c"), n, nil }, true},
		"makes its own": {func(n []byte) ([]byte, []byte, error) {
			if !bytes.Equal(n, zero) {
				return nil, nil, mod.Error(mod.CKR_MECHANISM_PARAM_INVALID)
			}
			return []byte("c"), theirs, nil
		}, true},
		"uses zeros": {func(n []byte) ([]byte, []byte, error) {
			if !bytes.Equal(n, zero) {
				return nil, nil, mod.Error(mod.CKR_ARGUMENTS_BAD)
			}
			return []byte("c"), n, nil
		}, false},
		"says nothing": {func([]byte) ([]byte, []byte, error) { return []byte("c"), nil, nil }, false},
		"fails":        {func([]byte) ([]byte, []byte, error) { return nil, nil, mod.Error(mod.CKR_DEVICE_ERROR) }, false},
	} {
		out, err := sealed(test.encrypt)
		if (err == nil) != test.ok || test.ok && len(out) != nonceSize+1 {
			t.Errorf("%s: got %x, %v", name, out, err)
		}
	}
	if err := usable(mod.CKF_USER_PIN_FINAL_TRY); err == nil || told("", err).(*failure).kind != frame.Locked {
		t.Errorf("last try: got %v", err)
	}
	if err := usable(mod.CKF_USER_PIN_LOCKED); err == nil {
		t.Error("a locked token is used")
	}
	if err := usable(mod.CKF_LOGIN_REQUIRED | mod.CKF_USER_PIN_COUNT_LOW); err != nil {
		t.Error(err)
	}
}
