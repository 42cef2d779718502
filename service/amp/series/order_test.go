package series

import (
	"errors"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
)

// TestOrderWithinATransaction appends samples that the head takes and would lose when it commits: whoever sends them is told, and what is
// taken is there.
func TestOrderWithinATransaction(t *testing.T) {
	x, h := labels.FromStrings("__name__", "x"), tsdbutil.GenerateTestHistogram(1)
	for name, c := range map[string]struct {
		window time.Duration
		want   error // of a sample that is a quarter of an hour late
	}{
		"none":     {0, storage.ErrOutOfOrderSample},
		"a minute": {time.Minute, storage.ErrTooOldSample},
		"an hour":  {time.Hour, nil},
	} {
		db := newPlace(t, func(o *Options) { o.OutOfOrder = c.window }).open(t)
		put(t, db, "other 3600000 1")
		app := db.AppenderV2(t.Context())
		var ref storage.SeriesRef
		add := func(ls labels.Labels, at int64, v float64, h *histogram.Histogram, want error) {
			t.Helper()
			r, err := app.Append(ref, ls, 0, at, v, h, nil, storage.AOptions{})
			if !errors.Is(err, want) {
				t.Errorf("%s, time %d: got %v, want %v", name, at, err, want)
			}
			if err == nil {
				ref = r
			}
		}
		add(x, hour, 1, nil, nil)
		add(x, hour, 1, nil, nil) // the same again
		add(x, hour, 2, nil, storage.ErrDuplicateSampleForTimestamp)
		add(x, hour, 0, h, storage.ErrDuplicateSampleForTimestamp)
		add(x, hour-900_000, 3, nil, c.want)
		ref = 0 // named by its labels
		add(x, hour-900_000, 3, nil, c.want)
		add(x, hour+1, 4, nil, nil)
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		want := []string{"other 3600000 1", "x 3600000 1", "x 3600001 4"}
		if c.want == nil {
			want = []string{"other 3600000 1", "x 2700000 3", "x 3600000 1", "x 3600001 4"}
		}
		same(t, name, all(t, db), want)
	}
}
