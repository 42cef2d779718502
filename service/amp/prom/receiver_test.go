package prom

import (
	"iter"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/value"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// builder builds requests of version 2.
type builder struct {
	table writev2.SymbolsTable
	m     writev2.Request
}

func newBuilder() *builder { return &builder{table: writev2.NewSymbolTable()} }

func (b *builder) refs(pairs []string) (list []uint32) {
	for _, p := range pairs {
		list = append(list, b.table.Symbolize(p))
	}
	return list
}

// add adds a series and returns it. The pointer is good until the next one.
func (b *builder) add(pairs ...string) *writev2.TimeSeries {
	b.m.Timeseries = append(b.m.Timeseries, writev2.TimeSeries{LabelsRefs: b.refs(pairs)})
	return &b.m.Timeseries[len(b.m.Timeseries)-1]
}

func (b *builder) done() *writev2.Request {
	b.m.Symbols = b.table.Symbols()
	return &b.m
}

// buckets returns a histogram with exponential buckets, or with those of custom bounds.
func buckets(at int64, custom bool) writev2.Histogram {
	h := writev2.Histogram{
		Timestamp: at, Sum: 9, Count: &writev2.Histogram_CountInt{CountInt: 8}, ZeroCount: &writev2.Histogram_ZeroCountInt{ZeroCountInt: 2},
		PositiveSpans: []writev2.BucketSpan{{Length: 1}, {Offset: 3, Length: 1}}, PositiveDeltas: []int64{2, 1},
		NegativeSpans: []writev2.BucketSpan{{Offset: -1, Length: 1}}, NegativeDeltas: []int64{1},
	}
	if custom {
		h = writev2.Histogram{
			Timestamp: at, Sum: 9, Count: &writev2.Histogram_CountInt{CountInt: 6}, Schema: -53, CustomValues: []float64{0.5, 2},
			PositiveSpans: []writev2.BucketSpan{{Length: 3}}, PositiveDeltas: []int64{1, 1, 1},
		}
	}
	return h
}

// requestsOf returns the requests by name.
func requestsOf(list []receiverCase) iter.Seq2[string, *writev2.Request] {
	return func(yield func(string, *writev2.Request) bool) {
		for _, c := range list {
			b := newBuilder()
			c.build(b)
			if !yield(c.name, b.done()) {
				return
			}
		}
	}
}

type receiverCase struct {
	name  string
	build func(b *builder)
}

// cases are requests that a receiver of version 2 has to take, and such as it may not take whole: their names begin with "no".
func cases(at int64) []receiverCase {
	sample := func(v float64) []writev2.Sample { return []writev2.Sample{{Value: v, Timestamp: at}} }
	return slices.Concat([]receiverCase{
		{"numbers that are none", func(b *builder) {
			for i, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Float64frombits(value.StaleNaN), math.Copysign(0, -1), math.MaxFloat64} {
				b.add("__name__", "odd", "n", string(rune('a'+i))).Samples = sample(v)
			}
		}},
		{"names in UTF-8", func(b *builder) {
			b.add("__name__", "disk used.ratio", "mount point", "/a b\n", "ß", "🔒").Samples = sample(1)
		}},
		{"a start", func(b *builder) {
			b.add("__name__", "started_total").Samples = []writev2.Sample{{Value: 1, Timestamp: at, StartTimestamp: at - 7_200_000}}
		}},
		{"histograms", func(b *builder) {
			b.add("__name__", "exponential").Histograms = []writev2.Histogram{buckets(at, false)}
			b.add("__name__", "custom").Histograms = []writev2.Histogram{buckets(at, true)}
			b.add("__name__", "empty").Histograms = []writev2.Histogram{{Timestamp: at, Count: &writev2.Histogram_CountInt{}}}
		}},
		{"metadata of every type", func(b *builder) {
			for i := range kindsOfMetric {
				ts := b.add("__name__", "described", "n", string(rune('a'+i)))
				ts.Samples = sample(1)
				ts.Metadata = writev2.Metadata{Type: writev2.Metadata_MetricType(i), HelpRef: b.table.Symbolize("helps \"much\"\n"), UnitRef: b.table.Symbolize("s")}
			}
		}},
		{"exemplars", func(b *builder) {
			ts := b.add("__name__", "with_exemplars")
			ts.Samples = sample(1)
			ts.Exemplars = []writev2.Exemplar{
				{LabelsRefs: b.refs([]string{"trace_id", "t1"}), Value: 2, Timestamp: at - 30_000},
				{Value: 3, Timestamp: at},
			}
			hs := b.add("__name__", "histogram_with_exemplar")
			hs.Histograms = []writev2.Histogram{buckets(at, false)}
			hs.Exemplars = []writev2.Exemplar{{LabelsRefs: b.refs([]string{"user", "测试"}), Value: math.NaN(), Timestamp: at}}
		}},
		{"nothing at all", func(*builder) {}},
	}, refusedCases(at, sample))
}

func refusedCases(at int64, sample func(float64) []writev2.Sample) []receiverCase {
	return []receiverCase{
		{"no name", func(b *builder) { b.add("job", "a").Samples = sample(1) }},
		{"no labels", func(b *builder) { b.add().Samples = sample(1) }},
		{"no name, of one of three", func(b *builder) {
			b.add("__name__", "good", "n", "1").Samples = sample(1)
			b.add("n", "2").Samples = sample(1)
			b.add("__name__", "good", "n", "3").Samples = sample(1)
		}},
		{"no data but metadata", func(b *builder) {
			b.add("__name__", "orphan").Metadata = writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER}
		}},
		{"no data but an exemplar", func(b *builder) {
			b.add("__name__", "orphan").Exemplars = []writev2.Exemplar{{Value: 1, Timestamp: at}}
		}},
		{"no sum of buckets", func(b *builder) {
			h := buckets(at, false)
			h.Count = &writev2.Histogram_CountInt{CountInt: 99}
			b.add("__name__", "exponential").Histograms = []writev2.Histogram{h}
		}},
		{"no symbol of that number", func(b *builder) {
			b.add("__name__", "good", "n", "4").Samples = sample(1)
			ts := b.add("__name__", "bad")
			ts.Samples = sample(1)
			ts.LabelsRefs = append(ts.LabelsRefs, 1000, 1001)
		}},
		{"no order", func(b *builder) {
			b.add("__name__", "late", "n", "1").Samples = []writev2.Sample{{Value: 1, Timestamp: at}, {Value: 2, Timestamp: at - 120_000}, {Value: 3, Timestamp: at + 1}}
		}},
	}
}
