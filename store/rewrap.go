package store

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/strongroom/strongroom/store/cryptfs"
)

// Rewrapper wraps again what was wrapped before a rotation of the root key; *rootkey.Key is one.
type Rewrapper = cryptfs.Rewrapper

// Rewrap wraps what the store in folder dir keeps directly under the root key, durably, under its
// newest generation, and returns how many files it had to write. Nobody may have the store
// open. After a crash it can be called again.
func Rewrap(dir string, root Rewrapper) (int, error) {
	return rewrapOn(vfs.Default, dir, root)
}

func rewrapOn(base vfs.FS, dir string, root Rewrapper) (written int, err error) {
	changed, err := cryptfs.RewrapKeyring(base, base.PathJoin(dir, keyringName), root)
	if err != nil {
		return 0, fmt.Errorf("rewrap store: %w", mapError(err))
	}
	if changed {
		written++
	}
	path := base.PathJoin(dir, closedName)
	wrapped, err := readSmall(base, path)
	if errors.Is(err, fs.ErrNotExist) {
		return written, nil // it was not closed in good order
	}
	if err != nil {
		return written, err
	}
	wrapped, changed, err = root.Rewrap(purposeClosed, wrapped)
	if err != nil {
		return written, fmt.Errorf("%w: file %s does not open with this root key: %w", ErrCorrupt, path, err)
	}
	if !changed {
		return written, nil
	}
	return written + 1, cryptfs.WriteFile(base, path, wrapped)
}
