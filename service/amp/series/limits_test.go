package series

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// offer appends one sample of a series and commits it, unless the series is refused.
func offer(db *DB, at int64, pairs ...string) error {
	app := db.Appender(context.Background())
	if _, err := app.Append(0, labels.FromStrings(pairs...), at, 1); err != nil {
		return errors.Join(err, app.Rollback())
	}
	return app.Commit()
}

func wantOffer(t *testing.T, db *DB, want error, at int64, pairs ...string) {
	t.Helper()
	if err := offer(db, at, pairs...); !errors.Is(err, want) || want != nil && !IsTooMany(err) {
		t.Errorf("%q: got %v, want %v", pairs, err, want)
	}
}

// TestLabelSets holds the limits of label sets, also after the store was opened again and when they change.
func TestLabelSets(t *testing.T) {
	sets := []LabelSet{
		{Labels: map[string]string{"env": "dev"}, MaxSeries: 2},
		{Labels: map[string]string{"env": "dev", "team": "a"}, MaxSeries: 1},
		{Labels: map[string]string{"env": "free"}}, // counted, and not bounded
		{MaxSeries: 3},
	}
	p := newPlace(t, func(o *Options) { o.LabelSets = sets })
	db := p.open(t)
	wantOffer(t, db, nil, 1, "__name__", "x", "env", "dev", "team", "a")
	wantOffer(t, db, ErrTooManyOfLabels, 1, "__name__", "y", "env", "dev", "team", "a")
	wantOffer(t, db, nil, 1, "__name__", "z", "env", "dev")
	wantOffer(t, db, nil, 2, "__name__", "z", "env", "dev") // it is there
	err := offer(db, 1, "__name__", "u", "env", "dev")
	if want := `per_labelset_series_limit: per-labelset series limit of 2 exceeded (labelSet: {env="dev"})`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	for i := range 10 {
		wantOffer(t, db, nil, 1, "__name__", fmt.Sprint("free", i), "env", "free")
	}
	for i := range 3 {
		wantOffer(t, db, nil, 1, "__name__", fmt.Sprint("rest", i))
	}
	wantOffer(t, db, ErrTooManyOfLabels, 1, "__name__", "rest")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = p.open(t)
	wantOffer(t, db, nil, 3, "__name__", "z", "env", "dev")
	wantOffer(t, db, ErrTooManyOfLabels, 3, "__name__", "u", "env", "dev")
	wantOffer(t, db, ErrTooManyOfLabels, 3, "__name__", "rest")

	if err := db.SetQuotas(0, []LabelSet{{Labels: map[string]string{"env": "dev"}, MaxSeries: 3}}); err != nil {
		t.Fatal(err)
	}
	wantOffer(t, db, nil, 4, "__name__", "rest")
	wantOffer(t, db, nil, 4, "__name__", "u", "env", "dev")
	wantOffer(t, db, ErrTooManyOfLabels, 4, "__name__", "v", "env", "dev")
	if err := db.SetQuotas(0, []LabelSet{{Labels: map[string]string{"env": "dev"}, MaxSeries: 1}}); err != nil {
		t.Fatal(err)
	}
	if got := len(all(t, db)); got == 0 {
		t.Error("what was there is gone")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	// More than the limit was acknowledged: all of it is there again.
	p.opts.LabelSets = []LabelSet{{MaxSeries: 1}}
	db = p.open(t)
	if n := db.ActiveSeries(); n != 17 {
		t.Errorf("%d series are there again, want 17", n)
	}
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if db.ActiveSeries() != 0 || db.quotas.counts[0] != 0 {
		t.Errorf("%d series, %d counted, when none is in the head", db.ActiveSeries(), db.quotas.counts[0])
	}
}

func TestSeriesOfAMetric(t *testing.T) {
	db := newPlace(t, func(o *Options) { o.MaxMetric = 2 }).open(t)
	wantOffer(t, db, nil, 1, "__name__", "x", "i", "1")
	wantOffer(t, db, nil, 1, "__name__", "x", "i", "2")
	wantOffer(t, db, ErrTooManyOfMetric, 1, "__name__", "x", "i", "3")
	wantOffer(t, db, nil, 1, "__name__", "y", "i", "3")
	if err := db.SetQuotas(3, nil); err != nil {
		t.Fatal(err)
	}
	wantOffer(t, db, nil, 1, "__name__", "x", "i", "3")
	wantOffer(t, db, ErrTooManyOfMetric, 1, "__name__", "x", "i", "4")
	if err := db.SetQuotas(0, nil); err != nil {
		t.Fatal(err)
	}
	wantOffer(t, db, nil, 1, "__name__", "x", "i", "4")
}

// TestMeter ends queries that fetch more from blocks than they may.
func TestMeter(t *testing.T) {
	db := newPlace(t, nil).open(t)
	for i := range 4 {
		put(t, db, fmt.Sprint("x", i, " 1000 1"))
	}
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := func(m *Meter) (n int, err error) {
		q, err := db.MeteredQuerier(0, 1<<40, m)
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		set := q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+"))
		for set.Next() {
			it := set.At().Iterator(nil)
			for it.Next() != 0 {
				n++
			}
			err = errors.Join(err, it.Err())
		}
		return n, errors.Join(err, set.Err())
	}
	for _, c := range []struct {
		chunks, bytes int64
		says          string
	}{
		{0, 0, ""},
		{4, 1 << 20, ""},
		{3, 0, "the query hit the max number of chunks limit (limit: 3 chunks)"},
		{0, 20, "the query hit the aggregated data size limit (limit: 20 bytes)"},
	} {
		n, err := read(&Meter{MaxChunks: c.chunks, MaxBytes: c.bytes})
		if c.says == "" && (n != 4 || err != nil) {
			t.Errorf("%+v: got %d samples, %v", c, n, err)
		}
		if c.says != "" && (!errors.Is(err, ErrFetched) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("got %v, want %s", err, c.says)
		}
	}
}
