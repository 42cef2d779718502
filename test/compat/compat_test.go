// Package compat runs the clients that people have against the program itself: the AWS
// CLI, the AWS SDKs for Go and Python, the AWS Encryption SDK, openssl, sops and Prometheus. Nothing in them is changed but the
// endpoint.
//
// A client that is not installed is said so, and its test is skipped; with
// STRONGROOM_REQUIRE_CLIENTS=1 it fails. CI sets that.
package compat

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/test/house"
)

func TestMain(m *testing.M) { house.Main(m) }

var ctx = context.Background()

// root is the folder of the checkout.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// clients returns the AWS CLIs of the machine, the first of them Debian's where it is there.
func clients() (found []string) {
	seen := map[string]bool{}
	for _, dir := range append([]string{"/usr/bin"}, filepath.SplitList(os.Getenv("PATH"))...) {
		name := filepath.Join(dir, "aws")
		if _, err := exec.LookPath(name); err != nil {
			continue
		}
		version, err := exec.Command(name, "--version").CombinedOutput()
		if err != nil || seen[string(version)] {
			continue
		}
		seen[string(version)] = true
		found = append(found, name)
	}
	return found
}

// bare is the environment without anything about AWS, and with the house as the one that the
// user of the environment has: in the user's own state folder.
func bare(t *testing.T, h *house.House) []string {
	t.Helper()
	state := t.TempDir()
	if err := os.Symlink(h.Dir, filepath.Join(state, "strongroom")); err != nil {
		t.Fatal(err)
	}
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "XDG_STATE_HOME=") {
			env = append(env, v)
		}
	}
	return append(env, "XDG_STATE_HOME="+state, "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=")
}

// first returns env with dir before all other folders that commands are looked for in.
func first(env []string, dir string) []string {
	for i, v := range env {
		if path, ok := strings.CutPrefix(v, "PATH="); ok {
			env[i] = "PATH=" + dir + string(os.PathListSeparator) + path
		}
	}
	return env
}
