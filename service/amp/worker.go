package amp

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	promrules "github.com/prometheus/prometheus/rules"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/service/amp/alerts"
	"github.com/strongroom/strongroom/service/amp/detect"
	places "github.com/strongroom/strongroom/service/amp/place"
	"github.com/strongroom/strongroom/service/amp/rules"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
)

// worker runs the rules and the alert manager of one workspace, as long as its key can be used.
type worker struct {
	a  *alerting
	id tenant.ID

	stale atomic.Bool                    // what the workspace has is to be read again
	read  atomic.Pointer[time.Time]      // when it was last begun to be read, with success
	lost  atomic.Bool                    // the key could not be used: everything stops
	late  atomic.Int64                   // how far behind now rules look, as the workspace's configuration says
	sink  atomic.Pointer[alerts.Manager] // the alert manager, for rules

	mu     sync.Mutex
	rules  *rules.Manager
	alerts *alerts.Manager

	detectors *detect.Manager

	proven time.Time // when the key was last found usable
	tried  time.Time // when it was last not
	silent bool      // a failure was logged, and is not logged again
	handed handed    // to the cluster that keeps the workspace
}

func (w *worker) running() (*rules.Manager, *alerts.Manager) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rules, w.alerts
}

// look brings what runs up to date: it stops what has lost its key, begins when the key is back, and reads again what has changed.
func (w *worker) look(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.a.ctx.Err() != nil {
		return
	}
	if w.lost.Swap(false) {
		w.halt(ctx)
		w.stale.Store(true)
		w.tried = time.Now()
	}
	stale := w.stale.Load()
	if !stale && w.handed.nothing() && w.rules == nil && w.alerts == nil && w.detectors == nil && w.elsewhere(ctx) {
		return // nothing runs that a key could be lost for, here or in the cluster
	}
	if stale && time.Since(w.tried) < alertingEvery/2 || !stale && time.Since(w.proven) < alertingProof {
		return
	}
	w.stale.Store(false)
	began := time.Now()
	if err := w.refresh(ctx, stale); err != nil {
		w.failed(ctx, err)
		return
	}
	if stale {
		w.read.Store(&began)
	}
	w.proven, w.tried, w.silent = time.Now(), time.Time{}, false
}

// failed stops everything when the key cannot be used, and tries again later in any case.
func (w *worker) failed(ctx context.Context, err error) {
	var k *tenant.KeyError
	gone := errors.Is(err, tenant.ErrNoWorkspace)
	if gone || errors.As(err, &k) {
		w.halt(ctx)
	}
	if gone || k != nil && k.Lost && w.stopped(ctx) {
		w.a.forget(w) // a cluster takes back what is deleted with the workspace itself
		return
	}
	w.stale.Store(true)
	w.tried = time.Now()
	if !w.silent && w.a.ctx.Err() == nil && ctx.Err() == nil {
		w.silent = true
		w.a.s.log.Warn("rules and alerts of a workspace do not run; it is tried again", "workspace", w.id.ARN(), "error", err)
	}
}

// forget drops the worker of a workspace that is no more.
func (a *alerting) forget(w *worker) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.workers[w.id] == w {
		delete(a.workers, w.id)
	}
}

// refresh proves that the key can be used, and reads what the workspace has, where that is asked for.
func (w *worker) refresh(ctx context.Context, read bool) error {
	t, release, err := w.a.s.tenants.Use(alone(ctx), w.id)
	if err != nil {
		return err
	}
	defer release()
	if !read {
		return nil
	}
	run := w.run
	if t.DB == nil {
		run = w.hand
	}
	if err := run(ctx, t); err != nil {
		return err
	}
	return w.readDetectors(ctx, t)
}

// run runs the alert manager and the rules that the workspace has.
func (w *worker) run(ctx context.Context, t *tenant.Tenant) error {
	if err := w.readDefinition(ctx, t); err != nil {
		return err
	}
	return w.readRules(ctx, t)
}

// alone is a context in which nobody calls but the service itself.
func alone(ctx context.Context) context.Context { return detached{ctx} }

// detached ends with another context, and has none of its values.
type detached struct{ context.Context }

func (detached) Value(any) any { return nil }

// readDefinition begins, changes or ends the alert manager. A definition that this house does not accept any more, because its operator has
// changed what may be reached, says so in its status.
func (w *worker) readDefinition(ctx context.Context, t *tenant.Tenant) error {
	ctx = alone(ctx)
	text, err := t.Document(ctx, definitionDocument)
	if errors.Is(err, tenant.ErrNoDocument) {
		return w.endAlerts(ctx, t)
	}
	if err != nil {
		return err
	}
	d, err := alerts.Parse(text, alerts.Limits{}, w.a.reach())
	var invalid *places.Invalid
	if errors.As(err, &invalid) {
		return errors.Join(w.closeAlerts(ctx), w.a.s.noteDefinition(ctx, w.id, quoted.ReplaceAllString(invalid.Error(), `"..."`)))
	}
	if err != nil {
		return err
	}
	if w.alerts != nil {
		err = w.alerts.Apply(d)
	} else {
		w.alerts, err = alerts.Open(ctx, d, alerts.Options{
			ARN: t.ARN, URL: w.url(), Storage: &state{w}, Outgoing: w.a.out, Limits: alertLimits(t.Limits()),
			Failed: func(receiver, kind string) {
				w.a.s.log.Debug("an alert was not delivered", "workspace", w.id.ARN(), "receiver", kind)
				w.a.s.alertFailed(w.id, receiver, kind)
			},
			Refused: func(text string) { w.a.s.alertRefused(w.id, text) },
			Lost:    w.lose,
		})
	}
	if err != nil {
		return err
	}
	w.sink.Store(w.alerts)
	return w.a.s.noteDefinition(ctx, w.id, "")
}

// quoted is what a message repeats of a definition. A status is not sealed under the workspace's key.
var quoted = regexp.MustCompile(`"[^"]*"`)

// noteDefinition keeps what is wrong with a definition that was accepted before, or that nothing is.
func (s *Service) noteDefinition(ctx context.Context, id tenant.ID, reason string) error {
	status := api.AlertManagerDefinitionStatusCodeActive
	if reason != "" {
		status = api.AlertManagerDefinitionStatusCodeUpdateFailed
	}
	d, err := s.readDefinition(ctx, id)
	if err != nil || d.Status == status && d.Reason == reason {
		return nil // it is gone, or says so already
	}
	return s.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		d, found, err := get[definition](tx, definitionKey(id))
		if err != nil || !found {
			return err
		}
		d.Status, d.Reason = status, reason
		return put(tx, definitionKey(id), d)
	})
}

// url is where the workspace is found, as AWS names it: the house has no one name of its own.
func (w *worker) url() string {
	return "https://aps-workspaces." + w.id.Region + ".amazonaws.com/workspaces/" + w.id.Workspace + "/"
}

// endAlerts ends the alert manager of a workspace without a definition, and removes what it has kept.
func (w *worker) endAlerts(ctx context.Context, t *tenant.Tenant) error {
	if err := w.closeAlerts(ctx); err != nil {
		return err
	}
	kept, err := t.Documents(ctx, stateDocuments)
	for _, name := range kept {
		err = errors.Join(err, t.DeleteDocument(ctx, name, nil))
	}
	return err
}

func (w *worker) closeAlerts(ctx context.Context) error {
	if w.alerts == nil {
		return nil
	}
	w.sink.Store(nil)
	err := w.alerts.Close(ctx)
	w.alerts = nil
	return err
}

// readRules begins, changes or ends the rules. A file that was accepted by a release before, and is not any more, says so in the
// status of its namespace, and the others run.
func (w *worker) readRules(ctx context.Context, t *tenant.Tenant) error {
	ctx = alone(ctx)
	names, err := t.Documents(ctx, ruleDocuments)
	if err != nil {
		return err
	}
	files := make(map[string]*rules.File)
	for _, name := range names {
		text, err := t.Document(ctx, name)
		if errors.Is(err, tenant.ErrNoDocument) {
			continue
		}
		if err != nil {
			return err
		}
		space := strings.TrimPrefix(name, ruleDocuments)
		f, err := rules.Parse(text, rules.NewParser(), rules.Limits{})
		if err := w.a.s.noteRules(ctx, w.id, space, err); err != nil {
			return err
		}
		if err == nil {
			files[space] = f
		}
	}
	if len(files) == 0 {
		w.stopRules()
		return nil
	}
	if w.rules == nil {
		if w.rules, err = rules.New(rules.Options{
			Source: source{w}, Engine: engine{w.a.engine, w}, Notify: w.notify, Lost: w.lose, URL: w.url(), QueryOffset: w.offset,
			Failed: func(r rules.Rule, err error) { w.a.s.ruleFailed(w.id, r, err) },
		}); err != nil {
			return err
		}
	}
	return w.rules.Set(files)
}

func (w *worker) stopRules() {
	if w.rules != nil {
		w.rules.Stop()
		w.rules = nil
	}
}

// notify hands alerts of rules to the alert manager, if there is one. Whoever changes what runs waits for evaluations, and
// holds the lock meanwhile.
func (w *worker) notify(ctx context.Context, expr string, list ...*promrules.Alert) {
	if m := w.sink.Load(); m != nil {
		m.Notify(ctx, expr, list...)
	}
}

// lose is told why the store could not be used.
func (w *worker) lose(err error) {
	var k *tenant.KeyError
	if errors.As(err, &k) && k.Code != "ThrottlingException" || errors.Is(err, tenant.ErrNoWorkspace) {
		w.lost.Store(true)
		w.a.nudge()
	}
}

// halt stops everything, whether or not it can be saved.
func (w *worker) halt(ctx context.Context) {
	w.stopRules()
	w.stopDetectors()
	_ = w.closeAlerts(alone(ctx)) // without the key nothing can be saved; with it, all was a moment ago
	if w.elsewhere(ctx) {
		if err := w.withdraw(ctx); err != nil {
			w.a.s.log.Error("the metrics cluster still has rules and alerts of a workspace whose key can't be used; it is tried again", "workspace", w.id.ARN(), "error", err)
		}
	}
}

// stopped reports whether nothing of the workspace runs any more, here or in the cluster.
func (w *worker) stopped(ctx context.Context) bool { return !w.elsewhere(ctx) || w.handed.nothing() }

// stop stops what the house runs, because it ends. A cluster goes on.
func (w *worker) stop(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopRules()
	w.stopDetectors()
	_ = w.closeAlerts(alone(ctx)) // what was not saved was of the last moment
}

// source lends the series of the workspace to its rules.
type source struct{ w *worker }

// Use opens the workspace, after its key was found usable.
func (s source) Use(ctx context.Context) (rules.Store, func(), error) {
	t, release, err := s.w.a.s.tenants.Use(alone(ctx), s.w.id)
	if err != nil {
		return nil, nil, err
	}
	s.w.late.Store(int64(t.Limits().RuleOffset)) // it is asked for after the store, within the same evaluation
	return t.DB, release, nil
}

func (w *worker) offset() time.Duration { return time.Duration(w.late.Load()) }

// state keeps what the alert manager knows among the documents of the workspace.
type state struct{ w *worker }

// Load returns what was saved under a name, or nil.
func (s *state) Load(ctx context.Context, name string) (b []byte, err error) {
	t, release, err := s.w.a.s.tenants.Use(alone(ctx), s.w.id)
	if err != nil {
		return nil, err
	}
	defer release()
	b, err = t.Document(alone(ctx), stateDocuments+name)
	if errors.Is(err, tenant.ErrNoDocument) {
		return nil, nil
	}
	return b, err
}

// Save seals what is to be kept.
func (s *state) Save(ctx context.Context, name string, data []byte) error {
	t, release, err := s.w.a.s.tenants.Use(alone(ctx), s.w.id)
	if err != nil {
		return err
	}
	defer release()
	return t.PutDocument(alone(ctx), stateDocuments+name, data, nil)
}
