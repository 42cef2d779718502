package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/strongroom/strongroom/seal"
)

// Copy gives the segments of the log in a folder to add, the oldest first, as they are at this moment: of the newest, which
// may be appended to meanwhile, what was written so far. What is copied can be opened as a log. No segment may be taken away
// meanwhile.
func Copy(dir string, add func(name string, size int64, r io.Reader) error) error {
	numbers, err := (&Log{dir: dir}).segments()
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if err := copySegment((&Log{dir: dir}).path(n), add); err != nil {
			return err
		}
	}
	return nil
}

func copySegment(path string, add func(name string, size int64, r io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return add(filepath.Base(path), info.Size(), io.LimitReader(f, info.Size()))
}

// Check authenticates every frame of the log in a folder, and returns how many segments there are. It may run while the log is
// appended to. from is the first segment that must be there, if any is. A segment that is taken away meanwhile is no damage.
func Check(ctx context.Context, dir, name string, keys Keys, from uint64) (int, error) {
	l := &Log{dir: dir, name: name, keys: keys}
	numbers, err := l.segments()
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(numbers) > 0 && numbers[0] > max(from, 1) {
		return 0, fmt.Errorf("%w: the log begins with segment %d instead of %d", seal.ErrCorrupt, numbers[0], max(from, 1))
	}
	for i, n := range numbers {
		_, err := l.replaySegment(ctx, n, i == len(numbers)-1, func(uint64, []byte) error { return nil })
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return i, err
		}
	}
	return len(numbers), nil
}
