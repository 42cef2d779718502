package series

import (
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// TestPace has whoever asks called while series are passed over that have no sample in the time of the query, in the head and in a block.
func TestPace(t *testing.T) {
	const n = 50 * stride
	db := newPlace(t, nil).open(t)
	var samples []string
	for i := range n {
		samples = append(samples, fmt.Sprintf("x_%d 3600000 1", i))
	}
	put(t, db, append(samples, "late 7100000 1")...)
	for _, where := range []string{"head", "block"} {
		for what, sorted := range map[string]bool{"": false, " in order": true} {
			calls := 0
			ctx := WithPace(t.Context(), func() { calls++ })
			q, err := db.Querier(7_000_000, 7_100_000)
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for set := q.Select(ctx, sorted, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+_.+|late")); set.Next(); {
				found++
			}
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			if want := n / stride; found != 1 || calls < want {
				t.Errorf("%s%s: found %d series, called %d times; want one, and %d calls or more", where, what, found, calls, want)
			}
			cq, err := db.ChunkQuerier(7_000_000, 7_100_000)
			if err != nil {
				t.Fatal(err)
			}
			found, calls = 0, 0
			for set := cq.Select(ctx, sorted, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+_.+|late")); set.Next(); {
				found++
			}
			if err := cq.Close(); err != nil {
				t.Fatal(err)
			}
			if want := n / stride; found != 1 || calls < want {
				t.Errorf("chunks, %s%s: found %d series, called %d times; want one, and %d calls or more", where, what, found, calls, want)
			}
		}
		if err := db.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
