package durable

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// SyncData makes the bytes of f and its size durable, but not its times.
func SyncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return fmt.Errorf("sync %s: %w", f.Name(), err)
		}
	}
}

// StartWrite asks the kernel to begin writing n bytes of f from off, so that a later
// sync finds less to do. It promises nothing and does not wait.
func StartWrite(f *os.File, off, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
}

// RenameNew renames oldPath to newPath and fails with fs.ErrExist if newPath is
// there. It syncs nothing.
func RenameNew(oldPath, newPath string) error {
	err := unix.Renameat2(unix.AT_FDCWD, oldPath, unix.AT_FDCWD, newPath, unix.RENAME_NOREPLACE)
	if err == unix.EINVAL || err == unix.ENOSYS {
		return linkNew(oldPath, newPath) // a file system without RENAME_NOREPLACE
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: oldPath, New: newPath, Err: err}
	}
	return nil
}
