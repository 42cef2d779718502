package audit

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Backup calls fn with each file of a consistent copy of the log: all that is durable when it
// is called. The files are sealed as they lie on disk. Entries may be appended meanwhile.
func (l *Log) Backup(fn func(name string, size int64, r io.Reader) error) error {
	// Between two commits the newest summary says how much of the newest segment counts.
	l.commitMu.Lock()
	l.index.RLock()
	numbers := slices.Clone(l.closes)
	var active uint64
	var size int64
	if l.active != nil {
		active, size = l.newest.number, l.newest.size
	}
	l.index.RUnlock()
	l.commitMu.Unlock()
	for _, number := range numbers {
		for _, path := range []string{segmentPath(l.dir, number), summaryPath(l.dir, number)} {
			if err := copyFile(path, -1, fn); err != nil && !(os.IsNotExist(err) && filepath.Ext(path) == summaryExt) {
				return err
			}
		}
	}
	if active == 0 {
		return nil
	}
	return copyFile(segmentPath(l.dir, active), size, fn)
}

// copyFile hands fn the first size bytes of a file, or all of it when size is negative.
func copyFile(path string, size int64, fn func(name string, size int64, r io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if size < 0 {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		size = info.Size()
	}
	if err := fn(filepath.Base(path), size, io.LimitReader(f, size)); err != nil {
		return fmt.Errorf("audit: %s: %w", path, err)
	}
	return nil
}
