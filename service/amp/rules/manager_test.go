package rules

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	promrules "github.com/prometheus/prometheus/rules"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service/amp/series"
)

// keys wraps data keys under a key of the test.
type keys struct{}

var wrapping = secret.New(bytes.Repeat([]byte{7}, seal.KeySize))

func (keys) Make(context.Context) (seal.DataKey, error) {
	key := make([]byte, seal.KeySize)
	rand.Read(key)
	wrapped, err := seal.Bytes(wrapping, key, nil)
	return seal.DataKey{Plaintext: secret.New(key), Wrapped: wrapped}, err
}

func (keys) Open(_ context.Context, wrapped []byte) (secret.Bytes, error) {
	key, err := seal.OpenBytes(wrapping, wrapped, nil)
	return secret.New(key), err
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
	lent atomic.Int64
}

func (s *source) Use(context.Context) (Store, func(), error) {
	if s.away.Load() {
		return nil, nil, errKey
	}
	s.lent.Add(1)
	return s.db, func() { s.lent.Add(-1) }, nil
}

func openStore(t *testing.T, dir string) *series.DB {
	t.Helper()
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
	return db
}

func write(t *testing.T, db *series.DB, v float64, pairs ...string) {
	t.Helper()
	app := db.Appender(context.Background())
	if _, err := app.Append(0, labels.FromStrings(pairs...), time.Now().UnixMilli(), v); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

// inbox gathers notifications.
type inbox struct {
	mu     sync.Mutex
	alerts []promrules.Alert
}

func (i *inbox) notify(_ context.Context, _ string, alerts ...*promrules.Alert) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, a := range alerts {
		i.alerts = append(i.alerts, *a)
	}
}

func (i *inbox) find(f func(promrules.Alert) bool) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.ContainsFunc(i.alerts, f)
}

var engine = promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: NewParser(), EnableAtModifier: true})

func newManager(t *testing.T, o Options) *Manager {
	t.Helper()
	o.Engine, o.URL, o.Grace = engine, "https://house.example/workspaces/ws/", time.Millisecond
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	return m
}

func set(t *testing.T, m *Manager, file string) {
	t.Helper()
	f, err := Parse([]byte(file), NewParser(), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Set(map[string]*File{"ns": f}); err != nil {
		t.Fatal(err)
	}
}

// until waits for something that is to come true soon.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for range 1000 {
		if f() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not in time: %s", what)
}

// value reads the value that a query has now, and whether it has one.
func value(t *testing.T, db *series.DB, q string) (float64, bool) {
	t.Helper()
	query, err := engine.NewInstantQuery(context.Background(), db, nil, q, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	v, err := query.Exec(context.Background()).Vector()
	if err != nil {
		t.Fatal(err)
	}
	if len(v) == 0 {
		return 0, false
	}
	return v[0].F, true
}

const quickly = `groups:
  - name: quick
    interval: 50ms
    rules:
      - record: canary_double
        expr: canary_input * 2
      - alert: CanaryHot
        expr: canary_double > 5
        annotations: {summary: "canary-summary {{ $value }}"}
`

func TestManager_evaluates(t *testing.T) {
	dir := t.TempDir()
	db, in := openStore(t, dir), new(inbox)
	src := &source{db: db}
	m := newManager(t, Options{Source: src, Notify: in.notify, Resend: time.Millisecond})
	write(t, db, 4, "__name__", "canary_input")
	set(t, m, quickly)
	until(t, "recorded sample", func() bool { v, _ := value(t, db, "canary_double"); return v == 8 })
	until(t, "notification", func() bool {
		return in.find(func(a promrules.Alert) bool {
			return a.Labels.Get("alertname") == "CanaryHot" && a.Annotations.Get("summary") == "canary-summary 8"
		})
	})
	if got := m.AlertingRules(); len(got) != 1 || got[0].State() != promrules.StateFiring {
		t.Errorf("alerting rules: %v", got)
	}
	write(t, db, 1, "__name__", "canary_input")
	until(t, "resolved", func() bool { return in.find(func(a promrules.Alert) bool { return !a.ResolvedAt.IsZero() }) })
	m.Stop()
	if n := src.lent.Load(); n != 0 {
		t.Errorf("%d loans are open", n)
	}
	noCanary(t, dir)
}

// noCanary looks for what nobody may find on the disk.
func noCanary(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if bytes.Contains(bytes.ToLower(b), []byte("canary")) {
			t.Errorf("%s is readable", path)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files searched: %v", files, err)
	}
}

func TestManager_stopsWithoutKey(t *testing.T) {
	db := openStore(t, t.TempDir())
	src := &source{db: db}
	var lost atomic.Int64
	m := newManager(t, Options{Source: src, Lost: func(err error) {
		if errors.Is(err, errKey) {
			lost.Add(1)
		}
	}})
	write(t, db, 1, "__name__", "canary_input")
	set(t, m, quickly)
	until(t, "first sample", func() bool { _, ok := value(t, db, "canary_double"); return ok })
	src.away.Store(true)
	until(t, "lost", func() bool { return lost.Load() > 2 })
	write(t, db, 10, "__name__", "canary_input")
	n := lost.Load()
	until(t, "more evaluations", func() bool { return lost.Load() > n+2 })
	if v, _ := value(t, db, "canary_double"); v == 20 {
		t.Error("a rule was evaluated without the key")
	}
	src.away.Store(false)
	until(t, "goes on", func() bool { v, _ := value(t, db, "canary_double"); return v == 20 })
}

func TestManager_restoresPending(t *testing.T) {
	const slow = `groups:
  - name: quick
    interval: 50ms
    rules:
      - alert: Slow
        expr: input > 0
        for: 1h
`
	db := openStore(t, t.TempDir())
	write(t, db, 1, "__name__", "input")
	first := newManager(t, Options{Source: &source{db: db}})
	set(t, first, slow)
	until(t, "state is kept", func() bool { _, ok := value(t, db, "ALERTS_FOR_STATE"); return ok })
	first.Stop()

	// As if it had begun half an hour before.
	write(t, db, float64(time.Now().Add(-30*time.Minute).Unix()), "__name__", "ALERTS_FOR_STATE", "alertname", "Slow")
	second := newManager(t, Options{Source: &source{db: db}})
	set(t, second, slow)
	until(t, "restored", func() bool {
		rules := second.AlertingRules()
		if len(rules) != 1 || !rules[0].Restored() {
			return false
		}
		active := rules[0].ActiveAlerts()
		return len(active) == 1 && active[0].ActiveAt.Before(time.Now().Add(-25*time.Minute))
	})
}

func TestManager_set(t *testing.T) {
	db := openStore(t, t.TempDir())
	m := newManager(t, Options{Source: &source{db: db}})
	set(t, m, quickly)
	if got := len(m.RuleGroups()); got != 1 {
		t.Errorf("%d groups, want 1", got)
	}
	set(t, m, quickly+strings.ReplaceAll(strings.TrimPrefix(quickly, "groups:\n"), "quick", "other"))
	if got := len(m.RuleGroups()); got != 2 {
		t.Errorf("%d groups, want 2", got)
	}
	if err := m.Set(nil); err != nil || len(m.RuleGroups()) != 0 {
		t.Errorf("groups are left: %v, %v", m.RuleGroups(), err)
	}
	m.Stop()
	m.Stop()
	if err := m.Set(nil); !errors.Is(err, errStopped) {
		t.Errorf("got %v, want errStopped", err)
	}
}

// TestManager_looksBack: rules look back as far as they are told now, unless their group says so itself.
func TestManager_looksBack(t *testing.T) {
	db := openStore(t, t.TempDir())
	app := db.Appender(context.Background())
	if _, err := app.Append(0, labels.FromStrings("__name__", "canary_input"), time.Now().Add(-20*time.Minute).UnixMilli(), 4); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	var offset atomic.Int64
	m := newManager(t, Options{Source: &source{db: db}, QueryOffset: func() time.Duration { return time.Duration(offset.Load()) }})
	set(t, m, strings.ReplaceAll(quickly, "    rules:\n", "    rules:\n      - record: evaluated\n        expr: vector(1)\n"))
	until(t, "an evaluation", func() bool { v, _ := value(t, db, "evaluated"); return v == 1 })
	if v, ok := value(t, db, "last_over_time(canary_double[1h])"); ok {
		t.Errorf("now there is no input, and a rule has recorded %v", v)
	}
	offset.Store(int64(20*time.Minute - 5*time.Second))
	until(t, "a sample of twenty minutes ago", func() bool { v, _ := value(t, db, "last_over_time(canary_double[1h])"); return v == 8 })
}
