package compat

import (
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
)

// python returns a Python that has boto3, or "".
var python = sync.OnceValue(func() string {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import boto3").Run() == nil {
			return name
		}
	}
	return ""
})

// runPython runs a script of testdata with boto3 in a house of its own. It must print a text at its end.
func runPython(t *testing.T, script, end string) *house.House {
	t.Helper()
	name := python()
	if name == "" {
		outside.Missing(t, "there is no python3 with boto3 (Debian: apt-get install python3-boto3)")
	}
	h := house.Start(t)
	cmd := exec.Command(name, "testdata/"+script)
	cmd.Env = append(h.Environ(h.Admin), "PYTHONIOENCODING=utf-8", "LC_ALL=C.UTF-8")
	if text, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(text), end) {
		t.Errorf("%v\n%s", err, text)
	}
	return h
}

func TestBoto3(t *testing.T) {
	t.Parallel()
	runPython(t, "boto3_round.py", "the round is complete")
}
