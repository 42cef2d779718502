package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrLocked says that somebody else holds the lock of a folder.
var ErrLocked = errors.New("folder is in use by another process")

// lockName is the file in a folder that carries its lock. It stays there when the
// lock is given back: removing it would let two processes lock two files of one name.
const lockName = "lock"

// Lock is the exclusive lock of a folder. The kernel gives it back when the process
// ends, however it ends.
type Lock struct{ f *os.File }

// LockDir takes the exclusive lock of folder dir. It never waits: while another process,
// or another part of this one, holds the lock, it returns an error that is ErrLocked
// and names the folder and the holder.
func LockDir(dir string) (*Lock, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock folder: %w", err)
	}
	// flock belongs to the open file, not to the process as fcntl locks do, so that
	// a second LockDir of the same process is refused too.
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s%s", ErrLocked, dir, holder(f))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// The number is for people only; that it cannot be written is no reason to fail.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	return &Lock{f}, nil
}

// holder describes who wrote the lock file, as far as it says.
func holder(f *os.File) string {
	buf := make([]byte, 20)
	n, _ := f.ReadAt(buf, 0)
	pid := strings.TrimSpace(string(buf[:n]))
	if pid == "" || strings.Trim(pid, "0123456789") != "" {
		return ""
	}
	return " (process " + pid + ")"
}

// There reports whether what is locked is still the folder's lock. It is not where somebody has removed the folder, or the file in
// it, between the opening of the file and its locking.
func (l *Lock) There() bool {
	held, err := l.f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(l.f.Name())
	return err == nil && os.SameFile(held, named)
}

// Release gives the lock back. A second Release is no error.
func (l *Lock) Release() error {
	if err := l.f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("release lock: %w", err)
	}
	return nil
}
