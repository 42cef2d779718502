package cryptfs

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// writer is what both kinds of file share while they are written.
type writer struct {
	fs     *FS
	base   vfs.File
	name   string
	table  bool  // a failure is Pebble's to handle; otherwise it freezes the FS
	end    int64 // bytes of the file below
	size   int64 // bytes of content
	broken error // why the table takes no more; a failed position is never written again
	closed bool
}

// put appends bytes to the file below, all or nothing as far as this file goes on.
func (w *writer) put(b []byte) error {
	if len(b) == 0 || w.dropped() {
		return nil
	}
	if _, err := w.base.Write(b); err != nil {
		return w.fail(err)
	}
	w.end += int64(len(b))
	w.fs.ring.count(len(b))
	return nil
}

// dropped reports whether what is done to the file is dropped, the file system being
// frozen. A table that is under way may be finished: nothing refers to it.
func (w *writer) dropped() bool { return !w.table && w.fs.Err() != nil }

// fail breaks a table for good. The failure of any other file freezes the file system
// and is hidden.
func (w *writer) fail(err error) error {
	err = fmt.Errorf("write %s: %w", w.name, err)
	if !w.table {
		w.fs.freeze(err)
		return nil
	}
	w.fs.tableFailed()
	w.broken = err
	return err
}

func (w *writer) close() error {
	w.closed = true
	w.fs.doneWriting(w.name)
	if err := w.base.Close(); err != nil && w.broken == nil && !w.dropped() {
		return w.fail(err)
	}
	return w.broken
}

func (w *writer) Stat() (vfs.FileInfo, error) {
	info, err := w.base.Stat()
	if err != nil {
		return nil, err
	}
	return fileInfo{info, w.size}, nil
}

func (w *writer) Read([]byte) (int, error) { return 0, w.notFor("reading") }

func (w *writer) ReadAt([]byte, int64) (int, error) { return 0, w.notFor("reading") }

func (w *writer) WriteAt([]byte, int64) (int, error) { return 0, w.notFor("writing anywhere") }

func (w *writer) notFor(what string) error {
	return fmt.Errorf("file %s is not open for %s", w.name, what)
}

// Preallocate does nothing: positions of content are not positions of the file below.
func (*writer) Preallocate(int64, int64) error { return nil }

// Prefetch does nothing.
func (*writer) Prefetch(int64, int64) error { return nil }

// Fd returns vfs.InvalidFd: whoever synced or read the descriptor would go round
// the encryption.
func (*writer) Fd() uintptr { return vfs.InvalidFd }

// reader is what both kinds of file share while they are read.
type reader struct {
	vfs.File // the file below
	name     string
	size     int64
}

func (r *reader) Stat() (vfs.FileInfo, error) {
	info, err := r.File.Stat()
	if err != nil {
		return nil, err
	}
	return fileInfo{info, r.size}, nil
}

func (r *reader) Write([]byte) (int, error) { return 0, r.notForWriting() }

func (r *reader) WriteAt([]byte, int64) (int, error) { return 0, r.notForWriting() }

func (r *reader) notForWriting() error {
	return fmt.Errorf("file %s is not open for writing", r.name)
}

// Fd returns vfs.InvalidFd: see writer.
func (*reader) Fd() uintptr { return vfs.InvalidFd }

// dirFile is a folder that is open for syncing.
type dirFile struct {
	vfs.File
	fs   *FS
	name string
}

func (d dirFile) Sync() error {
	return d.fs.change(func() error { return d.File.Sync() }, "sync folder "+d.name)
}

func (d dirFile) SyncData() error { return d.Sync() }

func (d dirFile) Fd() uintptr { return vfs.InvalidFd }

// fileInfo tells the size of the content.
type fileInfo struct {
	vfs.FileInfo
	size int64
}

func (i fileInfo) Size() int64 { return i.size }

// nullFile takes the place of a new file in a frozen FS: it takes everything and
// keeps nothing.
type nullFile struct{ writer }

func newNullFile(fs *FS, name string) *nullFile {
	return &nullFile{writer{fs: fs, name: name}}
}

func (f *nullFile) Write(p []byte) (int, error) {
	f.size += int64(len(p))
	return len(p), nil
}

func (*nullFile) Sync() error { return nil }

func (*nullFile) SyncData() error { return nil }

func (*nullFile) SyncTo(int64) (bool, error) { return true, nil }

func (*nullFile) Close() error { return nil }

func (f *nullFile) Stat() (vfs.FileInfo, error) {
	return nullInfo{f.fs.base.PathBase(f.name), f.size}, nil
}

type nullInfo struct {
	name string
	size int64
}

func (i nullInfo) Name() string         { return i.name }
func (i nullInfo) Size() int64          { return i.size }
func (nullInfo) Mode() fs.FileMode      { return 0o600 }
func (nullInfo) ModTime() time.Time     { return time.Time{} }
func (nullInfo) IsDir() bool            { return false }
func (nullInfo) Sys() any               { return nil }
func (nullInfo) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
