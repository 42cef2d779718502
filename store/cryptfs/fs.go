package cryptfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is the encrypting file system. Its methods may be called together.
type FS struct {
	base vfs.FS
	ring *Keyring

	frozen atomic.Pointer[error]
	opened atomic.Bool  // Pebble is open
	failed atomic.Int64 // when a table last failed, Unix nanoseconds

	mu      sync.Mutex
	writing map[string]int // names of files that are open for writing
}

var _ vfs.FS = (*FS)(nil)

// New returns the encrypting file system over base with the keys of ring.
func New(base vfs.FS, ring *Keyring) *FS {
	return &FS{base: base, ring: ring, writing: make(map[string]int)}
}

// Err returns the failure that froze the file system, or nil while it is whole.
// What was synced before a call that returns nil is durable.
func (f *FS) Err() error {
	if p := f.frozen.Load(); p != nil {
		return *p
	}
	return nil
}

// Freeze drops every change from now on. The first cause is kept.
func (f *FS) Freeze(cause error) { f.freeze(cause) }

func (f *FS) freeze(cause error) { f.frozen.CompareAndSwap(nil, &cause) }

// Opened says that Pebble has opened. Before, the failure of a table freezes the file
// system as any other does: Pebble waits in Open until its tables are written.
func (f *FS) Opened() { f.opened.Store(true) }

// tableDelay is how long no new table is made after one has failed. Pebble tries again at once.
const tableDelay = 100 * time.Millisecond

// waitForTable delays the next table after a failure.
func (f *FS) waitForTable() {
	if failed := f.failed.Load(); failed != 0 {
		time.Sleep(time.Until(time.Unix(0, failed).Add(tableDelay)))
	}
}

func (f *FS) tableFailed() { f.failed.Store(time.Now().UnixNano()) }

// change makes a change without which Pebble could not go on: a failure freezes the
// file system and is hidden.
func (f *FS) change(fn func() error, what string) error {
	if f.Err() != nil {
		return nil
	}
	if err := fn(); err != nil {
		f.freeze(fmt.Errorf("%s: %w", what, err))
	}
	return nil
}

// isTable reports whether Pebble can do without the new file: a failed table makes
// its flush or compaction fail, which is tried again.
func (f *FS) isTable(name string) bool {
	ext := filepath.Ext(name)
	return f.opened.Load() && (ext == ".sst" || ext == ".blob")
}

// isLog reports whether a new file is one that is appended to and synced many times.
// Only Create looks at names; afterwards the header tells.
func isLog(name string) bool {
	base := filepath.Base(name)
	return strings.HasSuffix(base, ".log") || strings.HasPrefix(base, "MANIFEST-")
}

// Create makes the file, empty, replacing one of that name.
func (f *FS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	table := f.isTable(name)
	if table {
		f.waitForTable()
	}
	if err := f.Err(); err != nil {
		if table {
			f.tableFailed()
			return nil, err
		}
		return newNullFile(f, name), nil
	}
	file, err := f.create(name, table, category)
	if err != nil && table {
		f.tableFailed()
	}
	if err != nil && !table {
		f.freeze(fmt.Errorf("create %s: %w", name, err))
		return newNullFile(f, name), nil
	}
	return file, err
}

func (f *FS) create(name string, table bool, category vfs.DiskWriteCategory) (vfs.File, error) {
	k := paged
	if isLog(name) {
		k = logs
	}
	h, err := newHeader(k, f.ring)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(filepath.Base(name), "marker.") {
		// A marker names another file, whose own name Pebble makes durable only together
		// with the marker's: a crash could keep the marker alone.
		if err := SyncDir(f.base, f.base.PathDir(name)); err != nil {
			return nil, err
		}
	}
	base, err := f.base.Create(name, category)
	if err != nil {
		return nil, err
	}
	w := writer{fs: f, base: base, name: name, table: table}
	head := h.bytes(name)
	_, err = base.Write(head)
	if err == nil && k == logs {
		err = base.SyncData() // see open: a log with anything in it has its header
	}
	if err != nil {
		_ = base.Close()
		_ = f.base.Remove(name)
		return nil, err
	}
	w.end = int64(len(head))
	f.mu.Lock()
	f.writing[name]++
	f.mu.Unlock()
	if k == logs {
		return &logWriter{writer: w, aead: h.aead(), synced: w.end}, nil
	}
	return &pagedWriter{writer: w, aead: h.aead(), tail: make([]byte, 0, pageSize)}, nil
}

func (f *FS) doneWriting(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writing[name]--; f.writing[name] <= 0 {
		delete(f.writing, name)
	}
}

// Open opens the file for reading and checks its header and its end.
func (f *FS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	base, err := f.base.Open(name, opts...)
	if err != nil {
		return nil, err
	}
	file, err := f.open(base, name)
	if err != nil {
		_ = base.Close()
		return nil, err
	}
	return file, nil
}

func (f *FS) open(base vfs.File, name string) (vfs.File, error) {
	info, err := base.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("open %s: it is a folder", name)
	}
	head, err := readHead(base)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if size := info.Size(); filepath.Ext(name) == ".log" && (size < headerSize || size == headerSize && allZero(head)) {
		// A crash came before the header was synced, and so before anything else was
		// written. A manifest is named by its marker only after it is synced.
		return newLogReader(base, name, nil), nil
	}
	h, err := parseHeader(head, name, f.ring)
	if err != nil {
		return nil, err
	}
	if h.kind == logs {
		return openLog(base, name, h)
	}
	return openPaged(base, name, h, info.Size())
}

func readHead(base vfs.File) ([]byte, error) {
	head := make([]byte, headerSize)
	n, err := base.ReadAt(head, 0)
	if err == io.EOF {
		err = nil
	}
	return head[:n], err
}

// OpenReadWrite is refused: no position of a file is written twice.
func (f *FS) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	return nil, fmt.Errorf("open %s for reading and writing: %w", name, errors.ErrUnsupported)
}

// OpenDir opens the folder for syncing.
func (f *FS) OpenDir(name string) (vfs.File, error) {
	d, err := f.base.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return dirFile{File: d, fs: f, name: name}, nil
}

// Link copies oldname to newname: a file belongs to its name.
func (f *FS) Link(oldname, newname string) error {
	if err := f.Err(); err != nil {
		return err
	}
	if _, err := f.base.Stat(newname); err == nil {
		return &os.LinkError{Op: "link", Old: oldname, New: newname, Err: os.ErrExist}
	}
	return vfs.Copy(f, oldname, newname)
}

// Remove removes the file. A frozen file system keeps it: the crash image needs it.
func (f *FS) Remove(name string) error {
	if f.Err() != nil {
		return nil
	}
	return f.base.Remove(name)
}

// RemoveAll removes the file or folder and all below it.
func (f *FS) RemoveAll(name string) error {
	if f.Err() != nil {
		return nil
	}
	return f.base.RemoveAll(name)
}

// Rename renames the file, replacing one of the new name.
func (f *FS) Rename(oldname, newname string) error {
	return f.change(func() error {
		if err := f.rebind(oldname, newname); err != nil {
			return err
		}
		return f.base.Rename(oldname, newname)
	}, "rename "+oldname)
}

// rebind makes the header of a file fit its new name. A crash before the rename leaves
// a file that does not open under its old one; Pebble renames only finished temporary
// files, which it throws away at the next start.
func (f *FS) rebind(oldname, newname string) error {
	if filepath.Base(oldname) == filepath.Base(newname) {
		return nil
	}
	file, err := f.base.OpenReadWrite(oldname, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	defer file.Close()
	head, err := readHead(file)
	if err != nil {
		return err
	}
	h, err := parseHeader(head, oldname, f.ring)
	if err != nil {
		return err
	}
	// The MAC has no nonce, so writing it anew gives nothing away.
	if _, err := file.WriteAt(h.bytes(newname)[macAt:], macAt); err != nil {
		return err
	}
	return file.Sync()
}

// ReuseForWrite makes newname as a new file and removes oldname: positions of the
// old file must not be written again under its key.
func (f *FS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.Create(newname, category)
	if err != nil {
		return nil, err
	}
	_ = f.Remove(oldname) // what stays is removed at the next start
	return file, nil
}

// MkdirAll makes the folder and its parents.
func (f *FS) MkdirAll(dir string, perm os.FileMode) error {
	return f.change(func() error { return f.base.MkdirAll(dir, perm) }, "make folder "+dir)
}

// Lock does nothing: whoever made the FS keeps others off the folder. An FS that froze
// and the one that replaces it are open together.
func (f *FS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// List lists the folder.
func (f *FS) List(dir string) ([]string, error) { return f.base.List(dir) }

// Stat describes the file with the size of its content, which comes from the file
// itself.
func (f *FS) Stat(name string) (vfs.FileInfo, error) {
	info, err := f.base.Stat(name)
	if err != nil || info.IsDir() {
		return info, err
	}
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.Stat()
}

// PathBase is that of the file system below.
func (f *FS) PathBase(path string) string { return f.base.PathBase(path) }

// PathJoin is that of the file system below.
func (f *FS) PathJoin(elem ...string) string { return f.base.PathJoin(elem...) }

// PathDir is that of the file system below.
func (f *FS) PathDir(path string) string { return f.base.PathDir(path) }

// GetDiskUsage is that of the file system below.
func (f *FS) GetDiskUsage(path string) (vfs.DiskUsage, error) { return f.base.GetDiskUsage(path) }

// Unwrap returns the file system below.
func (f *FS) Unwrap() vfs.FS { return f.base }
