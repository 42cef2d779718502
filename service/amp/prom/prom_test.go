package prom

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/prompb"
)

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
