package series

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/index"
)

// TestPostings compares what is found for each value of each label, and for some that are not there, with what Prometheus's
// own reader finds, and the same for all symbols: at first, and with every page opened again.
func TestPostings(t *testing.T) {
	p := newPlace(t, nil)
	db := p.open(t)
	app := db.Appender(t.Context())
	values := map[string][]string{"": {""}, "none": {"x"}}
	for i := range 300 {
		a, b := fmt.Sprint("v", i), fmt.Sprint("w", i%70)
		if _, err := app.Append(0, labels.FromStrings("__name__", "m", "a", a, "b", b), 1000, 1); err != nil {
			t.Fatal(err)
		}
		values["a"] = append(values["a"], a, a+"!", "")
		values["b"] = append(values["b"], b, "zz")
	}
	if err := errors.Join(app.Commit(), db.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	b := db.blocks[0]
	c, err := b.hold()
	if err != nil {
		t.Fatal(err)
	}
	compare := func(what string) {
		t.Helper()
		for name, list := range values {
			for _, v := range list {
				got, err := c.lists.of(name, v)
				if err != nil {
					t.Fatal(err)
				}
				want, err := c.index.Postings(t.Context(), name, v)
				if err != nil {
					t.Fatal(err)
				}
				g, gerr := index.ExpandPostings(got)
				w, werr := index.ExpandPostings(want)
				if gerr != nil || werr != nil || !slices.Equal(g, w) {
					t.Fatalf("%s: %s=%q: got %v, %v; want %v, %v", what, name, v, g, gerr, w, werr)
				}
			}
		}
		comparePostings(t, what, &indexReader{index: c.index, contents: c, block: b}, values)
		i := uint32(0)
		for it := c.index.Symbols(); it.Next(); i++ {
			if got, err := c.series.LookupSymbol(t.Context(), i); err != nil || got != it.At() {
				t.Fatalf("%s: symbol %d: got %q, %v; want %q", what, i, got, err, it.At())
			}
		}
		if _, err := c.series.LookupSymbol(t.Context(), i); err == nil {
			t.Errorf("%s: there is a symbol after the last", what)
		}
	}
	compare("at first")
	if err := errors.Join(b.let(), db.Forget()); err != nil {
		t.Fatal(err)
	}
	if c, err = b.hold(); err != nil {
		t.Fatal(err)
	}
	if held := c.region.Size(); held != 0 {
		t.Errorf("%d bytes are held", held)
	}
	compare("opened again")
	if c.lists.places == nil {
		t.Error("the places of lists are not kept")
	}
	c.lists.places = nil
	compare("by the table")
	if err := b.let(); err != nil {
		t.Fatal(err)
	}
}

// comparePostings compares the lists of several values at once, in any order, with what Prometheus's own reader finds.
func comparePostings(t *testing.T, what string, r *indexReader, values map[string][]string) {
	t.Helper()
	for name, list := range values {
		list = append(slices.Clone(list), list...)
		slices.Reverse(list)
		for _, some := range [][]string{nil, list, list[len(list)/2:], list[:2]} {
			got, err := r.Postings(t.Context(), name, slices.Clone(some)...)
			if err != nil {
				t.Fatal(err)
			}
			want, err := r.index.Postings(t.Context(), name, slices.Clone(some)...)
			if err != nil {
				t.Fatal(err)
			}
			g, gerr := index.ExpandPostings(got)
			w, werr := index.ExpandPostings(want)
			if gerr != nil || werr != nil || !slices.Equal(g, w) {
				t.Fatalf("%s: %d values of %s: got %v, %v; want %v, %v", what, len(some), name, g, gerr, w, werr)
			}
		}
	}
}
