package prom

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

const ofVersion2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"

// two returns a series of version 2 with one sample, and what it refers to.
func two(at int64, pairs ...string) *writev2.Request {
	m := &writev2.Request{Symbols: append([]string{""}, pairs...)}
	ts := writev2.TimeSeries{Samples: []writev2.Sample{{Timestamp: at, Value: 1}}}
	for i := range pairs {
		ts.LabelsRefs = append(ts.LabelsRefs, uint32(i+1))
	}
	m.Timeseries = append(m.Timeseries, ts)
	return m
}

func encode(t testing.TB, m interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	body, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return s2.EncodeSnappy(nil, body)
}

// TestNegotiation says in each way that RFC 9110 has which message is sent, and how it is encoded.
func TestNegotiation(t *testing.T) {
	at := start()
	first, second := encode(t, v1(one(at, 1, "__name__", "x"))), encode(t, two(at, "__name__", "x"))
	huge := append([]byte{0xff, 0xff, 0xff, 0xff, 0x0f}, second...)
	for _, tc := range []struct {
		kind, encoding string
		body           []byte
		want           int
	}{
		{ofVersion2, "snappy", second, 204},
		{ofVersion2, "", second, 204},
		{"application/x-protobuf; proto=io.prometheus.write.v2.Request", "snappy", second, 204},
		{`Application/X-Protobuf;charset=utf-8;Proto="io.prometheus.write.v2.Request"`, "Snappy", second, 204},
		{"application/x-protobuf", "snappy", first, 204},
		{"", "", first, 204},
		{"application/x-protobuf; proto=prometheus.WriteRequest", "SNAPPY", first, 204},
		{"application/x-protobuf;proto=io.prometheus.write.v3.Request", "snappy", second, 415},
		{"application/x-protobuf; proto=IO.Prometheus.write.v2.Request", "snappy", second, 415},
		{"application/x-protobuf;proto", "snappy", second, 415},
		{"application/x-protobuf;proto=", "snappy", second, 415},
		{"application/protobuf;proto=io.prometheus.write.v2.Request", "snappy", second, 415},
		{"text/plain", "snappy", first, 415},
		{ofVersion2, "gzip", huge, 415},
		{ofVersion2, "zstd", huge, 415},
		{ofVersion2, "deflate", second, 415},
		{ofVersion2, "identity", second, 415},
		{ofVersion2, "snappy, gzip", second, 415},
		{"image/png", "br", huge, 415},
	} {
		r := &Request{Method: "POST", Path: "remote_write", Header: http.Header{"Content-Type": {tc.kind}, "Content-Encoding": {tc.encoding}}, Body: tc.body}
		a := newAPI(t, Limits{})
		got := serveOne(t, a, r)
		if got.Status != tc.want {
			t.Errorf("%q %q: got %d %s, want %d", tc.kind, tc.encoding, got.Status, got.Body, tc.want)
		}
		written := ""
		if tc.want == 204 && strings.Contains(tc.kind, "v2") {
			written = "1"
		}
		if n := got.Header.Get(samplesWritten); n != written {
			t.Errorf("%q %q: got %q samples written, want %q", tc.kind, tc.encoding, n, written)
		}
		if kept := strings.Contains(data(t, a, "series", "match[]", "x"), "x"); kept != (tc.want == 204) {
			t.Errorf("%q %q: the series is kept: %t", tc.kind, tc.encoding, kept)
		}
		if r.Header.Get("Content-Type") != tc.kind || r.Header.Get("Content-Encoding") != tc.encoding {
			t.Errorf("%q %q: the request has other headers now", tc.kind, tc.encoding)
		}
		front, beyond := newFront(Limits{})
		if got := serveOne(t, front, r); got.Status/100 != tc.want/100 || len(beyond.asked()) == 1 != (tc.want == 204) {
			t.Errorf("%q %q, to another system: got %d, %d requests went on", tc.kind, tc.encoding, got.Status, len(beyond.asked()))
		}
	}
}

// FuzzNegotiation says anything of a message: it is of one version or the other, in upstream's spelling, or refused.
func FuzzNegotiation(f *testing.F) {
	for _, kind := range []string{"", "application/x-protobuf", ofVersion2, "application/x-protobuf; proto=\"prometheus.WriteRequest\"", "a/b; proto*=utf-8''x", ";", "application/x-protobuf;proto=;proto="} {
		f.Add(kind, "snappy")
	}
	f.Add(ofVersion2, "gzip")
	f.Fuzz(func(t *testing.T, kind, encoding string) {
		r := &Request{Header: http.Header{contentType: {kind}, contentEncoding: {encoding}}}
		got, version, refused := negotiate(r)
		if refused != nil {
			if refused.Status != http.StatusUnsupportedMediaType || len(refused.Body) > 1000 {
				t.Fatalf("got %d %s", refused.Status, refused.Body)
			}
			return
		}
		if again, err := remoteapi.ParseProtoMsg(got.Header.Get(contentType)); err != nil || again != version || !isSnappy(got.Header.Get(contentEncoding)) {
			t.Fatalf("%q, %q: got %q and %q for %s", kind, encoding, got.Header.Get(contentType), got.Header.Get(contentEncoding), version)
		}
	})
}

func isSnappy(encoding string) bool { return encoding == "" || encoding == snappy }

// TestEveryAnswerCounts refuses requests of both versions before anything is written: version 2 says so in its headers.
func TestEveryAnswerCounts(t *testing.T) {
	at := start()
	for name, tc := range map[string]struct {
		limits Limits
		body   []byte
		want   int
	}{
		"no snappy":   {Limits{}, []byte("\x05hello"), 400},
		"no protobuf": {Limits{}, s2.EncodeSnappy(nil, []byte("hello")), 400},
		"too large":   {Limits{RequestSize: 10}, s2.EncodeSnappy(nil, bytes.Repeat([]byte{1}, 20)), 413},
		"a bomb":      {Limits{}, s2.EncodeSnappy(nil, bytes.Repeat([]byte{42, 0}, 8<<20)), 400},
		"the rate":    {Limits{IngestionRate: 1e-9}, encode(t, two(at, "__name__", "x")), 429},
		"requests":    {Limits{WriteRate: 1e-9}, encode(t, two(at, "__name__", "x")), 429},
	} {
		a := newAPI(t, tc.limits)
		if name == "requests" {
			a.asked[writing].take(time.Now(), 1, 1e-9, 1) // the one that it may
		}
		for _, kind := range []string{ofVersion2, "application/x-protobuf"} {
			got := serveOne(t, a, &Request{Method: "POST", Path: "remote_write", Header: http.Header{"Content-Type": {kind}}, Body: tc.body})
			want := ""
			if kind == ofVersion2 {
				want = "0"
			}
			if kind == ofVersion2 && (got.Status != tc.want || len(bytes.TrimSpace(got.Body)) == 0) {
				t.Errorf("%s, %s: got %d %s, want %d", name, kind, got.Status, got.Body, tc.want)
			}
			for _, h := range []string{samplesWritten, histogramsWritten, exemplarsWritten} {
				if n := got.Header.Get(h); n != want {
					t.Errorf("%s, %s: %s is %q, want %q", name, kind, h, n, want)
				}
			}
		}
	}
}

// TestFailuresCount lets the store fail: nobody but the caller of the API answers then, and what it has to say is here.
func TestFailuresCount(t *testing.T) {
	a := newAPI(t, Limits{})
	if err := a.db.Close(); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]string{ofVersion2: "0", "application/x-protobuf": "", "": "", "a/b": ""} {
		r := &Request{Method: "POST", Path: "remote_write", Header: http.Header{"Content-Type": {kind}, "Content-Encoding": {snappy}}, Body: encode(t, two(start(), "__name__", "x"))}
		if kind == ofVersion2 {
			if got, err := a.Serve(t.Context(), r); err == nil {
				t.Errorf("a store that is closed: got %d %s", got.Status, got.Body)
			}
		}
		said := NothingWritten(r.Header)
		for _, h := range []string{samplesWritten, histogramsWritten, exemplarsWritten} {
			if n := said.Get(h); n != want {
				t.Errorf("%q: %s is %q, want %q", kind, h, n, want)
			}
		}
	}
}

// TestExemplarsThatAreNotTaken sends some that cannot be kept. The sender of version 2 is told, as of samples.
func TestExemplarsThatAreNotTaken(t *testing.T) {
	at := start()
	long, ahead := strings.Repeat("l", 200), time.Now().Add(time.Hour).UnixMilli()
	for name, tc := range map[string]struct {
		label string
		at    int64
		want  int
		kept  string
	}{
		"good":              {"abc", at, 204, "1"},
		"no label at all":   {"", at, 204, "1"},
		"long labels":       {long, at, 400, "0"},
		"far in the future": {"abc", ahead, 400, "0"},
	} {
		w := newTwins(t, Limits{})
		m := two(at, "__name__", "x", "trace_id", tc.label)
		m.Timeseries[0].LabelsRefs = m.Timeseries[0].LabelsRefs[:2]
		m.Timeseries[0].Exemplars = []writev2.Exemplar{{LabelsRefs: []uint32{3, 4}, Value: 1, Timestamp: tc.at}}
		body, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got := w.send(t, 1, body)
		if got.Status != tc.want || got.Header.Get(exemplarsWritten) != tc.kept || got.Header.Get(samplesWritten) != "1" {
			t.Errorf("%s: got %d %v %s, want %d and %s exemplars", name, got.Status, got.Header, got.Body, tc.want, tc.kept)
		}
	}
}

// TestRefusalsAreShort sends many samples that are refused: the answer says how many, and not each of them.
func TestRefusalsAreShort(t *testing.T) {
	at := start()
	m := two(at, "__name__", "x")
	m.Timeseries[0].Samples = nil
	for range 5000 {
		m.Timeseries = append(m.Timeseries, writev2.TimeSeries{LabelsRefs: []uint32{1, 2}, Samples: []writev2.Sample{{Timestamp: time.Now().Add(time.Hour).UnixMilli()}}})
	}
	m.Timeseries = m.Timeseries[1:]
	got := send(t, newAPI(t, Limits{}), m)
	if got.Status != 400 || len(got.Body) > maxRefusal+100 || !strings.Contains(string(got.Body), "too far in the future") || !strings.HasSuffix(string(got.Body), " more\n") {
		t.Errorf("got %d, %d bytes: %.200s", got.Status, len(got.Body), got.Body)
	}
}
