package transfer

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// TestOvertaken goes on with a step of which one sample is in the workspace, another is there with another value, and one
// series has been overtaken by another sender. What is nowhere is counted, also when the same command runs once more.
func TestOvertaken(t *testing.T) {
	dir := t.TempDir()
	source := openStore(t, dir)
	populate(t, source, 1)
	if err := source.Close(); err != nil {
		t.Fatal(err)
	}
	for name, reads := range map[string]int64{"counted": http.StatusOK, "unclear": http.StatusForbidden} {
		t.Run(name, func(t *testing.T) {
			g := newTarget(t)
			g.reads.Store(reads)
			from, err := OpenDirectory(dir, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer from.Close()
			end := from.mint - mod(from.mint, step) + step - 1
			first := (end - begin + 299_999) / 300_000 // samples of a series in the first step
			if first < 4 {
				t.Fatalf("the first step has %d samples", first)
			}
			app := g.db.Appender(t.Context())
			add := func(i int64, at int64, v float64) {
				t.Helper()
				if _, err := app.Append(0, labels.FromStrings("__name__", fmt.Sprint("m", i), "host", "a b"), at, v); err != nil {
					t.Fatal(err)
				}
			}
			last := begin + (first-1)*300_000 + 1
			add(0, begin, float64(begin%1000)) // as before it was cut short
			add(1, last, -1)                   // by another sender
			if err := app.Commit(); err != nil {
				t.Fatal(err)
			}
			var told []string
			o := Options{Progress: filepath.Join(t.TempDir(), "p"), Name: "x", Say: func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }}
			before := from.mint - 1
			if err := o.save(progress{Name: "x", Through: &before, Begun: true}); err != nil {
				t.Fatal(err)
			}
			want := LeftOutError{Samples: first} // all of m1: its last has another value
			if reads != http.StatusOK {
				want = LeftOutError{Unclear: first}
			}
			for range 2 {
				_, err = Import(t.Context(), from, g.to, o)
				var left *LeftOutError
				if !errors.As(err, &left) || *left != want {
					t.Fatalf("got %v, want %+v", err, want)
				}
			}
			if text := strings.Join(told, "\n"); !strings.Contains(text, fmt.Sprint(first, " samples were ")) {
				t.Errorf("it was not told on the way:\n%s", text)
			}
			got, all := content(t, g.db), content(t, openStore(t, dir))
			if len(got) != len(all)-int(first)+1 {
				t.Errorf("%d of %d samples are there", len(got), len(all))
			}
		})
	}
}
