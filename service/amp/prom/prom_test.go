package prom

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service/amp/series"
)

// testKeys hands out data keys that nothing wraps.
type testKeys struct{}

func (testKeys) Make(context.Context) (seal.DataKey, error) {
	key := make([]byte, seal.KeySize)
	rand.Read(key)
	return seal.DataKey{Plaintext: secret.New(key), Wrapped: bytes.Clone(key)}, nil
}

func (testKeys) Open(_ context.Context, wrapped []byte) (secret.Bytes, error) {
	return secret.New(bytes.Clone(wrapped)), nil
}

// testLedger keeps blocks in memory.
type testLedger struct {
	mu    sync.Mutex
	state series.State
}

func (l *testLedger) Load(context.Context) (series.State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return series.State{Blocks: slices.Clone(l.state.Blocks), Covered: l.state.Covered}, nil
}

func (l *testLedger) Pending(context.Context, string) error { return nil }

func (l *testLedger) Replace(_ context.Context, remove []ulid.ULID, add []series.Block, covered series.Covered) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Blocks = append(slices.DeleteFunc(l.state.Blocks, func(b series.Block) bool { return slices.Contains(remove, b.Meta.ULID) }), add...)
	l.state.Covered = covered
	return nil
}

// newAPI opens the API of a workspace of its own.
func newAPI(t testing.TB, l Limits, change ...func(*series.Options)) *API {
	t.Helper()
	blobs, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	o := series.Options{Name: "ws-1", Log: t.TempDir(), Memory: t.TempDir(), Blobs: blobs, Prefix: "amp/", Keys: testKeys{}, Ledger: new(testLedger)}
	for _, c := range change {
		c(&o)
	}
	db, err := series.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return New(Options{DB: db, Limits: l})
}

// send sends a write request of version 1 or 2.
func send(t testing.TB, a *API, message any) *Answer {
	t.Helper()
	var body []byte
	var err error
	kind := "application/x-protobuf"
	switch m := message.(type) {
	case []byte:
		body = m
	case *prompb.WriteRequest:
		body, err = m.Marshal()
	case *writev2.Request:
		kind += ";proto=io.prometheus.write.v2.Request"
		body, err = m.Marshal()
	}
	if err != nil {
		t.Fatal(err)
	}
	return serveOne(t, a, &Request{Method: "POST", Path: "remote_write", Header: http.Header{"Content-Type": {kind}, "Content-Encoding": {"snappy"}}, Body: s2.EncodeSnappy(nil, body)})
}

func serveOne(t testing.TB, a *API, r *Request) *Answer {
	t.Helper()
	got, err := a.Serve(t.Context(), r)
	if err != nil {
		t.Fatalf("%s: %v", r.Path, err)
	}
	return got
}

func get(t testing.TB, a *API, path string, params ...string) *Answer {
	t.Helper()
	v := url.Values{}
	for i := 0; i < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	return serveOne(t, a, &Request{Method: "GET", Path: path, RawQuery: v.Encode()})
}

// data asks and returns the data of the answer as JSON.
func data(t testing.TB, a *API, path string, params ...string) string {
	t.Helper()
	got := get(t, a, path, params...)
	var m struct {
		Status string
		Data   json.RawMessage
	}
	if err := json.Unmarshal(got.Body, &m); err != nil || got.Status != 200 || m.Status != "success" {
		t.Fatalf("%s %q: got %d %s", path, params, got.Status, got.Body)
	}
	return string(m.Data)
}

func labelsOf(pairs ...string) (list []prompb.Label) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, prompb.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}

// one is a series with one sample.
func one(at int64, v float64, pairs ...string) prompb.TimeSeries {
	return prompb.TimeSeries{Labels: labelsOf(pairs...), Samples: []prompb.Sample{{Timestamp: at, Value: v}}}
}

func v1(list ...prompb.TimeSeries) *prompb.WriteRequest {
	return &prompb.WriteRequest{Timeseries: list}
}

// start is a time on a minute not long ago.
func start() int64 { return time.Now().Add(-10 * time.Minute).Truncate(time.Minute).UnixMilli() }

func seconds(ms int64) string { return fmt.Sprint(ms / 1000) }

// TestWriteAndAsk sends everything that version 1 carries, and asks for it by every path.
func TestWriteAndAsk(t *testing.T) {
	a, at := newAPI(t, Limits{}), start()
	h := prompb.Histogram{
		Count: &prompb.Histogram_CountInt{CountInt: 3}, Sum: 6, Schema: 0, ZeroThreshold: 1e-128, ZeroCount: &prompb.Histogram_ZeroCountInt{},
		PositiveSpans: []prompb.BucketSpan{{Offset: 0, Length: 2}}, PositiveDeltas: []int64{1, 1}, Timestamp: at,
	}
	up := one(at, 1, "__name__", "up", "job", "a", "instance", "x")
	up.Samples = append(up.Samples, prompb.Sample{Timestamp: at + 60_000, Value: 2})
	up.Exemplars = []prompb.Exemplar{{Labels: labelsOf("trace", "abc"), Value: 7, Timestamp: at}}
	req := v1(up, one(at, 3, "__name__", "down", "job", "b"), prompb.TimeSeries{Labels: labelsOf("__name__", "hist", "job", "a"), Histograms: []prompb.Histogram{h}})
	req.Metadata = []prompb.MetricMetadata{{MetricFamilyName: "up", Type: prompb.MetricMetadata_GAUGE, Help: "whether it is up", Unit: "bool"}}
	if got := send(t, a, req); got.Status != http.StatusNoContent {
		t.Fatalf("got %d %s", got.Status, got.Body)
	}
	from, to := seconds(at), seconds(at+60_000)
	tests := []struct {
		path   string
		params []string
		want   string
	}{
		{"query", []string{"query", "up", "time", to}, `{"resultType":"vector","result":[{"metric":{"__name__":"up","instance":"x","job":"a"},"value":[` + to + `,"2"]}]}`},
		{"query", []string{"query", "histogram_count(hist)", "time", from}, `{"resultType":"vector","result":[{"metric":{"job":"a"},"value":[` + from + `,"3"]}]}`},
		{"query_range", []string{"query", "sum(up)", "start", from, "end", to, "step", "60"}, `{"resultType":"matrix","result":[{"metric":{},"values":[[` + from + `,"1"],[` + to + `,"2"]]}]}`},
		{"series", []string{"match[]", "down", "start", from}, `[{"__name__":"down","job":"b"}]`},
		{"labels", nil, `["__name__","instance","job"]`},
		{"label/job/values", nil, `["a","b"]`},
		{"metadata", nil, `{"up":[{"type":"gauge","unit":"bool","help":"whether it is up"}]}`},
		{"metadata", []string{"metric", "none"}, `{}`},
		{"metadata", []string{"limit", "0"}, `{}`},
		{"query_exemplars", []string{"query", "up", "start", from, "end", to}, `[{"seriesLabels":{"__name__":"up","instance":"x","job":"a"},"exemplars":[{"labels":{"trace":"abc"},"value":"7","timestamp":` + from + `}]}]`},
		{"rules", nil, `{"groups":[]}`},
		{"alerts", nil, `{"alerts":[]}`},
		{"format_query", []string{"query", "sum(up)by(job)"}, `"sum by (job) (up)"`},
	}
	for _, tc := range tests {
		if got := data(t, a, tc.path, tc.params...); got != tc.want {
			t.Errorf("%s %q:\n got %s\nwant %s", tc.path, tc.params, got, tc.want)
		}
	}
	if got := data(t, a, "status/buildinfo"); !strings.Contains(got, Version) {
		t.Errorf("buildinfo: got %s", got)
	}
	form := serveOne(t, a, &Request{Method: "POST", Path: "query", Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte("query=up&time=" + to)})
	if form.Status != 200 || !bytes.Contains(form.Body, []byte(`"2"`)) {
		t.Errorf("form: got %d %s", form.Status, form.Body)
	}
	for _, path := range []string{"targets", "status/config", "status/flags", "admin/tsdb/delete_series", "status/tsdb", "alertmanagers", "notifications/live", "../query", "label//values", ""} {
		if got := get(t, a, path); got.Status != http.StatusNotFound && got.Status != http.StatusBadRequest {
			t.Errorf("%q: got %d, want it not to be there", path, got.Status)
		}
	}
}

// TestRemoteRead reads both kinds of answers.
func TestRemoteRead(t *testing.T) {
	a, at := newAPI(t, Limits{}), start()
	send(t, a, v1(one(at, 5, "__name__", "up")))
	for _, kind := range []prompb.ReadRequest_ResponseType{prompb.ReadRequest_SAMPLES, prompb.ReadRequest_STREAMED_XOR_CHUNKS} {
		req := prompb.ReadRequest{AcceptedResponseTypes: []prompb.ReadRequest_ResponseType{kind}, Queries: []*prompb.Query{{
			StartTimestampMs: at - 1, EndTimestampMs: at + 1, Matchers: []*prompb.LabelMatcher{{Name: "__name__", Value: "up"}},
		}}}
		body, _ := req.Marshal()
		got := serveOne(t, a, &Request{Method: "POST", Path: "read", Body: s2.EncodeSnappy(nil, body)})
		if got.Status != 200 || len(got.Body) < 20 {
			t.Fatalf("%s: got %d, %d bytes", kind, got.Status, len(got.Body))
		}
		if kind == prompb.ReadRequest_SAMPLES {
			var resp prompb.ReadResponse
			plain, err := s2.Decode(nil, got.Body)
			if err != nil || resp.Unmarshal(plain) != nil || resp.Results[0].Timeseries[0].Samples[0].Value != 5 {
				t.Errorf("got %v, %v", resp, err)
			}
		}
	}
}

// TestVersion2 sends what only version 2 carries, and reads what it says it wrote.
func TestVersion2(t *testing.T) {
	a, at := newAPI(t, Limits{LabelValueLength: 20}), start()
	req := &writev2.Request{
		Symbols: []string{"", "__name__", "total", "unit", "what it counts", "trace", "abc", strings.Repeat("x", 30), "job"},
		Timeseries: []writev2.TimeSeries{
			{
				LabelsRefs: []uint32{1, 2}, Samples: []writev2.Sample{{Timestamp: at, Value: 1, StartTimestamp: at - 1000}},
				Metadata:  writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: 4, UnitRef: 3},
				Exemplars: []writev2.Exemplar{{LabelsRefs: []uint32{5, 6}, Value: 2, Timestamp: at}},
			},
			{LabelsRefs: []uint32{1, 2, 8, 7}, Samples: []writev2.Sample{{Timestamp: at, Value: 1}}},
		},
	}
	got := send(t, a, req)
	if got.Status != http.StatusBadRequest || !strings.Contains(string(got.Body), "label value too long") || len(got.Body) > 200 {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if n := got.Header.Get("X-Prometheus-Remote-Write-Samples-Written"); n != "1" {
		t.Errorf("samples written: got %q, want 1: the other sample is good", n)
	}
	if n := got.Header.Get("X-Prometheus-Remote-Write-Exemplars-Written"); n != "1" {
		t.Errorf("exemplars written: got %q, want 1", n)
	}
	if got, want := data(t, a, "metadata"), `{"total":[{"type":"counter","unit":"unit","help":"what it counts"}]}`; got != want {
		t.Errorf("metadata: got %s, want %s", got, want)
	}
	if got := data(t, a, "query", "query", "total", "time", seconds(at)); !strings.Contains(got, `"1"`) {
		t.Errorf("got %s", got)
	}
}

// TestSendersKnow sends what is wrong in each way, and checks that the status says whether to send it again,
// and that what was good beside it is kept.
func TestSendersKnow(t *testing.T) {
	long := strings.Repeat("l", 101)
	limits := Limits{LabelsPerSeries: 4, LabelNameLength: 100, LabelValueLength: 100, LabelSize: 150, RequestSize: 1 << 20}
	at := start()
	good := one(at, 1, "__name__", "good")
	tests := map[string]struct {
		body any
		want int
		says string
		kept bool
	}{
		"good":               {v1(good), 204, "", true},
		"nothing":            {v1(), 204, "", false},
		"no metric name":     {v1(one(at, 1, "job", "a"), good), 400, "invalid metric names or labels", true},
		"a label twice":      {v1(one(at, 1, "__name__", "x", "a", "1", "a", "2"), good), 400, "invalid metric names or labels", true},
		"not UTF-8":          {v1(one(at, 1, "__name__", "x", "a", "\xff\xfe"), good), 400, "invalid metric names or labels", true},
		"unsorted labels":    {v1(one(at, 1, "z", "1", "__name__", "good", "a", "1")), 204, "", true},
		"too many labels":    {v1(one(at, 1, "__name__", "x", "a", "1", "b", "1", "c", "1", "d", "1"), good), 400, "too many labels (actual: 5, limit: 4)", true},
		"a long name":        {v1(one(at, 1, "__name__", "x", long, "1"), good), 400, "label name too long", true},
		"a long value":       {v1(good, one(at, 1, "__name__", "x", "a", long)), 400, "label value too long", true},
		"long labels":        {v1(good, one(at, 1, "__name__", "x", "a", long[:90], "b", long[:90])), 400, "too long together", true},
		"negative time":      {v1(one(-5, 1, "__name__", "x"), good), 400, "out of bounds", true},
		"the least time":     {v1(one(math.MinInt64, 1, "__name__", "x"), good), 400, "out of bounds", true},
		"far in the future":  {v1(one(math.MaxInt64, 1, "__name__", "x"), good), 400, "too far in the future", false},
		"more than it holds": {v1(one(at, 1, "__name__", "x", "a", strings.Repeat("v", 1<<20))), 413, "larger than", false},
		"no protobuf":        {[]byte("this is not it"), 400, "", false},
		"a bad histogram": {v1(prompb.TimeSeries{Labels: labelsOf("__name__", "h"), Histograms: []prompb.Histogram{{
			Count: &prompb.Histogram_CountInt{CountInt: 9}, PositiveSpans: []prompb.BucketSpan{{Offset: 0, Length: 2}}, PositiveDeltas: []int64{1}, Timestamp: at,
		}}}, good), 400, "spans", true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, limits)
			got := send(t, a, tc.body)
			if got.Status != tc.want || !strings.Contains(string(got.Body), tc.says) || len(got.Body) > 600 {
				t.Errorf("got %d %.300s, want %d %q", got.Status, got.Body, tc.want, tc.says)
			}
			kept := data(t, a, "query", "query", "good", "time", seconds(at)) != `{"resultType":"vector","result":[]}`
			if kept != tc.kept {
				t.Errorf("the good sample kept: got %t, want %t", kept, tc.kept)
			}
		})
	}
}

// TestWrongForm sends what is not a write at all.
func TestWrongForm(t *testing.T) {
	a := newAPI(t, Limits{})
	huge := []byte{0x80, 0x80, 0x80, 0x80, 0x7f, 0}
	tests := map[string]struct {
		kind, encoding string
		body           []byte
		want           int
	}{
		"JSON":                  {"application/json", "snappy", []byte("{}"), 415},
		"another message":       {"application/x-protobuf;proto=io.prometheus.write.v3.Request", "snappy", []byte{0}, 415},
		"gzip":                  {"application/x-protobuf", "gzip", []byte{0}, 415},
		"no snappy":             {"application/x-protobuf", "snappy", []byte("\x05hello"), 400},
		"a bomb of one literal": {"application/x-protobuf", "snappy", huge, 413},
		"empty":                 {"application/x-protobuf", "snappy", nil, 400},
		"empty messages":        {"application/x-protobuf", "snappy", s2.EncodeSnappy(nil, bytes.Repeat([]byte{10, 0}, 8<<20)), 400},
		"empty histograms":      {"application/x-protobuf", "snappy", s2.EncodeSnappy(nil, append([]byte{10, 0xff, 0xff, 0x3f}, bytes.Repeat([]byte{34, 0}, 1<<20)...)), 400},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := serveOne(t, a, &Request{Method: "POST", Path: "remote_write", Header: http.Header{"Content-Type": {tc.kind}, "Content-Encoding": {tc.encoding}}, Body: tc.body})
			if got.Status != tc.want {
				t.Errorf("got %d %.200s, want %d", got.Status, got.Body, tc.want)
			}
		})
	}
}

// TestOutOfOrder keeps the samples that are in order when others of the request are not.
func TestOutOfOrder(t *testing.T) {
	a, at := newAPI(t, Limits{}), start()
	send(t, a, v1(one(at+60_000, 1, "__name__", "x")))
	got := send(t, a, v1(one(at, 1, "__name__", "x"), one(at, 2, "__name__", "y")))
	if got.Status != 400 || !strings.Contains(string(got.Body), "out of order sample") {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if got := data(t, a, "query", "query", "y", "time", seconds(at)); !strings.Contains(got, `"2"`) {
		t.Errorf("the other series: got %s", got)
	}
	if got := send(t, a, v1(one(at+60_000, 1, "__name__", "x"))); got.Status != 204 {
		t.Errorf("the same again: got %d %s", got.Status, got.Body)
	}
	if got := send(t, a, v1(one(at+60_000, 3, "__name__", "x"))); got.Status != 400 {
		t.Errorf("the same time, another value: got %d, want 400", got.Status)
	}
	if err := a.db.SetOutOfOrder(time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := send(t, a, v1(one(at, 1, "__name__", "x"))); got.Status != 204 {
		t.Errorf("within the window: got %d %s", got.Status, got.Body)
	}
}

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
		a := newAPI(t, Limits{QueryRate: 1, WriteRate: 1, OtherRate: 1})
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

// TestClosed asks a store that is closed: that is no answer for a client, but an error for whoever opened it.
func TestClosed(t *testing.T) {
	a, at := newAPI(t, Limits{}), start()
	if err := a.db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"query?query=up", "labels?", "series?match[]=up", "label/a/values?", "query_exemplars?query=up&start=0&end=1"} {
		path, query, _ := strings.Cut(path, "?")
		if got, err := a.Serve(t.Context(), &Request{Method: "GET", Path: path, RawQuery: query}); err == nil {
			t.Errorf("%s: got %d %s, want an error", path, got.Status, got.Body)
		}
	}
	body, _ := v1(one(at, 1, "__name__", "x")).Marshal()
	if got, err := a.Serve(t.Context(), &Request{Method: "POST", Path: "remote_write", Body: s2.EncodeSnappy(nil, body)}); err == nil {
		t.Errorf("write: got %d, want an error", got.Status)
	}
}

// TestOTLP sends metrics of OpenTelemetry as JSON, as it is and compressed.
func TestOTLP(t *testing.T) {
	a, at := newAPI(t, Limits{}), start()
	text := fmt.Sprintf(`{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeMetrics":[{"metrics":[
		{"name":"orders","unit":"1","description":"orders taken","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"timeUnixNano":"%d","asDouble":4}]}}]}]}]}`, at*1_000_000)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprint(z, text)
	z.Close()
	for _, tc := range []struct {
		kind, encoding string
		body           []byte
		want           int
	}{
		{"application/json; charset=utf-8", "", []byte(text), 200},
		{"application/json", "gzip", zipped.Bytes(), 200},
		{"application/json", "br", zipped.Bytes(), 400},
		{"application/json", "gzip", []byte(text), 400},
		{"application/x-protobuf", "", []byte(text), 400},
		{"text/plain", "", []byte(text), 415},
	} {
		got := serveOne(t, a, &Request{Method: "POST", Path: "otlp/v1/metrics", Header: http.Header{"Content-Type": {tc.kind}, "Content-Encoding": {tc.encoding}}, Body: tc.body})
		if got.Status != tc.want {
			t.Errorf("%s %s: got %d %.200s, want %d", tc.kind, tc.encoding, got.Status, got.Body, tc.want)
		}
	}
	if got := data(t, a, "query", "query", "orders_total", "time", seconds(at)); !strings.Contains(got, `"job":"shop"`) || !strings.Contains(got, `"4"`) {
		t.Errorf("got %s", got)
	}
	if got := data(t, a, "metadata"); !strings.Contains(got, "orders taken") {
		t.Errorf("metadata: got %s", got)
	}
}

// FuzzWrite sends anything as a write of either version and as metrics of OpenTelemetry.
func FuzzWrite(f *testing.F) {
	body, _ := v1(one(1_700_000_000_000, 1, "__name__", "x", "a", "b")).Marshal()
	f.Add(uint8(0), body)
	f.Add(uint8(0), body[:len(body)-3])
	f.Add(uint8(0), append(bytes.Clone(body), body...)) // twice the same sample
	f.Add(uint8(4), s2.EncodeSnappy(nil, body))
	f.Add(uint8(4), append(s2.EncodeSnappy(nil, body), 1))
	f.Add(uint8(4), append([]byte{0xff, 0xff, 0xff, 0xff, 0x0f}, s2.EncodeSnappy(nil, body)[1:]...)) // longer than it says
	for _, bad := range []prompb.TimeSeries{
		one(-1, 1, "__name__", "x"), one(math.MaxInt64, 1, "__name__", "x"), one(1, 1, "a", "b", "a", "c", "__name__", "x"),
		one(1, 1, "__name__", "x", "a", "\xff"), one(1, 1), one(1, 1, "__name__", strings.Repeat("n", 2<<10)), {Labels: labelsOf("__name__", "x")},
	} {
		body, _ := v1(bad).Marshal()
		f.Add(uint8(0), body)
	}
	second := &writev2.Request{Symbols: []string{"", "__name__", "x", "a", "b"}, Timeseries: []writev2.TimeSeries{{
		LabelsRefs: []uint32{1, 2, 3, 4}, Samples: []writev2.Sample{{Timestamp: 1_700_000_000_000, Value: 1}},
		Exemplars: []writev2.Exemplar{{LabelsRefs: []uint32{3, 4}, Value: 1, Timestamp: 1_700_000_000_000}},
		Metadata:  writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_GAUGE, HelpRef: 4, UnitRef: 2},
	}}}
	for _, refs := range [][]uint32{{1, 2, 3, 4}, {1, 2, 3}, {1, 99}, {3, 4, 1, 2}, {1, 2, 1, 2}, {0, 0}, nil} {
		second.Timeseries[0].LabelsRefs = refs
		body, _ := second.Marshal()
		f.Add(uint8(1), body)
		f.Add(uint8(0), body) // the other version
	}
	f.Add(uint8(1), []byte{34, 0, 34, 1, 'x', 42, 4, 10, 2, 0, 1})
	f.Add(uint8(2), []byte(`{"resourceMetrics":[{}]}`))
	f.Add(uint8(3), []byte{0x80, 0x80, 0x7f})
	a := newAPI(f, Limits{LabelsPerSeries: 30, LabelValueLength: 1 << 10, LabelNameLength: 1 << 10, IngestionRate: 1e9, IngestionBurst: 1 << 40}, func(o *series.Options) { o.MaxSeries = 1000 })
	kinds := []string{"application/x-protobuf", "application/x-protobuf;proto=io.prometheus.write.v2.Request", "application/json", "application/x-protobuf"}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		raw := kind == 4 // as it is, for whoever reads Snappy
		kind %= 4
		r := &Request{Method: "POST", Path: "remote_write", Header: http.Header{"Content-Type": {kinds[kind]}}, Body: body}
		switch {
		case kind >= 2 && len(body)%2 == 0:
			r.Path = "otlp/v1/metrics"
		case kind < 2 && !raw:
			r.Body = s2.EncodeSnappy(nil, body)
		}
		got, err := a.Serve(t.Context(), r)
		if err != nil || got.Status >= 500 {
			t.Fatalf("got %v, %v: nothing that is sent is the fault of the store", got, err)
		}
		// A sender sends a 429 again and gives everything else up: these are what Prometheus has for it.
		if !slices.Contains([]int{200, 204, 400, 413, 415, 429}, got.Status) || got.Status >= 400 && len(bytes.TrimSpace(got.Body)) == 0 || len(got.Body) > 64<<10 {
			t.Fatalf("got %d %.300s", got.Status, got.Body)
		}
		if raw && kind == 0 && got.Status < 300 {
			if plain, err := s2.Decode(nil, body); err != nil || len(plain) > maxWrite {
				t.Fatalf("%v: and the answer is %d", err, got.Status)
			}
		}
	})
}
