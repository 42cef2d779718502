package rootkey

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestProtectProcess runs itself as a child, because the protection cannot be undone.
func TestProtectProcess(t *testing.T) {
	const marker = "STRONGROOM_TEST_PROTECT"
	if os.Getenv(marker) != "" {
		if err := ProtectProcess(); err != nil {
			t.Fatal(err)
		}
		limits, err := os.ReadFile("/proc/self/limits")
		if err != nil && !os.IsPermission(err) && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(limits)) {
			if f := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && (f[4] != "0" || f[5] != "0") {
				t.Errorf("core files may be written: %s", line)
			}
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestProtectProcess$")
	cmd.Env = append(os.Environ(), marker+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
