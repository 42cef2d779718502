package series

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/encoding"
	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service/amp/page"
)

// indexReader is the index of a block. Prometheus's reader takes its bytes from a page.Region, which panics where
// they cannot be opened: here that becomes an error. Strings that point into the region are copied, because those who ask
// keep them longer than the block stays open.
type indexReader struct {
	index    *index.Reader
	contents *contents
	block    *block
	series   index.Decoder // of entries
	asked    atomic.Pointer[asked]
	once     sync.Once
}

var _ tsdb.IndexReader = (*indexReader)(nil)

func newIndexReader(b *block, c *contents) *indexReader {
	r := &indexReader{index: c.index, contents: c, block: b}
	r.series.LookupSymbol = r.lookup
	return r
}

// asked is a value whose series were asked for: when it is met in a series it is known by its number, and the page that it
// stands on need not be opened.
type asked struct {
	number uint32
	value  string
	next   *asked
}

// maxAsked is how many values a reader knows again.
const maxAsked = 8

// ask notes that a value was asked for. number is its number and 1, or 0.
func (r *indexReader) ask(value string, number uint32) {
	if number == 0 {
		return
	}
	number--
	if _, ok := r.contents.symbols.texts[number]; ok {
		return
	}
	for {
		first := r.asked.Load()
		n := 0
		for a := first; a != nil; a = a.next {
			if n++; a.number == number || n == maxAsked {
				return
			}
		}
		if r.asked.CompareAndSwap(first, &asked{number, value, first}) {
			return
		}
	}
}

// lookup is that of the symbols, but for what was asked for.
func (r *indexReader) lookup(ctx context.Context, number uint32) (string, error) {
	for a := r.asked.Load(); a != nil; a = a.next {
		if a.number == number {
			return a.value, nil
		}
	}
	return r.contents.symbols.lookup(ctx, number)
}

// Close ends reading.
func (r *indexReader) Close() (err error) {
	r.once.Do(func() { err = r.block.let() })
	return err
}

// Symbols returns all strings of the index, which are good until Close.
func (r *indexReader) Symbols() (iter index.StringIter) {
	var err error
	defer func() {
		if err != nil {
			iter = failedStrings{err}
		}
	}()
	defer page.Recover(&err)
	return r.index.Symbols()
}

type failedStrings struct{ err error }

func (failedStrings) Next() bool   { return false }
func (failedStrings) At() string   { return "" }
func (f failedStrings) Err() error { return f.err }

// SortedLabelValues returns the values of a label in order.
func (r *indexReader) SortedLabelValues(ctx context.Context, name string, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, error) {
	list, err := r.LabelValues(ctx, name, hints, ms...)
	if len(ms) > 0 {
		slices.Sort(list)
	}
	return list, err
}

// LabelValues returns the values of a label, of all series or of those that match.
func (r *indexReader) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, ms ...*labels.Matcher) (list []string, err error) {
	defer page.Recover(&err)
	limit := 0
	if hints != nil {
		limit = max(hints.Limit, 0)
	}
	number, ok := r.contents.symbols.numbers[name]
	if !ok {
		return nil, nil
	}
	if len(ms) == 0 {
		return r.contents.lists.values(name, limit)
	}
	p, err := tsdb.PostingsForMatchers(ctx, r, ms...)
	if err != nil {
		return nil, err
	}
	if r.contents.lists.few(name) {
		return r.contents.lists.meeting(name, p, limit)
	}
	seen := map[uint32]bool{}
	err = r.contents.pairs(ctx, p, func(n, v uint32) (bool, error) {
		if n != number || seen[v] {
			return true, nil
		}
		seen[v] = true
		text, err := r.contents.symbols.lookup(ctx, v)
		list = append(list, strings.Clone(text))
		return len(list) != limit, err
	})
	return list, err
}

// LabelNames returns the names of labels, of all series or of those that match.
func (r *indexReader) LabelNames(ctx context.Context, ms ...*labels.Matcher) (list []string, err error) {
	defer page.Recover(&err)
	if len(ms) == 0 {
		return slices.Clone(r.contents.names), nil
	}
	p, err := tsdb.PostingsForMatchers(ctx, r, ms...)
	if err != nil {
		return nil, err
	}
	return r.LabelNamesFor(ctx, p)
}

// pairs yields the numbers of the names and values of the labels of some series, until yield says no.
func (c *contents) pairs(ctx context.Context, p index.Postings, yield func(name, value uint32) (bool, error)) error {
	for n := 1; p.Next(); n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		d, err := c.raw(p.At())
		if err != nil {
			return err
		}
		for range d.Uvarint() {
			name, value := d.Uvarint(), d.Uvarint()
			if err := d.Err(); err != nil {
				return fmt.Errorf("%w: series %d: %w", seal.ErrCorrupt, p.At(), err)
			}
			if more, err := yield(uint32(name), uint32(value)); err != nil || !more {
				return err
			}
		}
	}
	return p.Err()
}

// Postings returns the series that have one of some values of a label.
func (r *indexReader) Postings(ctx context.Context, name string, values ...string) (p index.Postings, err error) {
	defer page.Recover(&err)
	if len(values) == 1 {
		if s, ok := ctx.Value(selectionKey{}).(*selection); ok {
			if p, ok, err := s.postings(r, name, values[0]); err != nil || ok {
				return p, err
			}
		}
		return r.of(name, values[0])
	}
	var list []index.Postings
	for _, v := range values {
		if p, err = r.of(name, v); err != nil {
			return nil, err
		}
		if !index.IsEmptyPostingsType(p) {
			list = append(list, p)
		}
	}
	return index.Merge(ctx, list...), nil
}

// of returns the series that have a value of a label.
func (r *indexReader) of(name, value string) (index.Postings, error) {
	at, number, ok, err := r.contents.lists.find(name, value)
	if err != nil || !ok {
		return index.EmptyPostings(), err
	}
	r.ask(value, number)
	return r.contents.lists.list(at)
}

// PostingsForLabelMatching returns the series whose value of a label matches.
func (r *indexReader) PostingsForLabelMatching(ctx context.Context, name string, match func(string) bool) (p index.Postings) {
	var err error
	defer failed(&p, &err)
	defer page.Recover(&err)
	p, err = r.contents.lists.matching(ctx, name, match)
	return p
}

// PostingsForAllLabelValues returns the series that have a label.
func (r *indexReader) PostingsForAllLabelValues(ctx context.Context, name string) index.Postings {
	return r.PostingsForLabelMatching(ctx, name, nil)
}

// failed puts an error in the place of postings.
func failed(p *index.Postings, err *error) {
	if *err != nil {
		*p = index.ErrPostings(*err)
	}
}

// SortedPostings returns postings as they are, which is by labels.
func (r *indexReader) SortedPostings(p index.Postings) index.Postings { return p }

// ShardedPostings returns the part of some postings that belongs to a shard.
func (r *indexReader) ShardedPostings(p index.Postings, shard, of uint64) (out index.Postings) {
	var err error
	defer failed(&out, &err)
	defer page.Recover(&err)
	return r.index.ShardedPostings(p, shard, of)
}

// Series returns the labels and the chunks of a series.
func (r *indexReader) Series(ref storage.SeriesRef, b *labels.ScratchBuilder, metas *[]chunks.Meta) (err error) {
	defer page.Recover(&err)
	d, err := r.contents.raw(ref)
	if err == nil {
		err = r.series.Series(d.Get(), b, metas)
	}
	if err != nil {
		return fmt.Errorf("block %s: %w", r.block.id, err)
	}
	return nil
}

// raw returns the entry of a series: it stands at 16 times its number, and has its length before it and a checksum
// behind it.
func (c *contents) raw(ref storage.SeriesRef) (encoding.Decbuf, error) {
	if uint64(ref) > uint64(c.region.Len())/16 {
		return encoding.Decbuf{}, fmt.Errorf("%w: series %d", seal.ErrCorrupt, ref)
	}
	d := encoding.NewDecbufUvarintAt(c.region, int(ref)*16, castagnoli)
	if err := d.Err(); err != nil {
		return d, fmt.Errorf("%w: series %d: %w", seal.ErrCorrupt, ref, err)
	}
	return d, nil
}

// LabelNamesFor returns the names of labels of some series.
func (r *indexReader) LabelNamesFor(ctx context.Context, p index.Postings) (list []string, err error) {
	defer page.Recover(&err)
	seen := map[uint32]bool{}
	err = r.contents.pairs(ctx, p, func(n, _ uint32) (bool, error) {
		seen[n] = true
		return true, nil
	})
	for n := range seen {
		name, err := r.contents.symbols.lookup(ctx, n)
		if err != nil {
			return nil, err
		}
		list = append(list, strings.Clone(name))
	}
	slices.Sort(list)
	return list, err
}
