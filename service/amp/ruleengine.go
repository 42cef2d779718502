package amp

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"github.com/strongroom/strongroom/service/amp/apart"
	"github.com/strongroom/strongroom/service/amp/rules"
)

// engine runs the queries of the rules of one workspace, and tells what they have cost.
type engine struct {
	promql.QueryEngine
	w *worker
}

// NewInstantQuery returns the query of a rule.
func (e engine) NewInstantQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, text string, ts time.Time) (promql.Query, error) {
	query, err := e.QueryEngine.NewInstantQuery(ctx, q, opts, text, ts)
	if err != nil {
		return nil, err
	}
	return told{query, e.w}, nil
}

type told struct {
	promql.Query
	w *worker
}

// Exec runs the query.
func (t told) Exec(ctx context.Context) *promql.Result {
	res := t.Query.Exec(ctx)
	if s := t.Stats(); s != nil && s.Samples != nil {
		t.w.a.s.ruleQueried(t.w.id, rules.RuleOf(ctx), t.String(), s.Samples.TotalSamples)
	}
	return res
}

// engineApart runs the queries of rules and of anomaly detectors so that those who wait for an answer are not kept from it.
type engineApart struct{ promql.QueryEngine }

// NewInstantQuery returns a query at one time.
func (e engineApart) NewInstantQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, text string, ts time.Time) (promql.Query, error) {
	query, err := e.QueryEngine.NewInstantQuery(ctx, q, opts, text, ts)
	if err != nil {
		return nil, err
	}
	return queryApart{query}, nil
}

// NewRangeQuery returns a query over a range of time.
func (e engineApart) NewRangeQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, text string, from, to time.Time, step time.Duration) (promql.Query, error) {
	query, err := e.QueryEngine.NewRangeQuery(ctx, q, opts, text, from, to, step)
	if err != nil {
		return nil, err
	}
	return queryApart{query}, nil
}

type queryApart struct{ promql.Query }

// Exec runs the query.
func (q queryApart) Exec(ctx context.Context) (res *promql.Result) {
	apart.Do(func() { res = q.Query.Exec(ctx) })
	return res
}
