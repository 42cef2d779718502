package cryptfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// isSealed reports whether a name in Pebble's folder is that of a file of ours.
func isSealed(name string) bool {
	return name != "LOCK" && !strings.HasSuffix(name, ".dbtmp")
}

// Check reads and authenticates every byte of every file in folder dir, but for those
// that are being written, those that are removed meanwhile, and those that unused
// says are left over.
func (f *FS) Check(dir string, unused func(name string) bool) error {
	names, err := f.base.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !isSealed(name) {
			continue
		}
		path := f.base.PathJoin(dir, name)
		if f.isWriting(path) && !isLog(path) {
			continue
		}
		err := f.checkFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !f.isWriting(path) && !unused(name) {
			return fmt.Errorf("check: %w", err)
		}
	}
	return nil
}

func (f *FS) isWriting(path string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writing[path] > 0
}

func (f *FS) checkFile(path string) error {
	file, err := f.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	buf := getBuffer(64 << 10)
	defer putBuffer(buf)
	for {
		if _, err := file.Read(*buf); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// UsedKeys returns the numbers of the data keys that the files in folder dir need.
func (f *FS) UsedKeys(dir string) (map[uint64]bool, error) {
	names, err := f.base.List(dir)
	if err != nil {
		return nil, err
	}
	used := make(map[uint64]bool)
	for _, name := range names {
		path := f.base.PathJoin(dir, name)
		info, err := f.base.Stat(path)
		if err != nil || info.IsDir() || !isSealed(name) {
			continue
		}
		number, err := f.keyOf(path)
		if err != nil {
			continue // whoever opens the file will say what is wrong with it
		}
		used[number] = true
	}
	return used, nil
}

func (f *FS) keyOf(path string) (uint64, error) {
	file, err := f.base.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	head, err := readHead(file)
	if err != nil {
		return 0, err
	}
	h, err := parseHeader(head, path, f.ring)
	if err != nil {
		return 0, err
	}
	return h.number, nil
}
