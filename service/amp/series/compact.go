package series

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// compactor is what Prometheus's store writes blocks with. Its own folder stays empty: the blocks are ours.
type compactor struct {
	ctx context.Context
	db  *DB
}

var _ tsdb.Compactor = (*compactor)(nil)

func (db *DB) newCompactor(ctx context.Context, _ prometheus.Registerer, _ *slog.Logger, _ []int64, _ chunkenc.Pool, _ *tsdb.Options) (tsdb.Compactor, error) {
	return &compactor{ctx, db}, nil
}

// Plan has nothing to do: Maintain puts blocks together.
func (*compactor) Plan(string) ([]string, error) { return nil, nil }

// Compact is never asked for, because Plan plans nothing.
func (*compactor) Compact(string, []string, []*tsdb.Block) ([]ulid.ULID, error) {
	return nil, errors.New("blocks are not compacted in a folder")
}

// Write seals a part of the head as a block. It is in the ledger, and queried, before the head forgets it.
func (c *compactor) Write(_ string, b tsdb.BlockReader, mint, maxt int64, base *tsdb.BlockMeta) ([]ulid.ULID, error) {
	if c.db.forget {
		return nil, nil
	}
	id := newULID()
	meta := &tsdb.BlockMeta{ULID: id, MinTime: mint, MaxTime: maxt, Version: 1}
	meta.Compaction.Level = 1
	meta.Compaction.Sources = []ulid.ULID{id}
	if base != nil && base.Compaction.FromOutOfOrder() {
		meta.Compaction.SetOutOfOrder()
	}
	made, err := c.db.writeBlock(c.ctx, meta, []tsdb.BlockReader{b})
	if err != nil || made == nil {
		return nil, err
	}
	return nil, c.db.replace(c.ctx, nil, made)
}

func newULID() ulid.ULID { return ulid.MustNew(ulid.Now(), rand.Reader) }

func (db *DB) populate(ctx context.Context, meta *tsdb.BlockMeta, sources []tsdb.BlockReader, indexw tsdb.IndexWriter, chunkw tsdb.ChunkWriter) error {
	return tsdb.DefaultBlockPopulator{}.PopulateBlock(ctx, tsdb.NewCompactorMetrics(nil), slog.New(slog.DiscardHandler), db.pool,
		storage.NewCompactingChunkSeriesMerger(storage.ChainedSeriesMerge), sources, meta, indexw, chunkw, tsdb.AllSortedPostings)
}

// replace puts a block in the place of others, in the ledger and for queries.
func (db *DB) replace(ctx context.Context, old []*block, made *Block) error {
	var gone []ulid.ULID
	for _, b := range old {
		gone = append(gone, b.id)
	}
	var add []Block
	if made != nil {
		add = append(add, *made)
	}
	db.mu.RLock()
	covered := db.covered
	db.mu.RUnlock()
	if err := db.opts.Ledger.Replace(ctx, gone, add, covered); err != nil {
		return err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	db.blocks = slices.DeleteFunc(db.blocks, func(b *block) bool { return slices.Contains(old, b) })
	if made != nil {
		db.blocks = append(db.blocks, db.newBlock(made))
	}
	for _, b := range old {
		b.retire()
	}
	return nil
}

// Maintain cuts the head into blocks where it is old enough, puts blocks together, and takes away those whose time is
// over. It is to be called every few minutes; a call that is cut short loses nothing.
func (db *DB) Maintain(ctx context.Context) error {
	if err := db.begin(); err != nil {
		return err
	}
	defer db.end()
	db.upkeep.Lock()
	defer db.upkeep.Unlock()
	var err error
	if h := db.head.Head(); h.MaxTime()-h.MinTime() > (3*time.Hour).Milliseconds() && h.MinTime() <= h.MaxTime() {
		err = db.cutHead(ctx, db.head.Compact)
	}
	return errors.Join(err, db.retention(ctx), db.merge(ctx), db.trim(ctx), db.cool())
}

// Flush cuts all of the head into blocks and empties the log. Nobody may append meanwhile.
func (db *DB) Flush(ctx context.Context) error {
	if err := db.begin(); err != nil {
		return err
	}
	defer db.end()
	db.upkeep.Lock()
	defer db.upkeep.Unlock()
	h := db.head.Head()
	if h.MinTime() > h.MaxTime() {
		return nil
	}
	err := db.cutHead(ctx, func(ctx context.Context) error {
		const span = int64(2 * time.Hour / time.Millisecond)
		for last := h.MaxTime(); h.NumSeries() > 0 && h.MinTime() <= last; {
			mint := h.MinTime()
			end := mint - (mint%span+span)%span + span
			if err := db.head.CompactHead(tsdb.NewRangeHead(h, mint, min(end-1, last))); err != nil {
				return err
			}
			if h.MinTime() <= mint {
				break
			}
		}
		return db.head.CompactOOOHead(ctx)
	})
	return errors.Join(err, db.trim(ctx))
}

// cutHead runs a compaction of the head and then lets go of what it covers in the log: what was appended before it
// began and is older than what the head holds after it is in blocks, in order or not.
func (db *DB) cutHead(ctx context.Context, compact func(context.Context) error) error {
	before := db.head.Head().MinTime()
	closed, err := db.cutLog(ctx)
	if err != nil {
		return err
	}
	if err := compact(ctx); err != nil {
		return err
	}
	h := db.head.Head()
	after := h.MinTime()
	if after <= before {
		return nil
	}
	covered := Covered{Through: closed, Time: min(after, h.MaxTime()+1)}
	db.mu.RLock()
	covered.Time, covered.First = max(covered.Time, db.covered.Time), db.covered.First
	db.mu.RUnlock()
	return db.cover(ctx, covered)
}

func (db *DB) cover(ctx context.Context, covered Covered) error {
	if err := db.opts.Ledger.Replace(ctx, nil, nil, covered); err != nil {
		return err
	}
	db.mu.Lock()
	db.covered = covered
	db.mu.Unlock()
	return nil
}

// cutLog ends a segment of the log at a moment when whatever stands in it stands in the head too.
func (db *DB) cutLog(ctx context.Context) (closed uint64, err error) {
	db.commits.Lock()
	defer db.commits.Unlock()
	return db.log.Cut(ctx)
}

// trim takes segments of the log away of which everything is in blocks. What is known of metrics stands in no block,
// so it is written down again first.
//
// While somebody copies the log nothing is taken away: what he copied before says from where on it must be there.
func (db *DB) trim(ctx context.Context) error {
	if !db.opts.Hold.TryRLock() {
		return nil
	}
	defer db.opts.Hold.RUnlock()
	db.mu.RLock()
	covered := db.covered
	db.mu.RUnlock()
	first := max(covered.First, 1)
	db.newest.Lock()
	for first <= covered.Through && db.olderThan(first, covered.Time) {
		delete(db.times, first)
		first++
	}
	db.newest.Unlock()
	if first == max(covered.First, 1) {
		return nil
	}
	if list := db.metadata.all(); len(list) > 0 {
		err := db.log.Append(ctx, func(number uint64, dst []byte) ([]byte, error) {
			return db.encode(&batch{metadata: list}, number, dst), nil
		})
		if err != nil {
			return err
		}
	}
	covered.First = first
	if err := db.cover(ctx, covered); err != nil {
		return err
	}
	return db.log.Drop(first - 1)
}

// olderThan reports whether all samples of a segment are older than t. A segment with none has no time.
func (db *DB) olderThan(number uint64, t int64) bool {
	newest, ok := db.times[number]
	return !ok || newest < t
}

// retention takes away the blocks whose newest sample is too old.
func (db *DB) retention(ctx context.Context) error {
	keep := db.retain.Load()
	if keep <= 0 {
		return nil
	}
	oldest := time.Now().UnixMilli() - keep
	var old []*block
	db.mu.RLock()
	for _, b := range db.blocks {
		if b.info.Meta.MaxTime <= oldest {
			old = append(old, b)
		}
	}
	db.mu.RUnlock()
	if len(old) == 0 {
		return nil
	}
	return db.replace(ctx, old, nil)
}

// cool wipes the opened pages of indexes that nobody reads while they take more memory than the arena may, and closes
// blocks while what is kept of their indexes takes more than a quarter of it. The newest stay longest. Files that
// were not read since it was last called are closed in any case.
func (db *DB) cool() error {
	db.mu.RLock()
	defer db.mu.RUnlock()
	byTime := slices.Clone(db.blocks)
	slices.SortFunc(byTime, func(a, b *block) int { return cmp.Compare(b.info.Meta.MaxTime, a.info.Meta.MaxTime) })
	var pages, kept int64
	var errs []error
	for _, b := range byTime {
		b.mu.Lock()
		if b.open != nil {
			if b.readers == 0 {
				b.open.tire()
			}
			if kept += b.open.kept(); kept > db.opts.Arena/4 && b.readers == 0 {
				kept -= b.open.kept()
				errs = append(errs, b.close())
			} else if pages += b.open.region.Size(); pages > db.opts.Arena && b.readers == 0 {
				pages -= b.open.region.Size()
				errs = append(errs, b.forget())
			}
		}
		b.mu.Unlock()
	}
	return errors.Join(errs...)
}

// Forget wipes all opened pages that nobody reads at the moment. Queries open them again.
func (db *DB) Forget() error {
	db.mu.RLock()
	defer db.mu.RUnlock()
	var errs []error
	for _, b := range db.blocks {
		b.mu.Lock()
		if b.readers == 0 {
			errs = append(errs, b.forget())
		}
		b.mu.Unlock()
	}
	return errors.Join(errs...)
}

// merge puts blocks together until there is nothing to put together.
func (db *DB) merge(ctx context.Context) error {
	for ctx.Err() == nil {
		db.mu.RLock()
		set := plan(db.blocks, db.opts.MaxBlock.Milliseconds())
		db.mu.RUnlock()
		if len(set) == 0 {
			return nil
		}
		if err := db.mergeBlocks(ctx, set); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (db *DB) mergeBlocks(ctx context.Context, set []*block) error {
	var metas []*tsdb.BlockMeta
	var sources []tsdb.BlockReader
	for _, b := range set {
		metas, sources = append(metas, &b.info.Meta), append(sources, b)
	}
	meta := tsdb.CompactBlockMetas(newULID(), metas...)
	meta.Version = 1
	if len(set) == 1 {
		meta.Compaction.Level = set[0].info.Meta.Compaction.Level
	}
	made, err := db.writeBlock(ctx, meta, sources)
	if err != nil {
		return err
	}
	return db.replace(ctx, set, made)
}

// plan chooses blocks to put together: first those that overlap, then one with tombstones, which is written anew without
// what was deleted, then what lies in one range of three times the length of a block and is followed by a newer block, so that
// nothing will be added to it soon.
func plan(all []*block, longest int64) []*block {
	blocks := slices.Clone(all)
	slices.SortFunc(blocks, func(a, b *block) int {
		return cmp.Or(cmp.Compare(a.info.Meta.MinTime, b.info.Meta.MinTime), a.info.Meta.ULID.Compare(b.info.Meta.ULID))
	})
	for i, b := range blocks {
		set, end := []*block{b}, b.info.Meta.MaxTime
		for _, next := range blocks[i+1:] {
			if next.info.Meta.MinTime >= end {
				break
			}
			set, end = append(set, next), max(end, next.info.Meta.MaxTime)
		}
		if len(set) > 1 {
			return set
		}
	}
	for _, b := range blocks {
		if b.info.Meta.Stats.NumTombstones > 0 {
			return []*block{b}
		}
	}
	for _, span := range tsdb.ExponentialBlockRanges((2 * time.Hour).Milliseconds(), 10, 3)[1:] {
		if span > longest {
			return nil
		}
		for i := 0; i < len(blocks); {
			set := within(blocks[i:], span)
			if i += len(set); len(set) > 1 && i < len(blocks) {
				return set
			}
			if len(set) == 0 {
				i++
			}
		}
	}
	return nil
}

// within returns the first blocks that lie in the same aligned range.
func within(blocks []*block, span int64) []*block {
	start := blocks[0].info.Meta.MinTime
	start -= (start%span + span) % span
	n := 0
	for n < len(blocks) && blocks[n].info.Meta.MinTime >= start && blocks[n].info.Meta.MaxTime <= start+span {
		n++
	}
	return blocks[:n]
}
