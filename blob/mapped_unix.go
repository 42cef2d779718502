//go:build unix

package blob

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

var errNotMapped = errors.New("the blob cannot be mapped")

// mapFile maps n bytes of a file, to be read here and there.
func mapFile(f *os.File, n int64) ([]byte, error) {
	data, err := unix.Mmap(int(f.Fd()), 0, int(n), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotMapped, err)
	}
	_ = unix.Madvise(data, unix.MADV_RANDOM) // it is advice
	return data, nil
}

func unmap(data []byte) error { return unix.Munmap(data) }
