package prom

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/strongroom/strongroom/service/amp/series"
)

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
