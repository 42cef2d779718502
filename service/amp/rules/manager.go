package rules

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	promrules "github.com/prometheus/prometheus/rules"
)

// Options of a Manager.
type Options struct {
	Source Source
	Engine promql.QueryEngine
	Parser parser.Parser // as from NewParser, which also stands for nil
	// Notify is told of alerts that fire and of those that are resolved; nil for nobody.
	Notify promrules.NotifyFunc
	// Lost is told why the store could not be used, at once and each time. It must not wait for the manager.
	Lost func(error)
	// Failed is told of a rule that could not be evaluated, each time; nil for nobody. It must not wait for the manager.
	Failed func(Rule, error)
	// URL is where the workspace is found; it stands in alerts.
	URL string

	QueryOffset func() time.Duration // how far behind now rules look that do not say so themselves; nil for not at all
	Outage      time.Duration        // how long alerts may have been away and go on pending where they were; 0 for an hour
	Grace       time.Duration        // that a restored alert is pending at least; 0 for ten minutes
	Resend      time.Duration        // between notifications of the same alert; 0 for one minute
}

// Manager evaluates the rules of one workspace until Stop. Its methods may be called together.
type Manager struct {
	o      Options
	ctx    context.Context
	cancel context.CancelFunc
	inner  *promrules.Manager

	mu      sync.Mutex
	files   map[string]*File
	running bool
	stopped bool
	done    chan struct{}
}

var errStopped = errors.New("rules are stopped")

// New returns a manager without files. Nothing runs before the first Set.
func New(o Options) (*Manager, error) {
	if o.Parser == nil {
		o.Parser = NewParser()
	}
	if o.Notify == nil {
		o.Notify = func(context.Context, string, ...*promrules.Alert) {}
	}
	if o.QueryOffset == nil {
		o.QueryOffset = func() time.Duration { return 0 }
	}
	at, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("address of the workspace: %w", err)
	}
	m := &Manager{o: o, done: make(chan struct{})}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.inner = promrules.NewManager(&promrules.ManagerOptions{
		NameValidationScheme: model.UTF8Validation, ExternalURL: at, QueryFunc: m.query, NotifyFunc: o.Notify, Context: m.ctx,
		AppendableV2: borrowed{m}, Queryable: borrowed{m}, Logger: quiet, Parser: o.Parser, GroupLoader: loader{m},
		OutageTolerance: or(o.Outage, time.Hour), ForGracePeriod: or(o.Grace, 10*time.Minute), ResendDelay: or(o.Resend, time.Minute),
		DefaultRuleQueryOffset: o.QueryOffset,
	})
	return m, nil
}

func or(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

func (m *Manager) lost(err error) {
	if m.o.Lost != nil && m.ctx.Err() == nil {
		m.o.Lost(err)
	}
}

// Set makes files, by namespace, the rules that are evaluated. Groups that have not changed go on undisturbed;
// those that have keep the state of their alerts.
func (m *Manager) Set(files map[string]*File) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return errStopped
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	before := m.files
	m.files = files
	if err := m.inner.Update(DefaultInterval, names, labels.EmptyLabels(), m.o.URL, m.evaluate); err != nil {
		m.files = before
		return err
	}
	if !m.running {
		m.running = true
		go func() { // upstream's manager waits in here until it is stopped
			defer close(m.done)
			m.inner.Run()
		}()
	}
	return nil
}

// evaluate is one evaluation of a group, with a store that was lent for it.
func (m *Manager) evaluate(ctx context.Context, g *promrules.Group, at time.Time) {
	m.lend(ctx, func(ctx context.Context) {
		promrules.DefaultEvalIterationFunc(ctx, g, at)
		m.tell(g)
	})
}

// tell tells of the rules of a group that could not be evaluated, unless that is because everything stops.
func (m *Manager) tell(g *promrules.Group) {
	if m.o.Failed == nil || m.ctx.Err() != nil {
		return
	}
	for _, r := range g.Rules() {
		if err := r.LastError(); err != nil && r.Health() == promrules.HealthBad {
			kind := promrules.KindRecording
			if _, alerting := r.(*promrules.AlertingRule); alerting {
				kind = promrules.KindAlerting
			}
			m.o.Failed(Rule{Namespace: g.File(), Group: g.Name(), Name: r.Name(), Kind: kind}, err)
		}
	}
}

// Rule names a rule of a workspace.
type Rule struct {
	Namespace, Group, Name string
	Kind                   string // "alerting" or "recording"
}

// RuleOf returns the rule that a query of the engine is made for, by the context of the query.
func RuleOf(ctx context.Context) (r Rule) {
	d := promrules.FromOriginContext(ctx)
	r.Name, r.Kind = d.Name, d.Kind
	if origin, ok := ctx.Value(promql.QueryOrigin{}).(map[string]any); ok {
		if g, ok := origin["ruleGroup"].(map[string]string); ok {
			r.Namespace, r.Group = g["file"], g["name"]
		}
	}
	return r
}

// Stop ends all evaluations, also those under way, and returns when nothing runs any more.
func (m *Manager) Stop() {
	m.cancel() // first: a Set under way waits for evaluations
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return
	}
	m.stopped = true
	if m.running {
		m.inner.Stop()
		<-m.done
	}
	m.files = nil
}

// RuleGroups returns the groups as they stand, for the API of Prometheus.
func (m *Manager) RuleGroups() []*promrules.Group { return m.inner.RuleGroups() }

// AlertingRules returns the alerting rules as they stand, for the API of Prometheus.
func (m *Manager) AlertingRules() []*promrules.AlertingRule { return m.inner.AlertingRules() }

// loader gives upstream's manager the files that were set. Set holds the lock meanwhile.
type loader struct{ m *Manager }

func (l loader) Load(name string, _ bool, _ model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	f := l.m.files[name]
	if f == nil {
		return nil, []error{errors.New("no such file")}
	}
	return f.groups, nil
}

func (l loader) Parse(query string) (parser.Expr, error) { return l.m.o.Parser.ParseExpr(query) }
