package tenant

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/strongroom/strongroom/service/amp/series"
)

// Tenant is an open workspace. Its methods may be called together.
type Tenant struct {
	ID  ID
	ARN string
	// DB is the store of its series. It is closed when the key cannot be used any more, and then returns series.ErrClosed. It is nil
	// where the series are kept elsewhere.
	DB *series.DB

	log    *slog.Logger
	keys   *keys
	ledger *ledger
	limits atomic.Pointer[Workspace] // the record that the limits in force are of
	failed atomic.Bool

	settings sync.Mutex // who applies limits

	alive context.Context // ends when the tenant is closed
	end   context.CancelCauseFunc
}

// openTenant opens the store of a workspace. Whoever asked first may go away meanwhile: others wait for it.
func (ts *Tenants) openTenant(id ID, w *Workspace) (*Tenant, error) {
	k, l := newKeys(ts.seal, id, w), &ledger{ts.opts.Store, ts.opts.Blobs, id, ts.now}
	t := &Tenant{ID: id, ARN: w.ARN, log: ts.opts.Log.With("workspace", id.Workspace), keys: k, ledger: l}
	if !w.Elsewhere {
		log, memory, err := ts.paths(id)
		if err != nil {
			return nil, err
		}
		t.DB, err = series.Open(As(context.Background(), id), series.Options{
			Name: id.Workspace, Log: log, Memory: memory, Blobs: ts.opts.Blobs, Prefix: blobPrefix, Keys: k,
			Ledger: l, Marks: ts.opts.Marks, Hold: &ts.hold, Logger: ts.opts.Log.With("workspace", id.Workspace), Arena: ts.opts.Arena,
			Retention: w.Limits.Retention, OutOfOrder: w.Limits.OutOfOrder, MaxSeries: int(w.Limits.ActiveSeries),
			MaxMetric: w.Limits.perMetric(), LabelSets: w.Limits.labelSets(),
		})
		if err != nil {
			return nil, err
		}
	}
	t.limits.Store(w)
	t.alive, t.end = context.WithCancelCause(context.Background())
	return t, nil
}

// Limits returns the quotas of the workspace that are in force.
func (t *Tenant) Limits() Limits { return t.limits.Load().Limits }

// Context returns a context that ends with ctx, and when the workspace is closed; context.Cause then says why, a *KeyError when its
// key cannot be used. Queries run in such a context. cancel must be called.
func (t *Tenant) Context(ctx context.Context) (_ context.Context, cancel context.CancelFunc) {
	ctx, stop := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(t.alive, func() { stop(context.Cause(t.alive)) })
	return ctx, func() {
		unhook()
		stop(nil)
	}
}

// Closed returns why the workspace was closed, or nil while it is open. Whoever gets series.ErrClosed from DB answers with this.
func (t *Tenant) Closed() error { return context.Cause(t.alive) }

// Fail says that the store failed in a way that only opening it again mends, such as wal.ErrPoisoned. The next use does so.
func (t *Tenant) Fail() { t.failed.Store(true) }

func (t *Tenant) broken() bool { return t.failed.Load() || t.alive.Err() != nil }

// apply puts the limits of a workspace into force where they have changed.
func (t *Tenant) apply(w *Workspace) error {
	if t.limits.Load() == w {
		return nil
	}
	t.settings.Lock()
	defer t.settings.Unlock()
	old := t.limits.Swap(w).Limits
	if t.DB == nil {
		return nil
	}
	if old.Retention != w.Limits.Retention {
		t.DB.SetRetention(w.Limits.Retention)
	}
	if old.ActiveSeries != w.Limits.ActiveSeries {
		t.DB.SetMaxSeries(int(w.Limits.ActiveSeries))
	}
	if old.perMetric() != w.Limits.perMetric() || !slices.EqualFunc(old.PerLabelSet, w.Limits.PerLabelSet, LabelSetLimit.equal) {
		if err := t.DB.SetQuotas(w.Limits.perMetric(), w.Limits.labelSets()); err != nil {
			return err
		}
	}
	if old.OutOfOrder != w.Limits.OutOfOrder {
		return t.DB.SetOutOfOrder(w.Limits.OutOfOrder)
	}
	return nil
}

// What an open workspace takes, roughly: the head's own tables, and each series with its open chunk and its places in the index.
// BenchmarkAmpScale in test/bench measures 3 MiB for one of 1,000 series and 1.6 KiB a series for one of 1,000,000.
const (
	baseCost   = 512 << 10
	seriesCost = 2560
)

func (t *Tenant) cost() int64 {
	if t.DB == nil {
		return 0
	}
	return baseCost + seriesCost*t.DB.ActiveSeries()
}

// close tells all users why, and waits for those who read.
func (t *Tenant) close(reason error) error {
	t.end(reason)
	if t.DB == nil {
		return nil
	}
	return t.DB.Close()
}
