package prom

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestCosts makes sure that who wants to know what queries cost another system is told, and that clients get what they have asked for.
func TestCosts(t *testing.T) {
	const plain = `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"\"stats\":{}"},"value":[1,"1"]}]}}`
	const stats = `"stats":{"timings":{"x":1},"samples":{"totalQueryableSamples":7,"peakSamples":3}}`
	counted := strings.TrimSuffix(plain, "}}") + "," + stats + "}}"
	header := http.Header{"User-Agent": {"grafana"}}
	for name, x := range map[string]struct {
		path, query string
		unwanted    bool
		answer      string
		status      int
		wantURL     string
		wantBody    string
		want        *Query
	}{
		"a time":            {"query", "query=up&time=1700000000.25", false, counted, 200, "query=up&time=1700000000.25&stats=true", plain, &Query{Text: "up", Start: time.UnixMilli(1_700_000_000_250), End: time.UnixMilli(1_700_000_000_250), Samples: 7}},
		"a range":           {"query_range", "query=up&start=100&end=1970-01-01T00:05:00Z&step=1m", false, counted, 200, "query=up&start=100&end=1970-01-01T00:05:00Z&step=1m&stats=true", plain, &Query{Text: "up", Start: time.Unix(100, 0), End: time.Unix(300, 0), Step: time.Minute, Samples: 7}},
		"a client that is":  {"query", "query=up&time=1&stats=all", false, counted, 200, "query=up&time=1&stats=all", counted, &Query{Text: "up", Start: time.Unix(1, 0), End: time.Unix(1, 0), Samples: 7}},
		"a system that not": {"query", "query=up&time=1", false, plain, 200, "query=up&time=1&stats=true", plain, &Query{Text: "up", Start: time.Unix(1, 0), End: time.Unix(1, 0), Samples: UnknownSamples}},
		"stats at first":    {"query", "query=up&time=1", false, `{"data":{` + stats + `,"result":[]}}`, 200, "query=up&time=1&stats=true", `{"data":{"result":[]}}`, &Query{Text: "up", Start: time.Unix(1, 0), End: time.Unix(1, 0), Samples: 7}},
		"stats alone":       {"query", "query=up&time=1", false, `{"data":{` + stats + `}}`, 200, "query=up&time=1&stats=true", `{"data":{}}`, &Query{Text: "up", Start: time.Unix(1, 0), End: time.Unix(1, 0), Samples: 7}},
		"no JSON":           {"query", "query=up&time=1", false, "\x00", 200, "query=up&time=1&stats=true", "\x00", &Query{Text: "up", Start: time.Unix(1, 0), End: time.Unix(1, 0), Samples: UnknownSamples}},
		"a refusal":         {"query", "query=up&time=1", false, "no", 422, "query=up&time=1&stats=true", "no", nil},
		"nobody wants it":   {"query", "query=up&time=1", true, counted, 200, "query=up&time=1", counted, nil},
		"no query":          {"series", "match[]=up", false, counted, 200, "match[]=up", counted, nil},
	} {
		b := &beyond{answer: &Answer{Status: x.status, Header: http.Header{}, Body: []byte(x.answer)}}
		var told []Query
		a := New(Options{Forward: b.forward, Queried: func(q Query) { told = append(told, q) }, Wanted: func() bool { return !x.unwanted }})
		got := serveOne(t, a, &Request{Method: "GET", Path: x.path, RawQuery: x.query, Header: header})
		if got.Status != x.status || string(got.Body) != x.wantBody || b.asked()[0].RawQuery != x.wantURL {
			t.Errorf("%s: %d %s; asked %s", name, got.Status, got.Body, b.asked()[0].RawQuery)
		}
		if x.want == nil {
			if len(told) != 0 {
				t.Errorf("%s: told of %+v", name, told)
			}
			continue
		}
		if len(told) != 1 || told[0].Text != x.want.Text || !told[0].Start.Equal(x.want.Start) || !told[0].End.Equal(x.want.End) || told[0].Step != x.want.Step || told[0].Samples != x.want.Samples || told[0].Header.Get("User-Agent") != "grafana" {
			t.Errorf("%s: told of %+v", name, told)
		}
	}
}

// FuzzCosts makes sure that whatever another system answers, what goes on to a client is JSON where that was.
func FuzzCosts(f *testing.F) {
	for _, s := range []string{`{"data":{"stats":{"samples":{"totalQueryableSamples":7}},"result":[]}}`, `{"data":{"result":["\"stats\":{}"],"stats":{}}}`, `{"data":{"stats":1},"x":{"stats":12}}`, `{"data":{"stats":{},"stats":{}}}`, `{"DATA":{"Stats" : {}}}`, "["} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		out, told := &Answer{Status: http.StatusOK, Body: bytes.Clone(body)}, 0
		new(costs).tell(func(q Query) {
			told++
			if q.Samples < UnknownSamples {
				t.Errorf("%d samples", q.Samples)
			}
		}, out)
		if told != 1 || json.Valid(body) != json.Valid(out.Body) {
			t.Errorf("%q became %q, told %d times", body, out.Body, told)
		}
	})
}

func FuzzTimes(f *testing.F) {
	for _, s := range []string{"1", "1e300", "-1e300", "NaN", "2026-11-29T12:00:00Z", "5m", "Inf", "9223372036.9", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := stepOf(s); d < 0 {
			t.Errorf("%q is a step of %s", s, d)
		}
		timeOf(s)
	})
}

// TestThen makes sure that what is made of an answer stands under the bounds of the query, and is made of good answers only.
func TestThen(t *testing.T) {
	local := newAPI(t, Limits{ConcurrentQueries: 1, QueryTime: time.Minute})
	front, b := newFront(Limits{ConcurrentQueries: 1, QueryTime: time.Minute})
	b.answer = &Answer{Status: http.StatusOK, Body: []byte(`{"status":"success","data":{"resultType":"matrix","result":[]}}`)}
	for name, a := range map[string]*API{"here": local, "elsewhere": front} {
		made := func(query string, then func(context.Context, *Answer) (*Answer, error)) (*Answer, error) {
			v := url.Values{"query": {query}, "start": {"0"}, "end": {"10"}, "step": {"1"}}
			return a.Serve(t.Context(), &Request{Method: "GET", Path: "query_range", RawQuery: v.Encode(), Then: then})
		}
		got, err := made("vector(1)", func(ctx context.Context, in *Answer) (*Answer, error) {
			if _, ok := ctx.Deadline(); !ok || !strings.Contains(string(in.Body), "matrix") {
				t.Errorf("%s: made of %s", name, in.Body)
			}
			a.queries.mu.Lock()
			defer a.queries.mu.Unlock()
			if a.queries.running != 1 {
				t.Errorf("%s: %d queries run meanwhile", name, a.queries.running)
			}
			return &Answer{Status: http.StatusTeapot}, nil
		})
		if err != nil || got.Status != http.StatusTeapot {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
		broken := errors.New("broken")
		if _, err := made("vector(1)", func(context.Context, *Answer) (*Answer, error) { return nil, broken }); !errors.Is(err, broken) {
			t.Errorf("%s: got %v", name, err)
		}
		l := Limits{QueryTime: 200 * time.Millisecond}
		a.SetLimits(l)
		got, err = made("vector(1)", func(ctx context.Context, _ *Answer) (*Answer, error) { <-ctx.Done(); return nil, ctx.Err() })
		if err != nil || got.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: too long: got %v, %v", name, got, err)
		}
	}
	got, err := local.Serve(t.Context(), &Request{Method: "GET", Path: "query_range", RawQuery: "query=(", Then: func(context.Context, *Answer) (*Answer, error) { panic("of a refusal") }})
	if err != nil || got.Status != http.StatusBadRequest {
		t.Errorf("a refusal: got %v, %v", got, err)
	}
}
