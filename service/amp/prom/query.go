package prom

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/strongroom/strongroom/service/amp/series"
)

// maxSamples bounds the samples that a query holds in memory at one moment, as upstream has it.
const maxSamples = 50_000_000

// shared is the engine of all workspaces. What differs among them goes with each query.
var shared = sync.OnceValue(func() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		Logger: quiet, MaxSamples: maxSamples, Timeout: 24 * time.Hour, EnableAtModifier: true, EnableNegativeOffset: true,
		EnablePerStepStats: true, EnableQueryCost: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
	})
})

// Parameters of Amazon Managed Service for Prometheus ("Managing the query cost").
const (
	warningThreshold = "max_samples_processed_warning_threshold"
	errorThreshold   = "max_samples_processed_error_threshold"
)

// check refuses what is not worth looking at, and reads the thresholds of the caller.
func (q *request) check(r *http.Request, path string) *Answer {
	if path == "read" {
		return nil
	}
	if err := r.ParseForm(); err != nil {
		return failure(http.StatusBadRequest, "bad_data", "error parsing form values: "+err.Error())
	}
	for _, name := range []string{"query", "match[]"} {
		for _, v := range r.Form[name] {
			if len(v) > maxQuery {
				return failure(http.StatusBadRequest, "bad_data", fmt.Sprintf("invalid parameter %q: longer than %d bytes", name, maxQuery))
			}
			if deep(v) {
				return failure(http.StatusBadRequest, "bad_data", fmt.Sprintf("invalid parameter %q: more than %d operators and brackets", name, maxOperators))
			}
		}
	}
	for name, into := range map[string]*uint64{warningThreshold: &q.warnAt, errorThreshold: &q.errAt} {
		if s := r.Form.Get(name); s != "" {
			n, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				return failure(http.StatusBadRequest, "bad_data", fmt.Sprintf("invalid parameter %q: not a number", name))
			}
			*into = n
		}
	}
	return nil
}

// maxOperators bounds what an expression can be nested of. Upstream's code walks it in a time that grows with the square of that,
// and asks nobody whether to go on: 30,000 additions take it two minutes.
const maxOperators = 1000

// deep reports whether an expression has more operators and brackets than that.
func deep(expression string) bool {
	if len(expression) <= maxOperators {
		return false
	}
	lexer, n := parser.Lex(expression), 0
	for {
		var item parser.Item
		lexer.NextItem(&item)
		switch {
		case item.Typ == parser.EOF, item.Typ == parser.ERROR:
			return false // the parser says what is wrong
		case item.Typ.IsOperator(), item.Typ == parser.LEFT_PAREN, item.Typ == parser.LEFT_BRACKET:
			if n++; n > maxOperators {
				return true
			}
		}
	}
}

// engine is the shared engine under the limits of a workspace.
type engine struct{ api *API }

var _ promql.QueryEngine = (*engine)(nil)

func (e *engine) NewInstantQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, ts time.Time) (promql.Query, error) {
	r := requestOf(ctx)
	query, err := shared().NewInstantQuery(ctx, &ranged{q, r}, r.options(opts), qs, ts)
	return r.watch(query, Query{Text: qs, Start: ts, End: ts}), err
}

func (e *engine) NewRangeQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, start, end time.Time, interval time.Duration) (promql.Query, error) {
	r := requestOf(ctx)
	r.meter.MaxBytes = r.limits.queryBytes(end.Sub(start))
	query, err := shared().NewRangeQuery(ctx, &ranged{q, r}, r.options(opts), qs, start, end, interval)
	return r.watch(query, Query{Text: qs, Start: start, End: end, Step: interval}), err
}

// queryBytes is how much a query over a range may fetch.
func (l *Limits) queryBytes(span time.Duration) int64 {
	const day = 24 * time.Hour
	return l.QueryBytes * int64(max((span+day-1)/day, 1))
}

// options returns what a caller asked for with the limits of the workspace.
func (q *request) options(o promql.QueryOpts) promql.QueryOpts {
	samples := uint64(max(q.limits.QuerySamples, 0))
	if q.errAt > 0 && (samples == 0 || q.errAt < samples) {
		samples = q.errAt
	}
	return promql.NewPrometheusQueryOptsWithLimits(o.EnablePerStepStats(), o.LookbackDelta(), uint64(max(q.limits.QuerySeries, 0)), samples, q.limits.queryTime(), o.UseStartTimestamps())
}

// watch warns when a query reads as much as its caller wants to be told of, and tells what it has cost.
func (q *request) watch(query promql.Query, about Query) promql.Query {
	if query == nil || q.warnAt == 0 && (q.api == nil || q.api.told == nil) {
		return query
	}
	about.Header = q.header
	return &watched{query, q, about}
}

type watched struct {
	promql.Query
	request *request
	about   Query
}

func (w *watched) Exec(ctx context.Context) *promql.Result {
	res := w.Query.Exec(ctx)
	s := w.Stats()
	if s == nil || s.Samples == nil {
		return res
	}
	w.about.Samples = max(s.Samples.TotalSamples, 0)
	if at := w.request.warnAt; at > 0 && uint64(w.about.Samples) >= at {
		res.Warnings.Add(fmt.Errorf("query samples processed exceed the warning threshold of %d", at))
	}
	if api := w.request.api; api != nil && api.told != nil {
		api.told(w.about)
	}
	return res
}

// ranged refuses queries over more time than the workspace allows.
type ranged struct {
	storage.Queryable
	request *request
}

func (q *ranged) Querier(mint, maxt int64) (storage.Querier, error) {
	if limit := q.request.limits.QueryRange; limit > 0 && maxt-mint > limit.Milliseconds() {
		return nil, fmt.Errorf("the query time range exceeds the limit (query length: %s, limit: %s)", time.Duration(maxt-mint)*time.Millisecond, limit)
	}
	if s, ours := q.Queryable.(*queryable); ours {
		return s.metered(mint, maxt, &q.request.meter)
	}
	return q.Queryable.Querier(mint, maxt)
}

// queryable is the store under the limits of a workspace. What the store fails with is noted in the request.
type queryable struct{ api *API }

var _ storage.SampleAndChunkQueryable = (*queryable)(nil)

func (s *queryable) Querier(mint, maxt int64) (storage.Querier, error) {
	return s.metered(mint, maxt, new(series.Meter))
}

func (s *queryable) metered(mint, maxt int64, m *series.Meter) (storage.Querier, error) {
	q, err := s.api.db.MeteredQuerier(mint, maxt, m)
	if err != nil {
		return &broken{err}, nil // it is told when there is a context to tell it in
	}
	return &querier{q}, nil
}

func (s *queryable) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	q, err := s.api.db.ChunkQuerier(mint, maxt)
	if err != nil {
		return &brokenChunks{broken{err}}, nil
	}
	return &chunkQuerier{q}, nil
}

type querier struct{ storage.Querier }

func (q *querier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	return &seriesSet{SeriesSet: q.Querier.Select(ctx, sorted, hints, matchers...), count: count{ctx: ctx, request: requestOf(ctx)}}
}

func (q *querier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	list, notes, err := q.Querier.LabelValues(ctx, name, hints, matchers...)
	return list, notes, requestOf(ctx).told(ctx, err)
}

func (q *querier) LabelNames(ctx context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	list, notes, err := q.Querier.LabelNames(ctx, hints, matchers...)
	return list, notes, requestOf(ctx).told(ctx, err)
}

type chunkQuerier struct{ storage.ChunkQuerier }

func (q *chunkQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.ChunkSeriesSet {
	return &chunkSet{ChunkSeriesSet: q.ChunkQuerier.Select(ctx, sorted, hints, matchers...), count: count{ctx: ctx, request: requestOf(ctx)}}
}

// told notes an error of the store, unless it is only that the caller's time is over.
func (q *request) told(ctx context.Context, err error) error {
	if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, series.ErrFetched) {
		q.fail(err)
	}
	return err
}

// count bounds how many series a selection gives.
type count struct {
	ctx     context.Context
	request *request
	n       int64
	over    bool
}

func (c *count) more() bool {
	c.n++
	c.request.turn.pass()
	if limit := c.request.limits.QuerySeries; limit > 0 && c.n > limit {
		c.over = true
	}
	return !c.over
}

func (c *count) err(err error) error {
	if c.over {
		return promql.ErrTooManySeries("series selection")
	}
	return c.request.told(c.ctx, err)
}

type seriesSet struct {
	storage.SeriesSet
	count
}

func (s *seriesSet) Next() bool         { return s.SeriesSet.Next() && s.more() }
func (s *seriesSet) Err() error         { return s.err(s.SeriesSet.Err()) }
func (s *seriesSet) At() storage.Series { return polite{s.SeriesSet.At(), &s.request.turn} }

// polite is a series before whose samples are read others have their turn: a query reads one after the other.
type polite struct {
	storage.Series
	turn *turn
}

func (p polite) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	p.turn.pass()
	return p.Series.Iterator(it)
}

type chunkSet struct {
	storage.ChunkSeriesSet
	count
}

func (s *chunkSet) Next() bool { return s.ChunkSeriesSet.Next() && s.more() }
func (s *chunkSet) Err() error { return s.err(s.ChunkSeriesSet.Err()) }

// broken is a querier of a store that could not be opened for it.
type broken struct{ err error }

func (b *broken) Close() error { return nil }

func (b *broken) Select(ctx context.Context, _ bool, _ *storage.SelectHints, _ ...*labels.Matcher) storage.SeriesSet {
	return storage.ErrSeriesSet(requestOf(ctx).told(ctx, b.err))
}

func (b *broken) LabelValues(ctx context.Context, _ string, _ *storage.LabelHints, _ ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, requestOf(ctx).told(ctx, b.err)
}

func (b *broken) LabelNames(ctx context.Context, _ *storage.LabelHints, _ ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, requestOf(ctx).told(ctx, b.err)
}

type brokenChunks struct{ broken }

func (b *brokenChunks) Select(ctx context.Context, _ bool, _ *storage.SelectHints, _ ...*labels.Matcher) storage.ChunkSeriesSet {
	return storage.ErrChunkSeriesSet(requestOf(ctx).told(ctx, b.err))
}

// exemplars are the exemplars of the store, which fails where there is a context to note it in.
type exemplars struct{ api *API }

var _ storage.ExemplarQueryable = (*exemplars)(nil)

func (e *exemplars) ExemplarQuerier(ctx context.Context) (storage.ExemplarQuerier, error) {
	q, err := e.api.db.ExemplarQuerier(ctx)
	return q, requestOf(ctx).told(ctx, err)
}
