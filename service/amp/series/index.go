package series

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

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
	once     sync.Once
}

var _ tsdb.IndexReader = (*indexReader)(nil)

// Close ends reading.
func (r *indexReader) Close() (err error) {
	r.once.Do(func() { err = r.block.let() })
	return err
}

func copied(list []string) []string {
	for i, s := range list {
		list[i] = strings.Clone(s)
	}
	return list
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
	slices.Sort(list)
	return list, err
}

// LabelValues returns the values of a label, of all series or of those that match.
func (r *indexReader) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, ms ...*labels.Matcher) (list []string, err error) {
	defer page.Recover(&err)
	if len(ms) == 0 {
		list, err = r.index.LabelValues(ctx, name, hints)
		return copied(list), err
	}
	seen := map[string]bool{}
	err = r.matching(ctx, ms, func(ls labels.Labels) bool {
		if v := ls.Get(name); v != "" && !seen[v] {
			v = strings.Clone(v)
			seen[v] = true
			list = append(list, v)
		}
		return hints == nil || hints.Limit <= 0 || len(list) < hints.Limit
	})
	return list, err
}

// LabelNames returns the names of labels, of all series or of those that match.
func (r *indexReader) LabelNames(ctx context.Context, ms ...*labels.Matcher) (list []string, err error) {
	defer page.Recover(&err)
	if len(ms) == 0 {
		list, err = r.index.LabelNames(ctx)
		return copied(list), err
	}
	seen := map[string]bool{}
	err = r.matching(ctx, ms, func(ls labels.Labels) bool {
		ls.Range(func(l labels.Label) {
			if !seen[l.Name] {
				name := strings.Clone(l.Name)
				seen[name] = true
				list = append(list, name)
			}
		})
		return true
	})
	slices.Sort(list)
	return list, err
}

// matching yields the labels of the series that match, until yield says no.
func (r *indexReader) matching(ctx context.Context, ms []*labels.Matcher, yield func(labels.Labels) bool) error {
	p, err := tsdb.PostingsForMatchers(ctx, r, ms...)
	if err != nil {
		return err
	}
	var b labels.ScratchBuilder
	for p.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.contents.entry(p.At(), &b, nil); err != nil {
			return err
		}
		if !yield(b.Labels()) {
			return nil
		}
	}
	return p.Err()
}

// Postings returns the series that have one of some values of a label.
func (r *indexReader) Postings(ctx context.Context, name string, values ...string) (p index.Postings, err error) {
	defer page.Recover(&err)
	if len(values) == 1 {
		return r.contents.lists.of(name, values[0])
	}
	var list []index.Postings
	for _, v := range values {
		if p, err = r.contents.lists.of(name, v); err != nil {
			return nil, err
		}
		if !index.IsEmptyPostingsType(p) {
			list = append(list, p)
		}
	}
	return index.Merge(ctx, list...), nil
}

// PostingsForLabelMatching returns the series whose value of a label matches.
func (r *indexReader) PostingsForLabelMatching(ctx context.Context, name string, match func(string) bool) (p index.Postings) {
	var err error
	defer failed(&p, &err)
	defer page.Recover(&err)
	return r.index.PostingsForLabelMatching(ctx, name, match)
}

// PostingsForAllLabelValues returns the series that have a label.
func (r *indexReader) PostingsForAllLabelValues(ctx context.Context, name string) (p index.Postings) {
	var err error
	defer failed(&p, &err)
	defer page.Recover(&err)
	return r.index.PostingsForAllLabelValues(ctx, name)
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
	if err := r.contents.entry(ref, b, metas); err != nil {
		return fmt.Errorf("block %s: %w", r.block.id, err)
	}
	return nil
}

// entry reads the entry of a series: it stands at 16 times its number, and has its length before it and a checksum
// behind it.
func (c *contents) entry(ref storage.SeriesRef, b *labels.ScratchBuilder, metas *[]chunks.Meta) error {
	if uint64(ref) > uint64(c.region.Len())/16 {
		return fmt.Errorf("%w: series %d", seal.ErrCorrupt, ref)
	}
	d := encoding.NewDecbufUvarintAt(c.region, int(ref)*16, castagnoli)
	if err := d.Err(); err != nil {
		return fmt.Errorf("%w: series %d: %w", seal.ErrCorrupt, ref, err)
	}
	b.Reset()
	return c.series.Series(d.Get(), b, metas)
}

// LabelNamesFor returns the names of labels of some series.
func (r *indexReader) LabelNamesFor(ctx context.Context, p index.Postings) (list []string, err error) {
	defer page.Recover(&err)
	list, err = r.index.LabelNamesFor(ctx, p)
	return copied(list), err
}
