package series

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	promdata "github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"

	"github.com/strongroom/strongroom/seal"
)

const hour = int64(3_600_000)

func TestSurvivesWithoutClosing(t *testing.T) {
	p := newPlace(t, func(o *Options) { o.OutOfOrder = time.Hour })
	var want []string
	for round := range 3 {
		db := p.open(t) // the one before was never closed, as after a kill
		same(t, fmt.Sprint("round ", round), all(t, db), want)
		for i := range 50 {
			s := fmt.Sprintf("m%d %d %d", i%7, int64(round)*100_000+int64(i)*1000, i)
			put(t, db, s)
			want = append(want, s)
		}
		late := fmt.Sprintf("m1 %d 7", int64(round)*100_000+1500)
		put(t, db, late)
		want = append(want, late)
		same(t, fmt.Sprint("before the end of round ", round), all(t, db), want)
	}
}

func TestEverythingComesBack(t *testing.T) {
	p := newPlace(t, nil)
	db := p.open(t)
	h, fh := tsdbutil.GenerateTestHistogram(3), tsdbutil.GenerateTestFloatHistogram(4)
	custom := tsdbutil.GenerateTestCustomBucketsHistogram(5)
	customFloat := tsdbutil.GenerateTestCustomBucketsFloatHistogram(6)
	ls := func(name string) labels.Labels { return labels.FromStrings("__name__", name) }
	app := db.Appender(t.Context())
	must := func(_ storage.SeriesRef, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(app.AppendHistogram(0, ls("h"), 1000, h, nil))
	must(app.AppendHistogram(0, ls("fh"), 1000, nil, fh))
	must(app.AppendHistogram(0, ls("custom"), 1000, custom, nil))
	must(app.AppendHistogram(0, ls("customfloat"), 1000, nil, customFloat))
	must(app.Append(0, ls("f"), 1000, 1))
	must(app.AppendExemplar(0, ls("f"), exemplar.Exemplar{Labels: labels.FromStrings("trace", "abc"), Value: 1, Ts: 1000, HasTs: true}))
	must(app.UpdateMetadata(0, ls("f"), promdata.Metadata{Type: "counter", Unit: "bytes", Help: "what f is"}))
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	want := all(t, db)
	if len(want) != 5 {
		t.Fatalf("got %q", want)
	}
	check := func(db *DB) {
		t.Helper()
		same(t, "samples", all(t, db), want)
		if m := db.Metadata("f")["f"]; len(m) != 1 || m[0].Help != "what f is" || m[0].Unit != "bytes" || m[0].Type != "counter" {
			t.Errorf("metadata: got %v", m)
		}
		q, err := db.ExemplarQuerier(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found, err := q.Select(0, 2000, []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", "f")})
		if err != nil || len(found) != 1 || found[0].Exemplars[0].Labels.Get("trace") != "abc" {
			t.Errorf("exemplars: got %v, %v", found, err)
		}
	}
	check(db)
	check(p.open(t)) // killed
	db = p.open(t)
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "flushed", all(t, db), want)
	db = p.open(t)
	same(t, "flushed and opened again", all(t, db), want)
	if m := db.Metadata("f")["f"]; len(m) != 1 {
		t.Errorf("metadata went with the log: %v", m)
	}
}

// TestExemplars appends more exemplars than there is room for at first.
func TestExemplars(t *testing.T) {
	p := newPlace(t, func(o *Options) { o.Exemplars, o.OutOfOrder = 5*fewExemplars, time.Hour })
	db := p.open(t)
	ls := labels.FromStrings("__name__", "f")
	for i := range int64(6 * fewExemplars) {
		app := db.Appender(t.Context())
		ref, err := app.Append(0, ls, i*1000, 1)
		if err == nil {
			_, err = app.AppendExemplar(ref, ls, exemplar.Exemplar{Labels: labels.FromStrings("trace", fmt.Sprint(i)), Value: 1, Ts: i * 1000, HasTs: true})
		}
		if err := errors.Join(err, app.Commit()); err != nil {
			t.Fatal(err)
		}
	}
	put(t, db, "late 1000 1") // out of order is still allowed
	for _, db := range []*DB{db, p.open(t)} {
		q, err := db.ExemplarQuerier(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found, err := q.Select(0, 1<<40, []*labels.Matcher{is("f")})
		if err != nil || len(found) != 1 || len(found[0].Exemplars) != 5*fewExemplars {
			t.Errorf("found %d series of exemplars, %v", len(found), err)
		}
	}
}

// fill appends samples of many hours and maintains the store as it goes.
func fill(t testing.TB, db *DB, hours int64) (want []string) {
	t.Helper()
	for at := int64(0); at < hours*hour; at += hour / 6 {
		var list []string
		for i := range 5 {
			list = append(list, fmt.Sprintf("m%d %d %d", i, at, at/1000+int64(i)))
		}
		put(t, db, list...)
		want = append(want, list...)
		if at%hour == 0 {
			if err := db.Maintain(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return want
}

func TestBlocks(t *testing.T) {
	p := newPlace(t, func(o *Options) { o.OutOfOrder = 5 * time.Hour })
	db := p.open(t)
	want := fill(t, db, 30)
	late := []string{fmt.Sprintf("m1 %d 9", 26*hour+1), fmt.Sprintf("late %d 9", 27*hour+1)}
	put(t, db, late...)
	want = append(want, late...)
	same(t, "over blocks and head", all(t, db), want)
	blocks := db.Blocks()
	if len(blocks) < 2 || len(blocks) > 8 {
		t.Errorf("%d blocks of 30 hours", len(blocks))
	}
	if n := blocks[0].Meta.Compaction.Level; n < 2 {
		t.Errorf("the oldest block is of level %d", n)
	}
	if segments, err := os.ReadDir(p.opts.Log); err != nil || len(segments) > 6 {
		t.Errorf("%d segments are left, %v", len(segments), err)
	}
	if blobs := files(t, p.blobs); len(blobs) != 2*len(blocks) {
		t.Errorf("%d blobs of %d blocks", len(blobs), len(blocks))
	}
	db = p.open(t) // killed
	same(t, "after a kill", all(t, db), want)
	put(t, db, fmt.Sprintf("m0 %d 1", 31*hour))
	want = append(want, fmt.Sprintf("m0 %d 1", 31*hour))
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "flushed", all(t, db), want)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.opts.Memory); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("memory is left: %v", err)
	}
	if _, err := db.Querier(0, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("query of a closed store: %v", err)
	}
	db = p.open(t)
	same(t, "opened again", all(t, db), want)
	db.SetRetention(time.Since(time.UnixMilli(0)) - 20*time.Hour)
	if err := db.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := all(t, db); len(left) >= len(want) || len(left) == 0 {
		t.Errorf("retention left %d of %d", len(left), len(want))
	}
}

// files returns the files below a folder.
func files(t testing.TB, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if info, err := d.Info(); err == nil && info.Size() > 40 { // the driver's own lock is shorter
			list = append(list, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestDamage flips a bit here and there in blocks: every read of what was touched fails, and none is wrong.
func TestDamage(t *testing.T) {
	p := newPlace(t, nil)
	db := p.open(t)
	want := fill(t, db, 4)
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	db.Close()
	for _, path := range files(t, p.blobs) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(raw); at += 1 + len(raw)/7 {
			bad := bytes.Clone(raw)
			bad[at] ^= 4
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			db := p.open(t)
			if got, err := read(db); !errors.Is(err, seal.ErrCorrupt) {
				t.Errorf("%s, byte %d: got %d samples and %v", path, at, len(got), err)
			}
			db.Close()
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "mended", all(t, p.open(t)), want)
}

// TestNothingInTheClear looks for label values in all that is on disk.
func TestNothingInTheClear(t *testing.T) {
	p := newPlace(t, nil)
	db := p.open(t)
	fill(t, db, 8)
	for _, dir := range []string{p.blobs, p.opts.Log} {
		list := files(t, dir)
		if len(list) == 0 {
			t.Errorf("nothing in %s", dir)
		}
		for _, path := range list {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(raw, []byte("canary")) {
				t.Errorf("%s holds a label in the clear", path)
			}
		}
	}
}

func TestKeyLost(t *testing.T) {
	p := newPlace(t, nil)
	db := p.open(t)
	want := fill(t, db, 8)
	db.Close()
	p.keys.lost.Store(true)
	if _, err := Open(t.Context(), p.opts); !errors.Is(err, errLost) {
		t.Fatalf("opened without a key: %v", err)
	}
	p.keys.lost.Store(false)
	same(t, "the key is back", all(t, p.open(t)), want)
}

// TestLedgerFails lets the ledger fail while blocks are cut: nothing is lost, and nothing is there twice.
func TestLedgerFails(t *testing.T) {
	p := newPlace(t, nil)
	db := p.open(t)
	var want []string
	for i := range 8 {
		s := fmt.Sprintf("m %d %d", int64(i)*hour, i)
		put(t, db, s)
		want = append(want, s)
	}
	fail := errors.New("store is down")
	p.ledger.fail = fail
	if err := db.Maintain(t.Context()); !errors.Is(err, fail) {
		t.Errorf("got %v", err)
	}
	same(t, "while it fails", all(t, db), want)
	p.ledger.fail = nil
	if err := db.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "afterwards", all(t, db), want)
	same(t, "after a kill", all(t, p.open(t)), want)
}

func TestLimits(t *testing.T) {
	p := newPlace(t, func(o *Options) { o.MaxSeries = 3 })
	db := p.open(t)
	put(t, db, "a 1000 1", "b 1000 1", "c 1000 1")
	app := db.Appender(t.Context())
	if _, err := app.Append(0, labels.FromStrings("__name__", "d"), 1000, 1); !errors.Is(err, ErrTooManySeries) {
		t.Errorf("got %v", err)
	}
	if _, err := app.Append(0, labels.FromStrings("__name__", "a", "secret", "canary-a"), 2000, 1); err != nil {
		t.Error(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	app = db.Appender(t.Context())
	if _, err := app.Append(0, labels.FromStrings("__name__", "a", "secret", "canary-a"), 500, 1); !errors.Is(err, storage.ErrOutOfOrderSample) {
		t.Errorf("out of order: got %v", err)
	}
	if err := app.Rollback(); err != nil {
		t.Error(err)
	}
}

func TestLabels(t *testing.T) {
	p := newPlace(t, nil)
	db := p.open(t)
	put(t, db, "a 1000 1", "b 1000 1")
	for _, where := range []string{"head", "blocks"} {
		q, err := db.Querier(0, 2000)
		if err != nil {
			t.Fatal(err)
		}
		is := labels.MustNewMatcher(labels.MatchEqual, "__name__", "b")
		values, _, err := q.LabelValues(t.Context(), "secret", nil, is)
		if err != nil || len(values) != 1 || values[0] != "canary-b" {
			t.Errorf("%s: values of one series: got %q, %v", where, values, err)
		}
		values, _, err = q.LabelValues(t.Context(), "secret", nil)
		if err != nil || len(values) != 2 {
			t.Errorf("%s: values: got %q, %v", where, values, err)
		}
		names, _, err := q.LabelNames(t.Context(), nil, is)
		if err != nil || len(names) != 2 {
			t.Errorf("%s: names: got %q, %v", where, names, err)
		}
		if err := errors.Join(q.Close(), db.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
}
