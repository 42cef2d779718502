package rcf

import (
	"math"
	"math/rand/v2"
)

// history is the values of a stream, of which shingles are windows. Point i is the shingle that begins at value i.
type history struct {
	values []float64 // a ring, and its beginning once more, so that each window of it lies in one piece
	size   int       // of the ring
	next   int32     // number of the value that comes
}

func newHistory(size, window int) *history {
	return &history{values: make([]float64, size+window), size: size}
}

func (h *history) add(v float64) {
	i := int(h.next) % h.size
	h.values[i] = v
	if i += h.size; i < len(h.values) {
		h.values[i] = v
	}
	h.next++
}

// window returns n values from one on.
func (h *history) window(first int32, n int) []float64 {
	i := int(first) % h.size
	return h.values[i : i+n]
}

// forest is random cut trees over the shingles of one stream.
type forest struct {
	*history
	dims  int
	trees []sampled
	decay float64
}

// sampled is a tree with its sample: points with keys, of which those with the smallest keys stay. The sample is a heap, the
// largest key at its top.
type sampled struct {
	*tree
	heap []member
}

type member struct {
	key   float64
	point int32
	leaf  int32
}

func newForest(h *history, trees, dims, sample int, decay float64, seed uint64) *forest {
	f := &forest{history: h, dims: dims, decay: decay}
	for i := range trees {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		f.trees = append(f.trees, sampled{newTree(dims, sample, rng), make([]member, 0, sample)})
	}
	return f
}

// displacement returns the mean of what the trees say of a point.
func (f *forest) displacement(p []float64) float64 {
	sum := 0.0
	for i := range f.trees {
		sum += f.trees[i].displacement(f.history, p)
	}
	return sum / float64(len(f.trees))
}

// update offers a point to the samples.
func (f *forest) update(point int32, p []float64) {
	for i := range f.trees {
		f.trees[i].offer(f.history, point, p, f.decay)
	}
}

// expire takes the points before oldest away, whose values are about to be forgotten.
func (f *forest) expire(oldest int32) {
	for i := range f.trees {
		t := &f.trees[i]
		for j := len(t.heap) - 1; j >= 0; j-- {
			for j < len(t.heap) && t.heap[j].point < oldest {
				t.drop(f.history, j) // another takes its place
			}
		}
	}
}

// offer takes a point into the sample with a chance that falls off in time for those that are in it: the weight of the n-th
// point is e^(decay n), so keys are compared as log(-log(u)) - decay n.
func (t *sampled) offer(h *history, point int32, p []float64, decay float64) {
	u := t.rng.Float64()
	key := math.Log(-math.Log(1-u)+1e-300) - decay*float64(point)
	if len(t.heap) == cap(t.heap) {
		if key >= t.heap[0].key {
			return
		}
		t.drop(h, 0)
	}
	t.push(member{key, point, t.insert(h, point, p)})
}

// push adds a member to the heap.
func (t *sampled) push(m member) {
	t.heap = append(t.heap, m)
	for i := len(t.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if t.heap[up].key >= t.heap[i].key {
			return
		}
		t.heap[up], t.heap[i] = t.heap[i], t.heap[up]
		i = up
	}
}

// drop takes the i-th member out of the heap and the tree.
func (t *sampled) drop(h *history, i int) {
	t.remove(h, t.heap[i].leaf)
	last := len(t.heap) - 1
	t.heap[i] = t.heap[last]
	t.heap = t.heap[:last]
	for i < last { // up, or else down
		up := (i - 1) / 2
		if i > 0 && t.heap[up].key < t.heap[i].key {
			t.heap[up], t.heap[i] = t.heap[i], t.heap[up]
			i = up
			continue
		}
		most := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < last && t.heap[c].key > t.heap[most].key {
				most = c
			}
		}
		if most == i {
			return
		}
		t.heap[most], t.heap[i] = t.heap[i], t.heap[most]
		i = most
	}
}

// guesses appends, for each tree, the last coordinate of the point that is nearest to p in the others, with its distance.
func (f *forest) guesses(p []float64, into []guess) []guess {
	for i := range f.trees {
		if t := &f.trees[i]; t.root != none {
			point, distance := t.guess(f.history, p)
			into = append(into, guess{f.window(point, f.dims)[f.dims-1], distance})
		}
	}
	return into
}

type guess struct{ value, distance float64 }
