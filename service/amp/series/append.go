package series

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	promdata "github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/record"
)

var (
	_ storage.Appendable         = (*DB)(nil)
	_ storage.AppendableV2       = (*DB)(nil)
	_ storage.ExemplarAppenderV2 = (*appenderV2)(nil)
	_ storage.ExemplarAppenderV2 = refusedV2{}
	_ storage.GetRef             = (*appenderV2)(nil)
)

var batches = sync.Pool{New: func() any { return new(batch) }}

// transaction is what both kinds of appenders are: what the head was given, and what the log will be.
type transaction struct {
	ctx   context.Context
	db    *DB
	inner storage.AppenderTransaction
	*batch
	last   storage.SeriesRef // that was named last
	newest int64             // time of its newest sample in this transaction
	oldest int64             // time before which samples are in blocks
	refuse error             // those that are older
}

func (db *DB) transaction(ctx context.Context, inner storage.AppenderTransaction) transaction {
	t := transaction{ctx: ctx, db: db, inner: inner, batch: batches.Get().(*batch), oldest: math.MinInt64}
	db.mu.RLock()
	covered := db.covered.Time
	db.mu.RUnlock()
	if covered == 0 {
		return t
	}
	window := db.window.Load()
	if t.oldest, t.refuse = covered-window, storage.ErrOutOfBounds; window > 0 {
		t.refuse = storage.ErrTooOldSample
	}
	return t
}

// bounds refuses what is older than the blocks, which the head, empty after a start, does not know of. A transaction goes
// by what was in blocks when it began.
func (t *transaction) bounds(at int64) error {
	if at < t.oldest {
		return t.refuse
	}
	return nil
}

// order refuses a sample that the head takes now and drops in silence when it commits, because a newer one of the same series stands
// right before it in the transaction, or one of the same time. ref is 0 where the caller does not know it.
func (t *transaction) order(ref storage.SeriesRef, ls labels.Labels, at int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram) error {
	n := len(t.series)
	switch {
	case n == 0 || ref != 0 && ref != t.last || ref == 0 && !labels.Equal(ls, t.series[n-1].Labels) || at > t.newest:
		return nil
	case at == t.newest:
		return t.again(at, v, h, fh)
	}
	window := t.db.window.Load()
	if window <= 0 {
		return storage.ErrOutOfOrderSample
	}
	if at < t.db.head.Head().MaxTime()-window {
		return storage.ErrTooOldSample
	}
	return nil
}

// again refuses a sample of the time of the last one, unless it is the same.
func (t *transaction) again(at int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram) error {
	same := false
	switch {
	case fh != nil:
		n := len(t.floats)
		same = n > 0 && t.floats[n-1].T == at && fh.Equals(t.floats[n-1].FH)
	case h != nil:
		n := len(t.histograms)
		same = n > 0 && t.histograms[n-1].T == at && h.Equals(t.histograms[n-1].H)
	default:
		n := len(t.samples)
		same = n > 0 && t.samples[n-1].T == at && math.Float64bits(v) == math.Float64bits(t.samples[n-1].V)
	}
	if !same {
		return storage.ErrDuplicateSampleForTimestamp
	}
	return nil
}

func (t *transaction) name(ref storage.SeriesRef, ls labels.Labels) {
	if ref != t.last {
		t.last, t.newest = ref, math.MinInt64
		t.series = append(t.series, record.RefSeries{Ref: chunks.HeadSeriesRef(ref), Labels: ls})
	}
}

func (t *transaction) add(ref storage.SeriesRef, ls labels.Labels, st, at int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram) {
	t.name(ref, ls)
	t.newest = max(t.newest, at)
	r := chunks.HeadSeriesRef(ref)
	switch {
	case fh != nil:
		t.floats = append(t.floats, record.RefFloatHistogramSample{Ref: r, ST: st, T: at, FH: fh})
	case h != nil:
		t.histograms = append(t.histograms, record.RefHistogramSample{Ref: r, ST: st, T: at, H: h})
	default:
		t.samples = append(t.samples, record.RefSample{Ref: r, ST: st, T: at, V: v})
	}
}

func (t *transaction) addExemplar(ref storage.SeriesRef, ls labels.Labels, e exemplar.Exemplar) {
	t.name(ref, ls)
	t.db.roomForExemplars()
	t.exemplars = append(t.exemplars, record.RefExemplar{Ref: chunks.HeadSeriesRef(ref), T: e.Ts, V: e.Value, Labels: e.Labels})
}

func (t *transaction) describe(metric string, m promdata.Metadata) {
	if e := (entry{metric, m}); t.db.metadata.wants(e) {
		t.metadata = append(t.metadata, e)
	}
}

// Commit returns nil when what was appended is durable, and only then shows it.
func (t *transaction) Commit() error {
	defer t.done()
	t.db.commits.RLock()
	defer t.db.commits.RUnlock()
	if !t.empty() {
		err := t.db.log.Append(t.ctx, func(number uint64, dst []byte) ([]byte, error) {
			return t.db.encode(t.batch, number, dst), nil
		})
		if err != nil {
			return errors.Join(err, t.inner.Rollback())
		}
		for _, e := range t.metadata {
			t.db.metadata.put(e)
		}
		pauses(t.ctx)
	}
	return t.inner.Commit()
}

// Rollback forgets what was appended.
func (t *transaction) Rollback() error {
	defer t.done()
	return t.inner.Rollback()
}

func (t *transaction) done() {
	if t.batch == nil {
		return
	}
	t.reset()
	batches.Put(t.batch)
	t.batch = nil
	t.db.end()
}

// appender is the older of Prometheus's two interfaces.
type appender struct {
	transaction
	head storage.Appender
}

// Appender returns an appender whose Commit is durable.
func (db *DB) Appender(ctx context.Context) storage.Appender {
	if err := db.begin(); err != nil {
		return refused{err}
	}
	head := db.head.Appender(ctx)
	return &appender{db.transaction(ctx, head), head}
}

func (a *appender) SetOptions(o *storage.AppendOptions) { a.head.SetOptions(o) }

func (a *appender) Append(ref storage.SeriesRef, ls labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	if err := a.bounds(t); err != nil {
		return 0, err
	}
	ref, err := a.head.Append(ref, ls, t, v)
	if err == nil {
		a.add(ref, ls, 0, t, v, nil, nil)
	}
	return ref, err
}

func (a *appender) AppendHistogram(ref storage.SeriesRef, ls labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	if err := a.bounds(t); err != nil {
		return 0, err
	}
	ref, err := a.head.AppendHistogram(ref, ls, t, h, fh)
	if err == nil {
		a.add(ref, ls, 0, t, 0, h, fh)
	}
	return ref, err
}

func (a *appender) AppendExemplar(ref storage.SeriesRef, ls labels.Labels, e exemplar.Exemplar) (storage.SeriesRef, error) {
	ref, err := a.head.AppendExemplar(ref, ls, e)
	if err == nil && ref != 0 {
		a.addExemplar(ref, ls, e)
	}
	return ref, err
}

func (a *appender) UpdateMetadata(ref storage.SeriesRef, ls labels.Labels, m promdata.Metadata) (storage.SeriesRef, error) {
	a.describe(ls.Get(model.MetricNameLabel), m)
	return ref, nil
}

// Zero samples at the start of a series are a thing of scraping. The store keeps start times themselves, or not at all.
func (a *appender) AppendSTZeroSample(ref storage.SeriesRef, _ labels.Labels, _, _ int64) (storage.SeriesRef, error) {
	return ref, nil
}

func (a *appender) AppendHistogramSTZeroSample(ref storage.SeriesRef, _ labels.Labels, _, _ int64, _ *histogram.Histogram, _ *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return ref, nil
}

// appenderV2 is the newer one.
type appenderV2 struct {
	transaction
	head storage.AppenderV2
}

// AppenderV2 returns an appender whose Commit is durable.
func (db *DB) AppenderV2(ctx context.Context) storage.AppenderV2 {
	if err := db.begin(); err != nil {
		return refusedV2{err}
	}
	head := db.head.AppenderV2(ctx)
	return &appenderV2{db.transaction(ctx, head), head}
}

func (a *appenderV2) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AppendV2Options) (storage.SeriesRef, error) {
	if err := a.bounds(t); err != nil {
		return 0, err
	}
	if err := a.order(ref, ls, t, v, h, fh); err != nil {
		return ref, err
	}
	ref, err := a.head.Append(ref, ls, st, t, v, h, fh, opts)
	var partial *storage.AppendPartialError
	if err != nil && !errors.As(err, &partial) {
		return ref, err
	}
	a.add(ref, ls, st, t, v, h, fh)
	for _, e := range opts.Exemplars {
		a.addExemplar(ref, ls, e) // one that the head refused, it refuses again
	}
	if !opts.Metadata.IsEmpty() {
		name := opts.MetricFamilyName
		if name == "" {
			name = ls.Get(model.MetricNameLabel)
		}
		a.describe(name, opts.Metadata)
	}
	return ref, err
}

// AppendExemplars appends exemplars to a series that has a sample in this transaction or in an earlier one.
func (a *appenderV2) AppendExemplars(ref storage.SeriesRef, ls labels.Labels, list []exemplar.Exemplar) (storage.SeriesRef, error) {
	head, ok := a.head.(storage.ExemplarAppenderV2)
	if !ok {
		return 0, fmt.Errorf("the head keeps no exemplars: %T", a.head)
	}
	ref, err := head.AppendExemplars(ref, ls, list)
	var partial *storage.AppendPartialError
	if err != nil && !errors.As(err, &partial) {
		return ref, err
	}
	for _, e := range list {
		a.addExemplar(ref, ls, e) // as above
	}
	return ref, err
}

// GetRef returns the reference of a series that is in the head, and the labels as the head keeps them.
func (a *appenderV2) GetRef(ls labels.Labels, hash uint64) (storage.SeriesRef, labels.Labels) {
	if head, ok := a.head.(storage.GetRef); ok {
		return head.GetRef(ls, hash)
	}
	return 0, labels.EmptyLabels()
}

// fewExemplars is for how many exemplars a store has room at first: most workspaces never get more.
const fewExemplars = 256

// roomForExemplars makes more room for exemplars as they come, up to the limit.
func (db *DB) roomForExemplars() {
	room := db.room.Load()
	if db.exemplars.Add(1) < room || room >= db.opts.Exemplars {
		return
	}
	if more := min(4*room, db.opts.Exemplars); db.room.CompareAndSwap(room, more) {
		if err := db.configure(); err != nil {
			db.opts.Logger.Warn("there is no more room for exemplars", "error", err)
		}
	}
}

// Describe keeps what is known of metrics. It is durable when Describe returns nil.
func (db *DB) Describe(ctx context.Context, metric string, m promdata.Metadata, more ...func(yield func(string, promdata.Metadata))) error {
	if err := db.begin(); err != nil {
		return err
	}
	t := db.transaction(ctx, nothing{})
	t.describe(metric, m)
	for _, list := range more {
		list(t.describe)
	}
	return t.Commit()
}

// nothing is a transaction of the head without samples.
type nothing struct{}

func (nothing) Commit() error   { return nil }
func (nothing) Rollback() error { return nil }

// refused is the appender of a store that is closed.
type refused struct{ err error }

func (r refused) Commit() error                     { return r.err }
func (r refused) Rollback() error                   { return nil }
func (r refused) SetOptions(*storage.AppendOptions) {}
func (r refused) Append(storage.SeriesRef, labels.Labels, int64, float64) (storage.SeriesRef, error) {
	return 0, r.err
}
func (r refused) AppendHistogram(storage.SeriesRef, labels.Labels, int64, *histogram.Histogram, *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return 0, r.err
}
func (r refused) AppendExemplar(storage.SeriesRef, labels.Labels, exemplar.Exemplar) (storage.SeriesRef, error) {
	return 0, r.err
}
func (r refused) UpdateMetadata(storage.SeriesRef, labels.Labels, promdata.Metadata) (storage.SeriesRef, error) {
	return 0, r.err
}
func (r refused) AppendSTZeroSample(storage.SeriesRef, labels.Labels, int64, int64) (storage.SeriesRef, error) {
	return 0, r.err
}
func (r refused) AppendHistogramSTZeroSample(storage.SeriesRef, labels.Labels, int64, int64, *histogram.Histogram, *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return 0, r.err
}

type refusedV2 struct{ err error }

func (r refusedV2) Commit() error   { return r.err }
func (r refusedV2) Rollback() error { return nil }
func (r refusedV2) Append(storage.SeriesRef, labels.Labels, int64, int64, float64, *histogram.Histogram, *histogram.FloatHistogram, storage.AppendV2Options) (storage.SeriesRef, error) {
	return 0, r.err
}
func (r refusedV2) AppendExemplars(storage.SeriesRef, labels.Labels, []exemplar.Exemplar) (storage.SeriesRef, error) {
	return 0, r.err
}
