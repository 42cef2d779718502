package series

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service/amp/page"
	"github.com/strongroom/strongroom/service/amp/wal"
)

// ErrClosed says that the store is closed, or about to be.
var ErrClosed = errors.New("series of the workspace are closed")

// Ledger keeps what blocks there are. Its methods may be called together.
type Ledger interface {
	// Load returns the state that Replace last wrote.
	Load(ctx context.Context) (State, error)
	// Pending notes that a blob of this key may come to be, before it does: one that no block names is swept.
	Pending(ctx context.Context, key string) error
	// Replace takes blocks away and puts others in their place, all or nothing, and notes how far the log is covered. A
	// block that is taken away and put there again has other files than before.
	Replace(ctx context.Context, remove []ulid.ULID, add []Block, covered Covered) error
}

// State is what a Ledger keeps.
type State struct {
	Blocks  []Block
	Covered Covered
}

// Block is a sealed block.
type Block struct {
	Meta  tsdb.BlockMeta
	Key   []byte // the block's data key, wrapped
	Files []File
}

// File is a file of a block. Its name is that which Prometheus has for it, "index" or "chunks/000001", or
// "tombstones/" and a number.
type File struct {
	Name string
	Blob string
	Size int64       // of the plaintext
	Page page.Layout `json:",omitempty"` // how it is divided into pages
	Mark []byte      `json:",omitempty"` // of the blob, under Options.Marks: see CheckBlock
}

// Covered says how much of the log is in blocks: whatever stands in the segments up to Through and is older
// than Time.
type Covered struct {
	Through uint64
	Time    int64  // milliseconds
	First   uint64 // segments before this one may be gone
}

// Options of a DB.
type Options struct {
	Name   string // of the workspace; bound into all that is sealed
	Log    string // folder of the log
	Memory string // folder in memory, for the head's chunk files: see Memory
	Blobs  blob.Store
	// Prefix stands before the names of blobs.
	Prefix string
	Keys   wal.Keys
	Ledger Ledger
	// Marks is the key of the marks by which blocks are checked without their data keys.
	Marks secret.Bytes
	// Hold is locked by whoever copies the log, for reading by whoever takes segments of it away; nil for nobody.
	Hold   *sync.RWMutex
	Logger *slog.Logger

	Retention  time.Duration // 0 for ever
	OutOfOrder time.Duration // how far behind the newest sample one may be
	MaxSeries  int           // active series; 0 for any number
	MaxMetric  int64         // active series of one metric; 0 for any number
	LabelSets  []LabelSet    // limits of the active series with some labels
	Exemplars  int64         // that are kept; 0 for 10,000
	Arena      int64         // bytes of opened chunk pages; 0 for 64 MiB
	MaxBlock   time.Duration // longest block; 0 for 18 hours
	// StartTimes keeps the start of every sample too, in a chunk format that Prometheus releases before 3.10 do not read.
	StartTimes bool
	// WAL is for tests of the log.
	WAL wal.Options
}

// DB is an open store. Its methods may be called together.
type DB struct {
	opts     Options
	head     *tsdb.DB
	log      *wal.Log
	arena    *page.Arena
	pool     chunkenc.Pool
	metadata *metadata
	active   atomic.Int64
	forgot   atomic.Uint64
	window   atomic.Int64 // of out-of-order samples, in milliseconds
	retain   atomic.Int64 // retention, in milliseconds
	limit    atomic.Int64 // of active series
	quotas   quotas       // of some of them

	exemplars atomic.Int64 // that were appended
	room      atomic.Int64 // for exemplars
	config    sync.Mutex   // held while Prometheus's store is configured

	seen    []uint32     // by reference: the segment that last named the series; used within the log's encode
	commits sync.RWMutex // held for reading while something is in the log and not yet in the head

	newest sync.Mutex
	times  map[uint64]int64 // the newest sample of each segment

	upkeep sync.Mutex // one compaction at a time
	forget bool       // during replay: what the head would write is in blocks already

	mu      sync.RWMutex // of what follows; users hold it for reading while they begin
	blocks  []*block
	covered Covered
	closed  bool
	users   sync.WaitGroup
}

// Open opens a store and reads its log into the head.
func Open(ctx context.Context, opts Options) (_ *DB, err error) {
	setDefaults(&opts)
	db := &DB{opts: opts, pool: chunkenc.NewPool(), arena: page.NewArena(opts.Arena), metadata: newMetadata(), times: map[uint64]int64{}}
	db.retain.Store(opts.Retention.Milliseconds())
	db.limit.Store(int64(opts.MaxSeries))
	db.quotas.set(opts.MaxMetric, opts.LabelSets)
	defer func() {
		if err != nil {
			err = errors.Join(err, db.shut())
		}
	}()
	state, err := opts.Ledger.Load(ctx)
	if err != nil {
		return nil, err
	}
	db.covered = state.Covered
	for i := range state.Blocks {
		db.blocks = append(db.blocks, db.newBlock(&state.Blocks[i]))
	}
	if err := db.openHead(); err != nil {
		return nil, err
	}
	if db.log, err = wal.Open(opts.Log, opts.Name, opts.Keys, opts.WAL); err != nil {
		return nil, err
	}
	if err := db.replay(ctx); err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return db, db.SetOutOfOrder(opts.OutOfOrder)
}

func setDefaults(o *Options) {
	if o.Exemplars <= 0 {
		o.Exemplars = 10_000
	}
	if o.Arena <= 0 {
		o.Arena = 64 << 20
	}
	if o.MaxBlock <= 0 {
		o.MaxBlock = 18 * time.Hour
	}
	if o.Hold == nil {
		o.Hold = new(sync.RWMutex)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// replayWindow lets whatever the log holds back into the head, in whatever order it was acknowledged.
const replayWindow = math.MaxInt64 / 4

// openHead opens Prometheus's own store over memory, with neither log nor blocks of its own.
func (db *DB) openHead() error {
	if err := os.RemoveAll(db.opts.Memory); err != nil {
		return err
	}
	if err := os.MkdirAll(db.opts.Memory, 0o700); err != nil {
		return err
	}
	o := tsdb.DefaultOptions()
	o.WALSegmentSize = -1
	o.NoLockfile = true
	o.StripeSize = 512 // the default costs 4 MiB for every workspace
	o.HeadChunksWriteBufferSize = chunks.MinWriteBufferSize
	o.RetentionDuration = 0
	db.window.Store(replayWindow)
	db.room.Store(min(fewExemplars, db.opts.Exemplars))
	o.EnableExemplarStorage, o.MaxExemplars = true, db.room.Load()
	o.OutOfOrderTimeWindow = replayWindow
	o.NewCompactorFunc = db.newCompactor
	o.BlocksToDelete = func([]*tsdb.Block) map[ulid.ULID]struct{} { return nil }
	o.BlockQuerierFunc, o.BlockChunkQuerierFunc = newQuerier, newChunkQuerier
	o.SeriesLifecycleCallback = (*lifecycle)(db)
	if db.opts.StartTimes {
		o.EnableSTStorage, o.FloatChunkEncoding, o.EnableHistogramSTEncoding = true, chunkenc.EncXOR2, true
	}
	var err error
	db.head, err = tsdb.Open(db.opts.Memory, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), o, nil)
	if err == nil {
		db.head.DisableCompactions() // Maintain says when
	}
	return err
}

// SetOutOfOrder says how far behind the newest sample another may be.
func (db *DB) SetOutOfOrder(window time.Duration) error {
	db.window.Store(window.Milliseconds())
	return db.configure()
}

// configure tells Prometheus's store what it has to know.
func (db *DB) configure() error {
	db.config.Lock()
	defer db.config.Unlock()
	return db.head.ApplyConfig(&config.Config{StorageConfig: config.StorageConfig{
		TSDBConfig:      &config.TSDBConfig{OutOfOrderTimeWindow: db.window.Load()},
		ExemplarsConfig: &config.ExemplarsConfig{MaxExemplars: db.room.Load()},
	}})
}

// SetRetention says how long samples are kept; 0 for ever.
func (db *DB) SetRetention(d time.Duration) { db.retain.Store(d.Milliseconds()) }

// SetMaxSeries says how many active series there may be; 0 for any number.
func (db *DB) SetMaxSeries(n int) { db.limit.Store(int64(n)) }

// ActiveSeries returns how many series have samples in the head.
func (db *DB) ActiveSeries() int64 { return db.active.Load() }

// Forgotten returns another number than before when the head has forgotten series. A reference to a series of the head is never
// given to another, so whoever keeps references may go on with them; when the number is another, some are of no use.
func (db *DB) Forgotten() uint64 { return db.forgot.Load() }

// Size returns how many bytes the blocks have, as they lie on disk.
func (db *DB) Size() (n int64) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	for _, b := range db.blocks {
		n += b.Size()
	}
	return n
}

// Blocks returns what is known of the blocks, the oldest first.
func (db *DB) Blocks() []Block {
	db.mu.RLock()
	defer db.mu.RUnlock()
	var list []Block
	for _, b := range db.blocks {
		list = append(list, *b.info)
	}
	slices.SortFunc(list, func(a, b Block) int { return int(a.Meta.MinTime/1000 - b.Meta.MinTime/1000) })
	return list
}

// begin takes part in the store until end is called.
func (db *DB) begin() error {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.closed {
		return ErrClosed
	}
	db.users.Add(1)
	return nil
}

func (db *DB) end() { db.users.Done() }

// Close waits for those who use the store, wipes what was opened, and gives all memory back. What was acknowledged
// is in the log and in blocks.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil
	}
	db.closed = true
	db.mu.Unlock()
	db.users.Wait()
	return db.shut()
}

func (db *DB) shut() error {
	var errs []error
	if db.log != nil {
		errs = append(errs, db.log.Close())
	}
	if db.head != nil {
		errs = append(errs, db.head.Close())
	}
	for _, b := range db.blocks {
		errs = append(errs, b.drop())
	}
	return errors.Join(append(errs, db.arena.Wipe(), os.RemoveAll(filepath.Clean(db.opts.Memory)))...)
}
