package series

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
)

func is(value string) *labels.Matcher {
	return labels.MustNewMatcher(labels.MatchEqual, "__name__", value)
}

// without returns the samples that a deletion of a metric leaves.
func without(samples []string, metric string, mint, maxt int64) []string {
	return slices.DeleteFunc(slices.Clone(samples), func(s string) bool {
		var name string
		var at int64
		fmt.Sscan(s, &name, &at)
		return name == metric && at >= mint && at <= maxt
	})
}

// TestDelete deletes what lies in blocks, in the head, and in the part of the head that is out of order, and looks at
// what is left: at once, after a kill, after maintenance, and after another kill.
func TestDelete(t *testing.T) {
	for _, tt := range []struct {
		name       string
		mint, maxt int64
	}{
		{"everything", -1 << 60, 1 << 60},
		{"in blocks", 0, 2 * hour},
		{"across blocks and head", 3 * hour, 8 * hour},
		{"in the head", 8*hour + hour/2, 20 * hour},
		{"nothing", 100 * hour, 200 * hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t, func(o *Options) { o.OutOfOrder = 5 * time.Hour })
			db := p.open(t)
			want := fill(t, db, 9)
			late := []string{fmt.Sprintf("m1 %d 1", 8*hour-1), fmt.Sprintf("m1 %d 2", 8*hour-2), fmt.Sprintf("m2 %d 3", 5*hour-3)}
			put(t, db, late...)
			want = append(want, late...)
			same(t, "before", all(t, db), want)
			if err := db.Delete(t.Context(), tt.mint, tt.maxt, is("m1")); err != nil {
				t.Fatal(err)
			}
			want = without(want, "m1", tt.mint, tt.maxt)
			same(t, "at once", all(t, db), want)
			db = p.open(t)
			same(t, "after a kill", all(t, db), want)
			again := fmt.Sprintf("m1 %d 9", 8*hour-3) // arrives late, and is kept
			put(t, db, again)
			want = append(want, again)
			if err := db.head.CompactOOOHead(t.Context()); err != nil {
				t.Fatal(err)
			}
			same(t, "one more", all(t, db), want)
			db = p.open(t)
			if err := db.Maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := db.head.CompactOOOHead(t.Context()); err != nil {
				t.Fatal(err)
			}
			same(t, "maintained", all(t, db), want)
			for _, b := range db.Blocks() {
				if b.Meta.Stats.NumTombstones > 0 {
					t.Errorf("block %v still holds what was deleted", b.Meta)
				}
			}
			noStrays(t, p, db)
			same(t, "after another kill", all(t, p.open(t)), want)
		})
	}
}

// noStrays reports blobs that no block names.
func noStrays(t *testing.T, p *place, db *DB) {
	t.Helper()
	named := map[string]bool{}
	for _, b := range db.Blocks() {
		for _, f := range b.Files {
			named[f.Blob] = true
		}
	}
	for info, err := range p.opts.Blobs.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		if !named[info.Key] {
			t.Errorf("blob %s is left", info.Key)
		}
	}
}

// TestDeleteTwice deletes one part after another from the same blocks.
func TestDeleteTwice(t *testing.T) {
	p := newPlace(t, nil)
	db := p.open(t)
	want := fill(t, db, 4)
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range int64(4) {
		if err := db.Delete(t.Context(), i*hour, i*hour+hour/2, is("m3")); err != nil {
			t.Fatal(err)
		}
		want = without(want, "m3", i*hour, i*hour+hour/2)
		same(t, fmt.Sprint("deleted ", i), all(t, db), want)
		noStrays(t, p, db)
	}
	same(t, "after a kill", all(t, p.open(t)), want)
	if err := db.Delete(t.Context(), 0, 1); err == nil {
		t.Error("a deletion of everything was not refused")
	}
}

// TestDeleteUnderAQuery lets a query go on over blocks that are changed and rewritten meanwhile.
func TestDeleteUnderAQuery(t *testing.T) {
	p := newPlace(t, nil)
	db := p.open(t)
	want := fill(t, db, 4)
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	q, err := db.Querier(0, 4*hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Delete(t.Context(), 0, 4*hour, is("m0")), db.Maintain(t.Context())); err != nil {
		t.Fatal(err)
	}
	set, n := q.Select(t.Context(), false, nil, is("m0")), 0
	for set.Next() {
		it := set.At().Iterator(nil)
		for it.Next() != 0 {
			n++
		}
		if err := it.Err(); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(set.Err(), q.Close()); err != nil || n != 24 {
		t.Errorf("the query that had begun found %d, %v", n, err)
	}
	same(t, "afterwards", all(t, db), without(want, "m0", 0, 4*hour))
	noStrays(t, p, db)
}

// TestDeleteFails lets the ledger fail after the log: what is left is consistent, and the deletion can be asked for again.
func TestDeleteFails(t *testing.T) {
	p := newPlace(t, nil)
	db := p.open(t)
	want := fill(t, db, 6)
	fail := errors.New("store is down")
	p.ledger.fail = fail
	if err := db.Delete(t.Context(), 0, 6*hour, is("m1")); !errors.Is(err, fail) {
		t.Errorf("got %v", err)
	}
	p.ledger.fail = nil
	rest := without(want, "m1", 0, 6*hour)
	for _, s := range rest {
		if !slices.Contains(all(t, db), s) {
			t.Fatalf("%s is gone", s)
		}
	}
	db = p.open(t)
	if err := db.Delete(t.Context(), 0, 6*hour, is("m1")); err != nil {
		t.Fatal(err)
	}
	same(t, "again", all(t, db), rest)
	p.opts.WAL.Sync = func(*os.File) error { return fail }
	db = p.open(t)
	if err := db.Delete(t.Context(), 0, 6*hour, is("m2")); err == nil {
		t.Error("a deletion that is not in the log was acknowledged")
	}
	p.opts.WAL.Sync = nil
	same(t, "after a log that failed", without(all(t, p.open(t)), "m2", 0, 6*hour), without(rest, "m2", 0, 6*hour))
}

// TestDamagedTombstones flips a bit in each part of a file of tombstones: nobody is shown what was deleted.
func TestDamagedTombstones(t *testing.T) {
	p := newPlace(t, nil)
	db := p.open(t)
	fill(t, db, 2)
	if err := errors.Join(db.Flush(t.Context()), db.Delete(t.Context(), 0, hour, is("m0"))); err != nil {
		t.Fatal(err)
	}
	want := all(t, db)
	db.Close()
	var path string
	for _, f := range p.ledger.state.Blocks[0].Files {
		if strings.HasPrefix(f.Name, tombstonesPrefix) {
			found, err := filepath.Glob(filepath.Join(p.blobs, "blobs/amp/*/=*/=*", filepath.Base(f.Blob)))
			if err != nil || len(found) != 1 {
				t.Fatalf("found %q, %v", found, err)
			}
			path = found[0]
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(raw); at += 5 {
		bad := bytes.Clone(raw)
		bad[at] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := read(p.open(t)); !errors.Is(err, seal.ErrCorrupt) {
			t.Errorf("byte %d: got %d samples and %v", at, len(got), err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got, err := read(p.open(t)); !errors.Is(err, seal.ErrCorrupt) || !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("without it: got %d samples and %v", len(got), err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	same(t, "mended", all(t, p.open(t)), want)
}
