package alerts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/alertmanager/alert"
	apiv2 "github.com/prometheus/alertmanager/api/v2"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/labelset"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promrules "github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/util/strutil"
)

var quiet = slog.New(slog.DiscardHandler)

// Options of a Manager.
type Options struct {
	ARN      string // of the workspace
	URL      string // where the workspace is found; it stands in notifications
	Storage  Storage
	Outgoing Outgoing
	// Incidents takes incidents; nil for nobody.
	Incidents Incidents
	Limits    Limits
	// Failed is told of the receiver whose delivery failed and of what kind it was, retries included; nil for nobody.
	Failed func(receiver, kind string)
	// Refused is told that alerts are refused because of a limit, in the words of AWS's logs, and once a minute for each limit at most; nil for
	// nobody. It must be quick.
	Refused func(text string)
	// Lost is told why state could not be saved, each time. It must not wait for the manager.
	Lost func(error)
	// SaveEvery is how often state is saved that has changed; 0 for five seconds.
	SaveEvery time.Duration
}

// Manager is the Alertmanager of one workspace. Its methods may be called together.
type Manager struct {
	o      Options
	url    *url.URL
	ctx    context.Context
	cancel context.CancelFunc
	kept   chan struct{} // closed when nothing is saved any more by itself
	start  time.Time

	silences *silence.Silences
	silencer *silence.Silencer
	log      *nflog.Log
	alerts   *mem.Alerts
	api      *apiv2.API
	handler  http.Handler
	pipeline *notify.PipelineBuilder
	metrics  *dispatch.DispatcherMetrics
	failed   atomic.Int64

	dirtySilences, dirtyLog, dirtyAlerts atomic.Bool
	saving                               sync.Mutex

	mu         sync.Mutex // held while a definition is applied
	closed     bool
	dispatcher atomic.Pointer[dispatch.Dispatcher]
	inhibitor  atomic.Pointer[inhibit.Inhibitor]
}

// Open reads the state of a workspace and delivers alerts by a definition, until Close.
func Open(ctx context.Context, d *Definition, o Options) (_ *Manager, err error) {
	if o.Failed == nil {
		o.Failed = func(string, string) {}
	}
	if o.Refused == nil {
		o.Refused = func(string) {}
	}
	m := &Manager{o: o, kept: make(chan struct{}), start: time.Now()}
	if m.url, err = url.Parse(o.URL); err != nil {
		return nil, err
	}
	if err := errors.Join(m.openSilences(ctx), m.openLog(ctx)); err != nil {
		return nil, err
	}
	reg := prometheus.NewRegistry()
	m.silencer = silence.NewSilencer(m.silences, quiet, eventrecorder.Recorder{})
	bounds := &bound{Silencer: m.silencer, m: m, sizes: make(map[model.Fingerprint]int64), told: make(map[string]time.Time)}
	m.alerts, err = mem.NewAlerts(context.Background(), 30*time.Minute, 0, bounds, quiet, eventrecorder.Recorder{}, reg, featurecontrol.NoopFlags{})
	if err != nil {
		return nil, err
	}
	m.pipeline = notify.NewPipelineBuilder(reg, featurecontrol.NoopFlags{}, eventrecorder.Recorder{})
	m.metrics = dispatch.NewDispatcherMetrics(false, reg, featurecontrol.NoopFlags{})
	if m.api, err = apiv2.NewAPI(m.alerts, m.groups, m.silences, nil, quiet, reg); err != nil {
		m.alerts.Close()
		return nil, err
	}
	m.handler = m.newHandler()
	if err := errors.Join(m.openAlerts(ctx), m.Apply(d)); err != nil {
		m.alerts.Close()
		return nil, err
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	go m.keep()
	return m, nil
}

// Failures returns how many deliveries have failed, retries included.
func (m *Manager) Failures() int64 { return m.failed.Load() }

func (m *Manager) groups(ctx context.Context, route func(*dispatch.Route) bool, filter dispatch.AlertFilter) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
	d := m.dispatcher.Load()
	if d == nil {
		return nil, nil, errors.New("alert manager is closed")
	}
	return d.Groups(ctx, route, filter)
}

// aggregations bounds the groups of a dispatcher.
type aggregations int

func (n aggregations) MaxNumberOfAggregationGroups() int { return int(n) }

// Apply makes d the definition by which alerts are delivered. Everything that can go wrong does so before anything changes.
func (m *Manager) Apply(d *Definition) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errors.New("alert manager is closed")
	}
	tmpl, _, err := d.newTemplates()
	if err != nil {
		return err
	}
	tmpl.ExternalURL = m.url
	receivers := make(map[string][]notify.Integration)
	for i := range d.config.Receivers {
		r := &d.config.Receivers[i]
		if receivers[r.Name], err = m.integrations(d, r, tmpl); err != nil {
			return err
		}
	}
	intervals := make(map[string][]timeinterval.TimeInterval)
	for _, t := range d.config.MuteTimeIntervals {
		intervals[t.Name] = t.TimeIntervals
	}
	for _, t := range d.config.TimeIntervals {
		intervals[t.Name] = t.TimeIntervals
	}
	intervener := timeinterval.NewIntervener(intervals)
	m.halt()
	inhibitor := inhibit.NewInhibitor(m.alerts, d.config.InhibitRules, quiet, eventrecorder.Recorder{})
	stage := m.pipeline.New(receivers, func() time.Duration { return 0 }, inhibitor, m.silencer, intervener, m.log, nil)
	m.api.Update(d.config, func(ctx context.Context, ls labelset.LabelSet) {
		inhibitor.Mutes(ctx, ls)
		m.silencer.Mutes(ctx, ls)
	})
	dispatcher := dispatch.NewDispatcher(m.alerts, dispatch.NewRoute(d.config.Route, nil), stage, intervener,
		func(d time.Duration) time.Duration { return max(d, notify.MinTimeout) }, 30*time.Second,
		aggregations(m.o.Limits.AggregationGroups), quiet, eventrecorder.Recorder{}, m.metrics, tmpl)
	go inhibitor.Run() // until halt
	inhibitor.WaitForLoading()
	m.inhibitor.Store(inhibitor)
	go dispatcher.Run(m.start) // until halt
	dispatcher.WaitForLoading()
	m.dispatcher.Store(dispatcher)
	return nil
}

// halt stops what runs by the definition so far.
func (m *Manager) halt() {
	if i := m.inhibitor.Swap(nil); i != nil {
		i.Stop()
	}
	if d := m.dispatcher.Swap(nil); d != nil {
		d.Stop()
	}
}

// Close stops all deliveries, and saves what has changed if that is possible.
func (m *Manager) Close(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	m.cancel()
	<-m.kept
	m.halt()
	err := m.save(ctx)
	m.alerts.Close()
	return err
}

// Notify takes the alerts of rules. It is a NotifyFunc of package rules.
func (m *Manager) Notify(ctx context.Context, expr string, list ...*promrules.Alert) {
	now := time.Now()
	out := make([]*alert.Alert, 0, len(list))
	for _, a := range list {
		ends := a.ValidUntil
		if !a.ResolvedAt.IsZero() {
			ends = a.ResolvedAt
		}
		made := model.Alert{Labels: set(a.Labels), Annotations: set(a.Annotations), StartsAt: a.FiredAt, EndsAt: ends, GeneratorURL: strings.TrimSuffix(m.o.URL, "/") + strutil.TableLinkForExpression(expr)}
		if alert.Validate(&made) == nil {
			out = append(out, alert.New(made, now, false))
		}
	}
	_ = m.alerts.Put(ctx, out...) // the memory store has no errors to return
}

func set(ls labels.Labels) model.LabelSet {
	out := make(model.LabelSet, ls.Len())
	ls.Range(func(l labels.Label) { out[model.LabelName(l.Name)] = model.LabelValue(l.Value) })
	return out
}

// bound keeps the alerts of a workspace within its limits, and notes that they have changed. The store holds a lock
// while it calls any of these.
type bound struct {
	*silence.Silencer
	m     *Manager
	mu    sync.Mutex
	sizes map[model.Fingerprint]int64
	total int64
	told  map[string]time.Time // of limits, when somebody was told last
}

var errTooMany = errors.New("the limit of active alerts of the workspace is reached")

// PreStore refuses an alert that is one too many.
func (b *bound) PreStore(a *alert.Alert, existing bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, n := b.m.o.Limits, size(a)
	before := b.sizes[a.Fingerprint()]
	switch {
	case l.Alerts > 0 && !existing && len(b.sizes) >= l.Alerts:
		return b.refuse(fmt.Sprintf("too many alerts, limit: %d", l.Alerts))
	case l.AlertBytes > 0 && b.total-before+n > l.AlertBytes:
		return b.refuse(fmt.Sprintf("alerts too big, total size limit: %d bytes", l.AlertBytes))
	}
	b.sizes[a.Fingerprint()] = n
	b.total += n - before
	return nil
}

// refuse tells of a limit now and then. b.mu is held.
func (b *bound) refuse(text string) error {
	if now := time.Now(); now.Sub(b.told[text]) >= time.Minute {
		b.told[text] = now
		b.m.o.Refused(text)
	}
	return errTooMany
}

// PostStore notes the change.
func (b *bound) PostStore(*alert.Alert, bool) { b.m.dirtyAlerts.Store(true) }

// PostDelete notes that an alert is gone.
func (b *bound) PostDelete(a *alert.Alert) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total -= b.sizes[a.Fingerprint()]
	delete(b.sizes, a.Fingerprint())
	b.m.dirtyAlerts.Store(true)
}

// size is about what an alert takes.
func size(a *alert.Alert) (n int64) {
	for k, v := range a.Labels {
		n += int64(len(k) + len(v))
	}
	for k, v := range a.Annotations {
		n += int64(len(k) + len(v))
	}
	return n
}
