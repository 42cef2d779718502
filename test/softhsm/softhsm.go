// Package softhsm makes PKCS#11 tokens for tests, with SoftHSM2 (on Debian: apt-get install softhsm2).
//
// Where it or a C compiler is not installed, a test says so and is skipped; with
// STRONGROOM_REQUIRE_CLIENTS=1 it fails. CI sets that.
package softhsm

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/strongroom/strongroom/pkcs11"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/test/outside"
)

// PIN is the PIN of every token's user.
const PIN = "canary-pin-491827"

// Module returns the path of SoftHSM's module, or ends the test.
func Module(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("softhsm2-util"); err != nil {
		outside.Missing(t, "softhsm2-util is not installed")
	}
	for _, pattern := range []string{
		"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so",
		"/usr/lib64/pkcs11/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so",
	} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0]
		}
	}
	outside.Missing(t, "libsofthsm2.so is not installed")
	return ""
}

// Store makes a folder for tokens and sets the environment so that modules loaded from now
// on use it. It returns the folder.
func Store(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	tokens := filepath.Join(dir, "tokens")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	text := "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = true\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	return tokens
}

// AddToken makes a token in the current store, whose user has the PIN that is given.
func AddToken(t testing.TB, label, pin string) {
	t.Helper()
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "so-pin-0000", "--pin", pin).CombinedOutput()
	if err != nil {
		t.Fatalf("softhsm2-util: %v\n%s", err, out)
	}
}

// New makes a store with one token, called "house", and builds the helper.
func New(t testing.TB) pkcs11.Config {
	t.Helper()
	module := Module(t)
	helper := Helper(t)
	Store(t)
	AddToken(t, "house", PIN)
	return pkcs11.Config{Helper: helper, Module: module, Token: "house", PIN: secret.FromString(PIN)}
}

// Helper builds the helper and returns its path.
func Helper(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), pkcs11.HelperName)
	cmd := exec.Command("go", "run", "-exec", "cp", "github.com/strongroom/strongroom/cmd/strongroom-pkcs11", path) // keeps it in the build cache
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		if _, lookErr := exec.LookPath("cc"); lookErr != nil {
			outside.Missing(t, "there is no C compiler to build the helper with")
		}
		t.Fatalf("build the helper: %v\n%s", err, out)
	}
	return path
}
