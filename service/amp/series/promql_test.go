package series

import (
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
)

// TestPromQL runs the conformance cases that come with Prometheus on sealed blocks.
func TestPromQL(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	engine := promqltest.NewTestEngineWithOpts(t, promql.EngineOpts{
		MaxSamples: 100_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		EnableDelayedNameRemoval: true, UseStartTimestamps: true,
		Parser: parser.NewParser(promqltest.TestParserOpts),
	})
	promqltest.RunBuiltinTestsWithStorage(t, engine, func(t testing.TB) storage.Storage {
		p := newPlace(t, func(o *Options) { o.StartTimes, o.OutOfOrder = true, 10_000*24*time.Hour })
		return &sealedOnRead{p.open(t), t}
	})
}
