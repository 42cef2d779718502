package rules

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	promrules "github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
)

// Store is where rules read and write: a *series.DB.
type Store interface {
	storage.Queryable
	storage.AppendableV2
}

// Source lends the store of one workspace. release ends the loan and may be called once. Use may be called from many
// goroutines, and its error is the reason why the rules cannot run.
type Source interface {
	Use(ctx context.Context) (s Store, release func(), err error)
}

type lentKey struct{}

// lend gives f a context in which the store is at hand.
func (m *Manager) lend(ctx context.Context, f func(context.Context)) {
	s, release, err := m.o.Source.Use(ctx)
	if err != nil {
		m.lost(err)
		return
	}
	defer release()
	f(context.WithValue(ctx, lentKey{}, s))
}

// query answers a query of a rule from the store that its evaluation was lent.
func (m *Manager) query(ctx context.Context, q string, t time.Time) (promql.Vector, error) {
	if s, lent := ctx.Value(lentKey{}).(Store); lent {
		return promrules.EngineQueryFunc(m.o.Engine, s)(ctx, q, t)
	}
	s, release, err := m.o.Source.Use(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return promrules.EngineQueryFunc(m.o.Engine, s)(ctx, q, t)
}

// borrowed is a store for what happens outside of an evaluation: the state of alerts is read back, and series
// of rules that are gone are marked as stale.
type borrowed struct{ m *Manager }

// Querier borrows the store until the querier is closed.
func (b borrowed) Querier(mint, maxt int64) (storage.Querier, error) {
	s, release, err := b.m.o.Source.Use(b.m.ctx)
	if err != nil {
		b.m.lost(err)
		return nil, err
	}
	q, err := s.Querier(mint, maxt)
	if err != nil {
		release()
		return nil, err
	}
	return &querier{Querier: q, release: sync.OnceFunc(release)}, nil
}

type querier struct {
	storage.Querier
	release func()
}

func (q *querier) Close() error {
	defer q.release()
	return q.Querier.Close()
}

// AppenderV2 returns an appender of the store that the evaluation was lent, or one that borrows it until the end of
// its transaction.
func (b borrowed) AppenderV2(ctx context.Context) storage.AppenderV2 {
	if s, lent := ctx.Value(lentKey{}).(Store); lent {
		return s.AppenderV2(ctx)
	}
	s, release, err := b.m.o.Source.Use(ctx)
	if err != nil {
		b.m.lost(err)
		return refused{err}
	}
	return &appender{AppenderV2: s.AppenderV2(ctx), release: sync.OnceFunc(release)}
}

type appender struct {
	storage.AppenderV2
	release func()
}

func (a *appender) Commit() error {
	defer a.release()
	return a.AppenderV2.Commit()
}

func (a *appender) Rollback() error {
	defer a.release()
	return a.AppenderV2.Rollback()
}

// refused is an appender of a store that nobody may use.
type refused struct{ err error }

func (r refused) Append(storage.SeriesRef, labels.Labels, int64, int64, float64, *histogram.Histogram, *histogram.FloatHistogram, storage.AppendV2Options) (storage.SeriesRef, error) {
	return 0, r.err
}
func (r refused) Commit() error   { return r.err }
func (r refused) Rollback() error { return nil }
