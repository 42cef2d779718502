package series

import (
	"context"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/strongroom/strongroom/seal"
)

// Most selections name a metric and one more label, and one series in a block has both: a short list and a long one meet in
// it. Upstream's code goes through both, and a page of the long list is opened to see that the series is in it. The entry of
// the series says so too, and is read in any case.

const (
	// fewCandidates is how many series the short lists of a selection may leave for it to be done here.
	fewCandidates = 16
	// fewEntries is how many entries are read to learn which are in a long list too.
	fewEntries = 4
	// fewMatchers is how many matchers such a selection may have.
	fewMatchers = 8
)

// selection is the context of one call of Select. It is asked of one reader, by one goroutine.
type selection struct {
	context.Context
	matchers []*labels.Matcher
	reader   *indexReader        // that was asked, or nil
	few      bool                // refs are all series for which all plain matchers hold
	refs     []storage.SeriesRef // in order
	room     [fewCandidates]storage.SeriesRef
}

type selectionKey struct{}

// withSelection returns a context in which a reader of an index may answer each matcher that has to hold with only those series
// for which all such do: whatever else they meet with, or are taken from, what comes out is the same.
func withSelection(ctx context.Context, ms []*labels.Matcher) context.Context {
	n := 0
	for _, m := range ms {
		if isPlain(m) {
			n++
		}
	}
	if n < 2 || n > fewMatchers {
		return ctx
	}
	return &selection{Context: ctx, matchers: ms}
}

// Value returns the selection, or what the context has.
func (s *selection) Value(key any) any {
	if key == (selectionKey{}) {
		return s
	}
	return s.Context.Value(key)
}

// isPlain reports whether a matcher is for one value that is there.
func isPlain(m *labels.Matcher) bool { return m.Type == labels.MatchEqual && m.Value != "" }

// postings returns the series of the selection, if it knows them and a value of a label is one of its matchers.
func (s *selection) postings(r *indexReader, name, value string) (p index.Postings, ok bool, err error) {
	if s.reader == nil {
		s.reader = r
		if s.few, err = s.meet(); err != nil {
			return nil, false, err
		}
	}
	if !s.few || s.reader != r || !slices.ContainsFunc(s.matchers, func(m *labels.Matcher) bool { return isPlain(m) && m.Name == name && m.Value == value }) {
		return nil, false, nil
	}
	if len(s.refs) == 0 {
		return index.EmptyPostings(), true, nil
	}
	return index.NewListPostings(s.refs), true, nil
}

// pair is a label as an entry has it: the numbers of its name and value.
type pair struct{ name, value uint32 }

// meet finds the series for which all plain matchers hold, and reports whether they are few and were cheap to find.
func (s *selection) meet() (few bool, err error) {
	c := s.reader.contents
	var short index.Postings
	var lists [fewMatchers]*walk
	var labels [fewMatchers]pair
	long, pairs := lists[:0], labels[:0] // of the long lists
	for _, m := range s.matchers {
		if !isPlain(m) {
			continue
		}
		at, number, ok, err := c.lists.find(m.Name, m.Value)
		if err != nil || !ok {
			return err == nil, err
		}
		s.reader.ask(m.Value, number)
		list, err := c.lists.list(at)
		if err != nil {
			return false, err
		}
		p := pair{c.symbols.numbers[m.Name], number - 1}
		switch w, ok := list.(*walk); {
		case !ok && short == nil:
			short = list
		case !ok:
			short = index.Intersect(short, list)
		case number == 0:
			return false, nil
		case !slices.Contains(pairs, p):
			long, pairs = append(long, w), append(pairs, p)
		}
	}
	if short == nil {
		return false, nil
	}
	s.refs = s.room[:0]
	for short.Next() {
		if len(s.refs) == fewCandidates {
			return false, nil
		}
		s.refs = append(s.refs, short.At())
	}
	if err := short.Err(); err != nil {
		return false, err
	}
	s.refs, err = c.within(s.refs, long, pairs)
	return err == nil, err
}

// within returns those of some series that are in long lists too, the labels of which are given by their numbers.
func (c *contents) within(refs []storage.SeriesRef, long []*walk, pairs []pair) ([]storage.SeriesRef, error) {
	for _, w := range long {
		if len(refs) <= 1 {
			break
		}
		first, last, err := w.ends()
		if err != nil {
			return nil, err
		}
		refs = slices.DeleteFunc(refs, func(ref storage.SeriesRef) bool { return ref < first || ref > last })
	}
	if len(long) > 0 && len(refs) <= fewEntries {
		return c.having(refs, pairs)
	}
	for _, w := range long {
		refs = slices.DeleteFunc(refs, func(ref storage.SeriesRef) bool { return !w.Seek(ref) || w.At() != ref })
		if err := w.Err(); err != nil {
			return nil, err
		}
	}
	return refs, nil
}

// having returns those of some series that have all of some labels.
func (c *contents) having(refs []storage.SeriesRef, pairs []pair) (some []storage.SeriesRef, err error) {
	some = refs[:0]
	for _, ref := range refs {
		ok, err := c.has(ref, pairs)
		if err != nil {
			return nil, err
		}
		if ok {
			some = append(some, ref)
		}
	}
	return some, nil
}

// has reports whether a series has all of some labels.
func (c *contents) has(ref storage.SeriesRef, pairs []pair) (bool, error) {
	d, err := c.raw(ref)
	if err != nil {
		return false, err
	}
	n := 0
	for range d.Uvarint() {
		if slices.Contains(pairs, pair{uint32(d.Uvarint()), uint32(d.Uvarint())}) {
			n++
		}
		if d.Err() != nil {
			return false, fmt.Errorf("%w: series %d: %w", seal.ErrCorrupt, ref, d.Err())
		}
	}
	return n == len(pairs), nil
}
