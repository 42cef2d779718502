package rcf

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// wave is a sine with a period of 40 and a little noise.
func wave(n int, noise float64, seed uint64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 7))
	values := make([]float64, n)
	for i := range values {
		values[i] = 100 + 50*math.Sin(2*math.Pi*float64(i)/40) + noise*rng.NormFloat64()
	}
	return values
}

func newDetector(t testing.TB, o Options) *Detector {
	t.Helper()
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func observe(d *Detector, values []float64) (all []Result) {
	for _, v := range values {
		all = append(all, d.Observe(v))
	}
	return all
}

// TestSpike finds a spike in a wave, upwards and downwards, and nothing in the quiet part and after the spike.
func TestSpike(t *testing.T) {
	for name, add := range map[string]float64{"up": 120, "down": -120, "within the range of the wave": 45} {
		t.Run(name, func(t *testing.T) {
			values := wave(500, 1, 1)
			const at = 420 // in the middle of the range
			values[at] += add
			all := observe(newDetector(t, Options{Seed: 3, Trees: 25}), values)
			loud := 0
			for i, r := range all {
				if i >= 200 && i != at && r.Score > 0.5 {
					loud++
				}
			}
			got := all[at]
			if got.Score < 0.6 || got.Lower > 101 || got.Upper < 99 {
				t.Errorf("the spike: got %+v", got)
			}
			if loud > 1 {
				t.Errorf("%d quiet values are anomalies", loud)
			}
			for _, r := range all[300:at] {
				if !r.Ready || r.Lower > r.Expected || r.Upper < r.Expected || r.Upper-r.Lower > 60 {
					t.Fatalf("band: got %+v", r)
				}
			}
		})
	}
}

// TestConstant: a stream that never changes is no anomaly, and its first change is one.
func TestConstant(t *testing.T) {
	d := newDetector(t, Options{})
	for i := range 400 {
		if r := d.Observe(5); r.Score != 0 || r.Ready != (i >= DefaultSample/4+DefaultShingle-1) {
			t.Fatalf("value %d: got %+v", i, r)
		}
	}
	if r := d.Observe(6); r.Score < 0.5 {
		t.Errorf("the change: got %+v", r)
	}
}

// TestShift: after a shift of level the new one becomes usual.
func TestShift(t *testing.T) {
	values := wave(1000, 1, 2)
	for i := 400; i < len(values); i++ {
		values[i] += 500
	}
	all := observe(newDetector(t, Options{Seed: 1, Trees: 25}), values)
	if all[400].Score < 0.6 {
		t.Errorf("the shift: got %+v", all[400])
	}
	for i, r := range all[900:] {
		if r.Score > 0.5 {
			t.Errorf("value %d, long after: got %+v", 900+i, r)
		}
	}
}

func TestNear(t *testing.T) {
	spiked := func(o Options) Result {
		values := wave(361, 1, 4)
		values[360] += 60
		o.Trees = 25
		return observe(newDetector(t, o), values)[360]
	}
	for name, c := range map[string]struct {
		o    Options
		want bool // whether it is an anomaly
	}{
		"nothing":        {Options{}, true},
		"amount above":   {Options{Above: Near{Amount: 80}}, false},
		"less above":     {Options{Above: Near{Amount: 30}}, true},
		"amount below":   {Options{Below: Near{Amount: 80}}, true},
		"ratio above":    {Options{Above: Near{Ratio: 0.9}}, false},
		"a ratio of 10%": {Options{Above: Near{Ratio: 0.1}}, true},
	} {
		if r := spiked(c.o); (r.Score > 0) != c.want {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

// TestSame: the same seed gives the same results, another one others.
func TestSame(t *testing.T) {
	run := func(seed uint64) string {
		var b bytes.Buffer
		for _, r := range observe(newDetector(t, Options{Seed: seed, Trees: 5}), wave(400, 3, 5)) {
			fmt.Fprintln(&b, r)
		}
		return b.String()
	}
	one, again := run(1), run(1)
	if one != again {
		t.Error("one seed gave two results")
	}
	if one == run(2) {
		t.Error("two seeds gave one result")
	}
}

func TestNoNumbers(t *testing.T) {
	d := newDetector(t, Options{})
	observe(d, wave(300, 1, 6))
	before := d.forest.next
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e101} {
		if r := d.Observe(v); r != (Result{}) {
			t.Errorf("%g: got %+v", v, r)
		}
	}
	if d.forest.next != before {
		t.Error("they were taken")
	}
	if r := d.Expect(); !r.Ready || r.Lower >= r.Upper {
		t.Errorf("expected is %+v", r)
	}
	observe(d, []float64{1e100, -1e100, 0, 5e-324, 1e100})
	for _, o := range []Options{{Shingle: 1}, {Shingle: 1025}, {Sample: 255}, {Sample: 1025}, {Trees: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// proven walks a tree: counts are the sums of those below, cuts keep what they promise, each member is in its leaf.
func proven(t *testing.T, s *sampled, h *history) {
	t.Helper()
	members := map[int32]int32{}
	for i, m := range s.heap {
		members[m.leaf]++
		if up := (i - 1) / 2; i > 0 && s.heap[up].key < m.key {
			t.Fatal("the sample is no heap")
		}
	}
	var walk func(at, parent int32) (points []int32)
	walk = func(at, parent int32) []int32 {
		n := s.nodes[at]
		if n.parent != parent {
			t.Fatalf("node %d has the parent %d, want %d", at, n.parent, parent)
		}
		if n.leaf() {
			if n.count != members[at] {
				t.Fatalf("leaf %d: %d points, %d members", at, n.count, members[at])
			}
			return []int32{n.point}
		}
		left, right := walk(n.left, at), walk(n.right, at)
		if n.count != s.nodes[n.left].count+s.nodes[n.right].count {
			t.Fatalf("node %d: %d points, its branches %d and %d", at, n.count, s.nodes[n.left].count, s.nodes[n.right].count)
		}
		for _, p := range left {
			if h.window(p, s.dims)[n.dim] > n.cut {
				t.Fatalf("point %d is on the wrong side of %g in %d", p, n.cut, n.dim)
			}
		}
		for _, p := range right {
			if h.window(p, s.dims)[n.dim] <= n.cut {
				t.Fatalf("point %d is on the wrong side of %g in %d", p, n.cut, n.dim)
			}
		}
		return append(left, right...)
	}
	if s.root != none {
		walk(s.root, none)
	}
	if used := len(s.nodes) - len(s.free); len(s.heap) > 0 && used > 2*len(s.heap)-1 {
		t.Fatalf("%d nodes for %d points", used, len(s.heap))
	}
}

// TestTrees proves every tree while points come and go, beyond the end of the history, and that memory stays bounded.
func TestTrees(t *testing.T) {
	d := newDetector(t, Options{Trees: 3, Shingle: 3, Seed: 9})
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 3 * d.o.history() {
		d.Observe(float64(rng.IntN(4))) // many equal points
		if i%97 != 0 {
			continue
		}
		for j := range d.forest.trees {
			s := &d.forest.trees[j]
			proven(t, s, d.forest.history)
			for _, m := range s.heap {
				if m.point < d.forest.next-int32(d.forest.size) {
					t.Fatalf("point %d is older than what is kept", m.point)
				}
			}
			if len(s.nodes) > 2*d.o.Sample {
				t.Fatalf("%d nodes", len(s.nodes))
			}
		}
	}
}

// TestDisplacement: a point far from all others displaces most of them, one among them few.
func TestDisplacement(t *testing.T) {
	d := newDetector(t, Options{Shingle: 2, Trees: 40, Seed: 1})
	rng := rand.New(rand.NewPCG(3, 4))
	for range 400 {
		d.Observe(rng.Float64())
	}
	far, among := d.forest.displacement([]float64{50, 50}), d.forest.displacement([]float64{0.5, 0.5})
	if far < 150 || among > 20 {
		t.Errorf("displacements are %g and %g", far, among)
	}
}

// TestDecay: the newer a point, the likelier is it in a sample.
func TestDecay(t *testing.T) {
	d := newDetector(t, Options{Trees: 10, Shingle: 2, Seed: 5})
	rng := rand.New(rand.NewPCG(5, 6))
	n := 7 * DefaultSample
	for range n {
		d.Observe(rng.Float64())
	}
	var old, young int
	for i := range d.forest.trees {
		for _, m := range d.forest.trees[i].heap {
			if int(m.point) < n/2 {
				old++
			} else {
				young++
			}
		}
	}
	if young < old*5/4 || old == 0 {
		t.Errorf("%d old points and %d young ones", old, young)
	}
}

func FuzzObserve(f *testing.F) {
	f.Add(uint8(2), []byte{1, 2, 3, 200, 3, 2, 1})
	f.Add(uint8(9), bytes.Repeat([]byte{0, 255}, 200))
	f.Fuzz(func(t *testing.T, shingle uint8, data []byte) {
		d := newDetector(t, Options{Shingle: 2 + int(shingle%8), Trees: 2})
		scale := []float64{1, 1e-320, 1e98, 3}[shingle/64]
		for i, b := range data[:min(len(data), 1000)] {
			r := d.Observe(float64(int8(b)) * scale)
			if r.Ready && !(r.Score >= 0 && r.Score <= 1 && r.Lower <= r.Expected && r.Expected <= r.Upper) {
				t.Fatalf("value %d: got %+v", i, r)
			}
		}
		proven(t, &d.forest.trees[0], d.forest.history)
	})
}

func BenchmarkObserve(b *testing.B) {
	for _, o := range []Options{{}, {Shingle: 64, Sample: 1024}} {
		b.Run(fmt.Sprint(o.Shingle, o.Sample), func(b *testing.B) {
			d := newDetector(b, o)
			values := wave(4096, 1, 1)
			for i := range b.N {
				d.Observe(values[i%len(values)])
			}
		})
	}
}

// TestBoxes: the boxes that a tree keeps are those around the points below their cuts, whatever comes and goes; each has one cut.
func TestBoxes(t *testing.T) {
	for name, values := range map[string][]float64{"a wave": wave(1200, 3, 5), "steps": nil} {
		if values == nil {
			for i := range 1200 {
				values = append(values, float64(i*i%7))
			}
		}
		d := newDetector(t, Options{Seed: 9, Trees: 3, Shingle: 4})
		kept := 0
		for i, v := range values {
			d.Observe(v)
			for j := range d.forest.trees {
				kept += checkBoxes(t, fmt.Sprintf("%s, value %d, tree %d", name, i, j), d.forest.history, d.forest.trees[j].tree)
			}
		}
		if kept < len(values) {
			t.Errorf("%s: only %d boxes were kept", name, kept)
		}
	}
}

// checkBoxes returns how many boxes a tree keeps.
func checkBoxes(t *testing.T, what string, h *history, tr *tree) (kept int) {
	t.Helper()
	if tr.root == none {
		return 0
	}
	used := map[int32]bool{}
	for walk := []int32{tr.root}; len(walk) > 0; {
		at := walk[len(walk)-1]
		walk = walk[:len(walk)-1]
		n := &tr.nodes[at]
		if n.leaf() {
			continue
		}
		walk = append(walk, n.left, n.right)
		if n.point == none {
			continue
		}
		if used[n.point] {
			t.Fatalf("%s: two cuts have the same box", what)
		}
		used[n.point] = true
		tr.find(h, at)
		if b := tr.kept[n.point]; !slices.Equal(b.low, tr.look.low) || !slices.Equal(b.high, tr.look.high) {
			t.Fatalf("%s: a box is %v, want %v", what, b, tr.look)
		}
	}
	if len(used)+len(tr.spare) != len(tr.kept) || len(tr.kept) > maxKept {
		t.Fatalf("%s: %d of %d boxes are in use, %d are spare", what, len(used), len(tr.kept), len(tr.spare))
	}
	return len(used)
}
