package compat

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
)

// python returns a Python that has boto3, or "".
func python() string {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import boto3").Run() == nil {
			return name
		}
	}
	return ""
}

func TestBoto3(t *testing.T) {
	t.Parallel()
	name := python()
	if name == "" {
		outside.Missing(t, "there is no python3 with boto3 (Debian: apt-get install python3-boto3)")
	}
	h := house.Start(t)
	cmd := exec.Command(name, "testdata/boto3_round.py")
	cmd.Env = append(h.Environ(h.Admin), "PYTHONIOENCODING=utf-8", "LC_ALL=C.UTF-8")
	if text, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(text), "the round is complete") {
		t.Errorf("%v\n%s", err, text)
	}
}
