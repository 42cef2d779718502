package amp

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/prometheus/promql"
	promrules "github.com/prometheus/prometheus/rules"

	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/service/amp/alerts"
	"github.com/strongroom/strongroom/service/amp/detect"
	"github.com/strongroom/strongroom/service/amp/rules"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// How often workspaces are looked at whose rules do not run, and the keys of those that do.
const (
	alertingEvery = 15 * time.Second
	alertingProof = time.Minute
	alertingSlots = 4 // workspaces that begin at the same time
)

// alerting runs the rules, the alert managers and the anomaly detectors of all workspaces that have some: from the start of the house, and whether
// or not anybody asks for them.
type alerting struct {
	s      *Service
	out    alerts.Outgoing
	engine promql.QueryEngine
	memory *detect.Memory // of models of anomaly detectors
	turns  detect.Turns   // of anomaly detectors

	began  time.Time // whatever changed before is what the house has found
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // somebody is to be looked at
	done   chan struct{}
	once   sync.Once // run has begun, or never will

	mu      sync.Mutex
	workers map[tenant.ID]*worker
}

func newAlerting(s *Service, r service.AlertReceivers) (*alerting, error) {
	a := &alerting{
		s: s, out: alerts.Outgoing{Roots: r.Roots, Addresses: r.Addresses, Topics: r.Topics, Timeout: r.Timeout},
		wake: make(chan struct{}, 1), done: make(chan struct{}), workers: make(map[tenant.ID]*worker), began: time.Now(), memory: &detect.Memory{Most: detectorMemory}, turns: detect.NewTurns(),
	}
	l := tenant.DefaultLimits()
	a.engine = engineApart{promql.NewEngine(promql.EngineOpts{
		MaxSamples: int(l.QuerySamples), Timeout: l.QueryTime, Parser: rules.NewParser(), EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return rules.DefaultInterval.Milliseconds() },
	})}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a, a.out.Check()
}

// reach is what receivers may be in this house. No service takes incidents yet.
func (a *alerting) reach() alerts.Reach { return alerts.Reach{Topic: a.out.Topic} }

// start finds the workspaces that have rules, an alert manager or anomaly detectors. They begin when jobs do.
func (a *alerting) start(ctx context.Context) error {
	all, err := a.s.allWorkspaces(ctx)
	if err != nil {
		return err
	}
	err = a.s.db.View(ctx, func(r store.Reader) error {
		for _, id := range all {
			n, err := count(r, namespacesOf(id), 0)
			if err != nil {
				return err
			}
			_, found, err := get[definition](r, definitionKey(id))
			if err != nil {
				return err
			}
			m, err := count(r, detectorsOf(id), 0)
			if err != nil {
				return err
			}
			if n+m > 0 || found {
				a.worker(id)
				continue
			}
			w, err := loadWorkspace(r, workspaceKey(id))
			if err != nil {
				return err
			}
			if w.Cluster { // which may have what was deleted when the house ended
				a.worker(id)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.s.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		return a.s.jobs.Schedule(tx, job.Job{Kind: jobAlerting, Due: a.s.now()})
	})
}

// begin runs the workers. It is a job, because none runs before the house can ask KMS.
func (a *alerting) begin(context.Context, job.Job) error {
	a.once.Do(func() {
		go a.run() // until close
		a.nudge()
	})
	return nil
}

// close stops all rules and deliveries.
func (a *alerting) close() {
	a.cancel()
	a.once.Do(func() { close(a.done) }) // it never began
	<-a.done
	a.each(func(w *worker) { w.stop(context.Background()) })
}

func (a *alerting) nudge() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// worker returns the worker of a workspace, which is made if there is none.
func (a *alerting) worker(id tenant.ID) *worker {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := a.workers[id]
	if w == nil {
		w = &worker{a: a, id: id}
		w.stale.Store(true)
		a.workers[id] = w
	}
	return w
}

// changed sees to it that what a workspace has is read again soon.
func (a *alerting) changed(id tenant.ID) {
	a.worker(id).stale.Store(true)
	a.nudge()
}

// run looks after the workers until the house closes.
func (a *alerting) run() {
	defer close(a.done)
	t := time.NewTicker(alertingEvery)
	defer t.Stop()
	for {
		select {
		case <-a.wake:
		case <-t.C:
		case <-a.ctx.Done():
			return
		}
		a.each(func(w *worker) { w.look(a.ctx) })
	}
}

// each does something with every worker, a few at a time.
func (a *alerting) each(fn func(*worker)) {
	a.mu.Lock()
	var all []*worker
	for _, w := range a.workers {
		all = append(all, w)
	}
	a.mu.Unlock()
	var wg sync.WaitGroup
	slots := make(chan struct{}, alertingSlots)
	for _, w := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			fn(w)
		})
	}
	wg.Wait()
}

// pending reports whether what was changed at a time does not run yet, because the workspace has not been read since.
func (a *alerting) pending(id tenant.ID, changed time.Time) bool {
	a.mu.Lock()
	w := a.workers[id]
	a.mu.Unlock()
	if w == nil || changed.Before(a.began) {
		return false
	}
	read := w.read.Load()
	return read == nil || changed.After(*read)
}

// ErrNoAlertManager says that a workspace has no alert manager definition.
var ErrNoAlertManager = errors.New("the Alertmanager is not configured")

// Rules returns the rule groups of a workspace and their alerts, for the API of Prometheus. The caller must be allowed to read the
// workspace, and its key was found usable for this request.
func (s *Service) Rules(ctx context.Context, id tenant.ID) RuleGroups {
	m, _ := s.alerting.ready(ctx, id)
	if m == nil {
		return noRules{}
	}
	return m
}

// AlertManager returns the handler of Alertmanager's API of a workspace, for paths that begin with /api/v2/, or ErrNoAlertManager. What
// holds of the caller of Rules holds here.
func (s *Service) AlertManager(ctx context.Context, id tenant.ID) (http.Handler, error) {
	if _, m := s.alerting.ready(ctx, id); m != nil {
		return m.Handler(), nil
	}
	if _, err := s.readDefinition(ctx, id); err == nil {
		return nil, &wire.Error{Code: "ServiceUnavailableException", Status: http.StatusServiceUnavailable, Message: "The Alertmanager is starting. Please try again."}
	}
	return nil, ErrNoAlertManager
}

// ready returns what runs for a workspace, after it was brought up to date.
func (a *alerting) ready(ctx context.Context, id tenant.ID) (*rules.Manager, *alerts.Manager) {
	a.mu.Lock()
	w := a.workers[id]
	a.mu.Unlock()
	if w == nil {
		return nil, nil
	}
	w.look(ctx)
	return w.running()
}

// RuleGroups knows the rule groups of a workspace and what is alerting: upstream's RulesRetriever.
type RuleGroups interface {
	RuleGroups() []*promrules.Group
	AlertingRules() []*promrules.AlertingRule
}

// noRules is a workspace without rules.
type noRules struct{}

func (noRules) RuleGroups() []*promrules.Group           { return nil }
func (noRules) AlertingRules() []*promrules.AlertingRule { return nil }
