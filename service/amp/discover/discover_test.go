package discover

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/strongroom/strongroom/service/amp/transfer"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Made for these tests, in parts, so that nothing that searches this source takes them for real ones.
var (
	awsKey = "hT3vQm9KcXwR2bLz" + "N7pYdG5sJfA8eUiO/1qM4xZk"
	jwt    = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
)

// workspace answers as Prometheus's API does, from a list of series.
type workspace struct {
	t        *testing.T
	series   []map[string]string
	metadata string
	exemplar string
	fails    map[string]int // status by path
	deaf     bool           // to selectors

	asked []string // addresses
}

func (w *workspace) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	w.asked = append(w.asked, r.URL.String())
	path := strings.TrimPrefix(r.URL.Path, "/workspaces/ws-1/api/v1/")
	if status := w.fails[path]; status != 0 {
		http.Error(to, `{"status":"error","error":"refused, with `+awsKey+` as a secret key in it"}`, status)
		return
	}
	var data any
	switch name, values := strings.CutPrefix(path, "label/"); {
	case values:
		data = w.limit(r, w.values(r, model.UnescapeName(strings.TrimSuffix(name, "/values"), model.ValueEncodingEscaping)))
	case path == "labels":
		names := map[string]bool{}
		for _, s := range w.series {
			for name := range s {
				names[name] = true
			}
		}
		data = slices.Sorted(maps.Keys(names))
	case path == "series":
		if r.Method != http.MethodPost || r.URL.RawQuery != "" {
			w.t.Errorf("values in an address: %s", r.URL)
		}
		data = w.selected(r)[:1]
	case path == "metadata":
		data = json.RawMessage(w.metadata)
	case path == "query_exemplars":
		data = json.RawMessage(w.exemplar)
	default:
		http.NotFound(to, r)
		return
	}
	if err := json.NewEncoder(to).Encode(map[string]any{"status": "success", "data": data}); err != nil {
		w.t.Error(err)
	}
}

// selected returns the series that a request selects.
func (w *workspace) selected(r *http.Request) (list []map[string]string) {
	selector := r.FormValue("match[]")
	var matchers []*labels.Matcher
	if selector != "" && !w.deaf {
		var err error
		if matchers, err = parser.NewParser(parser.Options{}).ParseMetricSelector(selector); err != nil {
			w.t.Errorf("%s: %v", selector, err)
		}
	}
	for _, s := range w.series {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s[m.Name]) }) {
			list = append(list, s)
		}
	}
	return list
}

func (w *workspace) values(r *http.Request, name string) []string {
	seen := map[string]bool{}
	for _, s := range w.selected(r) {
		if s[name] != "" {
			seen[s[name]] = true
		}
	}
	return slices.Collect(maps.Keys(seen)) // in any order, as a store cuts them off
}

func (w *workspace) limit(r *http.Request, list []string) []string {
	if n, err := strconv.Atoi(r.FormValue("limit")); err == nil && n > 0 {
		list = list[:min(n, len(list))]
	}
	slices.Sort(list)
	return list
}

func (w *workspace) serve(t *testing.T) *transfer.Workspace {
	t.Helper()
	w.t = t
	if w.metadata == "" {
		w.metadata = "{}"
	}
	if w.exemplar == "" {
		w.exemplar = "[]"
	}
	s := httptest.NewServer(w)
	t.Cleanup(s.Close)
	return &transfer.Workspace{Client: s.Client(), Address: s.URL + "/workspaces/ws-1"}
}

func quiet(string, ...any) {}

// someSensitive is a workspace that has some of everything.
func someSensitive() *workspace {
	return &workspace{
		series: []map[string]string{
			{"__name__": "up", "job": "node", "instance": "10.0.0.1:9100", "uid": "5a1e5c7b-0b3f-4f7b-9f4e-2d1c3b4a5e6f"},
			{"__name__": "payments_total", "card": "4539578763621486"},
			{"__name__": "payments_total", "card": "4916338506082832"},
			{"__name__": "payments_total", "card": "4111111111111111"},
			{"__name__": "config_info", "secret_key": awsKey, "note": "see ada@example.com and " + jwt},
			{"__name__": "logins_of_4539578763621486", "ssn_536_22_1234": "yes", "bob@example.org": "1"},
		},
		metadata: `{"up":[{"type":"gauge","help":"Ask ada@example.com."}],"down":[{"type":"gauge","help":"Not up."}]}`,
		exemplar: `[{"seriesLabels":{"__name__":"latency_bucket"},"exemplars":[{"labels":{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}},{"labels":{"auth":"Bearer ` + jwt + `"}},{"labels":{"auth":"` + jwt + `"}}]}]`,
	}
}

// TestSearch compares what is told of a workspace with the golden files, in which nothing stands in the clear.
func TestSearch(t *testing.T) {
	w := someSensitive()
	list, err := Search(t.Context(), "ws-1", w.serve(t), Options{Say: quiet})
	if err != nil {
		t.Fatal(err)
	}
	var text, object bytes.Buffer
	if err := Text(&text, list); err != nil {
		t.Fatal(err)
	}
	if err := JSON(&object, list, []string{"ws-2: refused"}); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"warnings.txt": text.String(), "warnings.json": object.String()} {
		golden := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(golden); err != nil || got != string(want) {
			t.Errorf("%s: %v: got\n%s", name, err, got)
		}
		for _, secret := range []string{"45395787", "49163385", awsKey[4:], jwt[5:], "ada@", "536_22", "bob@"} {
			if strings.Contains(got, secret) {
				t.Errorf("%s holds %s", name, secret)
			}
		}
	}
	if err := JSON(&object, nil, nil); err != nil || !strings.HasSuffix(object.String(), "{\n  \"warnings\": []\n}\n") {
		t.Errorf("nothing found is %s, %v", object.String(), err)
	}
}

// TestPages finds each of many values once, by pages of three, however they begin, and in whatever order they are cut off.
func TestPages(t *testing.T) {
	w := &workspace{}
	want := int64(0)
	add := func(value string) {
		want++
		w.series = append(w.series, map[string]string{"__name__": "m", "a.b/ü": value})
	}
	for i := range 40 {
		add(fmt.Sprintf("container-with-a-long-name-%02d", i))
		add(strings.Repeat("x", i+1)) // each begins the next
		add(string(rune(0x400 + i)))
		add(fmt.Sprintf("%c\n\"\\.*[%c", rune(i+1), rune(i+1)))
	}
	add("mail ada@example.com")
	add("\U0010ffff")
	s := &search{id: "ws-1", w: w.serve(t), o: Options{Say: quiet}, found: map[key]*Warning{}, told: time.Now(), page: 3}
	if err := s.labels(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.values != want+1 || len(s.found) != 1 { // and the name of the metric
		t.Errorf("%d values were looked at, and %d warnings given; want %d and one", s.values, len(s.found), want+1)
	}
	if len(w.asked) > 1500 {
		t.Errorf("%d requests", len(w.asked))
	}
}

// TestNoSelection gives up where the house takes no notice of what a page shall have.
func TestNoSelection(t *testing.T) {
	w := &workspace{deaf: true}
	for i := range 10 {
		w.series = append(w.series, map[string]string{"__name__": "m", "a": fmt.Sprint(i)})
	}
	s := &search{id: "ws-1", w: w.serve(t), o: Options{Say: quiet}, found: map[key]*Warning{}, told: time.Now(), page: 3}
	if err := s.labels(t.Context()); err == nil || !strings.Contains(err.Error(), "does not select") {
		t.Errorf("got %v", err)
	}
}

// FuzzSplit gives parts and values that nobody chose: each value of a part is in one of the smaller ones, and the selectors select the same.
func FuzzSplit(f *testing.F) {
	f.Add("", rune(0), rune(0), "a", "b", "a\nb")
	f.Add("a", rune('a'), rune('z'), "ab", "abc", "a")
	f.Add("[", rune('x'), rune('x'), "[x", "[xy", "[\U0010ffff")
	f.Fuzz(func(t *testing.T, prefix string, from, to rune, a, b, c string) {
		if slices.ContainsFunc([]string{prefix, a, b, c}, func(text string) bool { return !utf8.ValidString(text) }) { // a workspace takes none
			return
		}
		if from < 0 || to > unicode.MaxRune || from > to || from >= 0xd800 && from <= 0xdfff {
			return
		}
		all := part{prefix, from, to, ranged}
		if prefix == "" && from == 0 && to == 0 {
			all = part{}
		}
		values := []string{a, b, c, prefix + a, prefix + string(from) + b}
		parts := all.split(values)
		for _, v := range values {
			n := 0
			for _, p := range parts {
				if p == all {
					t.Fatalf("%+v is no smaller than %+v", p, all)
				}
				if p.has(v) {
					n++
				}
				m, err := parser.NewParser(parser.Options{}).ParseMetricSelector(p.selector("l"))
				if err != nil || m[0].Matches(v) != p.has(v) {
					t.Fatalf("%s and %q: has is %t, %v", p.selector("l"), v, p.has(v), err)
				}
			}
			if in := all.has(v) && v != ""; n > 1 || in != (n == 1) {
				t.Fatalf("%q is in %+v %t, and in %d of %+v", v, all, in, n, parts)
			}
		}
	})
}

// TestByChance tells of a few cards, and not of those among many numbers of that length.
func TestByChance(t *testing.T) {
	for _, tc := range []struct{ numbers, cards, want int }{{0, 1, 1}, {10, 1, 1}, {40, 1, 0}, {40, 30, 1}} {
		w := &workspace{}
		for i := range tc.numbers {
			w.series = append(w.series, map[string]string{"__name__": "m", "id": fmt.Sprint(1000000000000000 + i)})
		}
		for i, n := 0, 0; n < tc.cards; i++ {
			if v := fmt.Sprint(4539578763621486 + i); luhn(v) {
				n++
				w.series = append(w.series, map[string]string{"__name__": "m", "id": v})
			}
		}
		list, err := Search(t.Context(), "ws-1", w.serve(t), Options{Say: quiet})
		if err != nil || len(list) != tc.want {
			t.Errorf("%d cards, %d other numbers: got %v, %v", tc.cards, tc.numbers, list, err)
		}
	}
}

func luhn(v string) bool {
	sum := 0
	for i := range len(v) {
		d := int(v[len(v)-1-i]-'0') << (i % 2)
		sum += d%10 + d/10
	}
	return sum%10 == 0
}

// TestUnread tells what could not be read, beside what was found, and not in the house's words where they hold something.
func TestUnread(t *testing.T) {
	for path, want := range map[string]int{"labels": 0, "metadata": 8, "query_exemplars": 8, "label/note/values": 1} {
		w := someSensitive()
		w.fails = map[string]int{path: http.StatusForbidden}
		list, err := Search(t.Context(), "ws-1", w.serve(t), Options{Say: quiet})
		if err == nil || !strings.Contains(err.Error(), "403") || strings.Contains(err.Error(), awsKey) || len(list) < want || list == nil {
			t.Errorf("%s: got %d warnings and %v", path, len(list), err)
		}
	}
	w := someSensitive()
	w.fails = map[string]int{"label/job/values": http.StatusTooManyRequests}
	to := w.serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := Search(ctx, "ws-1", to, Options{Say: quiet}); err == nil {
		t.Error("a search that was cut short ended well")
	}
}
