package compat

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
)

// TestProtonWaiters: the waiters that boto3 brings end, each of them.
func TestProtonWaiters(t *testing.T) {
	t.Parallel()
	name := python()
	if name == "" {
		outside.Missing(t, "there is no python3 with boto3 (Debian: apt-get install python3-boto3)")
	}
	h := house.Start(t)
	cmd := exec.Command(name, "testdata/proton_waiters.py")
	cmd.Env = append(h.Environ(h.Admin), "PYTHONIOENCODING=utf-8", "LC_ALL=C.UTF-8")
	if text, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(text), "all waiters have ended") {
		t.Errorf("%v\n%s", err, text)
	}
}
