package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/machine"
	"github.com/strongroom/strongroom/store/cryptfs"
)

// The folder of a store:
//
//	lock      held while the store is open
//	keyring   the data keys, wrapped under the root key; see package cryptfs
//	closed    there after a clean close; see closed.go
//	db/       Pebble's files, encrypted
const (
	keyringName = "keyring"
	tablesName  = "db"
)

// Wrapper seals the store's own keys under the root key; *rootkey.Key is one.
type Wrapper interface {
	// Wrap seals plaintext for a purpose.
	Wrap(purpose string, plaintext []byte) ([]byte, error)
	// Unwrap opens what Wrap sealed for the same purpose, and nothing else.
	Unwrap(purpose string, wrapped []byte) ([]byte, error)
}

// Options of a File. The zero value is right for a server.
type Options struct {
	Cache        int64         // bytes of block cache, memtables included; 0 for a 16th of the memory there is, but 48 MiB at least and 4 GiB at most
	HistoryBytes int64         // bytes of changes kept for Watch; 0 for 64 MiB
	HistoryAge   time.Duration // how long changes are kept at most; 0 for a day
	KeyAge       time.Duration // how long a data key serves new files; 0 for 30 days
	KeyBytes     int64         // bytes written under a data key; 0 for 64 GiB
	Reserve      int64         // bytes of the disk that commits leave free; 0 for 64 MiB
	Log          *slog.Logger  // takes what happens in the background; nil drops it

	restAfter time.Duration // when writers are looked at whether they rest
}

func (o Options) withDefaults() Options {
	if o.Cache <= 0 {
		o.Cache = min(max(machine.Memory()/cacheShare, leastCache), mostCache)
	}
	if o.HistoryBytes <= 0 {
		o.HistoryBytes = 64 << 20
	}
	if o.HistoryAge <= 0 {
		o.HistoryAge = 24 * time.Hour
	}
	if o.Reserve <= 0 {
		o.Reserve = 64 << 20
	}
	if o.restAfter <= 0 {
		o.restAfter = restAfter
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// File is the embedded engine: Pebble over encrypted files in a folder of this machine.
//
// Updates run one after another. Each is written to the log under the writer's lock and
// becomes durable outside it, together with those that came meanwhile; it is shown to
// views, and acknowledged, only after that. So Update never returns ErrConflict but when
// the disk fails between an update and one that it had read from.
//
// When the disk fails to take a write, the updates under way return ErrUnknown, nothing
// later is written to the files in use, views go on with the last durable state, and
// the next Update opens the store anew from the disk.
type File struct {
	base vfs.FS
	dir  string
	root Wrapper
	ring *cryptfs.Keyring
	opts Options
	lock *durable.Lock

	cur atomic.Pointer[snapshot] // the last durable state; nil once closed

	w        sync.Mutex // the writer's lock; the fields below are its
	eng      *engine
	applied  uint64 // revision of the last commit, durable or not
	hist     history
	disk     diskWatch
	lastDay  uint32      // day of the last outcome
	retry    time.Time   // when the engine may be replaced again
	rest     *time.Timer // until it is seen whether the writers rest; nil while nobody has written
	inflight sync.WaitGroup
	closed   bool

	pub       sync.Mutex // guards publishing; taken after w, never before
	published uint64     // revision of the last durable commit
	untold    []*commit  // in their order: those that the observers have not been told of
	doubtful  []Change   // of updates that returned ErrUnknown, until the engine is replaced
	durable   *sync.Cond // on pub: published has grown, observers were told, or the engine has failed
	news      chan struct{}

	telling   sync.Mutex // held while observers are told; taken before pub
	obs       sync.Mutex
	observers atomic.Pointer[[]*observer]
}

var _ DB = (*File)(nil)

// OpenFile opens the store in folder dir, making it if there is none. root must be
// the key it was made with. An error is ErrLocked while another process, or another part
// of this one, has it open; ErrCorrupt, naming the file, when anything does not
// authenticate, and also when a store that was closed has lost its last commits.
func OpenFile(dir string, root Wrapper, opts Options) (*File, error) {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	lock, err := durable.LockDir(dir)
	if errors.Is(err, durable.ErrLocked) {
		return nil, fmt.Errorf("open store: %w: %w", ErrLocked, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	f, err := openOn(vfs.Default, dir, root, opts)
	if err != nil {
		_ = lock.Release()
		return nil, err
	}
	f.lock = lock
	return f, nil
}

// openOn opens the store in folder dir of base, which nobody else uses.
func openOn(base vfs.FS, dir string, root Wrapper, opts Options) (*File, error) {
	f := &File{base: base, dir: dir, root: root, opts: opts.withDefaults()}
	f.durable = sync.NewCond(&f.pub)
	f.observers.Store(new([]*observer))
	if err := f.openKeyring(); err != nil {
		return nil, err
	}
	mark, err := f.takeClosedMark()
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := f.openTables(); err != nil {
		return nil, err
	}
	if err := f.removeClosedMark(mark); err != nil {
		f.eng.fs.Freeze(err)
		f.cur.Load().unref()
		f.eng.unref()
		return nil, fmt.Errorf("open store: %w", err)
	}
	return f, nil
}

// openKeyring opens the keyring and drops the data keys that no file uses.
func (f *File) openKeyring() error {
	tables, path := f.path(tablesName), f.path(keyringName)
	if err := f.base.MkdirAll(tables, 0o700); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	for _, dir := range []string{f.dir, f.base.PathDir(f.dir)} {
		if err := cryptfs.SyncDir(f.base, dir); err != nil {
			return fmt.Errorf("open store: %w", err)
		}
	}
	if _, err := f.base.Stat(path); errors.Is(err, fs.ErrNotExist) {
		names, err := f.base.List(tables)
		if err != nil {
			return fmt.Errorf("open store: %w", err)
		}
		if len(names) > 0 {
			return fmt.Errorf("open store: %w: file %s is missing", ErrCorrupt, path)
		}
	}
	limits := cryptfs.Limits{KeyAge: f.opts.KeyAge, KeyBytes: f.opts.KeyBytes}
	ring, err := cryptfs.OpenKeyring(f.base, path, f.root, limits)
	if err != nil {
		return fmt.Errorf("open store: %w", mapError(err))
	}
	f.ring = ring
	used, err := cryptfs.New(f.base, ring).UsedKeys(tables)
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	if err := ring.Keep(used); err != nil {
		return fmt.Errorf("open store: %w", mapError(err))
	}
	return nil
}

// openTables opens the engine and publishes its state, which is durable: Pebble has
// written anew, and synced, what it found in the log.
func (f *File) openTables() error {
	eng, err := openEngine(f.base, f.path(tablesName), f.ring, f.opts)
	if err != nil {
		return err
	}
	hist, revision, err := openHistory(eng.db)
	if err == nil && revision < f.published {
		err = fmt.Errorf("%w: commit %d is there, %d was acknowledged", ErrCorrupt, revision, f.published)
	}
	if err != nil {
		eng.unref()
		return fmt.Errorf("open store: %w", err)
	}
	f.eng, f.hist, f.applied = eng, hist, revision
	f.publish(eng.newSnapshot(revision), true)
	return nil
}

func (f *File) path(name string) string { return f.base.PathJoin(f.dir, name) }

// acquire returns the last durable state with a reference.
func (f *File) acquire() (*snapshot, error) {
	for {
		s := f.cur.Load()
		if s == nil {
			return nil, ErrClosed
		}
		if s.ref() {
			return s, nil
		}
	}
}

// View calls fn with the last durable state.
func (f *File) View(ctx context.Context, fn func(Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, err := f.acquire()
	if err != nil {
		return err
	}
	r := reader{src: s.snap, file: f, at: s.revision}
	defer func() {
		r.src = nil
		s.unref()
	}()
	return fn(&r)
}

// Close waits for the transactions under way and releases the store. Closing it again
// is no error.
func (f *File) Close() error {
	f.w.Lock()
	defer f.w.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	if f.rest != nil {
		f.rest.Stop()
	}
	f.inflight.Wait()
	f.pub.Lock()
	last := f.cur.Swap(nil)
	f.announce()
	f.pub.Unlock()
	last.unref()
	failed := f.eng.fs.Err()
	f.eng.unref()
	<-f.eng.done
	err := failed
	if err == nil {
		err = f.eng.closeErr
	}
	if err == nil && f.eng.fs.Err() == nil {
		err = f.putClosedMark()
	}
	if f.lock != nil {
		err = errors.Join(err, f.lock.Release())
	}
	if err != nil {
		return fmt.Errorf("close store: %w", mapError(err))
	}
	return nil
}

// emptyDir reports whether folder dir is not there or holds nothing.
func emptyDir(dir string) (bool, error) {
	entries, err := os.ReadDir(filepath.Clean(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return len(entries) == 0, err
}
