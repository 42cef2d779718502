package token

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/pkcs11"
	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/test/softhsm"
)

func say(text string) func() (secret.Bytes, error) {
	return func() (secret.Bytes, error) { return secret.FromString(text), nil }
}

// config makes a token for a test.
func config(t *testing.T) Config {
	c := softhsm.New(t)
	return Config{Helper: c.Helper, Module: c.Module, Token: c.Token, PIN: say(softhsm.PIN)}
}

func TestProvider(t *testing.T) {
	cfg := config(t)
	seal := filepath.Join(t.TempDir(), "seal.json")
	key, _, err := rootkey.Init(seal, Provider(cfg))
	if err != nil {
		t.Fatal(err)
	}
	again, err := rootkey.Open(seal, Provider(cfg))
	if err != nil || !again.Derive("x").Equal(key.Derive("x")) {
		t.Fatalf("it is another root key: %v", err)
	}
	text, err := os.ReadFile(seal)
	if err != nil || strings.Contains(string(text), softhsm.PIN) {
		t.Errorf("the seal file holds the PIN (%v)", err)
	}
	if id, err := rootkey.AddSlot(seal, key, Provider(cfg)); err != nil || id != 3 {
		t.Errorf("a second slot with the same key: %d, %v", id, err)
	}
	testRefusals(t, cfg, seal)
}

func testRefusals(t *testing.T, good Config, seal string) {
	softhsm.AddToken(t, "other", softhsm.PIN)
	softhsm.AddToken(t, "impostor", softhsm.PIN)
	impostor := good
	impostor.Token = "impostor"
	if _, _, err := Provider(impostor).NewSlot(); err != nil { // so that it has a key of that name
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(c *Config)
		want   error
	}{
		"wrong PIN":   {func(c *Config) { c.PIN = say("canary-wrong") }, rootkey.ErrWrongKey},
		"no PIN file": {func(c *Config) { c.PIN = func() (secret.Bytes, error) { return secret.Bytes{}, fs.ErrNotExist } }, fs.ErrNotExist},
		"no token":    {func(c *Config) { c.Token = "absent" }, pkcs11.ErrUnavailable},
		"no key":      {func(c *Config) { c.Token = "other" }, pkcs11.ErrNotFound},
		"another key": {func(c *Config) { c.Token = "impostor" }, rootkey.ErrWrongKey},
		"no module":   {func(c *Config) { c.Module = "/nowhere.so" }, pkcs11.ErrUnavailable},
		"no helper":   {func(c *Config) { c.Helper = "/nowhere" }, pkcs11.ErrHelper},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			test.change(&cfg)
			key, err := rootkey.Open(seal, Provider(cfg))
			if key != nil || !errors.Is(err, rootkey.ErrSealed) || !errors.Is(err, test.want) {
				t.Fatalf("got %v, want ErrSealed and %v", err, test.want)
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %q", err)
			}
		})
	}
}

func TestMalformedSlot(t *testing.T) {
	for _, sealed := range []string{"", "zz", "00"} {
		if _, err := Provider(Config{}).SlotKey(map[string]string{"key": "k", "sealed": sealed}); !errors.Is(err, rootkey.ErrCorrupt) {
			t.Errorf("%q: got %v", sealed, err)
		}
	}
}
