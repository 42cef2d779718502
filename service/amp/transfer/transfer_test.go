package transfer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
)

// target is a workspace of the test: Prometheus's own handlers over a store.
type target struct {
	db   *tsdb.DB
	to   *Workspace
	left atomic.Int64 // writes that are still taken
	busy atomic.Int64 // writes that are put off first

	reads atomic.Int64 // status of what is read
}

func newTarget(t *testing.T) *target {
	t.Helper()
	db := openStore(t, t.TempDir())
	g := &target{db: db}
	g.left.Store(math.MaxInt64)
	g.reads.Store(http.StatusOK)
	write := remote.NewWriteHandler(quiet, prometheus.NewRegistry(), db, remoteapi.MessageTypes{remoteapi.WriteV2MessageType}, false, false)
	read := remote.NewReadHandler(quiet, prometheus.NewRegistry(), db, func() config.Config { return config.Config{} }, 0, 10, 1<<20)
	mux := http.NewServeMux()
	mux.HandleFunc("/workspaces/ws-1/api/v1/remote_write", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case g.left.Add(-1) < 0:
			http.Error(w, "no", http.StatusForbidden)
		case g.busy.Add(-1) >= 0:
			http.Error(w, "later", http.StatusTooManyRequests)
		default:
			write.ServeHTTP(w, r)
		}
	})
	mux.HandleFunc("/workspaces/ws-1/api/v1/read", func(w http.ResponseWriter, r *http.Request) {
		if status := int(g.reads.Load()); status != http.StatusOK {
			http.Error(w, "no", status)
			return
		}
		read.ServeHTTP(w, r)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	g.to = &Workspace{Client: s.Client(), Address: s.URL + "/workspaces/ws-1"}
	return g
}

func openStore(t *testing.T, dir string) *tsdb.DB {
	t.Helper()
	o := tsdb.DefaultOptions()
	o.RetentionDuration = 0
	db, err := tsdb.Open(dir, quiet, prometheus.NewRegistry(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

var begin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixMilli()

// populate appends floats and histograms of all kinds of some hours.
func populate(t *testing.T, db *tsdb.DB, hours int64) {
	t.Helper()
	for at := begin; at < begin+hours*3_600_000; at += 300_000 {
		app := db.Appender(t.Context())
		var errs []error
		add := func(_ storage.SeriesRef, err error) { errs = append(errs, err) }
		for i := range 4 {
			add(app.Append(0, labels.FromStrings("__name__", fmt.Sprint("m", i), "host", "a b"), at+int64(i), float64(at%1000)+float64(i)))
		}
		n := int((at - begin) / 300_000)
		add(app.AppendHistogram(0, labels.FromStrings("__name__", "h"), at, tsdbutil.GenerateTestHistogram(int64(n)), nil))
		add(app.AppendHistogram(0, labels.FromStrings("__name__", "fh"), at, nil, tsdbutil.GenerateTestFloatHistogram(int64(n))))
		add(app.AppendHistogram(0, labels.FromStrings("__name__", "nhcb"), at, tsdbutil.GenerateTestCustomBucketsHistogram(int64(n)), nil))
		if err := errors.Join(append(errs, app.Commit())...); err != nil {
			t.Fatal(err)
		}
	}
}

// content returns all samples as text, in order.
func content(t *testing.T, db storage.Queryable) (list []string) {
	t.Helper()
	q, err := db.Querier(math.MinInt64/2, math.MaxInt64/2)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(context.Background(), true, nil, everything)
	for set.Next() {
		it := set.At().Iterator(nil)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			var v any
			switch kind {
			case chunkenc.ValFloat:
				_, v = it.At()
			case chunkenc.ValHistogram:
				_, h := it.AtHistogram(nil)
				v = h.ToFloat(nil).String()
			default:
				_, h := it.AtFloatHistogram(nil)
				v = h.String()
			}
			list = append(list, fmt.Sprint(set.At().Labels(), it.AtT(), " ", v))
		}
		if err := it.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func sameContent(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %d samples %.200q, want %d %.200q", what, len(got), got, len(want), want)
	}
}

func say(string, ...any) {}

// TestImportDirectory imports a data directory with blocks and a log, is cut short twice, and goes on.
func TestImportDirectory(t *testing.T) {
	dir := t.TempDir()
	source := openStore(t, dir)
	populate(t, source, 7)
	if err := source.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := content(t, source)
	if len(source.Blocks()) == 0 || source.Head().NumSeries() == 0 {
		t.Fatal("the source is not in both blocks and log")
	}
	if err := source.Close(); err != nil {
		t.Fatal(err)
	}
	g := newTarget(t)
	g.busy.Store(1)
	o := Options{Progress: filepath.Join(t.TempDir(), "progress"), Name: "a to b", Say: say}
	run := func() error {
		from, err := OpenDirectory(dir, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer from.Close()
		_, err = Import(t.Context(), from, g.to, o)
		return err
	}
	for _, n := range []int64{4, 5} {
		g.left.Store(n)
		if err := run(); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("after %d writes: got %v", n, err)
		}
		// What was noted last is a step that had begun; some of it may have been taken.
	}
	g.left.Store(math.MaxInt64)
	if err := run(); err != nil {
		t.Fatal(err)
	}
	sameContent(t, "imported", content(t, g.db), want)
	writes := g.left.Load()
	if err := run(); err != nil {
		t.Fatal(err)
	}
	if g.left.Load() != writes {
		t.Error("what was imported was sent again")
	}
	o.Name = "a to c"
	if err := run(); err == nil {
		t.Error("the progress of another import was taken")
	}
}

// TestResumeInStep goes on with a step of which everything had arrived.
func TestResumeInStep(t *testing.T) {
	dir := t.TempDir()
	source := openStore(t, dir)
	populate(t, source, 1)
	want := content(t, source)
	if err := source.Close(); err != nil {
		t.Fatal(err)
	}
	g := newTarget(t)
	o := Options{Progress: filepath.Join(t.TempDir(), "progress"), Name: "x", Say: say}
	from, err := OpenDirectory(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if _, _, err := sendStep(t.Context(), from, g.to, from.mint, from.mint+step-1, false); err != nil {
		t.Fatal(err)
	}
	before := from.mint - 1
	if err := o.save(progress{Name: "x", Through: &before, Begun: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := Import(t.Context(), from, g.to, o); err != nil {
		t.Fatal(err)
	}
	sameContent(t, "imported", content(t, g.db), want)
}

func TestImportDump(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dump")
	const text = "# TYPE a counter\na_total{x=\"1\"} 1 1700000000\na_total{x=\"1\"} 2 1700000060\na_total{x=\"2\"} 5 1700090000.5\n# EOF\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	from, err := OpenDump(t.Context(), file, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	g := newTarget(t)
	if n, err := Import(t.Context(), from, g.to, Options{Progress: filepath.Join(t.TempDir(), "p"), Name: "d", Say: say}); n != 3 || err != nil {
		t.Fatalf("sent %d, %v", n, err)
	}
	sameContent(t, "imported", content(t, g.db), []string{
		`{__name__="a_total", x="1"} 1700000000000 1`, `{__name__="a_total", x="1"} 1700000060000 2`, `{__name__="a_total", x="2"} 1700090000500 5`,
	})
	for name, text := range map[string]string{"no time": "a 1\n# EOF\n", "no end": "a 1 1700000000\n", "empty": "# EOF\n", "not a dump": "\x00\x01"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := OpenDump(t.Context(), file, t.TempDir()); err == nil {
			s.Close()
			t.Errorf("%s: it was taken", name)
		}
	}
}

// TestExport writes blocks that Prometheus's own store opens, with the same samples.
func TestExport(t *testing.T) {
	g := newTarget(t)
	populate(t, g.db, 5)
	dir := filepath.Join(t.TempDir(), "out")
	what := Selection{From: time.UnixMilli(begin), To: time.UnixMilli(begin + 10*3_600_000)}
	want := content(t, g.db)
	n, blocks, err := Export(t.Context(), g.to, dir, what, say)
	if err != nil || n != int64(len(want)) || blocks < 3 {
		t.Fatalf("exported %d samples in %d blocks, %v; want %d", n, blocks, err, len(want))
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".part-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	sameContent(t, "exported", content(t, openStore(t, dir)), want)
	what.Matchers = []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", "m2")}
	what.To = time.UnixMilli(begin + 3_600_000 - 1)
	n, _, err = Export(t.Context(), g.to, filepath.Join(t.TempDir(), "part"), what, say)
	if err != nil || n != 12 {
		t.Errorf("exported %d samples of one series and hour, %v", n, err)
	}
}

// FuzzDump reads dumps that nobody wrote.
func FuzzDump(f *testing.F) {
	f.Add([]byte("a 1 1700000000\n# EOF\n"))
	f.Add([]byte("# TYPE a histogram\na_bucket{le=\"+Inf\"} 1 1 # {t=\"x\"} 1\n# EOF\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		_ = writeDump(t.Context(), text, dir, 0, dumpBlock.Milliseconds())
	})
}
