package series

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

// The reasons why a series is one more than there may be. Each is a limit that is over when series go away.
var (
	ErrTooManySeries   = errors.New("per-workspace active series limit reached")
	ErrTooManyOfMetric = errors.New("per_metric_series_limit")
	ErrTooManyOfLabels = errors.New("per_labelset_series_limit")
)

// IsTooMany reports whether an appender refuses a series because there are too many.
func IsTooMany(err error) bool {
	return errors.Is(err, ErrTooManySeries) || errors.Is(err, ErrTooManyOfMetric) || errors.Is(err, ErrTooManyOfLabels)
}

// LabelSet bounds the active series that have all of some labels. The empty set stands for the series that no other fits.
// MaxSeries 0 is no limit.
type LabelSet struct {
	Labels    map[string]string
	MaxSeries int64
}

// name is the set as messages have it, in PromQL's spelling.
func (s *LabelSet) name() string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(s.Labels)) {
		parts = append(parts, k+"="+strconv.Quote(s.Labels[k]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (s *LabelSet) fits(ls labels.Labels) bool {
	for k, v := range s.Labels {
		if ls.Get(k) != v {
			return false
		}
	}
	return true
}

// quotas counts active series where a limit is on some of them.
type quotas struct {
	mu        sync.Mutex
	perMetric int64            // most series of one metric; 0 for any number
	metrics   map[string]int64 // series, by metric; nil without that limit
	sets      []LabelSet
	counts    []int64 // of the sets
	off       bool    // during replay: what was acknowledged is taken
}

// idle reports whether there is nothing to count.
func (q *quotas) idle() bool { return q.metrics == nil && len(q.sets) == 0 }

// matching calls fn with each set that counts a series, until it returns false: all that fit, or the empty one where none does.
func (q *quotas) matching(ls labels.Labels, fn func(i int) bool) {
	empty, found := -1, false
	for i := range q.sets {
		switch s := &q.sets[i]; {
		case len(s.Labels) == 0:
			empty = i
		case s.fits(ls):
			if found = true; !fn(i) {
				return
			}
		}
	}
	if !found && empty >= 0 {
		fn(empty)
	}
}

// room returns why there is no room for one more series.
func (q *quotas) room(ls labels.Labels) (err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.off || q.idle() {
		return nil
	}
	if q.metrics != nil && q.metrics[ls.Get(model.MetricNameLabel)] >= q.perMetric {
		return fmt.Errorf("%w: per-metric series limit of %d exceeded, please contact administrator to raise it", ErrTooManyOfMetric, q.perMetric)
	}
	q.matching(ls, func(i int) bool {
		if s := &q.sets[i]; s.MaxSeries > 0 && q.counts[i] >= s.MaxSeries {
			err = fmt.Errorf("%w: per-labelset series limit of %d exceeded (labelSet: %s)", ErrTooManyOfLabels, s.MaxSeries, s.name())
		}
		return err == nil
	})
	return err
}

// count counts a series, or takes it away.
func (q *quotas) count(ls labels.Labels, n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(ls, n)
}

// add is count with the lock held.
func (q *quotas) add(ls labels.Labels, n int64) {
	if q.metrics != nil {
		name := ls.Get(model.MetricNameLabel)
		switch had := q.metrics[name]; {
		case had+n <= 0:
			delete(q.metrics, name)
		case had == 0:
			q.metrics[strings.Clone(name)] = n // not a part of what the series holds
		default:
			q.metrics[name] = had + n
		}
	}
	if len(q.sets) > 0 {
		q.matching(ls, func(i int) bool {
			q.counts[i] = max(q.counts[i]+n, 0)
			return true
		})
	}
}

// set puts limits into force. Nothing is counted yet.
func (q *quotas) set(perMetric int64, sets []LabelSet) {
	q.perMetric, q.metrics = perMetric, nil
	if perMetric > 0 {
		q.metrics = make(map[string]int64)
	}
	q.sets, q.counts = slices.Clone(sets), make([]int64, len(sets))
}

// SetQuotas says how many active series one metric may have, 0 for any number, and those of label sets. The series that
// there are count, and those beyond a limit stay until they are not active any more.
func (db *DB) SetQuotas(perMetric int64, sets []LabelSet) error {
	if err := db.begin(); err != nil {
		return err
	}
	defer db.end()
	q := &db.quotas
	q.mu.Lock() // a series that comes meanwhile waits to be counted
	defer q.mu.Unlock()
	q.set(perMetric, sets)
	if q.idle() {
		return nil
	}
	if err := db.eachActive(func(ls labels.Labels) { q.add(ls, 1) }); err != nil {
		return fmt.Errorf("series were not counted: %w", err)
	}
	return nil
}

// eachActive calls fn with the labels of each series of the head.
func (db *DB) eachActive(fn func(labels.Labels)) error {
	r, err := tsdb.NewRangeHead(db.head.Head(), math.MinInt64, math.MaxInt64).Index()
	if err != nil {
		return err
	}
	defer r.Close()
	name, value := index.AllPostingsKey()
	all, err := r.Postings(context.Background(), name, value)
	if err != nil {
		return err
	}
	var b labels.ScratchBuilder
	for all.Next() {
		if err := r.Series(all.At(), &b, nil); err != nil {
			continue // it went away meanwhile
		}
		fn(b.Labels())
	}
	return all.Err()
}

// lifecycle counts active series and refuses those that are too many.
type lifecycle DB

func (l *lifecycle) PreCreation(ls labels.Labels) error {
	if limit := l.limit.Load(); limit > 0 && l.active.Load() >= limit {
		return fmt.Errorf("%w (limit: %d)", ErrTooManySeries, limit)
	}
	return l.quotas.room(ls)
}

func (l *lifecycle) PostCreation(ls labels.Labels) {
	l.active.Add(1)
	l.quotas.count(ls, 1)
}

func (l *lifecycle) PostDeletion(gone map[chunks.HeadSeriesRef]labels.Labels) {
	l.active.Add(-int64(len(gone)))
	if len(gone) > 0 {
		l.forgot.Add(1)
	}
	for _, ls := range gone {
		l.quotas.count(ls, -1)
	}
}
