package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"
)

// always is a workspace that stays open.
func always(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// TestStoreAsks makes sure that queries of the house go to the tenant, and come back as numbers.
func TestStoreAsks(t *testing.T) {
	c, f := newCluster(t)
	s := c.Store("ws-1", always)
	f.Answer("/prometheus/api/v1/query", say(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"job":"b","a":"x"},"value":[1700000000.5,"1.5"]},
		{"metric":{},"value":[1700000000,"NaN"]},{"metric":{"h":"1"},"histogram":[1700000000,{"count":"1","sum":"1","buckets":[]}]}]}}`))
	f.Answer("/prometheus/api/v1/query_range", say(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"b"},"values":[[1,"1"],[1.25,"+Inf"]]}]}}`))
	at := time.UnixMilli(1_700_000_000_125)
	v, err := s.Instant(ctx, "avg(up)", at)
	if err != nil || len(v) != 2 || v[0].Metric.String() != `{a="x", job="b"}` || v[0].F != 1.5 || v[0].T != 1_700_000_000_500 || !math.IsNaN(v[1].F) {
		t.Errorf("at a time: %v, %v", v, err)
	}
	m, err := s.Range(ctx, "avg(up)", at, at.Add(time.Minute), 1500*time.Millisecond)
	if err != nil || len(m) != 1 || len(m[0].Floats) != 2 || m[0].Floats[1].T != 1250 || !math.IsInf(m[0].Floats[1].F, 1) || m[0].Metric.Get("job") != "b" {
		t.Errorf("over a time: %v, %v", m, err)
	}
	for i, want := range []url.Values{
		{"query": {"avg(up)"}, "time": {"1700000000.125"}}, {"query": {"avg(up)"}, "start": {"1700000000.125"}, "end": {"1700000060.125"}, "step": {"1.500"}},
	} {
		r := f.Asked("/prometheus")[i]
		if got, _ := url.ParseQuery(r.Body); r.Tenant != "ws-1" || r.Method != "POST" || got.Encode() != want.Encode() {
			t.Errorf("asked %s %s for %s", r.Method, r.Body, r.Tenant)
		}
	}
	for what, text := range map[string]string{"another type": `{"data":{"resultType":"scalar","result":[1,"1"]}}`, "no JSON": "<html>", "no numbers": `{"data":{"resultType":"vector","result":[{"value":["x"]}]}}`} {
		f.Answer("/prometheus/api/v1/query", say(text))
		if _, err := s.Instant(ctx, "avg(up)", at); !errors.Is(err, errAnswer) {
			t.Errorf("%s: %v", what, err)
		}
	}
	f.Answer("/prometheus/api/v1/query", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"status":"error","error":"a label: secret"}`, http.StatusUnprocessableEntity)
	})
	var refused *Refused
	if _, err := s.Instant(ctx, "avg(up)", at); !errors.As(err, &refused) || refused.Status != 422 {
		t.Errorf("a query that is refused: %v", err)
	}
}

// FuzzParse makes sure that no answer of a cluster panics, and that what is made of one has as many series.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1.5,"1"]},null]}}`, `{"data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1,"NaN"]]},null]}}`,
		`{"data":{"resultType":"vector","result":[{"histogram":[1,{"count":"1","sum":"1","buckets":[[0,"1","2","3"]]}]}]}}`, `{"data":{"resultType":"matrix","result":[{"values":[[1.0000000000001,"1"]]}]}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var v model.Vector
		if parse(body, model.ValVector, &v) == nil && len(vectorOf(v)) > len(v) {
			t.Errorf("%q has become %v", body, vectorOf(v))
		}
		var m model.Matrix
		if parse(body, model.ValMatrix, &m) == nil && len(matrixOf(m)) > len(m) {
			t.Errorf("%q has become %v", body, matrixOf(m))
		}
	})
}

// TestStoreEnds makes sure that nothing is asked or written once the workspace is closed, and that nobody is told where the cluster is.
func TestStoreEnds(t *testing.T) {
	c, f := newCluster(t)
	why := errors.New("the key can't be used")
	closed := c.Store("ws-1", func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		cancel(why)
		return ctx, func() {}
	})
	app := closed.AppenderV2(ctx)
	if _, err := app.Append(0, labels.FromStrings("a", "b"), 0, 1, 1, nil, nil, storage.AOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); !errors.Is(err, why) {
		t.Errorf("a write: %v", err)
	}
	if _, err := closed.Instant(ctx, "avg(up)", time.Now()); !errors.Is(err, why) {
		t.Errorf("a query: %v", err)
	}
	if n := len(f.Asked("/")); n != 0 {
		t.Errorf("%d requests came", n)
	}
	f.Close()
	if _, err := c.Store("ws-1", always).Instant(ctx, "avg(up)", time.Now()); err != ErrAway { //nolint:errorlint // what it says is what is told
		t.Errorf("a cluster that is away: %v", err)
	}
}

// TestStoreWrites makes sure that all that an appender takes is sent as the tenant's, in writes that are not too large.
func TestStoreWrites(t *testing.T) {
	c, f := newCluster(t)
	s := c.Store("ws-1", always)
	app := s.AppenderV2(ctx)
	refs := map[storage.SeriesRef]bool{}
	appendOne := func(v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AOptions, ls ...string) {
		t.Helper()
		ref, err := app.Append(0, labels.FromStrings(ls...), 0, 1000, v, h, fh, o)
		if err != nil || ref == 0 || refs[ref] {
			t.Fatalf("%v: reference %d, %v", ls, ref, err)
		}
		refs[ref] = true
	}
	about := storage.AOptions{MetricFamilyName: "up", Metadata: metadata.Metadata{Type: model.MetricTypeGauge, Help: "whether it is", Unit: "x"}}
	about.Exemplars = []exemplar.Exemplar{{Labels: labels.FromStrings("trace", "1"), Value: 2, Ts: 999}}
	appendOne(1, nil, nil, about, "__name__", "up", "job", "a")
	appendOne(math.Float64frombits(value.StaleNaN), nil, nil, storage.AOptions{MetricFamilyName: "report\xff", Metadata: about.Metadata}, "__name__", "up", "job", "b")
	appendOne(0, &histogram.Histogram{Count: 3, Sum: 4}, nil, storage.AOptions{}, "__name__", "h")
	appendOne(0, nil, &histogram.FloatHistogram{Count: 3.5, Sum: 4}, storage.AOptions{}, "__name__", "fh")
	for i := range maxSeries {
		appendOne(float64(i), nil, nil, about, "__name__", "many", "n", fmt.Sprint(i))
	}
	if len(f.Asked("/")) != 0 {
		t.Error("something was sent before the end")
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	got := f.Writes(t)
	if len(got) != 1 || len(got["ws-1"]) != 2 || len(got["ws-1"][0].Timeseries) != maxSeries || len(got["ws-1"][1].Timeseries) != 4 || len(got["ws-1"][0].Metadata) != 1 || len(got["ws-1"][1].Metadata) != 0 {
		t.Fatalf("%d tenants, %d writes", len(got), len(got["ws-1"]))
	}
	m := got["ws-1"][0]
	if d := m.Metadata[0]; d.MetricFamilyName != "up" || d.Type != prompb.MetricMetadata_GAUGE || d.Help != "whether it is" {
		t.Errorf("metadata: %v", d)
	}
	one, stale, h, fh := m.Timeseries[0], m.Timeseries[1], m.Timeseries[2], m.Timeseries[3]
	if one.Labels[1].Value != "a" || one.Samples[0].Value != 1 || one.Samples[0].Timestamp != 1000 || one.Exemplars[0].Value != 2 || one.Exemplars[0].Labels[0].Value != "1" {
		t.Errorf("a sample: %v", one)
	}
	if !value.IsStaleNaN(stale.Samples[0].Value) {
		t.Errorf("a mark: %v", stale)
	}
	if len(h.Samples)+len(fh.Samples) != 0 || h.Histograms[0].GetCountInt() != 3 || fh.Histograms[0].GetCountFloat() != 3.5 {
		t.Errorf("histograms: %v, %v", h, fh)
	}

	app = s.AppenderV2(ctx)
	if err := errors.Join(app.Commit(), s.AppenderV2(ctx).Rollback()); err != nil || len(f.Asked("/api/v1/push")) != 2 {
		t.Errorf("nothing: %v", err)
	}
	f.Answer("/api/v1/push", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "out of order", http.StatusBadRequest) })
	app = s.AppenderV2(ctx)
	clear(refs)
	appendOne(1, nil, nil, storage.AOptions{}, "__name__", "up")
	var refused *Refused
	if err := app.Commit(); !errors.As(err, &refused) {
		t.Errorf("a write that is refused: %v", err)
	}
}
