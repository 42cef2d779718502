package detect

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service/amp/rcf"
	"github.com/strongroom/strongroom/service/amp/rules"
	"github.com/strongroom/strongroom/service/amp/series"
)

// keys hands out data keys that nothing wraps.
type keys struct{}

func (keys) Make(context.Context) (seal.DataKey, error) {
	key := make([]byte, seal.KeySize)
	rand.Read(key)
	return seal.DataKey{Plaintext: secret.New(key), Wrapped: bytes.Clone(key)}, nil
}

func (keys) Open(_ context.Context, wrapped []byte) (secret.Bytes, error) {
	return secret.New(bytes.Clone(wrapped)), nil
}

// ledger is of a store without blocks.
type ledger struct{}

func (ledger) Load(context.Context) (series.State, error) { return series.State{}, nil }
func (ledger) Pending(context.Context, string) error      { return nil }
func (ledger) Replace(context.Context, []ulid.ULID, []series.Block, series.Covered) error {
	return nil
}

var errKey = errors.New("the key cannot be used")

// source lends one store, unless its key is away.
type source struct {
	db   *series.DB
	away atomic.Bool
}

func (s *source) Use(context.Context) (Store, func(), error) {
	if s.away.Load() {
		return nil, nil, errKey
	}
	return s.store(), func() {}, nil
}

func (s *source) store() Store { return Local{s.db, newEngine()} }

func openStore(t *testing.T) *source {
	t.Helper()
	dir := t.TempDir()
	blobs, err := blob.OpenDir(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := series.Open(context.Background(), series.Options{
		Name: "ws", Log: filepath.Join(dir, "log"), Memory: t.TempDir(), Blobs: blobs, Prefix: "amp/", Keys: keys{}, Ledger: ledger{},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close(); blobs.Close() })
	return &source{db: db}
}

func newEngine() promql.QueryEngine {
	return promql.NewEngine(promql.EngineOpts{MaxSamples: 1_000_000, Timeout: time.Minute, Parser: rules.NewParser()})
}

const step = 30 * time.Second

var base = time.Unix(1_800_000_000, 0)

// wave is what a series had at the i-th step.
func wave(i int) float64 { return 100 + 40*math.Sin(2*math.Pi*float64(i)/30) }

// shapes are what series have at a step, by job.
type shapes map[string]func(i int) float64

// fill writes the values of some series for steps from one on.
func (s *source) fill(t *testing.T, from, to int, all shapes) {
	t.Helper()
	app := s.db.Appender(context.Background())
	for i := from; i < to; i++ {
		for job, value := range all {
			if _, err := app.Append(0, labels.FromStrings("__name__", "load", "job", job), base.Add(time.Duration(i)*step).UnixMilli(), value(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

// ask answers a query at a step, as a map of results by job.
func (s *source) ask(t *testing.T, i int, query string) map[string]float64 {
	t.Helper()
	q, err := newEngine().NewInstantQuery(t.Context(), s.db, nil, query, base.Add(time.Duration(i)*step))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	v, err := q.Exec(t.Context()).Vector()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, x := range v {
		out[x.Metric.Get("job")] = x.F
	}
	return out
}

func config(t *testing.T, change func(*Config)) Detector {
	t.Helper()
	d := Detector{ID: "ad-1", Alias: "load", Revision: "1", Config: Config{Query: "avg by (job) (load)", Interval: step, Labels: map[string]string{"team": "x"}}}
	if change != nil {
		change(&d.Config)
	}
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	return d
}

func (s *source) evaluate(t *testing.T, d *detector, i int) error {
	t.Helper()
	return d.evaluate(t.Context(), s.store(), base.Add(time.Duration(i)*step))
}

// TestEvaluate: of two series one has a spike. It is found, the other is quiet; both have bands around their values, and all labels.
func TestEvaluate(t *testing.T) {
	s := openStore(t)
	const now = 240
	quiet := shapes{"quiet": wave, "spiked": wave}
	s.fill(t, 0, now, quiet)
	d := newDetector(config(t, nil), nil, NewTurns())
	if err := s.evaluate(t, d, now-1); err != nil {
		t.Fatal(err)
	}
	score := s.ask(t, now-1, ScoreName)
	if len(score) != 2 || score["quiet"] > 0.2 || score["spiked"] > 0.2 {
		t.Errorf("before the spike: scores are %v", score)
	}
	s.fill(t, now, now+1, shapes{"quiet": wave, "spiked": func(i int) float64 { return wave(i) + 200 }})
	if err := s.evaluate(t, d, now); err != nil {
		t.Fatal(err)
	}
	score = s.ask(t, now, ScoreName)
	if score["quiet"] > 0.2 || score["spiked"] < 0.6 {
		t.Errorf("with the spike: scores are %v", score)
	}
	value, lower, upper := s.ask(t, now, ValueName), s.ask(t, now, LowerName), s.ask(t, now, UpperName)
	if value["spiked"] != wave(now)+200 || value["quiet"] != wave(now) {
		t.Errorf("values are %v", value)
	}
	if !(lower["quiet"] <= value["quiet"] && value["quiet"] <= upper["quiet"] && value["spiked"] > upper["spiked"]) {
		t.Errorf("bands: %v to %v", lower, upper)
	}
	if got := s.ask(t, now, fmt.Sprintf(`%s{team="x",%s="load",%s="ad-1"}`, ScoreName, AliasLabel, IDLabel)); len(got) != 2 {
		t.Errorf("labels: got %v", got)
	}
	// The same model comes of the same samples: whoever begins again says the same.
	again := newDetector(config(t, nil), nil, NewTurns())
	s.fill(t, now+1, now+2, quiet)
	if err := s.evaluate(t, again, now+1); err != nil {
		t.Fatal(err)
	}
	if got := s.ask(t, now+1, ScoreName); len(got) != 2 || got["quiet"] > 0.2 || got["spiked"] > 0.2 {
		t.Errorf("after a new beginning: scores are %v", got)
	}
}

// TestMissing: a series that has gone is an anomaly only where the detector is told so, and a detector without data writes nothing.
func TestMissing(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   bool
	}{
		"not said":     {nil, false},
		"skip":         {func(c *Config) { c.SkipMissing = new(bool); *c.SkipMissing = true }, false},
		"mark":         {func(c *Config) { c.MarkMissing = new(bool); *c.MarkMissing = true }, true},
		"do not mark":  {func(c *Config) { c.MarkMissing = new(bool) }, false},
		"do not skip":  {func(c *Config) { c.SkipMissing = new(bool) }, true},
		"other series": {func(c *Config) { c.Query = "sum(nothing)" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t)
			s.fill(t, 0, 100, shapes{"a": wave})
			d := newDetector(config(t, c.change), nil, nil)
			for _, i := range []int{99, 130} { // the second when the last value is out of sight
				if err := s.evaluate(t, d, i); err != nil {
					t.Fatal(err)
				}
			}
			got := s.ask(t, 130, ScoreName)
			if want := map[bool]float64{true: 1}[c.want]; got["a"] != want || (len(got) > 0) != c.want {
				t.Errorf("scores are %v", got)
			}
			if c.want && (len(s.ask(t, 130, UpperName)) != 1 || len(s.ask(t, 130, ValueName)) != 0) {
				t.Error("a missing value has a band and no value")
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for query, ok := range map[string]bool{
		"avg(up)": true, "(sum by (job) (rate(x[5m])))": true, "quantile(0.9, x)": true, "count(x)": true, "group(x)": true, "stdvar(x)": true,
		"up": false, "topk(3, x)": false, "rate(x[5m])": false, "sum(x) / sum(y)": false, "avg(": false, `count_values("a", x)`: false,
	} {
		c := Config{Query: query}
		if err := c.Check(); (err == nil) != ok || err != nil && !errors.Is(err, ErrQuery) {
			t.Errorf("%s: got %v", query, err)
		}
		if ok && (c.Interval != DefaultInterval || c.Shingle != rcf.DefaultShingle || c.Sample != rcf.DefaultSample) {
			t.Errorf("defaults: got %+v", c)
		}
	}
	for _, name := range []string{"__name__", AliasLabel, IDLabel, "a b", ""} {
		if err := (&Config{Query: "avg(x)", Labels: map[string]string{name: "v"}}).Check(); !errors.Is(err, ErrLabels) {
			t.Errorf("label %q: got %v", name, err)
		}
	}
	infinite := math.Inf(1)
	if err := (&Config{Query: "avg(x)", Above: &Near{Amount: &infinite}}).Check(); !errors.Is(err, ErrNear) {
		t.Errorf("an infinite amount: got %v", err)
	}
}

// TestBounds: a detector judges so many series and no more, memory is given back, and what fails repeats no label.
func TestBounds(t *testing.T) {
	s := openStore(t)
	many := shapes{}
	for i := range MaxSeries + 3 {
		many[fmt.Sprintf("canary%03d", i)] = wave
	}
	s.fill(t, 0, 1, many)
	memory := &Memory{Most: 1 << 40}
	d := newDetector(config(t, nil), memory, nil)
	err := s.evaluate(t, d, 0)
	if !errors.Is(err, ErrTooMany) || len(s.ask(t, 0, ValueName)) != MaxSeries {
		t.Errorf("got %v, %d series", err, len(s.ask(t, 0, ValueName)))
	}
	if memory.used.Load() != MaxSeries*d.size {
		t.Errorf("%d bytes are used", memory.used.Load())
	}
	for _, c := range []struct{ shingle, sample, want int }{{8, 256, 100}, {2, 256, 100}, {16, 256, 50}, {8, 1024, 25}, {1024, 1024, 1}} {
		if got := (&Config{Shingle: c.shingle, Sample: c.sample}).most(); got != c.want {
			t.Errorf("shingles of %d and samples of %d: got %d series, want %d", c.shingle, c.sample, got, c.want)
		}
	}
	d.end()
	if memory.used.Load() != 0 {
		t.Errorf("%d bytes are used when nothing runs", memory.used.Load())
	}
	small := &Memory{Most: 5 * d.size}
	d = newDetector(config(t, nil), small, nil)
	if err := s.evaluate(t, d, 1); !errors.Is(err, ErrTooMany) || len(d.models) != 5 {
		t.Errorf("little memory: got %v, %d models", err, len(d.models))
	}
	d = newDetector(config(t, func(c *Config) { c.Query = "avg by (job) (load * on () group_left load)" }), nil, nil)
	if err := s.evaluate(t, d, 0); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("a query that fails: got %v", err)
	}
}

// TestManager runs detectors as the house does: at once, again after a change, not without the key, and not after Stop.
func TestManager(t *testing.T) {
	s := openStore(t)
	app := s.db.Appender(context.Background())
	if _, err := app.Append(0, labels.FromStrings("__name__", "load", "job", "a"), time.Now().UnixMilli(), 1); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	var lost atomic.Int64
	m := New(Options{Source: s, Lost: func(error) { lost.Add(1) }})
	defer m.Stop()
	wait := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	if st := m.State("ad-1"); st != (State{}) {
		t.Errorf("state is %+v", st)
	}
	d := config(t, nil)
	m.Set([]Detector{d})
	wait("it was not evaluated", func() bool { return m.State("ad-1") == State{Revision: "1", Trained: true} })
	d.Revision, d.Query = "2", "avg(load * on () group_left load) by (job, x) + 1"
	m.Set([]Detector{d})
	wait("the change was not evaluated", func() bool { return m.State("ad-1").Revision == "2" && m.State("ad-1").Trained })
	s.away.Store(true)
	d.Revision = "3"
	m.Set([]Detector{d})
	wait("nobody was told that the key is away", func() bool { return lost.Load() > 0 })
	if st := m.State("ad-1"); st.Trained {
		t.Errorf("without the key: state is %+v", st)
	}
	m.Set(nil)
	if st := m.State("ad-1"); st != (State{}) {
		t.Errorf("when it is gone: state is %+v", st)
	}
}
