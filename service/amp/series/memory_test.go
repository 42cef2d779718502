package series

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestSwaps(t *testing.T) {
	const head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	encrypted := func(device string) bool { return device == "/dev/dm-1" }
	for _, tt := range []struct {
		list string
		ok   bool
	}{
		{head, true},
		{"", true},
		{head + "/dev/zram0 partition 1 0 100\n", true},
		{head + "/dev/dm-1 partition 1 0 100\n", true},
		{head + "/dev/dm-2 partition 1 0 100\n", false},
		{head + "/dev/dm-1 partition 1 0 100\n/swapfile file 1 0 -2\n", false},
	} {
		if err := checkSwaps(strings.NewReader(tt.list), encrypted); (err == nil) != tt.ok {
			t.Errorf("%q: got %v", tt.list, err)
		}
	}
}

func TestMemory(t *testing.T) {
	if _, err := Memory(filepath.Join(t.TempDir(), "missing"), "x"); !errors.Is(err, ErrNoMemory) {
		t.Errorf("folder that is not there: got %v", err)
	}
	for _, name := range []string{"", ".", "..", "a/b", ".x"} {
		if _, err := Memory(DefaultMemory, name); !errors.Is(err, ErrNoMemory) {
			t.Errorf("name %q: got %v", name, err)
		}
	}
	if runtime.GOOS != "linux" {
		return
	}
	if _, err := Memory("/proc", "x"); !errors.Is(err, ErrNoMemory) {
		t.Errorf("/proc: got %v", err)
	}
	name := "strongroom-test-" + filepath.Base(t.TempDir())
	dir, err := Memory(DefaultMemory, name)
	if errors.Is(err, ErrNoMemory) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "left"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Memory(DefaultMemory, name); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("what a killed process left is still there: %v, %v", left, err)
	}
}
