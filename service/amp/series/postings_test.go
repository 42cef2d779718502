package series

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
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
		a, b, c := fmt.Sprint("v", i), fmt.Sprint("w", i%70), ""
		if i%5 == 0 || i == 3 {
			c = fmt.Sprint("x", i%15%7) // few values, and not of all series
		}
		if _, err := app.Append(0, labels.FromStrings("__name__", "m", "a", a, "b", b, "c", c), 1000, 1); err != nil {
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
				got, err := newIndexReader(b, c).of(name, v)
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
		comparePostings(t, what, newIndexReader(b, c), values)
		compareLabels(t, what, newIndexReader(b, c))
		i := uint32(0)
		for it := c.index.Symbols(); it.Next(); i++ {
			if got, err := c.symbols.lookup(t.Context(), i); err != nil || got != it.At() {
				t.Fatalf("%s: symbol %d: got %q, %v; want %q", what, i, got, err, it.At())
			}
		}
		if _, err := c.symbols.lookup(t.Context(), i); err == nil {
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

// compareLabels compares the values and names of labels, of all series and of some, and the lists of what matches, with what
// Prometheus's own reader finds.
func compareLabels(t *testing.T, what string, r *indexReader) {
	t.Helper()
	equal := func(call string, got, want []string, err, werr error) {
		t.Helper()
		if err != nil || werr != nil || !slices.Equal(got, want) {
			t.Fatalf("%s, %s: got %d %.100q, %v; want %d %.100q, %v", what, call, len(got), got, err, len(want), want, werr)
		}
	}
	names, err := r.LabelNames(t.Context())
	want, werr := r.index.LabelNames(t.Context())
	equal("names", names, want, err, werr)
	for _, name := range []string{"__name__", "a", "b", "c", "none", ""} {
		for _, limit := range []int{-1, 0, 1, 3, 32, 65, 1000} {
			hints := &storage.LabelHints{Limit: limit}
			got, err := r.SortedLabelValues(t.Context(), name, hints)
			want, werr := r.index.LabelValues(t.Context(), name, hints)
			if name == "" {
				want = nil
			}
			equal(fmt.Sprint("values of ", name), got, want, err, werr)
		}
		for _, match := range []func(string) bool{nil, func(v string) bool { return strings.HasSuffix(v, "7") }, func(string) bool { return false }} {
			g, gerr := index.ExpandPostings(r.PostingsForLabelMatching(t.Context(), name, match))
			p := r.index.PostingsForAllLabelValues(t.Context(), name)
			if match != nil {
				p = r.index.PostingsForLabelMatching(t.Context(), name, match)
			}
			if w, werr := index.ExpandPostings(p); gerr != nil || werr != nil || !slices.Equal(g, w) {
				t.Fatalf("%s, matching of %s: got %v, %v; want %v, %v", what, name, g, gerr, w, werr)
			}
		}
	}
	seven := labels.MustNewMatcher(labels.MatchEqual, "b", "w7")
	got, err := r.SortedLabelValues(t.Context(), "a", nil, seven)
	equal("values of some", got, []string{"v147", "v217", "v287", "v7", "v77"}, err, nil)
	got, err = r.LabelValues(t.Context(), "a", &storage.LabelHints{Limit: 2}, seven)
	equal("two of them", got, []string{"v147", "v217"}, err, nil)
	got, err = r.SortedLabelValues(t.Context(), "b", nil, labels.MustNewMatcher(labels.MatchRegexp, "a", "v1.?"))
	equal("values that several have", got, []string{"w1", "w10", "w11", "w12", "w13", "w14", "w15", "w16", "w17", "w18", "w19"}, err, nil)
	got, err = r.SortedLabelValues(t.Context(), "c", nil, labels.MustNewMatcher(labels.MatchRegexp, "a", "v(15|5|3)"))
	equal("few values", got, []string{"x0", "x3", "x5"}, err, nil)
	got, err = r.LabelValues(t.Context(), "c", &storage.LabelHints{Limit: 2}, labels.MustNewMatcher(labels.MatchRegexp, "a", "v(15|5|3)"))
	equal("two of few values", got, []string{"x0", "x3"}, err, nil)
	got, err = r.SortedLabelValues(t.Context(), "c", nil, labels.MustNewMatcher(labels.MatchEqual, "a", "v2"))
	equal("values of what has none", got, nil, err, nil)
	got, err = r.SortedLabelValues(t.Context(), "none", nil, seven)
	equal("values of no label", got, nil, err, nil)
	got, err = r.LabelNames(t.Context(), seven)
	equal("names of some", got, []string{"__name__", "a", "b"}, err, nil)
	got, err = r.LabelNames(t.Context(), labels.MustNewMatcher(labels.MatchEqual, "b", "x"))
	equal("names of none", got, nil, err, nil)
}
