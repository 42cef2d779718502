package prom

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// beyond is a system that keeps the series: it writes down what it gets.
type beyond struct {
	mu     sync.Mutex
	got    []Request
	answer *Answer
	err    error
}

func (b *beyond) forward(_ context.Context, r *Request) (*Answer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	again := *r
	again.Body = bytes.Clone(r.Body)
	b.got = append(b.got, again)
	if b.answer == nil && b.err == nil {
		return &Answer{Status: http.StatusOK, Header: http.Header{"X-Prometheus-Remote-Write-Samples-Written": {"1"}}}, nil
	}
	return b.answer, b.err
}

func (b *beyond) asked() []Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got
}

func newFront(l Limits) (*API, *beyond) {
	b := new(beyond)
	return New(Options{Limits: l, Forward: b.forward}), b
}

func labelled(labels ...string) prompb.TimeSeries {
	s := prompb.TimeSeries{Samples: []prompb.Sample{{Value: 1, Timestamp: 1000}}}
	for i := 0; i < len(labels); i += 2 {
		s.Labels = append(s.Labels, prompb.Label{Name: labels[i], Value: labels[i+1]})
	}
	return s
}

// TestForwardWrites makes sure that what breaks a limit does not go on, and that all else does.
func TestForwardWrites(t *testing.T) {
	l := Limits{LabelsPerSeries: 3, LabelNameLength: 20, LabelValueLength: 20, LabelSize: 60, RequestSize: 4096}
	long := strings.Repeat("x", 21)
	good := []prompb.TimeSeries{labelled("__name__", "up", "job", "a"), labelled("__name__", "up", "job", "b")}
	for name, x := range map[string]struct {
		bad  []prompb.TimeSeries
		says string
	}{
		"all is good":             {nil, ""},
		"too many labels":         {[]prompb.TimeSeries{labelled("__name__", "up", "a", "1", "b", "2", "c", "3")}, "too many labels (actual: 4, limit: 3) series: 'up'"},
		"a long name":             {[]prompb.TimeSeries{labelled("__name__", "up", long, "1")}, "label name too long (actual: 21, limit: 20)"},
		"a long value":            {[]prompb.TimeSeries{labelled("__name__", "up", "a", long)}, "label value too long (actual: 21, limit: 20) label: 'a'"},
		"long together, and more": {[]prompb.TimeSeries{labelled("__name__", "up", "a1234567890", "12345678901234567890", "b", "12345678901234567890"), labelled("__name__", long)}, "(and 1 more)"},
	} {
		a, b := newFront(l)
		mixed := append(append([]prompb.TimeSeries{good[0]}, x.bad...), good[1])
		got := send(t, a, &prompb.WriteRequest{Timeseries: mixed, Metadata: []prompb.MetricMetadata{{MetricFamilyName: "up"}}})
		status := http.StatusOK
		if x.says != "" {
			status = http.StatusBadRequest
		}
		if got.Status != status || !strings.Contains(string(got.Body), x.says) {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
		if len(b.asked()) != 1 {
			t.Fatalf("%s: %d requests went on", name, len(b.asked()))
		}
		body, err := s2.Decode(nil, b.asked()[0].Body)
		var m prompb.WriteRequest
		if err != nil || m.Unmarshal(body) != nil || len(m.Timeseries) != 2 || len(m.Metadata) != 1 || m.Timeseries[1].Labels[1].Value != "b" {
			t.Errorf("%s: what went on is %v, %v", name, m.Timeseries, err)
		}
	}
	a, b := newFront(l)
	if got := send(t, a, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{labelled("__name__", long)}}); got.Status != http.StatusBadRequest {
		t.Errorf("nothing is left: %d", got.Status)
	}
	if got := send(t, a, bytes.Repeat([]byte{1}, 5000)); got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", got.Status)
	}
	for name, body := range map[string][]byte{"no protobuf": []byte("hello"), "a cut one": {1<<3 | 2, 200}} {
		if got := send(t, a, body); got.Status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, got.Status)
		}
	}
	if got := serveOne(t, a, &Request{Method: "POST", Path: "remote_write", Header: http.Header{"Content-Type": {"text/plain"}}}); got.Status != http.StatusUnsupportedMediaType {
		t.Errorf("another type: %d", got.Status)
	}
	if n := len(b.asked()); n != 0 {
		t.Errorf("%d requests went on", n)
	}
}

func TestForwardWritesOfVersion2(t *testing.T) {
	a, b := newFront(Limits{LabelValueLength: 5})
	m := &writev2.Request{Symbols: []string{"", "__name__", "up", "job", "toolong"}, Timeseries: []writev2.TimeSeries{
		{LabelsRefs: []uint32{1, 2, 3, 4}, Samples: []writev2.Sample{{Value: 1, Timestamp: 1}}},
		{LabelsRefs: []uint32{1, 2, 3, 2}, Samples: []writev2.Sample{{Value: 2, Timestamp: 1}}},
	}}
	got := send(t, a, m)
	if got.Status != http.StatusBadRequest || got.Header.Get("X-Prometheus-Remote-Write-Samples-Written") != "1" {
		t.Errorf("%d %v %s", got.Status, got.Header, got.Body)
	}
	body, err := s2.Decode(nil, b.asked()[0].Body)
	var on writev2.Request
	if err != nil || on.Unmarshal(body) != nil || len(on.Timeseries) != 1 || on.Timeseries[0].Samples[0].Value != 2 || len(on.Symbols) != 5 {
		t.Errorf("what went on is %v, %v", on.Timeseries, err)
	}
	m.Timeseries[0].LabelsRefs[1] = 99
	if got := send(t, a, m); got.Status != http.StatusBadRequest || len(b.asked()) != 1 {
		t.Errorf("a symbol that is not there: %d", got.Status)
	}
}

// TestForwardRates makes sure that what comes too often does not go on, and that what was not taken does not count.
func TestForwardRates(t *testing.T) {
	a, b := newFront(Limits{IngestionRate: 1e-9, IngestionBurst: 3})
	two := &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{labelled("__name__", "a"), labelled("__name__", "b")}}
	b.answer = failure(http.StatusServiceUnavailable, "unavailable", "away")
	for range 3 {
		if got := send(t, a, two); got.Status != http.StatusServiceUnavailable {
			t.Errorf("while it is away: %d", got.Status)
		}
	}
	b.answer = nil
	for _, want := range []int{http.StatusOK, http.StatusTooManyRequests} {
		if got := send(t, a, two); got.Status != want || want == http.StatusTooManyRequests && got.Header.Get("Retry-After") == "" {
			t.Errorf("got %d, want %d", got.Status, want)
		}
	}
	a, b = newFront(Limits{QueryRate: 1e-9, WriteRate: 1e-9})
	for _, want := range []int{http.StatusOK, http.StatusTooManyRequests} {
		if got := get(t, a, "query", "query", "up"); got.Status != want {
			t.Errorf("query: got %d, want %d", got.Status, want)
		}
		if got := send(t, a, two); got.Status != want {
			t.Errorf("write: got %d, want %d", got.Status, want)
		}
	}
	if n := len(b.asked()); n != 2 {
		t.Errorf("%d requests went on, want 2", n)
	}
}

func TestForwardReads(t *testing.T) {
	a, b := newFront(Limits{})
	for path, want := range map[string]int{
		"query": 200, "label/job/values": 200, "rules": 200, "alerts": 200, "read": 200, "metadata": 200,
		"admin/tsdb/snapshot": 404, "": 404,
	} {
		before := len(b.asked())
		got := serveOne(t, a, &Request{Method: "GET", Path: path, RawQuery: "query=up"})
		if got.Status != want || (len(b.asked()) > before) != (want == 200) {
			t.Errorf("%s: %d, %d went on", path, got.Status, len(b.asked())-before)
		}
	}
	before := len(b.asked())
	if got := get(t, a, "status/buildinfo"); got.Status != 200 || !strings.Contains(string(got.Body), Version) {
		t.Errorf("status/buildinfo: %d %s", got.Status, got.Body)
	}
	if got := get(t, a, "format_query", "query", "a+b"); got.Status != 200 || !strings.Contains(string(got.Body), "a + b") {
		t.Errorf("format_query: %d %s", got.Status, got.Body)
	}
	for _, query := range []string{strings.Repeat("1+", 2000) + "1", strings.Repeat("x", maxQuery+1)} {
		if got := get(t, a, "query", "query", query); got.Status != http.StatusBadRequest {
			t.Errorf("an expression of %d bytes: %d", len(query), got.Status)
		}
	}
	if n := len(b.asked()) - before; n != 0 {
		t.Errorf("%d requests went on", n)
	}
	b.err = errors.New("broken")
	if _, err := a.Serve(t.Context(), &Request{Method: "GET", Path: "query", RawQuery: "query=up"}); !errors.Is(err, b.err) {
		t.Errorf("got %v", err)
	}
	slow := New(Options{Limits: Limits{QueryTime: 10 * time.Millisecond}, Forward: func(ctx context.Context, _ *Request) (*Answer, error) {
		<-ctx.Done()
		return failure(http.StatusServiceUnavailable, "unavailable", "away"), nil
	}})
	if got := get(t, slow, "query", "query", "up"); got.Status != http.StatusServiceUnavailable || !strings.Contains(string(got.Body), `"timeout"`) {
		t.Errorf("a query that takes too long: %d %s", got.Status, got.Body)
	}
}

func TestForwardOTLP(t *testing.T) {
	a, b := newFront(Limits{RequestSize: 100})
	send := func(kind string, body []byte) *Answer {
		return serveOne(t, a, &Request{Method: "POST", Path: "otlp/v1/metrics", Header: http.Header{"Content-Type": {kind}}, Body: body})
	}
	if got := send("application/json", []byte("{}")); got.Status != 200 || len(b.asked()) != 1 || string(b.asked()[0].Body) != "{}" {
		t.Errorf("%d, %d went on", got.Status, len(b.asked()))
	}
	if got := send("text/plain", nil); got.Status != http.StatusUnsupportedMediaType {
		t.Errorf("another type: %d", got.Status)
	}
	if got := send("application/json", make([]byte, 101)); got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", got.Status)
	}
	if len(b.asked()) != 1 {
		t.Errorf("%d went on", len(b.asked()))
	}
}

// FuzzScreen makes sure that what goes on is a message whenever what came is one, and holds no more.
func FuzzScreen(f *testing.F) {
	for _, m := range []*prompb.WriteRequest{{}, {Timeseries: []prompb.TimeSeries{labelled("__name__", "up", "job", "longer than allowed"), labelled("__name__", "up")}}} {
		body, err := m.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, false)
	}
	f.Add([]byte{4<<3 | 2, 1, 'a', 5<<3 | 2, 4, 1<<3 | 2, 2, 0, 0}, true)
	l := &Limits{LabelsPerSeries: 3, LabelNameLength: 10, LabelValueLength: 10, LabelSize: 30}
	f.Fuzz(func(t *testing.T, body []byte, second bool) {
		s, err := screen(body, second, l)
		if err != nil {
			return
		}
		if len(s.kept) > len(body) || s.dropped == 0 && !bytes.Equal(s.kept, body) {
			t.Fatalf("%d bytes became %d, %d series were dropped", len(body), len(s.kept), s.dropped)
		}
		again, err := screen(s.kept, second, l)
		if err != nil || again.dropped != 0 || again.samples != s.samples {
			t.Fatalf("what is kept of %x: %+v, %v", body, again, err)
		}
	})
}
