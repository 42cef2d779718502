package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/strongroom/strongroom/durable"
)

// Folders of runners that were given none lie in the system's temporary folder under names of this form. Each is locked for as
// long as its runner lives: the kernel gives the lock back however it ends.
const ownPrefix = "strongroom-runner-"

var ownName = regexp.MustCompile(`^` + ownPrefix + `[0-9]+$`)

// lockFile is what durable.LockDir locks in a folder.
const lockFile = "lock"

// makeOwn makes a folder for this runner alone in folder temp, and locks it.
func makeOwn(temp string) (dir string, lock *durable.Lock, err error) {
	for range 10 {
		if dir, err = os.MkdirTemp(temp, ownPrefix); err != nil {
			return "", nil, err
		}
		// Another runner that starts may take the folder for a dead one's before it is locked, and remove it.
		lock, err = durable.LockDir(dir)
		if err == nil {
			if lock.There() {
				return dir, lock, nil
			}
			err = errors.Join(fmt.Errorf("%s: %w", dir, fs.ErrNotExist), lock.Release())
		}
	}
	return "", nil, fmt.Errorf("scratch folder: %w", err)
}

// sweepOwn removes from folder temp what runners of this user that were killed left there: folders whose lock nobody holds. Others
// may write in temp: what is not this user's, or no folder, is not touched, and no link is followed.
func sweepOwn(temp string, log *slog.Logger) {
	root, err := os.OpenRoot(temp)
	if err != nil {
		log.Warn("what killed runners left is not looked for", "error", err)
		return
	}
	defer root.Close()
	list, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		log.Warn("what killed runners left is not looked for", "error", err)
		return
	}
	for _, e := range list {
		if !ownName.MatchString(e.Name()) {
			continue
		}
		switch gone, err := removeDead(root, e.Name()); {
		case err != nil:
			log.Warn("what a killed runner left cannot be removed", "folder", filepath.Join(temp, e.Name()), "error", err)
		case gone:
			log.Info("removed what a killed runner had left", "folder", filepath.Join(temp, e.Name()))
		}
	}
}

// removeDead removes a folder of a runner that is dead. It reports whether it was one.
func removeDead(root *os.Root, name string) (bool, error) {
	if info, err := root.Lstat(name); err != nil || !info.IsDir() || !mine(info) {
		return false, ignoreGone(err)
	}
	// One without a lock is not a runner's, or of one that has not come so far.
	if info, err := root.Lstat(name + "/" + lockFile); err != nil || !info.Mode().IsRegular() || !mine(info) {
		return false, ignoreGone(err)
	}
	lock, err := durable.LockDir(filepath.Join(root.Name(), name))
	if errors.Is(err, durable.ErrLocked) {
		return false, nil
	}
	if err != nil {
		return false, ignoreGone(err)
	}
	return true, errors.Join(root.RemoveAll(name), lock.Release())
}

// mine reports whether a file belongs to the user that this process runs as.
func mine(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// ignoreGone is err, unless it is that something is not there any more.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
