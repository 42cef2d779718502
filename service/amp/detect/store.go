package detect

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"github.com/strongroom/strongroom/service/amp/rules"
)

// Store is where a detector reads and writes: the series of one workspace, whoever keeps them. What an error of a query says is told to whoever may
// describe the detector, so it repeats no label and no value.
type Store interface {
	// Instant returns what a query gives at a time.
	Instant(ctx context.Context, query string, at time.Time) (promql.Vector, error)
	// Range returns what a query gives at times with a step between them, both ends included.
	Range(ctx context.Context, query string, from, to time.Time, step time.Duration) (promql.Matrix, error)
	// Commit of an appender is durable.
	storage.AppendableV2
}

// Source lends the store of one workspace. release ends the loan and may be called once. The error is the reason why detectors cannot run.
type Source interface {
	Use(ctx context.Context) (s Store, release func(), err error)
}

// Local is a Store of series that the house itself keeps.
type Local struct {
	rules.Store
	Engine promql.QueryEngine
}

var _ Store = Local{}

// Instant returns what a query gives at a time.
func (l Local) Instant(ctx context.Context, query string, at time.Time) (all promql.Vector, err error) {
	q, err := l.Engine.NewInstantQuery(ctx, l.Store, nil, query, at)
	err = result(ctx, q, err, func(res *promql.Result) error {
		given, err := res.Vector()
		all = slices.Clone(given)
		return err
	})
	return all, err
}

// Range returns what a query gives at times with a step between them.
func (l Local) Range(ctx context.Context, query string, from, to time.Time, step time.Duration) (all promql.Matrix, err error) {
	q, err := l.Engine.NewRangeQuery(ctx, l.Store, nil, query, from, to, step)
	err = result(ctx, q, err, func(res *promql.Result) error {
		given, err := res.Matrix()
		all = slices.Clone(given)
		for i := range all {
			all[i].Floats = slices.Clone(all[i].Floats)
		}
		return err
	})
	return all, err
}

// result runs a query, unless making it has failed, and has its result taken: copied, because the engine uses its memory again.
func result(ctx context.Context, q promql.Query, err error, take func(*promql.Result) error) error {
	if err != nil {
		return err
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return failed(res.Err)
	}
	return take(res)
}

// failed says of an error of the engine what may be told: some repeat labels of series.
func failed(err error) error {
	var samples promql.ErrTooManySamples
	var series promql.ErrTooManySeries
	var timeout promql.ErrQueryTimeout
	var canceled promql.ErrQueryCanceled
	for _, known := range []any{&samples, &series, &timeout, &canceled} {
		if errors.As(err, known) {
			return err
		}
	}
	return &hidden{"the query failed", err}
}

// hidden is an error whose text is not told, because it may repeat labels.
type hidden struct {
	what string
	err  error
}

func (h *hidden) Error() string { return h.what }
func (h *hidden) Unwrap() error { return h.err }
