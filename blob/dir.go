package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/strongroom/strongroom/durable"
)

// The folder of a Dir:
//
//	lock    held while the Dir is open
//	tmp/    blobs that are being written; emptied when the Dir is opened
//	blobs/  one file a blob
//
// The slashes of a key make folders. The last part of a key is a file, two folders deeper:
// the folders carry its characters 1 and 2, and 3, after "=", which no key holds.
//
//	key 7f/0a1b2c3d  ->  blobs/7f/=0a/=1/0a1b2c3d
//	key ab           ->  blobs/=ab/=/ab
//
// So ten million blobs with hex names make folders of a few thousand names, and walking
// the folders in order walks the keys in order.
const (
	tmpName   = "tmp"
	blobsName = "blobs"
)

const (
	copyBuffer = 256 << 10
	// writeBehind is how many bytes of a blob are written before the kernel is
	// asked to begin putting them on the disk.
	writeBehind = 8 << 20
)

// Dir keeps blobs as files in a local folder. A blob is written under tmp/, synced,
// and renamed without replacing, and then its folder is synced, together with those of
// the blobs that are stored meanwhile; so nothing half is ever visible, whatever happens.
// It needs a file system that keeps fsync's promise.
type Dir struct {
	root string
	lock *durable.Lock
	next atomic.Uint64 // number of the next file in tmp/
	sync syncer
	bufs sync.Pool

	mu    sync.Mutex
	known map[string]bool // folders whose own names are durable
}

// maxKnown bounds the folders that are remembered; forgetting them costs a sync each.
const maxKnown = 100_000

var _ Store = (*Dir)(nil)

// OpenDir opens the folder at path, making it if there is none, and removes what a
// crash left of blobs that were being written. An error is durable.ErrLocked while
// another process has it open.
func OpenDir(path string) (*Dir, error) {
	d := &Dir{root: path, known: make(map[string]bool)}
	d.bufs.New = func() any { b := make([]byte, copyBuffer); return &b }
	for _, dir := range []string{path, d.path(blobsName), d.path(tmpName)} {
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("open blobs: %w", err)
		}
	}
	lock, err := durable.LockDir(path)
	if err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	d.lock = lock
	if err := d.sweep(); err != nil {
		return nil, errors.Join(fmt.Errorf("open blobs: %w", err), lock.Release())
	}
	return d, nil
}

func (d *Dir) path(elem ...string) string {
	return filepath.Join(append([]string{d.root}, elem...)...)
}

// sweep empties tmp/. Nothing in it was ever acknowledged.
func (d *Dir) sweep() error {
	entries, err := os.ReadDir(d.path(tmpName))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(d.path(tmpName, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Close releases the folder. No call may be under way; readers stay open.
func (d *Dir) Close() error { return d.lock.Release() }

// Put writes, syncs and names the blob. Only a buffer of it is in memory.
func (d *Dir) Put(ctx context.Context, key string, r io.Reader) (int64, error) {
	path, err := d.place(key)
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if _, err := os.Lstat(path); err == nil {
		return 0, d.exists(key, path)
	}
	tmp := d.path(tmpName, strconv.FormatUint(d.next.Add(1), 36))
	size, err := d.write(ctx, tmp, r)
	if err == nil {
		err = d.name(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
		if errors.Is(err, fs.ErrExist) {
			return 0, d.exists(key, path)
		}
		return 0, fmt.Errorf("put blob %s: %w", key, err)
	}
	if err := d.settle(path); err != nil {
		// The name may be durable or not. Taking it away keeps the promise that
		// after an error nothing is visible.
		_ = os.Remove(path)
		return 0, fmt.Errorf("put blob %s: %w", key, err)
	}
	return size, nil
}

// exists returns ErrExists, once it is sure to stay true.
func (d *Dir) exists(key, path string) error {
	if err := d.settle(path); err != nil {
		return fmt.Errorf("put blob %s: %w", key, err)
	}
	return fmt.Errorf("blob %s: %w", key, ErrExists)
}

// write copies r to a new file and makes its bytes durable.
func (d *Dir) write(ctx context.Context, tmp string, r io.Reader) (size int64, err error) {
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	buf := d.bufs.Get().(*[]byte)
	defer d.bufs.Put(buf)
	begun := int64(0)
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, rerr := readChunk(r, *buf)
		if _, err := f.Write((*buf)[:n]); err != nil {
			return 0, err
		}
		size += int64(n)
		if rerr == io.EOF {
			return size, durable.SyncData(f)
		}
		if rerr != nil {
			return 0, rerr
		}
		if size-begun >= writeBehind {
			durable.StartWrite(f, begun, size-begun)
			begun = size
		}
	}
}

// readChunk fills buf as far as r goes, so that writes are large. Unlike io.ReadFull it
// keeps apart the end of r and an r that says it was cut short.
func readChunk(r io.Reader, buf []byte) (n int, err error) {
	for empty := 0; n < len(buf) && err == nil; {
		var m int
		m, err = r.Read(buf[n:])
		if n += m; m > 0 {
			empty = 0
		} else if empty++; empty > 100 && err == nil {
			err = io.ErrNoProgress
		}
	}
	return n, err
}

// name gives a finished file its name, making the folders that are missing.
func (d *Dir) name(tmp, path string) error {
	err := durable.RenameNew(tmp, path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.RenameNew(tmp, path)
}

// settle makes the names in a file's folder durable, and those of the folders above it
// unless they are known to be: that a folder is there does not say so.
func (d *Dir) settle(path string) error {
	leaf, top := filepath.Dir(path), d.path(blobsName)
	folders := []string{leaf}
	d.mu.Lock()
	for dir := leaf; dir != top && !d.known[dir]; {
		dir = filepath.Dir(dir)
		folders = append(folders, dir)
	}
	d.mu.Unlock()
	for _, dir := range folders {
		if err := d.sync.folder(dir); err != nil {
			return err
		}
	}
	if len(folders) > 1 {
		d.mu.Lock()
		if len(d.known) > maxKnown {
			clear(d.known)
		}
		for _, dir := range folders[:len(folders)-1] {
			d.known[dir] = true
		}
		d.mu.Unlock()
	}
	return nil
}

// Get opens the blob's file. The reader is also an io.ReaderAt of the range.
func (d *Dir) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	path, err := d.place(key)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("blob %s: %w", key, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("get blob %s: %w", key, err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("get blob %s: %w", key, err)
	}
	if off < 0 || off > info.Size() {
		_ = f.Close()
		return nil, fmt.Errorf("blob %s: %w", key, ErrRange)
	}
	if rest := info.Size() - off; n < 0 || n > rest {
		n = rest
	}
	return &section{SectionReader: io.NewSectionReader(f, off, n), f: f}, nil
}

// section is a range of a file.
type section struct {
	*io.SectionReader
	f      *os.File
	mapped *mapped // nil when it is not
}

// Close closes the file.
func (s *section) Close() error {
	err := s.f.Close()
	if s.mapped != nil {
		err = errors.Join(s.mapped.close(), err)
	}
	return err
}

// Stat describes the blob's file.
func (d *Dir) Stat(ctx context.Context, key string) (Info, error) {
	path, err := d.place(key)
	if err != nil {
		return Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, fmt.Errorf("blob %s: %w", key, ErrNotFound)
	}
	if err != nil {
		return Info{}, fmt.Errorf("stat blob %s: %w", key, err)
	}
	return Info{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil
}

// Delete removes the blob's file. Readers that are open go on. Its folders stay.
func (d *Dir) Delete(ctx context.Context, key string) error {
	path, err := d.place(key)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err = os.Remove(path); err == nil || errors.Is(err, fs.ErrNotExist) {
		// Also when it is gone: whoever removed it may not have synced that yet.
		err = d.sync.folder(filepath.Dir(path))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete blob %s: %w", key, err)
	}
	return nil
}

// place returns the path of a key's file.
func (d *Dir) place(key string) (string, error) {
	if err := CheckKey(key); err != nil {
		return "", err
	}
	dir, last := "", key
	if i := strings.LastIndexByte(key, '/'); i >= 0 {
		dir, last = key[:i], key[i+1:]
	}
	one, two := fan(last)
	return d.path(blobsName, filepath.FromSlash(dir), one, two, last), nil
}

// fanOne and fanTwo are how many characters of the last part of a key have passed after
// the first and the second of its folders.
const (
	fanOne = 2
	fanTwo = 3
)

// fan returns the two folders of the last part of a key.
func fan(last string) (one, two string) {
	i, j := min(fanOne, len(last)), min(fanTwo, len(last))
	return "=" + last[:i], "=" + last[i:j]
}
