package detect

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/strongroom/strongroom/machine"
	"github.com/strongroom/strongroom/service/amp/rcf"
	"github.com/strongroom/strongroom/service/amp/rules"
)

// DefaultInterval is how often a detector is evaluated that does not say so itself.
const DefaultInterval = time.Minute

// MaxSeries is how many series a detector judges: the first ones, in the order of their labels. More are an error. It is less where points or samples
// are larger than the defaults, because each value then costs more.
const MaxSeries = 100

// MaxQuery is how many bytes a query has at most ("RandomCutForestConfiguration", Amazon Managed Service for Prometheus API Reference).
const MaxQuery = 8192

// most is MaxSeries for a configuration.
func (c *Config) most() int { return c.scaled(MaxSeries) }

// scaled is how many may be judged with a configuration, of n with the defaults.
func (c *Config) scaled(n int) int {
	const usual = rcf.DefaultShingle * rcf.DefaultSample
	return min(max(n*usual/(c.Shingle*c.Sample), 1), n)
}

// tooMany says that a query gives more series than that.
func (c *Config) tooMany() error {
	return fmt.Errorf("%w: a detector judges %d at most with this shingleSize and sampleSize", ErrTooMany, c.most())
}

// The names of the series that a detector writes, for each series of its query.
const (
	ValueName = "anomaly_detector:value"      // what the query gave
	ScoreName = "anomaly_detector:score"      // from 0 to 1
	LowerName = "anomaly_detector:lower_band" // where the value was expected
	UpperName = "anomaly_detector:upper_band"
)

// The labels that every series of a detector has, beside those of the query and those that the detector was given.
const (
	AliasLabel = "anomaly_detector_alias"
	IDLabel    = "anomaly_detector_id"
)

// Config is what a detector is told. It is kept as JSON.
type Config struct {
	Query    string            `json:"query"`
	Labels   map[string]string `json:"labels,omitempty"`
	Interval time.Duration     `json:"interval"`
	Shingle  int               `json:"shingle"`
	Sample   int               `json:"sample"`
	Above    *Near             `json:"above,omitempty"`
	Below    *Near             `json:"below,omitempty"`
	// What to do where a series has gone, as it was said: one of both, or neither.
	MarkMissing *bool `json:"markMissing,omitempty"`
	SkipMissing *bool `json:"skipMissing,omitempty"`
}

// Near is how close to the expected value another is none to speak of, as it was said: one of both.
type Near struct {
	Amount *float64 `json:"amount,omitempty"`
	Ratio  *float64 `json:"ratio,omitempty"`
}

func (n *Near) rcf() (near rcf.Near) {
	if n != nil && n.Amount != nil {
		near.Amount = *n.Amount
	}
	if n != nil && n.Ratio != nil {
		near.Ratio = *n.Ratio
	}
	return near
}

// marks reports whether a series that has gone is an anomaly.
func (c *Config) marks() bool {
	return c.MarkMissing != nil && *c.MarkMissing || c.SkipMissing != nil && !*c.SkipMissing
}

// Detector is a detector of a workspace.
type Detector struct {
	Config
	ID       string
	Alias    string
	Revision string // another one is another detector: it is trained anew
}

func (c *Config) options(seed uint64) rcf.Options {
	return rcf.Options{Shingle: c.Shingle, Sample: c.Sample, Above: c.Above.rcf(), Below: c.Below.rcf(), Seed: seed}
}

// aggregations are the operators that a query may be wrapped in ("RandomCutForestConfiguration", Amazon Managed Service for
// Prometheus API Reference).
var aggregations = []parser.ItemType{parser.AVG, parser.COUNT, parser.GROUP, parser.MAX, parser.MIN, parser.QUANTILE, parser.STDDEV, parser.STDVAR, parser.SUM}

// ErrQuery is wrapped by errors about a query.
var ErrQuery = errors.New("query is not valid")

// ErrLabels is wrapped by errors about labels.
var ErrLabels = errors.New("labels are not valid")

// ErrNear says that an amount or a ratio is no number, or too large.
var ErrNear = errors.New("ignoreNearExpected is out of range")

// Check reports what is wrong with a configuration, beyond what the API's own bounds say. Defaults are filled in.
func (c *Config) Check() error {
	c.Interval, c.Shingle, c.Sample = cmp.Or(c.Interval, DefaultInterval), cmp.Or(c.Shingle, rcf.DefaultShingle), cmp.Or(c.Sample, rcf.DefaultSample)
	if err := c.options(0).Check(); err != nil {
		return err
	}
	if len(c.Query) > MaxQuery {
		return fmt.Errorf("%w: longer than %d bytes", ErrQuery, MaxQuery)
	}
	expr, err := rules.NewParser().ParseExpr(c.Query)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrQuery, err)
	}
	for {
		inner, ok := expr.(*parser.ParenExpr)
		if !ok {
			break
		}
		expr = inner.Expr
	}
	if a, ok := expr.(*parser.AggregateExpr); !ok || !slices.Contains(aggregations, a.Op) {
		return fmt.Errorf("%w: it must be wrapped by one of the aggregation operators avg, count, group, max, min, quantile, stddev, stdvar and sum", ErrQuery)
	}
	for _, n := range []rcf.Near{c.Above.rcf(), c.Below.rcf()} {
		if !(n.Amount >= 0 && n.Amount <= rcf.Large && n.Ratio >= 0 && n.Ratio <= rcf.Large) {
			return ErrNear
		}
	}
	for name := range c.Labels {
		if !model.LegacyValidation.IsValidLabelName(name) || name == model.MetricNameLabel || name == AliasLabel || name == IDLabel {
			return fmt.Errorf("%w: %q is no name for a label of a detector", ErrLabels, name)
		}
	}
	return nil
}

// Turns bound how many values are judged at one moment, in all detectors of a house: they leave the rest of the machine to those who ask and write.
type Turns chan struct{}

// NewTurns returns turns for half of the processors.
func NewTurns() Turns { return make(Turns, max(1, machine.Processors()/2)) }

func (t Turns) take() {
	if t != nil {
		t <- struct{}{}
	}
}

func (t Turns) give() {
	if t != nil {
		<-t
	}
}

// observe shows a model a value, when it is its turn.
func (t Turns) observe(m *rcf.Detector, v float64) rcf.Result {
	t.take()
	defer t.give()
	return m.Observe(v)
}

// Memory bounds what the models of a house take. Its methods may be called together.
type Memory struct {
	Most int64 // bytes
	used atomic.Int64
}

func (m *Memory) take(n int64) bool {
	if m == nil {
		return true
	}
	if m.used.Add(n) > m.Most {
		m.used.Add(-n)
		return false
	}
	return true
}

func (m *Memory) give(n int64) {
	if m != nil {
		m.used.Add(-n)
	}
}
