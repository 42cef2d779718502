package prom

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/strongroom/strongroom/service/amp/series"
)

// twins are two workspaces that are sent the same: one decodes by itself, the other leaves all to upstream.
type twins struct{ own, upstream *API }

func newTwins(t testing.TB, l Limits, change ...func(*series.Options)) twins {
	w := twins{newAPI(t, l, change...), newAPI(t, l, change...)}
	w.upstream.decode = func(*decoder, []byte, *write) bool { return false }
	return w
}

var kindsOfWrite = []string{"application/x-protobuf", "application/x-protobuf;proto=io.prometheus.write.v2.Request"}

// send sends a body to both, and checks that they answer and hold the same.
func (w twins) send(t *testing.T, version int, body []byte) *Answer {
	t.Helper()
	r := &Request{Method: "POST", Path: "remote_write", Header: http.Header{"Content-Type": {kindsOfWrite[version]}}, Body: s2.EncodeSnappy(nil, body)}
	got, want := serveOne(t, w.own, r), serveOne(t, w.upstream, r)
	if got.Status != want.Status || string(got.Body) != string(want.Body) || !reflect.DeepEqual(got.Header, want.Header) {
		t.Fatalf("version %d, %x:\n got %d %v %q\nwant %d %v %q", version+1, body, got.Status, got.Header, got.Body, want.Status, want.Header, want.Body)
	}
	if got, want := w.own.all(t), w.upstream.all(t); !slices.Equal(got, want) {
		t.Fatalf("version %d, %x:\n got %s\nwant %s", version+1, body, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return got
}

// all returns what a workspace holds, as text.
func (a *API) all(t *testing.T) (list []string) {
	t.Helper()
	q, err := a.db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+"))
	for set.Next() {
		s := set.At()
		text := s.Labels().String()
		for it := s.Iterator(nil); ; {
			switch it.Next() {
			case chunkenc.ValNone:
				if it.Err() != nil {
					t.Fatal(it.Err())
				}
				list = append(list, text)
			case chunkenc.ValFloat:
				at, v := it.At()
				text += fmt.Sprintf(" %d:%x", at, math.Float64bits(v))
				continue
			case chunkenc.ValHistogram:
				at, h := it.AtHistogram(nil)
				text += fmt.Sprintf(" %d:%s", at, h)
				continue
			default:
				at, h := it.AtFloatHistogram(nil)
				text += fmt.Sprintf(" %d:%s", at, h)
				continue
			}
			break
		}
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	e, err := a.db.ExemplarQuerier(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := e.Select(math.MinInt64, math.MaxInt64, []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+")})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range found {
		list = append(list, fmt.Sprint(r.SeriesLabels, r.Exemplars))
	}
	known := fmt.Sprint(a.db.Metadata("")) // printed in the order of names
	return append(list, known)
}

// dice makes requests of which some of each are wrong.
type dice struct {
	*rand.Rand
	base int64
}

func (d dice) one(in int) bool { return d.IntN(in) == 0 }

func (d dice) time() int64 {
	switch d.IntN(40) {
	case 0:
		return -5
	case 1:
		return d.base + time.Hour.Milliseconds()
	case 2:
		return d.base - time.Hour.Milliseconds()*int64(d.IntN(3))
	case 3:
		return 0
	}
	return d.base + int64(d.IntN(4000))
}

func (d dice) value() float64 {
	return []float64{0, 1, -1.5, math.NaN(), math.Inf(1), math.Float64frombits(value.StaleNaN), d.Float64()}[d.IntN(7)]
}

func (d dice) labels() []prompb.Label {
	list := labelsOf("__name__", fmt.Sprint("m", d.IntN(6)), "host", fmt.Sprint(d.IntN(3)))
	switch d.IntN(25) {
	case 0:
		list[0].Value = ""
	case 1:
		list[1].Name = "__name__"
	case 2:
		list[1].Value = "\xff"
	case 3:
		list[1].Value = ""
	case 4:
		list[1].Name = ""
	case 5:
		list[1].Value = strings.Repeat("long", 30)
	case 6:
		list = append(list, labelsOf("a", "1", "b", "2", "c", "3", "d", "4")...)
	case 7:
		list = list[1:]
	case 8:
		list = nil
	}
	d.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
	return list
}

func (d dice) histogram() prompb.Histogram {
	h := prompb.Histogram{
		Count: &prompb.Histogram_CountInt{CountInt: 3}, Sum: 6, Schema: 0, ZeroThreshold: 1e-128, ZeroCount: &prompb.Histogram_ZeroCountInt{},
		PositiveSpans: []prompb.BucketSpan{{Offset: 0, Length: 2}}, PositiveDeltas: []int64{1, 1}, Timestamp: d.time(),
	}
	switch d.IntN(8) {
	case 0:
		h.PositiveDeltas = h.PositiveDeltas[:1]
	case 1:
		h.Schema = 20
	case 2:
		h.Schema = 100
	case 3:
		h.Count, h.ZeroCount, h.PositiveCounts, h.PositiveDeltas = &prompb.Histogram_CountFloat{CountFloat: 2}, &prompb.Histogram_ZeroCountFloat{}, []float64{1, 1}, nil
	case 4:
		h = prompb.Histogram{Sum: math.Float64frombits(value.StaleNaN), Timestamp: h.Timestamp}
	}
	return h
}

func (d dice) series() (ts prompb.TimeSeries) {
	ts.Labels = d.labels()
	for range d.IntN(3) {
		ts.Samples = append(ts.Samples, prompb.Sample{Value: d.value(), Timestamp: d.time()})
	}
	if d.one(5) {
		ts.Histograms = append(ts.Histograms, d.histogram())
	}
	for d.one(3) {
		ts.Exemplars = append(ts.Exemplars, prompb.Exemplar{Labels: labelsOf("trace", fmt.Sprint(d.IntN(9))), Value: d.value(), Timestamp: d.time()})
	}
	return ts
}

// first returns a request of version 1.
func (d dice) first() []byte {
	req := v1()
	for range d.IntN(6) {
		req.Timeseries = append(req.Timeseries, d.series())
	}
	if d.one(6) {
		req.Metadata = append(req.Metadata, prompb.MetricMetadata{Type: prompb.MetricMetadata_GAUGE, MetricFamilyName: fmt.Sprint("m", d.IntN(6)), Help: "helps", Unit: "s"})
	}
	body, _ := req.Marshal()
	return body
}

// second returns a request of version 2.
func (d dice) second() []byte {
	table := writev2.NewSymbolTable()
	req := new(writev2.Request)
	for range d.IntN(6) {
		from := d.series()
		var ts writev2.TimeSeries
		for _, l := range from.Labels {
			ts.LabelsRefs = append(ts.LabelsRefs, table.Symbolize(l.Name), table.Symbolize(l.Value))
		}
		for _, s := range from.Samples {
			ts.Samples = append(ts.Samples, writev2.Sample{Value: s.Value, Timestamp: s.Timestamp, StartTimestamp: int64(d.IntN(2)) * d.base})
		}
		for _, h := range from.Histograms {
			raw, _ := h.Marshal()
			var other writev2.Histogram
			_ = other.Unmarshal(raw) // the fields that both have, have the same numbers
			ts.Histograms = append(ts.Histograms, other)
		}
		for _, e := range from.Exemplars {
			ts.Exemplars = append(ts.Exemplars, writev2.Exemplar{LabelsRefs: []uint32{table.Symbolize(e.Labels[0].Name), table.Symbolize(e.Labels[0].Value)}, Value: e.Value, Timestamp: e.Timestamp})
		}
		ts.Metadata = writev2.Metadata{Type: writev2.Metadata_MetricType(d.IntN(9)), HelpRef: table.Symbolize([]string{"", "helps", "helps more"}[d.IntN(3)])}
		switch d.IntN(40) {
		case 0:
			ts.LabelsRefs = ts.LabelsRefs[:len(ts.LabelsRefs)/2]
		case 1:
			ts.Metadata.UnitRef = 1000
		case 2:
			ts.LabelsRefs = append(ts.LabelsRefs, 1000, 1001)
		}
		req.Timeseries = append(req.Timeseries, ts)
	}
	req.Symbols = table.Symbols()
	body, _ := req.Marshal()
	return body
}

// TestTwins sends both the same, right and wrong, known and new, and checks that they answer and keep the same.
func TestTwins(t *testing.T) {
	limits := Limits{LabelsPerSeries: 5, LabelValueLength: 100, MetadataLength: 8}
	w := newTwins(t, limits, func(o *series.Options) { o.MaxSeries = 14 })
	d := dice{rand.New(rand.NewPCG(1, 2)), start()}
	statuses := map[int]int{}
	for i := range 600 {
		d.base += int64(d.IntN(1000))
		version := d.IntN(2)
		body := d.first
		if version == 1 {
			body = d.second
		}
		statuses[w.send(t, version, body()).Status]++
		switch i {
		case 200:
			w.own.SetLimits(Limits{LabelsPerSeries: 2})
			w.upstream.SetLimits(Limits{LabelsPerSeries: 2})
		case 300:
			w.own.SetLimits(Limits{})
			w.upstream.SetLimits(Limits{})
		case 400:
			for _, a := range []*API{w.own, w.upstream} {
				if err := a.db.SetOutOfOrder(time.Hour); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if statuses[204] < 20 || statuses[400] < 20 || statuses[429] < 20 {
		t.Errorf("got %v, want some of each status", statuses)
	}
}

// TestKnown checks that a series that goes on is found without its labels being read, and that what is known of it is good
// when the head has forgotten it.
func TestKnown(t *testing.T) {
	a, at := newAPI(t, Limits{}), start()
	x, y := one(at, 1, "__name__", "x", "job", "a"), one(at, 2, "__name__", "y", "job", "a")
	send(t, a, v1(x, y))
	if n := len(a.known.entries); n != 2 {
		t.Fatalf("got %d series known, want 2", n)
	}
	req := &writev2.Request{Symbols: []string{"", "__name__", "y", "job", "a", "helps"}, Timeseries: []writev2.TimeSeries{{
		LabelsRefs: []uint32{1, 2, 3, 4}, Samples: []writev2.Sample{{Timestamp: at + 1000, Value: 3}}, Metadata: writev2.Metadata{HelpRef: 5},
	}}}
	if got := send(t, a, req); got.Status != 204 || len(a.known.entries) != 2 {
		t.Errorf("got %d %s, %d series known; want version 2 to be known too", got.Status, got.Body, len(a.known.entries))
	}
	old := a.known.entries[0].ref
	a.known.entries[0].ref, a.known.entries[1].ref = 1_000_000, 1_000_001 // as if the head had forgotten both
	x.Samples[0].Timestamp, y.Samples[0].Timestamp = at+2000, at+2000
	if got := send(t, a, v1(x, y)); got.Status != 204 {
		t.Fatalf("got %d %s", got.Status, got.Body)
	}
	if got := a.known.entries[0].ref; got != old {
		t.Errorf("got reference %d, want %d again", got, old)
	}
	for name, want := range map[string]string{"x": "2", "y": "3"} {
		got := data(t, a, "query", "query", "count_over_time("+name+"[1h])", "time", seconds(at+3000))
		if want := `"value":[` + seconds(at+3000) + `,"` + want + `"]`; !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s in it", name, got, want)
		}
	}
	if got := data(t, a, "metadata"); !strings.Contains(got, "helps") {
		t.Errorf("metadata: got %s", got)
	}
	a.SetLimits(Limits{LabelsPerSeries: 1})
	if got := send(t, a, v1(x)); got.Status != 400 || !strings.Contains(string(got.Body), "too many labels") {
		t.Errorf("other limits: got %d %s", got.Status, got.Body)
	}
}

// TestKnownIsBounded names one series in ever new ways.
func TestKnownIsBounded(t *testing.T) {
	a, at := newAPI(t, Limits{}), start()
	req := v1()
	for range 6 {
		req.Timeseries = append(req.Timeseries, one(at, 1, "__name__", "x", "job", "a"))
	}
	for i := range 600 {
		for k := range req.Timeseries {
			req.Timeseries[k].Labels = append(labelsOf("__name__", "x", "job", "a"), prompb.Label{Name: fmt.Sprint("empty", i, "-", k, strings.Repeat("-", 1000))})
		}
		if got := send(t, a, req); got.Status != 204 {
			t.Fatalf("got %d %s", got.Status, got.Body)
		}
		if most := nameRoom*(a.db.ActiveSeries()+1024) + 6*maxName; a.known.size > most {
			t.Fatalf("got %d bytes of names, want at most %d", a.known.size, most)
		}
	}
}

// FuzzTwins sends both anything.
func FuzzTwins(f *testing.F) {
	d := dice{rand.New(rand.NewPCG(3, 4)), start()}
	for range 12 {
		f.Add(uint8(0), d.first())
		f.Add(uint8(1), d.second())
	}
	f.Add(uint8(0), []byte{10, 14, 10, 5, 10, 1, 'a', 18, 0, 18, 5, 16, 1, 24, 1})
	f.Add(uint8(1), []byte{34, 0, 42, 2, 10, 0})
	w := newTwins(f, Limits{LabelsPerSeries: 5, LabelValueLength: 100}, func(o *series.Options) { o.MaxSeries = 50 })
	f.Fuzz(func(t *testing.T, version uint8, body []byte) {
		w.send(t, int(version%2), body)
		w.send(t, int(version%2), body) // known by now
	})
}
