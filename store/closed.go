package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/strongroom/strongroom/store/cryptfs"
)

// After a crash the end of a log may be missing. After a clean close nothing may: Close
// leaves a mark that says what there was, and OpenFile compares and removes it. While Pebble opens,
// which changes its files, the mark stands without them: an opening that is cut off is taken up by the next.
//
//	closed = mark, wrapped for "store/closed"
//	mark   = last revision (8) | files, none while it is opened
//	file   = length of name (uvarint) | name | bytes (uvarint)
const (
	closedName    = "closed"
	purposeClosed = "store/closed"
	maxClosed     = 16 << 20
)

// closedMark is what the mark of a clean close says.
type closedMark struct {
	revision uint64
	sizes    map[string]int64 // of the files in db/
}

// putClosedMark writes the mark of a clean close, once the files that it names are durable: Pebble leaves
// the ends of its log and its manifest unsynced when it closes.
func (f *File) putClosedMark() error {
	sizes, err := f.tableSizes()
	if err != nil {
		return err
	}
	dir := f.path(tablesName)
	for name := range sizes {
		if err := syncFile(f.base, f.base.PathJoin(dir, name)); err != nil {
			return err
		}
	}
	if err := cryptfs.SyncDir(f.base, dir); err != nil {
		return err
	}
	return f.putMark(&closedMark{revision: f.applied, sizes: sizes})
}

// syncFile makes what was written to a file durable, by whomever it was written.
func syncFile(base vfs.FS, path string) error {
	file, err := base.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// putMark writes a mark durably, in the place of one that may be there.
func (f *File) putMark(mark *closedMark) error {
	plain := binary.BigEndian.AppendUint64(nil, mark.revision)
	for name, size := range mark.sizes {
		plain = append(binary.AppendUvarint(plain, uint64(len(name))), name...)
		plain = binary.AppendUvarint(plain, uint64(size))
	}
	wrapped, err := f.root.Wrap(purposeClosed, plain)
	if err != nil {
		return err
	}
	return cryptfs.WriteFile(f.base, f.path(closedName), wrapped)
}

// tableSizes returns the sizes of Pebble's files, as they are on the disk.
func (f *File) tableSizes() (map[string]int64, error) {
	dir := f.path(tablesName)
	names, err := f.base.List(dir)
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]int64)
	for _, name := range names {
		info, err := f.base.Stat(f.base.PathJoin(dir, name))
		if err != nil {
			return nil, err
		}
		if isPebbles(name) {
			sizes[name] = info.Size()
		}
	}
	return sizes, nil
}

// isPebbles reports whether Pebble would take a file for one of its own.
func isPebbles(name string) bool {
	for _, prefix := range []string{"marker.", "MANIFEST-", "OPTIONS-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return strings.HasSuffix(name, ".log") || strings.HasSuffix(name, ".sst")
}

// takeClosedMark returns the mark of a clean close, or nil after a crash, once the
// files are found to be those that it names. It takes their names out of it: from now on they change.
func (f *File) takeClosedMark() (*closedMark, error) {
	path := f.path(closedName)
	wrapped, err := readSmall(f.base, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	plain, err := f.root.Unwrap(purposeClosed, wrapped)
	if err != nil {
		return nil, fmt.Errorf("%w: file %s does not open with this root key: %w", ErrCorrupt, path, err)
	}
	mark, err := parseClosedMark(plain)
	if err != nil {
		return nil, fmt.Errorf("%w: file %s is malformed", err, path)
	}
	if len(mark.sizes) == 0 {
		return mark, nil
	}
	if err := f.compareClosedMark(mark); err != nil {
		return nil, err
	}
	mark.sizes = nil
	return mark, f.putMark(mark)
}

// readSmall returns the bytes of a file that is no longer than a mark can be.
func readSmall(base vfs.FS, path string) ([]byte, error) {
	file, err := base.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxClosed))
}

func parseClosedMark(plain []byte) (*closedMark, error) {
	if len(plain) < 8 {
		return nil, ErrCorrupt
	}
	mark := &closedMark{revision: binary.BigEndian.Uint64(plain), sizes: make(map[string]int64)}
	for rest := plain[8:]; len(rest) > 0; {
		n, used := binary.Uvarint(rest)
		if used <= 0 || n > uint64(len(rest)-used) {
			return nil, ErrCorrupt
		}
		name := string(rest[used : used+int(n)])
		rest = rest[used+int(n):]
		size, used := binary.Uvarint(rest)
		if used <= 0 {
			return nil, ErrCorrupt
		}
		rest = rest[used:]
		mark.sizes[name] = int64(size)
	}
	return mark, nil
}

func (f *File) compareClosedMark(mark *closedMark) error {
	sizes, err := f.tableSizes()
	if err != nil {
		return err
	}
	dir := f.path(tablesName)
	for name, want := range mark.sizes {
		got, ok := sizes[name]
		if !ok {
			return fmt.Errorf("%w: file %s is missing", ErrCorrupt, f.base.PathJoin(dir, name))
		}
		if got != want {
			return fmt.Errorf("%w: file %s has %d bytes, had %d when the store was closed",
				ErrCorrupt, f.base.PathJoin(dir, name), got, want)
		}
	}
	for name := range sizes {
		if _, ok := mark.sizes[name]; !ok {
			return fmt.Errorf("%w: file %s was not there when the store was closed",
				ErrCorrupt, f.base.PathJoin(dir, name))
		}
	}
	return nil
}

// removeClosedMark compares the revision that was found with the mark's, and removes
// the mark: from now on a crash may come.
func (f *File) removeClosedMark(mark *closedMark) error {
	if mark == nil {
		return nil
	}
	if mark.revision != f.applied {
		return fmt.Errorf("%w: %s ends at commit %d, was closed at %d",
			ErrCorrupt, f.path(tablesName), f.applied, mark.revision)
	}
	if err := f.base.Remove(f.path(closedName)); err != nil {
		return err
	}
	return cryptfs.SyncDir(f.base, f.dir)
}
