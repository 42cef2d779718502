package prom

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"

	"github.com/strongroom/strongroom/service/amp/series"
)

// TestQuotas reaches the limits that time or another request moves.
func TestQuotas(t *testing.T) {
	at := start()
	many := func(n int, name string) *prompb.WriteRequest {
		req := v1()
		for i := range n {
			req.Timeseries = append(req.Timeseries, one(at, 1, "__name__", name, "i", fmt.Sprint(i)))
		}
		return req
	}
	t.Run("active series", func(t *testing.T) {
		a := newAPI(t, Limits{}, func(o *series.Options) { o.MaxSeries = 5 })
		send(t, a, many(5, "m"))
		req := many(5, "m")
		for i := range req.Timeseries {
			req.Timeseries[i].Samples[0].Timestamp += 1000
		}
		req.Timeseries = append([]prompb.TimeSeries{one(at, 1, "__name__", "more")}, req.Timeseries...)
		got := send(t, a, req)
		if got.Status != 429 || got.Header.Get("Retry-After") == "" || !strings.Contains(string(got.Body), "active series limit") {
			t.Errorf("got %d %v %s", got.Status, got.Header, got.Body)
		}
		if got := data(t, a, "query", "query", "count_over_time(m[1h])", "time", seconds(at+1000)); strings.Count(got, `"2"]`) < 5 {
			t.Errorf("the known series went on: got %s", got)
		}
	})
	t.Run("label sets", func(t *testing.T) {
		a := newAPI(t, Limits{}, func(o *series.Options) {
			o.LabelSets = []series.LabelSet{{Labels: map[string]string{"__name__": "m"}, MaxSeries: 2}}
		})
		got := send(t, a, many(3, "m"))
		if got.Status != 429 || got.Header.Get("Retry-After") == "" || !strings.Contains(string(got.Body), "per_labelset_series_limit") {
			t.Errorf("got %d %v %s", got.Status, got.Header, got.Body)
		}
		if got := data(t, a, "query", "query", "count(m)", "time", seconds(at)); !strings.Contains(got, `"2"`) {
			t.Errorf("the others: got %s", got)
		}
		if got := send(t, a, many(3, "n")); got.Status != 204 {
			t.Errorf("another metric: got %d %s", got.Status, got.Body)
		}
	})
	t.Run("chunks", func(t *testing.T) {
		a := newAPI(t, Limits{QueryChunks: 3, QueryBytes: 1 << 20})
		send(t, a, many(4, "m"))
		send(t, a, many(3, "n"))
		if err := a.db.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := get(t, a, "query", "query", "m", "time", seconds(at)); got.Status != 422 || !strings.Contains(string(got.Body), "max number of chunks limit (limit: 3 chunks)") {
			t.Errorf("got %d %s", got.Status, got.Body)
		}
		if got := get(t, a, "query", "query", "n", "time", seconds(at)); got.Status != 200 {
			t.Errorf("as many as may be: got %d %s", got.Status, got.Body)
		}
		a.SetLimits(Limits{QueryBytes: 30})
		params := []string{"query", "m", "start", seconds(at), "end", seconds(at + 60_000), "step", "60"}
		if got := get(t, a, "query_range", params...); got.Status != 422 || !strings.Contains(string(got.Body), "aggregated data size limit (limit: 30 bytes)") {
			t.Errorf("got %d %s", got.Status, got.Body)
		}
		if n := (&Limits{QueryBytes: 30}).queryBytes(25 * time.Hour); n != 60 {
			t.Errorf("two days may fetch %d bytes, want 60", n)
		}
	})
	t.Run("rate", func(t *testing.T) {
		a := newAPI(t, Limits{IngestionRate: 1, IngestionBurst: 10})
		if got := send(t, a, many(11, "m")); got.Status != 429 {
			t.Errorf("more than the burst: got %d %s", got.Status, got.Body)
		}
		if got := send(t, a, many(10, "m")); got.Status != 204 {
			t.Errorf("the burst: got %d %s", got.Status, got.Body)
		}
		got := send(t, a, many(5, "n"))
		if got.Status != 429 || got.Header.Get("Retry-After") == "" || !strings.Contains(string(got.Body), "ingestion rate limit") {
			t.Errorf("more: got %d %v %s", got.Status, got.Header, got.Body)
		}
		if got := data(t, a, "query", "query", "count(n)", "time", seconds(at)); strings.Contains(got, "value") {
			t.Errorf("what was refused is there: %s", got)
		}
	})
	t.Run("requests", func(t *testing.T) {
		a := newAPI(t, Limits{OtherRate: 50})
		for range 100 { // two seconds' worth, at once
			if got := get(t, a, "format_query", "query", "x"); got.Status != 200 {
				t.Fatalf("got %d %s", got.Status, got.Body)
			}
		}
		a = newAPI(t, Limits{QueryRate: 1e-9, WriteRate: 1e-9, OtherRate: 1e-9})
		for _, path := range []string{"query", "remote_write", "labels"} {
			first, second := get(t, a, path, "query", "x"), get(t, a, path, "query", "x")
			if first.Status == 429 || second.Status != 429 || second.Header.Get("Retry-After") == "" {
				t.Errorf("%s: got %d, then %d %v", path, first.Status, second.Status, second.Header)
			}
		}
	})
	t.Run("queries", func(t *testing.T) {
		a := newAPI(t, Limits{QuerySeries: 3, QuerySamples: 20, QueryRange: 24 * time.Hour, ConcurrentQueries: 1})
		send(t, a, many(4, "m"))
		send(t, a, many(2, "n"))
		for _, tc := range []struct {
			path   string
			params []string
			want   int
			says   string
		}{
			{"query", []string{"query", "m"}, 422, "too many series"},
			{"query", []string{"query", "n"}, 200, ""},
			{"series", []string{"match[]", "m"}, 422, "too many series"},
			{"series", []string{"match[]", "n"}, 200, ""},
			{"query", []string{"query", "n[48h]"}, 422, "time range exceeds"},
			{"query_range", []string{"query", "n", "start", "0", "end", "1000000", "step", "1000"}, 422, "time range exceeds"},
			{"query_range", []string{"query", "n", "start", seconds(at), "end", seconds(at + 100_000), "step", "1"}, 422, "too many samples"},
			{"query", []string{"query", "n", errorThreshold, "1"}, 422, "too many samples"},
			{"query", []string{"query", "n", warningThreshold, "1"}, 200, "warning threshold"},
			{"query", []string{"query", "n", warningThreshold, "x"}, 400, "not a number"},
			{"query", []string{"query", strings.Repeat("-", 70_000) + "n"}, 400, "longer than"},
			{"query", []string{"query", strings.Repeat("(", 30_000) + "n" + strings.Repeat(")", 30_000)}, 400, "operators and brackets"},
			{"query", []string{"query", "1" + strings.Repeat("+1", 30_000)}, 400, "operators and brackets"},
			{"query", []string{"query", `n{i=~"` + strings.Repeat("(x+)|", 5_000) + `y"}`}, 200, ""},
			{"series", []string{"match[]", "n{" + strings.Repeat(`a="b",`, 5_000) + "}"}, 200, ""},
			{"query", []string{"query", `n{i=~"` + strings.Repeat("(", 30) + "x" + strings.Repeat("{1,100})", 30) + `"}`}, 400, "bad_data"},
			{"query", []string{"query", "n", "timeout", "0.000000001"}, 503, "timed out"},
		} {
			params := append(slices.Clone(tc.params), "time", seconds(at))
			got := get(t, a, tc.path, params...)
			if got.Status != tc.want || !strings.Contains(string(got.Body), tc.says) {
				t.Errorf("%s %.60q: got %d %.300s, want %d %q", tc.path, tc.params, got.Status, got.Body, tc.want, tc.says)
			}
		}
	})
}

// TestTurns fills the places of queries: the next one waits, the one after is refused, and writes go on.
func TestTurns(t *testing.T) {
	a, at := newAPI(t, Limits{ConcurrentQueries: atOnce() + 1}), start()
	for range atOnce() {
		if err := a.queries.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	waits := make(chan *Answer)
	go func() {
		got, _ := a.Serve(context.Background(), &Request{Method: "GET", Path: "labels"})
		waits <- got
	}()
	for a.queries.queued() == 0 {
		time.Sleep(time.Millisecond)
	}
	if got := get(t, a, "labels"); got.Status != 429 || got.Header.Get("Retry-After") == "" {
		t.Errorf("got %d %s, want 429", got.Status, got.Body)
	}
	if got := send(t, a, v1(one(at, 1, "__name__", "x"))); got.Status != 204 {
		t.Errorf("a write meanwhile: got %d", got.Status)
	}
	if got := get(t, a, "status/buildinfo"); got.Status != 200 {
		t.Errorf("what reads no series: got %d", got.Status)
	}
	a.queries.leave()
	if got := <-waits; got.Status != 200 {
		t.Errorf("the one that waited: got %d %s", got.Status, got.Body)
	}
}

// TestGate: places are given in the order in which they were asked for, who goes away leaves none occupied, and a change counts at once.
func TestGate(t *testing.T) {
	g := newGate(1, 2)
	if err := g.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	away, leave := context.WithCancel(t.Context())
	ended := make(chan error, 3)
	go func() { ended <- g.enter(away) }()
	for g.queued() != 1 {
		time.Sleep(time.Millisecond)
	}
	go func() { ended <- g.enter(t.Context()) }()
	for g.queued() != 2 {
		time.Sleep(time.Millisecond)
	}
	if err := g.enter(t.Context()); err != errTooMany {
		t.Errorf("one more: got %v", err)
	}
	leave()
	if err := <-ended; err != context.Canceled {
		t.Errorf("who went away: got %v", err)
	}
	g.resize(2, 2) // the one that waits begins
	if err := <-ended; err != nil || g.queued() != 0 {
		t.Errorf("after the change: got %v, %d wait", err, g.queued())
	}
	g.resize(1, 0)
	g.leave()
	if err := g.enter(t.Context()); err != errTooMany {
		t.Errorf("when less may run than does: got %v", err)
	}
	g.leave()
	if err := g.enter(t.Context()); err != nil {
		t.Errorf("when nothing runs: got %v", err)
	}
}
