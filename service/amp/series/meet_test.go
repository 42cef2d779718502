package series

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// meeting is a store with a block of 6,000 series, some lists of which are long, and their labels.
func meeting(t *testing.T) (db *DB, all []labels.Labels) {
	t.Helper()
	db = newPlace(t, nil).open(t)
	app := db.Appender(t.Context())
	for i := range 6000 {
		rare := ""
		if i%97 == 3 {
			rare = "here"
		}
		ls := labels.FromStrings("__name__", fmt.Sprint("m", i%8), "host", fmt.Sprint("host-", i/8), "even", fmt.Sprint(i/8%2 == 0), "job", "node", "rare", rare)
		all = append(all, ls.WithoutEmpty())
		if _, err := app.Append(0, ls, 1000, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(app.Commit(), db.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	return db, all
}

// selected returns the series that match, as a query finds them.
func selected(t *testing.T, db *DB, ms ...*labels.Matcher) (list []string) {
	t.Helper()
	q, err := db.Querier(0, 1<<40)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer q.Close()
	set := q.Select(t.Context(), true, nil, ms...)
	for set.Next() {
		list = append(list, set.At().Labels().String())
	}
	if err := set.Err(); err != nil {
		t.Error(err)
	}
	return list
}

// TestMeet selects series by several labels of which lists are short and long, and compares with the labels of all series: at
// first, when places of lists are known, when pages are gone, and from several goroutines.
func TestMeet(t *testing.T) {
	db, all := meeting(t)
	is := func(name, value string) *labels.Matcher { return labels.MustNewMatcher(labels.MatchEqual, name, value) }
	not := func(name, value string) *labels.Matcher {
		return labels.MustNewMatcher(labels.MatchNotEqual, name, value)
	}
	like := func(name, value string) *labels.Matcher {
		return labels.MustNewMatcher(labels.MatchRegexp, name, value)
	}
	cases := [][]*labels.Matcher{
		{is("__name__", "m1"), is("host", "host-77")},
		{is("host", "host-749"), is("__name__", "m7")},
		{is("host", "host-0"), is("__name__", "m0"), is("job", "node")},
		{is("host", "host-1"), is("even", "true")}, // none
		{is("host", "host-2"), is("even", "true")}, // all of one list
		{is("host", "host-2"), is("host", "host-3")},
		{is("job", "node"), is("even", "true"), is("__name__", "m2"), is("host", "host-500"), is("rare", "here")},
		{is("rare", "here"), is("even", "false")}, // more than a few
		{is("rare", "here"), is("host", "host-0")},
		{is("rare", "here"), is("host", "host-12"), is("__name__", "m4")},
		{is("job", "node"), is("even", "true"), like("host", "host-1.")},
		{is("host", "host-5"), is("even", "false"), not("__name__", "m1")},
		{is("host", "host-5"), is("even", "false"), is("even", "false"), not("job", "node")},
		{is("host", "host-5"), is("job", "node"), not("host", "host-5")},
		{is("host", "host-5"), is("job", "node"), is("rare", "")},
		{is("host", "host-5"), is("job", "node"), like("__name__", "m1|m2"), not("rare", "here")},
		{is("host", "host-5"), is("job", "none")},
		{is("host", "host-5"), is("nothing", "x")},
		{is("host", "host-5"), is("__name__", "node")}, // values of other labels
		{is("host", "host-5"), is("even", "m1")},
	}
	check := func() {
		for i, ms := range cases {
			var want []string
			for _, ls := range all {
				if !slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches(ls.Get(m.Name)) }) {
					want = append(want, ls.String())
				}
			}
			same(t, fmt.Sprint("case ", i), selected(t, db, slices.Clone(ms)...), want)
		}
	}
	for range 2 {
		check()
		if err := db.Forget(); err != nil {
			t.Fatal(err)
		}
		check()
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(check)
	}
	wg.Wait()
}

// TestFewPages counts the pages of an index that one series costs when all are opened again: that of the short list, which may
// reach into a second one, and that of the series. No text of it stands on a page that is opened for it alone.
func TestFewPages(t *testing.T) {
	db, _ := meeting(t)
	ms := []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", "m1"), labels.MustNewMatcher(labels.MatchEqual, "host", "host-333")}
	for range 2 { // the first time it is seen where the long list begins and ends
		if err := db.Forget(); err != nil {
			t.Fatal(err)
		}
		same(t, "one series", selected(t, db, ms...), []string{`{__name__="m1", even="false", host="host-333", job="node"}`})
	}
	if db.blocks[0].open.lists.places == nil {
		t.Fatal("the places of lists are not kept")
	}
	if got := db.blocks[0].open.region.Size(); got > 4*indexPage {
		t.Errorf("%d bytes of the index are open", got)
	}
}

// TestTexts looks at what is kept of an index: the values of labels that have few, with no page open, until the block is closed.
func TestTexts(t *testing.T) {
	db, _ := meeting(t)
	selected(t, db, labels.MustNewMatcher(labels.MatchEqual, "host", "host-1"))
	c := db.blocks[0].open
	if err := db.Forget(); err != nil {
		t.Fatal(err)
	}
	numbers := map[string]uint32{}
	for n, text := range c.symbols.texts {
		numbers[text] = n
	}
	for _, want := range []string{"node", "true", "false", "m0", "m7", "here", "host", "__name__"} {
		n, ok := numbers[want]
		if got, err := c.symbols.lookup(t.Context(), n); !ok || err != nil || got != want {
			t.Errorf("%s: got %q, %v, %v", want, got, ok, err)
		}
	}
	if _, ok := numbers["host-1"]; ok || c.symbols.size == 0 || c.symbols.size > commonTexts {
		t.Errorf("%d bytes are kept, a label of many values: %v", c.symbols.size, ok)
	}
	if got := c.region.Size(); got != 0 {
		t.Errorf("%d bytes of the index are open", got)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if len(c.symbols.kept) == 0 || slices.ContainsFunc(c.symbols.kept, func(b byte) bool { return b != 0 }) {
		t.Errorf("kept after Close: %q", c.symbols.kept)
	}
}

// TestFinder finds the number of each string of an index, in order and not, and of none that is not there.
func TestFinder(t *testing.T) {
	db, _ := meeting(t)
	c, err := db.blocks[0].hold()
	if err != nil {
		t.Fatal(err)
	}
	f := c.symbols.finder()
	for _, step := range []uint32{1, 7, 501} {
		for i := range c.symbols.count {
			n := i * step % c.symbols.count
			text, err := c.symbols.lookup(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := f.find([]byte(text)); !ok || got != n {
				t.Fatalf("%q: got %d, %v, want %d", text, got, ok, n)
			}
			if got, ok := f.find([]byte(text + "\x00")); ok {
				t.Fatalf("%q and a zero: got %d", text, got)
			}
		}
	}
	if err := db.blocks[0].let(); err != nil {
		t.Fatal(err)
	}
}

// TestCommon keeps no more texts than it may, and all values of a label or none.
func TestCommon(t *testing.T) {
	c := new(common)
	for label := range 20 {
		for i := range []int{3, landmarkStep, landmarkStep + 1, 1}[label%4] {
			c.add(text{number: uint32(label*100 + i), bytes: make([]byte, 10)})
		}
		c.end()
	}
	count := map[uint32]int{}
	for _, w := range c.texts {
		count[w.number/100]++
	}
	for label, n := range count {
		if n != []int{3, landmarkStep, 0, 1}[label%4] {
			t.Errorf("label %d: %d values are kept", label, n)
		}
	}
	if c.size > commonTexts || len(c.texts)*42 != c.size || count[0] == 0 || count[3] == 0 || count[19] == 0 {
		t.Errorf("%d texts, %d bytes, %v", len(c.texts), c.size, count)
	}
}
