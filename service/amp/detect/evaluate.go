package detect

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"github.com/strongroom/strongroom/service/amp/rcf"
)

// detector is a detector that runs. Its models belong to whoever evaluates it.
type detector struct {
	Detector
	due    time.Time // guarded by the manager's lock
	memory *Memory
	turns  Turns
	size   int64 // of a model

	gone   atomic.Bool
	turn   sync.Mutex        // who evaluates it, or drops its models
	models map[string]*known // by the labels of the query's series

	mu   sync.Mutex
	last State
}

// known is what is known of one series of the query.
type known struct {
	labels  labels.Labels // of what is written, without the name
	model   *rcf.Detector
	newest  int64 // time of the last value, in milliseconds
	missing int   // evaluations since
}

func newDetector(d Detector, memory *Memory, turns Turns) *detector {
	return &detector{
		Detector: d, memory: memory, turns: turns, size: d.options(0).Memory(), models: make(map[string]*known), last: State{Revision: d.Revision},
	}
}

func (d *detector) state() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

func (d *detector) ended(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last.Trained, d.last.Err = true, err
}

// end drops the models, at once or at the end of the evaluation that is under way.
func (d *detector) end() {
	d.gone.Store(true)
	if !d.turn.TryLock() {
		return
	}
	defer d.turn.Unlock()
	for key := range d.models {
		d.forget(key)
	}
}

func (d *detector) forget(key string) {
	delete(d.models, key)
	d.memory.give(d.size)
}

// ErrTooMany says that the query of a detector gives more series than it judges, or than there is memory for.
var ErrTooMany = errors.New("too many series")

// errMemory says that there is no memory for one more model.
var errMemory = fmt.Errorf("%w: the house has no more memory for models of detectors", ErrTooMany)

// evaluate asks the query at a time, judges what it gives and writes that down. Series that are new are shown their past first.
func (d *detector) evaluate(ctx context.Context, store Store, at time.Time) error {
	d.turn.Lock()
	defer func() {
		d.turn.Unlock()
		if d.gone.Load() {
			d.end()
		}
	}()
	if d.gone.Load() {
		return nil
	}
	now, err := d.ask(ctx, store, at)
	if err != nil {
		return err
	}
	full := d.admit(now)
	if err := d.train(ctx, store, at); err != nil {
		return err
	}
	app := store.AppenderV2(ctx)
	if err := d.judge(now, at.UnixMilli(), app); err != nil {
		return &hidden{"the workspace does not take the results", errors.Join(err, app.Rollback())}
	}
	if err := app.Commit(); err != nil {
		return &hidden{"the results were not written", err}
	}
	return full
}

// ask returns the series of the query at a time, in the order of their labels.
func (d *detector) ask(ctx context.Context, store Store, at time.Time) (promql.Vector, error) {
	all, err := store.Instant(ctx, d.Query, at)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s promql.Sample) bool { return s.H != nil }) // no number
	slices.SortFunc(all, func(a, b promql.Sample) int { return labels.Compare(a.Metric, b.Metric) })
	return all, nil
}

func keyOf(ls labels.Labels) string { return string(ls.Bytes(nil)) }

// admit makes models for series that are new, as far as there is room, and says whether there was.
func (d *detector) admit(now promql.Vector) error {
	var full error
	for _, s := range now {
		key := keyOf(s.Metric)
		if d.models[key] != nil {
			continue
		}
		if len(d.models) >= d.most() {
			full = d.tooMany()
			break
		}
		if !d.memory.take(d.size) {
			full = errMemory
			break
		}
		m, err := rcf.New(d.options(seedOf(d.ID, key)))
		if err != nil {
			d.memory.give(d.size)
			return err
		}
		d.models[key] = &known{labels: d.mark(s.Metric), model: m, newest: math.MinInt64}
	}
	return full
}

// seedOf makes the cuts of a model those of its detector and series, whenever it is trained.
func seedOf(id, key string) uint64 {
	h := fnv.New64a()
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(id))))
	h.Write([]byte(id))
	h.Write([]byte(key))
	return h.Sum64()
}

// mark gives the labels of a series of the query those of the detector.
func (d *detector) mark(ls labels.Labels) labels.Labels {
	b := labels.NewBuilder(ls)
	b.Del(model.MetricNameLabel)
	for k, v := range d.Labels {
		b.Set(k, v)
	}
	return b.Set(AliasLabel, d.Alias).Set(IDLabel, d.ID).Labels()
}

// train shows models that have seen nothing what their series were before, a value for each interval.
func (d *detector) train(ctx context.Context, store Store, at time.Time) error {
	fresh := false
	for _, k := range d.models {
		fresh = fresh || k.newest == math.MinInt64
	}
	if !fresh {
		return nil
	}
	last := at.Add(-d.Interval)
	past, err := store.Range(ctx, d.Query, last.Add(-d.Interval*time.Duration(d.options(0).Warm()-1)), last, d.Interval)
	if err != nil {
		return err
	}
	for _, s := range past {
		k := d.models[keyOf(s.Metric)]
		if k == nil || k.newest != math.MinInt64 {
			continue
		}
		for _, p := range s.Floats {
			if err := ctx.Err(); err != nil {
				return err
			}
			d.turns.observe(k.model, p.F)
			k.newest = p.T
		}
	}
	return nil
}

// judge judges values and appends what is said of them. Series that have gone are anomalies where the detector is told so, until as
// many evaluations have passed as a sample has points; then they are forgotten.
func (d *detector) judge(now promql.Vector, at int64, app storage.AppenderV2) error {
	seen := make(map[*known]bool, len(now))
	for _, s := range now {
		k := d.models[keyOf(s.Metric)]
		if k == nil || k.newest >= at {
			continue
		}
		seen[k], k.newest, k.missing = true, at, 0
		r := d.turns.observe(k.model, s.F)
		if err := k.write(app, at, ValueName, s.F); err != nil {
			return err
		}
		if !r.Ready {
			continue
		}
		if err := k.result(app, at, r); err != nil {
			return err
		}
	}
	for key, k := range d.models {
		if seen[k] || k.newest >= at {
			continue
		}
		if k.missing++; k.missing > d.Sample {
			d.forget(key)
			continue
		}
		r := k.model.Expect()
		if !d.marks() || !r.Ready {
			continue
		}
		r.Score = 1
		if err := k.result(app, at, r); err != nil {
			return err
		}
	}
	return nil
}

func (k *known) result(app storage.AppenderV2, at int64, r rcf.Result) error {
	return errors.Join(k.write(app, at, ScoreName, r.Score), k.write(app, at, LowerName, r.Lower), k.write(app, at, UpperName, r.Upper))
}

// write appends one sample. One that is refused because another has the same time or a newer one is no fault of the detector.
func (k *known) write(app storage.AppenderV2, at int64, name string, v float64) error {
	ls := labels.NewBuilder(k.labels).Set(model.MetricNameLabel, name).Labels()
	_, err := app.Append(0, ls, 0, at, v, nil, nil, storage.AppendV2Options{})
	if errors.Is(err, storage.ErrOutOfOrderSample) || errors.Is(err, storage.ErrDuplicateSampleForTimestamp) || errors.Is(err, storage.ErrTooOldSample) {
		return nil
	}
	return err
}
