package series

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// ErrNoMemory says that no folder was found that lies in memory and stays there. Without one nothing may be
// opened: the chunk files of a head are plaintext.
var ErrNoMemory = errors.New("no folder in memory")

// DefaultMemory is the folder in memory that Linux systems have.
const DefaultMemory = "/dev/shm"

// Memory makes an empty folder called name below a folder in memory, such as DefaultMemory, and takes away what a process
// that was killed has left there. It returns ErrNoMemory, with the reason, where the parent does not lie in memory, or
// where the kernel could write what lies there to a swap device that is not encrypted.
func Memory(parent, name string) (string, error) {
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return "", fmt.Errorf("%w: %q is no name", ErrNoMemory, name)
	}
	if err := inMemory(parent); err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrNoMemory, parent, err)
	}
	dir := filepath.Join(parent, name)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.Mkdir(dir, 0o700)
}

// checkSwaps reads a list as /proc/swaps has it, and returns an error that names the first device of which encrypted does
// not say that what it holds is unreadable without a key that is in memory alone.
func checkSwaps(list io.Reader, encrypted func(device string) bool) error {
	lines := bufio.NewScanner(list)
	for first := true; lines.Scan(); first = false {
		fields := strings.Fields(lines.Text())
		if first || len(fields) == 0 {
			continue
		}
		if device := fields[0]; !strings.HasPrefix(filepath.Base(device), "zram") && !encrypted(device) {
			return fmt.Errorf("swaps to %s, which is not encrypted: mount it with noswap, encrypt the device, or switch swap off", device)
		}
	}
	return lines.Err()
}
