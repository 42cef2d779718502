package amp

import (
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// refusing is an appender for a workspace that takes nothing now.
type refusing struct{ err error }

var _ storage.AppenderV2 = refusing{}

// Append refuses a sample.
func (r refusing) Append(storage.SeriesRef, labels.Labels, int64, int64, float64, *histogram.Histogram, *histogram.FloatHistogram, storage.AppendV2Options) (storage.SeriesRef, error) {
	return 0, r.err
}

// Commit refuses the transaction.
func (r refusing) Commit() error { return r.err }

// Rollback has nothing to undo.
func (r refusing) Rollback() error { return nil }
