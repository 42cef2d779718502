//go:build unix

package page

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// allocate returns n bytes of zeros outside of the heap. Memory that nobody has touched costs nothing.
func allocate(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|noReserve)
	if err != nil {
		return nil, fmt.Errorf("memory for pages: %w", err)
	}
	return b, nil
}

func release(b []byte) error { return unix.Munmap(b) }

// forget gives the memory of b back, but not its addresses. What is read there afterwards is zero.
func forget(b []byte) error {
	if err := unix.Madvise(b, unix.MADV_DONTNEED); err != nil {
		return fmt.Errorf("memory for pages: %w", err)
	}
	return nil
}
