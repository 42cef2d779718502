package cluster

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"
)

// maxSeries is how many series one write of the house has at most.
const maxSeries = 2000

// writeHeader says what a write of the house is.
var writeHeader = http.Header{
	"Content-Type": {"application/x-protobuf"}, "Content-Encoding": {"snappy"}, "X-Prometheus-Remote-Write-Version": {"0.1.0"},
}

// appender collects what is appended until it is committed.
type appender struct {
	store  *Store
	ctx    context.Context
	series []prompb.TimeSeries
	about  map[string]prompb.MetricMetadata // by the metric's name
}

var _ storage.AppenderV2 = (*appender)(nil)

// AppenderV2 returns an appender whose Commit is a remote write, or several. When the error of Commit is a *Refused the cluster has kept what
// was good; after others it may have kept some.
func (s *Store) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &appender{store: s, ctx: ctx, about: map[string]prompb.MetricMetadata{}}
}

// Append takes a sample. It refuses nothing: the cluster judges. The reference is one that no other series has.
func (a *appender) Append(_ storage.SeriesRef, ls labels.Labels, _, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AppendV2Options) (storage.SeriesRef, error) {
	one := prompb.TimeSeries{Labels: prompb.FromLabels(ls, nil)}
	switch {
	case fh != nil:
		one.Histograms = []prompb.Histogram{prompb.FromFloatHistogram(t, fh.Copy())}
	case h != nil:
		one.Histograms = []prompb.Histogram{prompb.FromIntHistogram(t, h.Copy())}
	default:
		one.Samples = []prompb.Sample{{Timestamp: t, Value: v}}
	}
	for _, e := range opts.Exemplars {
		one.Exemplars = append(one.Exemplars, prompb.Exemplar{Labels: prompb.FromLabels(e.Labels, nil), Value: e.Value, Timestamp: e.Ts})
	}
	a.series = append(a.series, one)
	a.describe(&opts)
	return storage.SeriesRef(max(ls.Hash(), 1)), nil
}

// describe keeps what is said of a metric.
func (a *appender) describe(opts *storage.AppendV2Options) {
	name, m := opts.MetricFamilyName, opts.Metadata
	if m.IsEmpty() || name == "" || !utf8.ValidString(name) { // what scrapes tell of themselves has a name that is none
		return
	}
	if _, ok := a.about[name]; ok {
		return
	}
	name = strings.Clone(name)
	a.about[name] = prompb.MetricMetadata{Type: prompb.FromMetadataType(m.Type), MetricFamilyName: name, Help: m.Help, Unit: m.Unit}
}

// Commit sends what was appended.
func (a *appender) Commit() error {
	about := make([]prompb.MetricMetadata, 0, len(a.about))
	for _, name := range slices.Sorted(maps.Keys(a.about)) {
		about = append(about, a.about[name])
	}
	for some := range slices.Chunk(a.series, maxSeries) {
		body, err := (&prompb.WriteRequest{Timeseries: some, Metadata: about}).Marshal()
		if err != nil {
			return err
		}
		about = nil
		r := request{method: http.MethodPost, path: pushPath, header: writeHeader, body: s2.EncodeSnappy(nil, body)}
		if _, err := a.store.send(a.ctx, a.store.cluster.timeout, r); err != nil {
			return err
		}
	}
	return nil
}

// Rollback drops what was appended.
func (a *appender) Rollback() error {
	a.series = nil
	return nil
}
