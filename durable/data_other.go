//go:build !linux

package durable

import (
	"fmt"
	"os"
)

// SyncData makes the bytes of f and its size durable, but not its times.
func SyncData(f *os.File) error {
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", f.Name(), err)
	}
	return nil
}

// StartWrite asks the kernel to begin writing n bytes of f from off, so that a later
// sync finds less to do. It promises nothing and does not wait.
func StartWrite(*os.File, int64, int64) {}

// RenameNew renames oldPath to newPath and fails with fs.ErrExist if newPath is
// there. It syncs nothing.
func RenameNew(oldPath, newPath string) error { return linkNew(oldPath, newPath) }
