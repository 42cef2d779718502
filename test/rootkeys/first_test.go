package rootkeys

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/test/capture"
	"github.com/strongroom/strongroom/test/house"
)

var accessKey = regexp.MustCompile(`secret access key +(\S+)`)

// TestFirstStartKilled kills the first start of a house later and later. Whatever has been printed by then, the recovery code that was
// printed last opens the house, and the credentials of its first account have been printed.
func TestFirstStartKilled(t *testing.T) {
	base := t.TempDir()
	open := []string{"--data", filepath.Join(base, "data"), "--root-key", filepath.Join(base, "root.key")}
	var all capture.Text
	for delay := time.Millisecond; ; delay = delay*3/2 + time.Millisecond {
		cmd := exec.Command(house.Binary(t), append([]string{"serve", "--listen", "127.0.0.1:0", "--metrics", "off"}, open...)...)
		cmd.Stdout, cmd.Stderr = &all, &all
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(delay, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		if kill.Stop(); cmd.ProcessState.Exited() {
			t.Fatalf("it ended by itself:\n%s", &all)
		}
		if strings.Contains(all.String(), "eval ") {
			break
		}
		if delay > time.Minute {
			t.Fatalf("it does not start:\n%s", &all)
		}
	}
	codes := code.FindAllStringSubmatch(all.String(), -1)
	keys := accessKey.FindAllStringSubmatch(all.String(), -1)
	if len(codes) == 0 || len(keys) == 0 {
		t.Fatalf("it printed:\n%s", &all)
	}
	if text, err := withInput(t, codes[len(codes)-1][1], "rootkey", "add", "--new-recovery", "--recovery", open[0], open[1]); err != nil {
		t.Errorf("with the code that was printed last: %v\n%s", err, text)
	}
	again := start(t, open...)
	again.says(t, "eval ")
	if text, err := exec.Command(house.Binary(t), "env", open[0], open[1]).CombinedOutput(); err != nil || !strings.Contains(string(text), keys[0][1]) {
		t.Errorf("other credentials than were printed: %v", err)
	}
	again.stop()
}
