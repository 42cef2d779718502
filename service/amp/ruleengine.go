package amp

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

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
