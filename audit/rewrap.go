package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/strongroom/strongroom/durable"
)

// Rewrapper wraps again what was wrapped before a rotation of the root key; *rootkey.Key is one.
type Rewrapper interface {
	Keys
	Rewrap(purpose string, wrapped []byte) (out []byte, changed bool, err error)
}

// A segment's key stands in its header, at the beginning of a file that may be long, and a header may
// cross a sector, so that a power cut can tear it. So the new header, which has the same
// length, first goes to a file of its own, whole or not at all; then over the old one; then
// the file is removed. Whoever opens the log, or rewraps it, first finishes what such a file says.
const headerExt = ".head"

func headerPath(dir string, number uint64) string {
	return strings.TrimSuffix(segmentPath(dir, number), segmentExt) + headerExt
}

// Rewrap wraps the keys of all segments of the log in dir under the newest root key, durably,
// and returns how many it had to. tell is called now and then with how many of how many have been
// looked at. Nobody may have the log open. After a crash it can be called again.
func Rewrap(dir string, keys Rewrapper, tell func(done, of int)) (changed int, err error) {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	lock, err := durable.LockDir(dir)
	if err != nil {
		return 0, fmt.Errorf("audit: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if err := finishHeaders(dir, keys); err != nil {
		return 0, err
	}
	numbers, err := segmentNumbers(dir)
	if err != nil {
		return 0, err
	}
	for i, number := range numbers {
		renewed, err := rewrapSegment(dir, number, keys)
		if err != nil {
			return changed, err
		}
		if renewed {
			changed++
		}
		if tell != nil && ((i+1)%1000 == 0 || i+1 == len(numbers)) {
			tell(i+1, len(numbers))
		}
	}
	return changed, nil
}

// rewrapSegment gives a segment a header with its key under the newest root key.
func rewrapSegment(dir string, number uint64, keys Rewrapper) (bool, error) {
	s, err := openSegment(segmentPath(dir, number), keys)
	if err != nil {
		return false, err
	}
	defer s.close()
	wrapped, changed, err := keys.Rewrap(keyPurpose, s.Key)
	if err != nil {
		return false, fmt.Errorf("%w: %s: %w", ErrCorrupt, s.path, err)
	}
	if !changed {
		return false, nil
	}
	h := s.header
	h.Key = wrapped
	buf, err := formatHeader(h, s.secret)
	if err != nil {
		return false, err
	}
	if int64(len(buf)) != s.start {
		return false, fmt.Errorf("audit: %s: the new header has %d bytes, the old one %d", s.path, len(buf), s.start)
	}
	if err := durable.WriteFile(headerPath(dir, number), buf, 0o600); err != nil {
		return false, fmt.Errorf("audit: rewrap: %w", err)
	}
	return true, putHeader(dir, number, buf)
}

// putHeader writes a header over the one of a segment and removes the file that held it.
func putHeader(dir string, number uint64, header []byte) error {
	file, err := os.OpenFile(segmentPath(dir, number), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("audit: rewrap: %w", err)
	}
	_, err = file.WriteAt(header, 0)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("audit: rewrap: %w", err)
	}
	return durable.Remove(headerPath(dir, number))
}

// finishHeaders finishes the rewrapping that a crash interrupted.
func finishHeaders(dir string, keys Keys) error {
	if err := durable.Sweep(dir); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"+headerExt))
	if err != nil {
		return err
	}
	for _, name := range names {
		header, number, err := readHeader(name, keys)
		if err != nil {
			return err
		}
		if filepath.Base(name) != filepath.Base(headerPath("", number)) {
			return fmt.Errorf("%w: %s is the header of segment %d", ErrCorrupt, name, number)
		}
		if err := sameSegment(dir, number, header); err != nil {
			return err
		}
		if err := putHeader(dir, number, header); err != nil {
			return err
		}
	}
	return nil
}

// sameSegment compares what both headers have in common, so that a crash cannot have torn it: how
// they begin, and their length.
func sameSegment(dir string, number uint64, header []byte) error {
	file, err := os.Open(segmentPath(dir, number))
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	defer file.Close()
	have := make([]byte, len(magic)+4)
	if _, err := io.ReadFull(file, have); err != nil || !bytes.Equal(have, header[:len(have)]) {
		return fmt.Errorf("%w: %s does not fit its header", ErrCorrupt, file.Name())
	}
	return nil
}

// readHeader reads and authenticates a header that stands alone.
func readHeader(name string, keys Keys) (header []byte, number uint64, err error) {
	s, err := openHeader(name, keys)
	if err != nil {
		return nil, 0, err
	}
	defer s.close()
	header = make([]byte, s.start+1)
	n, err := s.file.ReadAt(header, 0)
	if int64(n) != s.start || err != io.EOF {
		return nil, 0, fmt.Errorf("%w: %s does not end with its header", ErrCorrupt, name)
	}
	return header[:n], s.Number, nil
}
