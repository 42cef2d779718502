package prom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
)

// reference is Prometheus itself: its own store, engine, handlers and remote write receiver, of the same release.
type reference struct {
	router *route.Router
	write  http.Handler
}

func newReference(t testing.TB) *reference {
	t.Helper()
	o := tsdb.DefaultOptions()
	o.EnableExemplarStorage, o.MaxExemplars = true, 10_000
	db, err := tsdb.Open(t.TempDir(), quiet, prometheus.NewRegistry(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	up := *template()
	up.Queryable, up.ExemplarQueryable = db, db
	up.QueryEngine = promql.NewEngine(promql.EngineOpts{
		Logger: quiet, MaxSamples: maxSamples, Timeout: queryTime, EnableAtModifier: true, EnableNegativeOffset: true, EnablePerStepStats: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
	})
	r := &reference{router: route.New(), write: remote.NewWriteHandler(quiet, new(counters), db, accepted, false, true)}
	up.Register(r.router)
	return r
}

func (r *reference) serve(t testing.TB, q *Request) *Answer {
	t.Helper()
	target := url.URL{Path: "/" + q.Path, RawQuery: q.RawQuery}
	h := httptest.NewRequestWithContext(t.Context(), q.Method, target.String(), bytes.NewReader(q.Body))
	if q.Header != nil {
		h.Header = q.Header.Clone()
	}
	w := httptest.NewRecorder()
	if q.Path == "remote_write" {
		r.write.ServeHTTP(w, h)
	} else {
		r.router.ServeHTTP(w, h)
	}
	return &Answer{Status: w.Code, Header: w.Header(), Body: w.Body.Bytes()}
}

// timings are what differs among two answers to the same query.
var timings = regexp.MustCompile(`"timings":\{[^}]*\}`)

// fill sends both three hours of floats that rise and fall, that end and begin again, of histograms of both kinds, and of exemplars.
func fill(t testing.TB, a *API, ref *reference, end int64) {
	t.Helper()
	const minute = 60_000
	for i := int64(0); i <= 180; i++ {
		at := end - (180-i)*minute
		m := v1(one(at, float64(i%37)*3, "__name__", "total", "job", "a"), one(at, float64(i%50), "__name__", "total", "job", "b"),
			one(at, math.Sin(float64(i)), "__name__", "gauge", "job", "a", "host.name", "é<&>\"\n"), one(at, float64(i), "__name__", "utf8.näme", "job", "c"))
		for k, le := range []string{"0.1", "1", "+Inf"} {
			m.Timeseries = append(m.Timeseries, one(at, float64(i)*float64(k+1), "__name__", "took_bucket", "le", le))
		}
		if i%20 < 10 {
			m.Timeseries = append(m.Timeseries, one(at, float64(i), "__name__", "sometimes"))
		} else if i%20 == 10 {
			m.Timeseries = append(m.Timeseries, one(at, math.Float64frombits(value.StaleNaN), "__name__", "sometimes"))
		}
		h := prompb.Histogram{
			Count: &prompb.Histogram_CountInt{CountInt: uint64(3 * i)}, Sum: float64(6 * i), ZeroThreshold: 1e-128, ZeroCount: &prompb.Histogram_ZeroCountInt{ZeroCountInt: uint64(i)},
			PositiveSpans: []prompb.BucketSpan{{Offset: 0, Length: 2}}, PositiveDeltas: []int64{i, 0}, Timestamp: at,
		}
		m.Timeseries = append(m.Timeseries, prompb.TimeSeries{Labels: labelsOf("__name__", "native"), Histograms: []prompb.Histogram{h}})
		if i%30 == 0 {
			m.Timeseries[0].Exemplars = []prompb.Exemplar{{Labels: labelsOf("trace_id", fmt.Sprint(i)), Value: float64(i), Timestamp: at}}
		}
		r := &Request{Method: "POST", Path: "remote_write", Header: http.Header{}, Body: encode(t, m)}
		if got, want := serveOne(t, a, r), ref.serve(t, r); got.Status != 204 || want.Status != 204 {
			t.Fatalf("got %d %s, want %d %s", got.Status, got.Body, want.Status, want.Body)
		}
	}
}

// TestAnswersAsPrometheus asks for the same by GET and by POST here and of Prometheus itself, of the head and of sealed blocks, and compares every byte:
// results, warnings, errors and their kinds.
func TestAnswersAsPrometheus(t *testing.T) {
	a, ref := newAPI(t, Limits{}), newReference(t)
	end := start()
	fill(t, a, ref, end)
	compareAnswers(t, a, ref, end)
	if err := a.db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(a.db.Blocks()) == 0 {
		t.Fatal("there are no blocks")
	}
	compareAnswers(t, a, ref, end)
}

func compareAnswers(t *testing.T, a *API, ref *reference, end int64) {
	t.Helper()
	from, to := seconds(end-170*60_000), seconds(end)
	whole := "start=" + from + "&end=" + to + "&step=300"
	var requests []string
	for _, query := range []string{
		"42", `"text"`, "NaN", "-Inf", "time()", "total", "total[5m]", `{__name__="utf8.näme"}`, `{"utf8.näme"}`, `{"host.name"!=""}`, "sometimes", "count_over_time(sometimes[1h])", "absent(none)", "none",
		"sum by (job) (rate(total[10m]))", "total offset 5m", "total offset -5m", "total @ end()", "topk(1, total)", "quantile(0.5, total)", "stddev(gauge)", "total * on (job) group_left gauge",
		"rate(gauge[10m])", "histogram_quantile(0.9, took_bucket)", "histogram_quantile(0.9, rate(native[10m]))", "native", "rate(native[10m])", "histogram_quantile(0.9, total)", "histogram_quantile(2, took_bucket)",
		"max_over_time((time() - total)[30m:1m])", `label_replace(total, "x", "$1-", "job", "(.*)")`, `label_replace(total, "job", "", "", "")`, `label_join(total, "x", "-", "job", "job")`,
		"predict_linear(gauge[1h], 600)", "resets(total[1h])", "changes(total[1h])", "delta(gauge[20m])", "total / ignoring(job) gauge", "total + total_", "sort_desc(total)", "vector(1) and on() total",
		"sum(", "rate(total)", `{__name__=~".*"}`, "unknown(total)", `label_replace(total, "job", "$1", "job", "(")`, "total[5m] + 1", "", "total{", "native + total", "sum({__name__=~\"native|total\"})", "info(total)", "limitk(1, total)",
	} {
		q := "query=" + url.QueryEscape(query)
		requests = append(requests, "query?time="+to+"&"+q, "query_range?"+whole+"&"+q, "format_query?"+q, "parse_query?"+q, "query_exemplars?start="+from+"&end="+to+"&"+q)
	}
	for _, more := range []string{
		"time=x", "time=2026-01-01T00:00:00Z", "timeout=x", "timeout=30s", "limit=1", "limit=-1", "limit=x", "limit=0", "lookback_delta=1s", "lookback_delta=x", "lookback_delta=2h", "stats=all", "stats=true",
	} {
		requests = append(requests, "query?query=total&time="+to+"&"+more, "query_range?query=total&"+whole+"&"+more)
	}
	requests = append(requests, "query?time="+to, "query_range?query=total", "query_range?query=total&start="+to+"&end="+from+"&step=1", "query_range?query=total&start="+from+"&end="+to+"&step=0",
		"query_range?query=total&start="+from+"&end="+to+"&step=-1", "query_range?query=total&start="+from+"&end="+to+"&step=x", "query_range?query=total&start=0&end="+to+"&step=1", "query_range?query=total&start=x&end="+to+"&step=1",
		"query_exemplars?query=total&start="+to+"&end="+from, "query_exemplars?query=total&start=x")
	for _, more := range []string{"", "&start=" + from, "&start=x", "&limit=2", "&limit=x", "&limit=-1"} {
		for _, match := range []string{"", "match[]=total", "match[]=total&match[]=gauge", `match[]={job="a"}`, "match[]=none", "match[]={", "match[]={}", `match[]={job=~".*"}`} {
			match = strings.NewReplacer("{", "%7B", "}", "%7D", "[", "%5B", "]", "%5D", "|", "%7C", `"`, "%22").Replace(match)
			requests = append(requests, "series?"+match+more, "labels?"+match+more, "label/job/values?"+match+more)
		}
	}
	requests = append(requests, "label/__name__/values", "label/le/values", "label/none/values", "label/host.name/values", "label/U__host_2e_name/values", "label/\xff/values", "label/host%20name/values", "status/buildinfo", "rules", "alerts", "rules?type=alert", "rules?type=x", "metadata?limit=x", "metadata?limit_per_metric=x")
	for _, request := range requests {
		path, query, _ := strings.Cut(request, "?")
		r := &Request{Method: "GET", Path: path, RawQuery: query, Header: http.Header{"Accept": {"application/json"}}}
		sameAnswer(t, a, ref, r)
		switch path {
		case "query", "query_range", "query_exemplars", "series", "labels", "format_query", "parse_query":
			sameAnswer(t, a, ref, &Request{Method: "POST", Path: path, Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte(query)})
		}
	}
}

// ordered returns an answer without timings, and its series in order: Prometheus says them as they come.
func ordered(body []byte) string {
	text := timings.ReplaceAll(body, nil)
	var m struct{ Data json.RawMessage }
	if json.Unmarshal(text, &m) != nil {
		return string(text)
	}
	raw := m.Data
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		var d struct{ Result json.RawMessage }
		if json.Unmarshal(raw, &d) != nil || json.Unmarshal(d.Result, &list) != nil {
			return string(text)
		}
		raw = d.Result
	}
	slices.SortFunc(list, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
	var all []byte
	for _, one := range list {
		all = append(append(all, one...), ',')
	}
	return strings.Replace(string(text), string(raw), string(all), 1)
}

func sameAnswer(t *testing.T, a *API, ref *reference, r *Request) {
	t.Helper()
	got, want := serveOne(t, a, r), ref.serve(t, r)
	mine, theirs := ordered(got.Body), ordered(want.Body)
	if got.Status != want.Status || mine != theirs || got.Header.Get("Content-Type") != want.Header.Get("Content-Type") {
		t.Errorf("%s %s?%s%s:\n got %d %s %.400s\nwant %d %s %.400s", r.Method, r.Path, r.RawQuery, r.Body, got.Status, got.Header.Get("Content-Type"), mine, want.Status, want.Header.Get("Content-Type"), theirs)
	}
}

// TestTakesAsPrometheus sends what every receiver must take, and what none may, here and to Prometheus itself, twice, and compares status and counts.
func TestTakesAsPrometheus(t *testing.T) {
	a, ref := newAPI(t, Limits{}), newReference(t)
	at := start()
	for round := range int64(2) {
		for name, m := range requestsOf(cases(at + round*60_000)) {
			r := &Request{Method: "POST", Path: "remote_write", Header: http.Header{"Content-Type": {ofVersion2}, "Content-Encoding": {"snappy"}}, Body: encode(t, m)}
			got, want := serveOne(t, a, r), ref.serve(t, r)
			if name == "no order" { // which Prometheus answers with 204 and 3, and keeps 2
				want = &Answer{Status: 400, Header: http.Header{samplesWritten: {"2"}, histogramsWritten: {"0"}, exemplarsWritten: {"0"}}}
			}
			if got.Status != want.Status || (got.Status < 300) != !strings.HasPrefix(name, "no ") {
				t.Errorf("%s, round %d: got %d %s, want %d %s", name, round, got.Status, got.Body, want.Status, want.Body)
			}
			for _, h := range []string{samplesWritten, histogramsWritten, exemplarsWritten} {
				if got, want := got.Header.Get(h), want.Header.Get(h); got != want || got == "" {
					t.Errorf("%s, round %d: %s is %q, want %q", name, round, h, got, want)
				}
			}
			if got.Status == 204 && len(got.Body) > 0 {
				t.Errorf("%s: a body %q", name, got.Body)
			}
		}
	}
}
