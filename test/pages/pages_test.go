// Package pages runs the sessions that the README and the documents show, word for word, as a reader would type them: in a
// shell, with the AWS CLI and the program itself.
package pages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/test/house"
)

func TestMain(m *testing.M) { house.Main(m) }

// root is the folder of the checkout.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
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
