package store

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/strongroom/strongroom/store/cryptfs"
)

// Keys in Pebble begin with a byte that says what they are of.
//
//	d key                        a record: its value
//	h revision (8)               what a commit changed; see history.go
//	o day (4) | id (16)          that an update was committed: its revision (8)
//	v                            the version of this layout: 0x01
const (
	spaceData    = 'd'
	spaceHistory = 'h'
	spaceOutcome = 'o'
	spaceVersion = 'v'
)

const layoutVersion = 1

const (
	memTableShare  = 16 // of the cache
	leastMemTable  = 8 << 20
	mostMemTable   = 64 << 20 // it is read again after a crash: a second
	leastCache     = 48 << 20
	mostCache      = 4 << 30
	cacheShare     = 16 // of the machine's memory
	maxManifest    = 4 << 20
	maxOpenTables  = 512
	bloomBits      = 10
	tableBlockSize = 8 << 10
	indexBlockSize = 256 << 10 // of a whole table: with two levels of index each lookup reads one block more
	// baseMemTables is how many memtables the first level below the newest tables holds. Records change all over their space, so what moves down
	// a level is merged with a part of the next that is larger as often as that level is: fewer and larger levels write less anew,
	// and each that there is costs a lookup some microseconds.
	baseMemTables = 16
)

// engine is one opening of Pebble. After a failure to write, File replaces it by another,
// while views of the old one run on.
type engine struct {
	fs   *cryptfs.FS
	db   *pebble.DB
	log  *slog.Logger
	refs atomic.Int64  // the owner's and one for each snapshot
	done chan struct{} // closed when Pebble is closed

	memTable int64                 // bytes that a table in memory may hold
	closeErr error                 // valid after done
	failing  atomic.Pointer[error] // why tables cannot be written now
	reported atomic.Int64          // when a background error was last logged, Unix nanoseconds
}

// openEngine opens Pebble in folder dir of base and checks its layout.
func openEngine(base vfs.FS, dir string, ring *cryptfs.Keyring, opts Options) (*engine, error) {
	e := &engine{fs: cryptfs.New(base, ring), log: opts.Log, done: make(chan struct{})}
	e.refs.Store(1)
	cache := pebble.NewCache(opts.Cache)
	defer cache.Unref()
	db, err := pebble.Open(dir, e.options(cache))
	if err != nil {
		return nil, fmt.Errorf("open store: %w", mapError(err))
	}
	e.db = db
	e.fs.Opened()
	err = e.fs.Err()
	if err == nil {
		err = e.checkVersion()
	}
	if err != nil {
		e.fs.Freeze(err)
		e.unref()
		return nil, fmt.Errorf("open store: %w", err)
	}
	return e, nil
}

func (e *engine) options(cache *pebble.Cache) *pebble.Options {
	// Records go to tables a memtable at a time, all over them: a large one writes much less of them again.
	e.memTable = min(max(cache.MaxSize()/memTableShare, leastMemTable), mostMemTable)
	opts := &pebble.Options{
		FS:                          e.fs,
		Cache:                       cache,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                uint64(e.memTable),
		MemTableStopWritesThreshold: 4,
		L0StopWritesThreshold:       1000, // waiting for a compaction that fails would never end
		LBaseMaxBytes:               baseMemTables * e.memTable,
		MaxManifestFileSize:         maxManifest,
		MaxOpenFiles:                maxOpenTables,
		Cleaner:                     remover{},
		Logger:                      pebbleLog{e},
		EventListener: &pebble.EventListener{
			BackgroundError: e.backgroundError,
			DataCorruption:  func(info pebble.DataCorruptionInfo) { e.report("store data is corrupt", info.Details) },
			FlushEnd:        func(info pebble.FlushInfo) { e.tableWritten(info.Err) },
			CompactionEnd:   func(info pebble.CompactionInfo) { e.tableWritten(info.Err) },
		},
	}
	// The length of compressed text tells something of the text, also when it is encrypted.
	opts.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	opts.Levels[0].BlockSize = tableBlockSize
	opts.Levels[0].IndexBlockSize = indexBlockSize
	opts.Levels[0].FilterPolicy = bloom.FilterPolicy(bloomBits)
	return opts
}

// checkVersion reads the layout's version, or writes it into an empty store.
func (e *engine) checkVersion() error {
	key := []byte{spaceVersion}
	value, closer, err := e.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		empty, err := e.empty()
		if err != nil {
			return err
		}
		if !empty {
			return fmt.Errorf("%w: it has records but no version", ErrCorrupt)
		}
		if err := e.db.Set(key, []byte{layoutVersion}, pebble.Sync); err != nil {
			return err
		}
		return e.fs.Err()
	}
	if err != nil {
		return mapError(err)
	}
	defer closer.Close()
	if len(value) != 1 || value[0] != layoutVersion {
		return fmt.Errorf("layout version %x is not known to this program, which knows version %d", value, layoutVersion)
	}
	return nil
}

func (e *engine) empty() (bool, error) {
	it, err := e.db.NewIter(nil)
	if err != nil {
		return false, mapError(err)
	}
	defer it.Close()
	found := it.First()
	return !found, mapError(it.Error())
}

// unref gives a reference back. The last one closes Pebble.
func (e *engine) unref() {
	if e.refs.Add(-1) == 0 {
		e.closeErr = e.db.Close()
		close(e.done)
	}
}

// tableWritten notes whether the last flush or compaction could write its tables.
func (e *engine) tableWritten(err error) {
	if err == nil {
		e.failing.Store(nil)
	}
}

func (e *engine) backgroundError(err error) {
	if !errors.Is(err, pebble.ErrCancelledCompaction) {
		e.failing.Store(&err)
		e.report("store cannot write in the background", err)
	}
}

// report logs what no caller waits for, at most once a second.
func (e *engine) report(msg string, err error) {
	now, last := time.Now().UnixNano(), e.reported.Load()
	if now-last > int64(time.Second) && e.reported.CompareAndSwap(last, now) {
		e.log.Error(msg, "error", err)
	}
}

// pebbleLog takes Pebble's log. What is fatal to Pebble freezes the file system: nothing
// that follows reaches the disk or is acknowledged, and the process lives on.
type pebbleLog struct{ e *engine }

func (pebbleLog) Infof(string, ...any) {}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.e.report("store engine", fmt.Errorf(format, args...))
}

func (l pebbleLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.e.fs.Freeze(err)
	l.e.log.Error("store engine failed", "error", err)
}

// mapError turns an error of Pebble or the file system into one of this package.
func mapError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pebble.ErrNotFound):
		return ErrNotFound
	case errors.Is(err, cryptfs.ErrCorrupt), errors.Is(err, pebble.ErrCorruption):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case vfs.IsNoSpaceError(err):
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// snapshot is the state after a commit, for views. It holds its engine open.
type snapshot struct {
	eng      *engine
	snap     *pebble.Snapshot
	revision uint64
	refs     atomic.Int64
}

// newSnapshot takes the state of the engine now, with one reference.
func (e *engine) newSnapshot(revision uint64) *snapshot {
	e.refs.Add(1)
	s := &snapshot{eng: e, snap: e.db.NewSnapshot(), revision: revision}
	s.refs.Store(1)
	return s
}

// ref takes a reference, unless the last one has been given back.
func (s *snapshot) ref() bool {
	for {
		n := s.refs.Load()
		if n == 0 {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *snapshot) unref() {
	if s.refs.Add(-1) == 0 {
		_ = s.snap.Close() // an error would say that it is closed
		s.eng.unref()
	}
}
