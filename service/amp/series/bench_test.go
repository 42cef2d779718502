package series

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// The benchmarks compare the store with Prometheus's own of the same version, in one process, over the same series.
// cpu-ns is the time of the processor, which a machine that is shared does not change much.

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchSeries(n int) []labels.Labels {
	list := make([]labels.Labels, n)
	for i := range list {
		list[i] = labels.FromStrings("__name__", fmt.Sprintf("bench_%d_total", i%10), "instance", fmt.Sprintf("host-%d:9100", i/10), "job", "node", "mode", "user")
	}
	return list
}

// store is what both are.
type store interface {
	storage.SampleAndChunkQueryable
	Appender(context.Context) storage.Appender
	Close() error
}

func openPlain(b *testing.B, dir string) *tsdb.DB {
	b.Helper()
	db, err := tsdb.Open(dir, nil, prometheus.NewRegistry(), tsdb.DefaultOptions(), nil)
	if err != nil {
		b.Fatal(err)
	}
	db.DisableCompactions()
	return db
}

func openSealed(b *testing.B) (*DB, *place) {
	b.Helper()
	p := newPlace(b, nil)
	p.opts.Memory = memory(b)
	db, err := Open(b.Context(), p.opts)
	if err != nil {
		b.Fatal(err)
	}
	return db, p
}

// memory returns a folder in memory where there is one.
func memory(b *testing.B) string {
	b.Helper()
	dir, err := Memory(DefaultMemory, "strongroom-bench-"+filepath.Base(b.TempDir()))
	if err != nil {
		return b.TempDir()
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// feed appends one sample of some series in one commit, as a request of 2,000 samples does.
func feed(b *testing.B, db store, list []labels.Labels, at int64) {
	const request = 2000
	for len(list) > 0 {
		app := db.Appender(context.Background())
		n := min(request, len(list))
		for i, ls := range list[:n] {
			if _, err := app.Append(0, ls, at, float64(at/1000+int64(i))); err != nil {
				b.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			b.Fatal(err)
		}
		list = list[n:]
	}
}

func BenchmarkIngest(b *testing.B) {
	list := benchSeries(20_000)
	run := func(b *testing.B, db store) {
		defer db.Close()
		feed(b, db, list, 0)
		start := cpu()
		at := int64(0)
		b.ResetTimer()
		for b.Loop() {
			at += 15_000
			feed(b, db, list, at)
		}
		b.ReportMetric(float64(cpu()-start)/float64(b.N*len(list)), "cpu-ns/sample")
	}
	b.Run("plain", func(b *testing.B) { run(b, openPlain(b, b.TempDir())) })
	b.Run("sealed", func(b *testing.B) { db, _ := openSealed(b); run(b, db) })
}

func BenchmarkQuery(b *testing.B) {
	list := benchSeries(10_000)
	const span, step = 6 * hour, 60_000
	plain := openPlain(b, b.TempDir())
	defer plain.Close()
	sealed, place := openSealed(b)
	defer sealed.Close()
	for at := int64(0); at < span; at += step {
		feed(b, plain, list, at)
		feed(b, sealed, list, at)
	}
	// Both with all in blocks.
	for h := plain.Head(); h.NumSeries() > 0; {
		mint := h.MinTime()
		if err := plain.CompactHead(tsdb.NewRangeHead(h, mint, min(mint-mint%(2*hour)+2*hour, span)-1)); err != nil {
			b.Fatal(err)
		}
	}
	if err := sealed.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	size := func(dir string) (n int64) {
		for _, path := range files(b, dir) {
			if info, err := os.Stat(path); err == nil {
				n += info.Size()
			}
		}
		return n
	}
	var plainSize int64
	for _, block := range plain.Blocks() {
		plainSize += size(block.Dir())
	}
	b.Logf("blocks: plain %d bytes, sealed %d, ratio %.4f", plainSize, size(place.blobs), float64(size(place.blobs))/float64(plainSize))
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 100_000_000, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	queries := map[string]string{
		"one":       `bench_3_total{instance="host-77:9100"}`,
		"rate":      `sum(rate(bench_3_total[5m]))`,
		"by":        `topk(5, sum by (instance) (rate(bench_4_total[5m])))`,
		"regex":     `max(bench_5_total{instance=~"host-[0-9]*7:9100"})`,
		"over_time": `avg_over_time(bench_6_total{instance=~"host-1.*"}[1h])`,
	}
	ask := func(b *testing.B, db storage.Queryable, query string) {
		q, err := engine.NewRangeQuery(b.Context(), db, nil, query, time.UnixMilli(hour), time.UnixMilli(span-step), time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		defer q.Close()
		r := q.Exec(b.Context())
		if r.Err != nil {
			b.Fatal(r.Err)
		}
		if m, err := r.Matrix(); err != nil || len(m) == 0 {
			b.Fatalf("got %d series, %v", len(m), err)
		}
	}
	for name, query := range queries {
		run := func(how string, db storage.Queryable, before func()) {
			b.Run(name+"/"+how, func(b *testing.B) {
				ask(b, db, query)
				start := cpu()
				for b.Loop() {
					before()
					ask(b, db, query)
				}
				b.ReportMetric(float64(cpu()-start)/float64(b.N), "cpu-ns/query")
			})
		}
		run("plain", plain, func() {})
		run("sealed", sealed, func() {})
		run("opened-again", sealed, func() {
			if err := sealed.Forget(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
