package series

import (
	"context"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

// stride is how many series or values of an index are looked at from one call of a pace to the next.
const stride = 16

type paceKey struct{}

// WithPace returns a context in which selections of series call pace again and again while they look for them, from the goroutine that
// does: upstream's code walks over all that a query does not want without coming back to whoever asked. pace must be quick, or give way on purpose.
// Commits call it once, when what was appended is durable: all that were synced together would show it in a row.
func WithPace(ctx context.Context, pace func()) context.Context {
	return context.WithValue(ctx, paceKey{}, pace)
}

func pauses(ctx context.Context) {
	if call, ok := ctx.Value(paceKey{}).(func()); ok {
		call()
	}
}

// pace counts what is looked at in the index of one querier.
type pace struct {
	call atomic.Pointer[func()] // of the newest selection
	n    atomic.Uint32
}

func (p *pace) step() {
	if p.n.Add(1)%stride != 0 {
		return
	}
	if call := p.call.Load(); call != nil {
		(*call)()
	}
}

// newQuerier is upstream's querier of a block or a head, with a pace.
func newQuerier(b tsdb.BlockReader, mint, maxt int64) (storage.Querier, error) {
	q := new(pacedQuerier)
	q.block = pacedBlock{b, &q.pace}
	var err error
	if q.Querier, err = tsdb.NewBlockQuerier(&q.block, mint, maxt); err != nil {
		return nil, err
	}
	return q, nil
}

// newChunkQuerier is the same for chunks.
func newChunkQuerier(b tsdb.BlockReader, mint, maxt int64) (storage.ChunkQuerier, error) {
	q := new(pacedChunkQuerier)
	q.block = pacedBlock{b, &q.pace}
	var err error
	if q.ChunkQuerier, err = tsdb.NewBlockChunkQuerier(&q.block, mint, maxt); err != nil {
		return nil, err
	}
	return q, nil
}

func (p *pace) of(ctx context.Context) {
	if call, ok := ctx.Value(paceKey{}).(func()); ok {
		p.call.Store(&call)
	}
}

type pacedQuerier struct {
	storage.Querier
	pace  pace
	block pacedBlock
}

// Select selects series at the pace of its context.
func (q *pacedQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	q.pace.of(ctx)
	return q.Querier.Select(withSelection(ctx, ms), sorted, hints, ms...)
}

type pacedChunkQuerier struct {
	storage.ChunkQuerier
	pace  pace
	block pacedBlock
}

// Select selects series at the pace of its context.
func (q *pacedChunkQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.ChunkSeriesSet {
	q.pace.of(ctx)
	return q.ChunkQuerier.Select(withSelection(ctx, ms), sorted, hints, ms...)
}

type pacedBlock struct {
	tsdb.BlockReader
	pace *pace
}

// Index returns a reader of the index.
func (b *pacedBlock) Index() (tsdb.IndexReader, error) {
	r, err := b.BlockReader.Index()
	if err != nil {
		return nil, err
	}
	return &pacedIndex{r, b.pace}, nil
}

type pacedIndex struct {
	tsdb.IndexReader
	pace *pace
}

// Series describes a series.
func (r *pacedIndex) Series(ref storage.SeriesRef, builder *labels.ScratchBuilder, chks *[]chunks.Meta) error {
	r.pace.step()
	return r.IndexReader.Series(ref, builder, chks)
}

// PostingsForLabelMatching returns the series that have a value which matches.
func (r *pacedIndex) PostingsForLabelMatching(ctx context.Context, name string, match func(string) bool) index.Postings {
	return r.IndexReader.PostingsForLabelMatching(ctx, name, func(value string) bool {
		r.pace.step()
		return match(value)
	})
}

// SortedPostings returns series in the order of their labels.
func (r *pacedIndex) SortedPostings(p index.Postings) index.Postings {
	return r.IndexReader.SortedPostings(&pacedPostings{p, r.pace})
}

type pacedPostings struct {
	index.Postings
	pace *pace
}

// Next goes on to the next series.
func (p *pacedPostings) Next() bool {
	p.pace.step()
	return p.Postings.Next()
}
