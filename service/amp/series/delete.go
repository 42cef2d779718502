package series

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/tombstones"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service/amp/page"
)

// Delete deletes the samples from mint to maxt, both included, of the series that match. When it returns nil no query that
// begins later sees them, also after a crash; their bytes go with the next Maintain. What arrives later for the same
// time is kept. After an error some of them may be deleted.
//
// What lies in blocks is deleted by tombstones: a sealed file of the block, in the Ledger. What is in the head is deleted by a
// record in the log, which deletes at replay what stands before it. Samples that came out of order have to be in blocks by
// then, because Prometheus knows no tombstones for those in its head.
func (db *DB) Delete(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) error {
	if len(ms) == 0 {
		return errors.New("deletion without a matcher")
	}
	if err := db.begin(); err != nil {
		return err
	}
	defer db.end()
	db.upkeep.Lock()
	defer db.upkeep.Unlock()
	d := deletion{mint, maxt, ms}
	if err := db.head.CompactOOOHead(ctx); err != nil {
		return err
	}
	if err := db.deleteFromHead(ctx, d); err != nil {
		return err
	}
	return db.deleteFromBlocks(ctx, d)
}

// deleteFromHead stops commits meanwhile, so that the log and the head agree on what was there before.
func (db *DB) deleteFromHead(ctx context.Context, d deletion) error {
	db.commits.Lock()
	defer db.commits.Unlock()
	if err := db.head.CompactOOOHead(ctx); err != nil { // what has come since
		return err
	}
	err := db.log.Append(ctx, func(_ uint64, dst []byte) ([]byte, error) { return framed(dst, d.encode), nil })
	if err != nil {
		return err
	}
	return db.head.Head().Delete(ctx, d.mint, d.maxt, d.matchers...)
}

// deleteFromBlocks gives new tombstones to all blocks that have such samples, at once.
func (db *DB) deleteFromBlocks(ctx context.Context, d deletion) error {
	var ids []ulid.ULID
	var changed []Block
	var applies []func()
	for _, b := range db.overlapping(d.mint, d.maxt) {
		made, stones, err := b.bury(ctx, d)
		if err = errors.Join(err, b.let()); err != nil {
			return fmt.Errorf("block %s: %w", b.id, err)
		}
		if made != nil {
			ids, changed = append(ids, b.id), append(changed, *made)
			applies = append(applies, func() { b.change(made, stones) })
		}
	}
	if len(ids) == 0 {
		return nil
	}
	db.mu.RLock()
	covered := db.covered
	db.mu.RUnlock()
	if err := db.opts.Ledger.Replace(ctx, ids, changed, covered); err != nil {
		return err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, apply := range applies {
		apply()
	}
	return nil
}

// change gives the block other tombstones. Who reads it goes on with those that it had.
func (b *block) change(made *Block, stones tombstones.Reader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.info.Files {
		if strings.HasPrefix(f.Name, tombstonesPrefix) {
			if err := b.db.opts.Blobs.Delete(context.Background(), f.Blob); err != nil {
				b.db.opts.Logger.Warn("tombstones that were replaced were not erased; they will be swept", "error", err)
			}
		}
	}
	b.info = made
	if b.open != nil {
		c := *b.open
		c.stones = stones
		b.open = &c
	}
}

// tombstonesPrefix stands before the number of a file of tombstones. Each has a number of its own, so that no two
// are sealed under one name.
const tombstonesPrefix = "tombstones/"

// bury returns what the block is with tombstones for a deletion, or nil when it has no such samples.
func (b *block) bury(ctx context.Context, d deletion) (*Block, *tombstones.MemTombstones, error) {
	stones, err := b.stones()
	if err != nil {
		return nil, nil, err
	}
	found, err := d.add(ctx, b, stones)
	if err != nil || !found {
		return nil, nil, err
	}
	made, err := b.withStones(ctx, stones)
	return made, stones, err
}

// withStones seals tombstones and returns what the block is with them.
func (b *block) withStones(ctx context.Context, stones *tombstones.MemTombstones) (*Block, error) {
	text, err := tombstones.Encode(stones)
	if err != nil {
		return nil, err
	}
	key, err := b.db.opts.Keys.Open(ctx, b.info.Key)
	if err != nil {
		return nil, err
	}
	made, next := *b.info, 1
	made.Files = nil
	for _, f := range b.info.Files {
		if number, ok := strings.CutPrefix(f.Name, tombstonesPrefix); ok {
			if _, err := fmt.Sscanf(number, "%d", &next); err != nil {
				return nil, fmt.Errorf("%w: file %s", seal.ErrCorrupt, f.Name)
			}
			next++
			continue
		}
		made.Files = append(made.Files, f)
	}
	w := &writer{ctx: ctx, db: b.db, meta: &made.Meta, key: seal.DataKey{Plaintext: key}}
	if err := w.copy(fmt.Sprintf(tombstonesPrefix+"%06d", next), bytes.NewReader(text)); err != nil {
		return nil, err
	}
	made.Files = append(made.Files, w.files...)
	made.Meta.Stats.NumTombstones = stones.Total()
	return &made, nil
}

// stones returns a copy of the block's tombstones.
func (b *block) stones() (*tombstones.MemTombstones, error) {
	r, err := b.Tombstones()
	if err != nil {
		return nil, err
	}
	stones := tombstones.NewMemTombstones()
	err = r.Iter(func(ref storage.SeriesRef, list tombstones.Intervals) error {
		stones.AddInterval(ref, list...)
		return nil
	})
	return stones, errors.Join(err, r.Close())
}

// readStones reads a file of tombstones.
func readStones(f *page.File) (tombstones.Reader, error) {
	count := f.Layout().Count(f.Size())
	text, err := f.Pages(make([]byte, count*f.Layout().Size()), 0, count)
	if err != nil {
		return nil, err
	}
	stones, err := tombstones.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", seal.ErrCorrupt, err)
	}
	return stones, nil
}

// deletion is what Delete is asked for.
type deletion struct {
	mint, maxt int64
	matchers   []*labels.Matcher
}

// add adds to stones what the deletion means for a block, and reports whether there is anything.
func (d deletion) add(ctx context.Context, b *block, stones *tombstones.MemTombstones) (found bool, err error) {
	r, err := b.Index()
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	p, err := tsdb.PostingsForMatchers(ctx, r, d.matchers...)
	if err != nil {
		return false, err
	}
	var builder labels.ScratchBuilder
	var metas []chunks.Meta
	for p.Next() {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if err := r.Series(p.At(), &builder, &metas); err != nil {
			return false, err
		}
		if !slices.ContainsFunc(metas, func(m chunks.Meta) bool { return m.OverlapsClosedInterval(d.mint, d.maxt) }) {
			continue
		}
		found = true
		stones.AddInterval(p.At(), tombstones.Interval{Mint: max(d.mint, metas[0].MinTime), Maxt: min(d.maxt, metas[len(metas)-1].MaxTime)})
	}
	return found, p.Err()
}

// encode appends the deletion as a record of the log.
func (d deletion) encode(dst []byte) []byte {
	dst = binary.AppendVarint(append(dst, deletionType), d.mint)
	dst = binary.AppendVarint(dst, d.maxt)
	for _, m := range d.matchers {
		dst = append(dst, byte(m.Type))
		dst = appendText(appendText(dst, m.Name), m.Value)
	}
	return dst
}

func decodeDeletion(rec []byte) (d deletion, err error) {
	rec = rec[1:]
	for _, t := range []*int64{&d.mint, &d.maxt} {
		v, n := binary.Varint(rec)
		if n <= 0 {
			return d, fmt.Errorf("%w: time of a deletion", seal.ErrCorrupt)
		}
		*t, rec = v, rec[n:]
	}
	for len(rec) > 0 {
		kind := labels.MatchType(rec[0])
		name, rest, err := cutText(rec[1:])
		if err != nil {
			return d, err
		}
		value, rest, err := cutText(rest)
		if err != nil {
			return d, err
		}
		if kind > labels.MatchNotRegexp {
			return d, fmt.Errorf("%w: matcher of type %d", seal.ErrCorrupt, kind)
		}
		m, err := labels.NewMatcher(kind, name, value)
		if err != nil {
			return d, fmt.Errorf("%w: %w", seal.ErrCorrupt, err)
		}
		d.matchers, rec = append(d.matchers, m), rest
	}
	if len(d.matchers) == 0 {
		return d, fmt.Errorf("%w: deletion without a matcher", seal.ErrCorrupt)
	}
	return d, nil
}

// deletion deletes from the head what stands before it in the log. Whatever came out of order before it is in a block, or
// was in one, so the head forgets it without writing it again.
func (r *replayer) deletion(rec []byte) error {
	d, err := decodeDeletion(rec)
	if err != nil {
		return err
	}
	if err := r.app.Commit(); err != nil {
		return err
	}
	r.db.forget = true
	err = r.db.head.CompactOOOHead(r.ctx)
	r.db.forget = false
	r.app = r.db.head.AppenderV2(r.ctx)
	return errors.Join(err, r.db.head.Head().Delete(r.ctx, d.mint, d.maxt, d.matchers...))
}
