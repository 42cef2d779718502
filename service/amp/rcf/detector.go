package rcf

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// The defaults of a Detector, and the bounds of what may be set ("RandomCutForestConfiguration", Amazon Managed Service for
// Prometheus API Reference).
const (
	DefaultShingle = 8
	DefaultSample  = 256
	MinShingle     = 2
	MaxShingle     = 1024
	MinSample      = 256
	MaxSample      = 1024

	defaultTrees = 50
	// Large is the largest number that is taken: sums of differences of larger ones are no numbers any more.
	Large = 1e100
)

// Near is how close to the expected value another may be and still is none to speak of. The zero Near is no distance.
type Near struct {
	Amount float64 // absolute
	Ratio  float64 // of the expected value
}

func (n Near) from(expected float64) float64 { return max(n.Amount, n.Ratio*math.Abs(expected)) }

// Options of a Detector. Zero fields take their defaults.
type Options struct {
	Shingle int // values in a point
	Sample  int // points in each tree
	Trees   int
	Above   Near // values not further above the expected one are no anomalies
	Below   Near // and below
	Seed    uint64
}

// Result is what a Detector says of a value.
type Result struct {
	Ready    bool    // false as long as too little was seen; nothing else is said then
	Score    float64 // from 0, nothing unusual, to 1
	Expected float64
	Lower    float64 // of the band in which the value was expected
	Upper    float64
}

// Detector judges the values of one stream as they come. It may not be used by two at the same time.
type Detector struct {
	o       Options
	forest  *forest
	point   []float64 // the newest shingle
	seen    int
	guessed []guess
	errors  recent // how far values were from what was expected
	depth   recent // displacements, as logarithms
}

// whole returns the options with their defaults.
func (o Options) whole() Options {
	o.Shingle, o.Sample, o.Trees = cmp.Or(o.Shingle, DefaultShingle), cmp.Or(o.Sample, DefaultSample), cmp.Or(o.Trees, defaultTrees)
	return o
}

// Check says which option is out of its bounds, or nil.
func (o Options) Check() error {
	switch o = o.whole(); {
	case o.Shingle < MinShingle || o.Shingle > MaxShingle:
		return fmt.Errorf("shingle size %d is not between %d and %d", o.Shingle, MinShingle, MaxShingle)
	case o.Sample < MinSample || o.Sample > MaxSample:
		return fmt.Errorf("sample size %d is not between %d and %d", o.Sample, MinSample, MaxSample)
	case o.Trees < 1 || o.Trees > 1000:
		return errors.New("number of trees is not between 1 and 1000")
	}
	return nil
}

// New returns a Detector that has seen nothing. The error is Check's.
func New(o Options) (*Detector, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	o = o.whole()
	h := newHistory(o.history(), o.Shingle)
	return &Detector{
		o: o, forest: newForest(h, o.Trees, o.Shingle, o.Sample, 0.1/float64(o.Sample), o.Seed), point: make([]float64, 0, o.Shingle),
		errors: recent{most: o.Sample}, depth: recent{most: o.Sample},
	}, nil
}

// history is how many values are kept: points of samples are windows of them.
func (o *Options) history() int { return 8*o.Sample + o.Shingle }

// Warm is how many values a Detector with these options wants to have seen: more make it no wiser for long.
func (o Options) Warm() int {
	return 2*cmp.Or(o.Sample, DefaultSample) + cmp.Or(o.Shingle, DefaultShingle)
}

// Memory is about how many bytes a Detector with these options takes.
func (o Options) Memory() int64 {
	sample, trees, shingle := int64(cmp.Or(o.Sample, DefaultSample)), int64(cmp.Or(o.Trees, defaultTrees)), int64(cmp.Or(o.Shingle, DefaultShingle))
	const nodeBytes, memberBytes, boxBytes = 32, 16, 16
	o.Sample, o.Shingle = int(sample), int(shingle)
	return trees*(sample*(2*nodeBytes+memberBytes)+(maxKept+1)*shingle*boxBytes) + int64(o.history())*8 + 32*sample
}

// settled is how many shingles must have been seen before anything is said.
func (d *Detector) settled() int { return d.o.Sample / 4 }

// Observe judges a value, and learns from it. A value that is not finite, or larger than Large, is not taken: the Result is then that of a
// Detector that is not ready.
func (d *Detector) Observe(v float64) (r Result) {
	if math.IsNaN(v) || math.Abs(v) > Large {
		return Result{}
	}
	r.Expected, r.Ready = d.expect()
	d.slide(v)
	if len(d.point) < d.o.Shingle {
		return Result{}
	}
	if d.seen > 0 {
		depth := math.Log1p(d.forest.displacement(d.point))
		if r.Ready {
			d.judge(&r, v, depth)
			d.errors.add(d.tame(math.Abs(v - r.Expected)))
		}
		d.depth.add(depth)
	}
	d.seen++
	d.forest.update(d.forest.next-int32(d.o.Shingle), d.point)
	return r
}

// Expect says what is expected of the next value, and learns nothing.
func (d *Detector) Expect() (r Result) {
	if r.Expected, r.Ready = d.expect(); r.Ready {
		r.Lower, r.Upper = d.band(r.Expected)
	}
	return r
}

// slide takes a value into the newest shingle and the history.
func (d *Detector) slide(v float64) {
	h := d.forest.history
	if oldest := h.next + 1 - int32(h.size); oldest > 0 {
		d.forest.expire(oldest)
	}
	h.add(v)
	if len(d.point) == d.o.Shingle {
		copy(d.point, d.point[1:])
		d.point = d.point[:d.o.Shingle-1]
	}
	d.point = append(d.point, v)
}

// expect guesses the next value from those before it: the middle of what followed the shingles that are most like the newest, of
// each tree one.
func (d *Detector) expect() (float64, bool) {
	if d.seen < d.settled() {
		return 0, false
	}
	next := append(make([]float64, 0, d.o.Shingle), d.point[1:]...)
	d.guessed = d.forest.guesses(append(next, 0), d.guessed[:0])
	slices.SortFunc(d.guessed, func(a, b guess) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.value, b.value))
	})
	near := d.guessed[:max(len(d.guessed)/3, 1)]
	slices.SortFunc(near, func(a, b guess) int { return cmp.Compare(a.value, b.value) })
	return near[len(near)/2].value, true
}

// band is where values are expected that are not unusual: as far from the expected one as all but the largest errors of late.
func (d *Detector) band(expected float64) (lower, upper float64) {
	half := max(4*1.4826*d.errors.quantile(0.5), 1.5*d.errors.quantile(0.95), 1e-3*math.Abs(expected))
	return expected - max(half, d.o.Below.from(expected)), expected + max(half, d.o.Above.from(expected))
}

// judge gives the score: how unusual the shingle is among those of late, and how far the value is outside of the band. A value within
// it, be it beside one that is not, has none.
func (d *Detector) judge(r *Result, v, depth float64) {
	r.Lower, r.Upper = d.band(r.Expected)
	outside, half := 0.0, 0.0
	switch {
	case v > r.Upper:
		outside, half = v-r.Upper, r.Upper-r.Expected
	case v < r.Lower:
		outside, half = r.Lower-v, r.Expected-r.Lower
	default:
		return
	}
	far := 1.0
	if half > 0 {
		far = 1 - math.Exp(-outside/half)
	}
	middle := d.depth.quantile(0.5)
	spread := max(1.4826*(d.depth.quantile(0.75)-middle), 0.05)
	strange := 1 / (1 + math.Exp(-((depth-middle)/spread - 1)))
	r.Score = far * strange
}

// tame keeps one anomaly from widening the band for long: an error counts no more than ten times the usual.
func (d *Detector) tame(e float64) float64 {
	if usual := d.errors.quantile(0.95); usual > 0 && len(d.errors.values) > 16 {
		return min(e, 10*usual)
	}
	return e
}

// recent is the last few of some numbers, and the same in their order.
type recent struct {
	most   int
	values []float64 // a ring once there are most of them
	next   int
	sorted []float64
}

func (r *recent) add(v float64) {
	if len(r.values) < r.most {
		r.values = append(r.values, v)
	} else {
		old := r.values[r.next]
		r.values[r.next] = v
		r.next = (r.next + 1) % r.most
		i, _ := slices.BinarySearch(r.sorted, old)
		r.sorted = slices.Delete(r.sorted, i, i+1)
	}
	i, _ := slices.BinarySearch(r.sorted, v)
	r.sorted = slices.Insert(r.sorted, i, v)
}

// quantile returns the number that a share of the others does not exceed, 0 of none.
func (r *recent) quantile(q float64) float64 {
	if len(r.sorted) == 0 {
		return 0
	}
	return r.sorted[int(q*float64(len(r.sorted)-1))]
}
