package rcf

// A walk down a tree asks for the box around the points of each node on its way. Those of the first cuts, with the most points, are kept: finding
// them costs more than all others. A box grows with the points that come; where one goes that lies at its edge, it is found anew when it is
// asked for again.

// maxKept is how many boxes a tree keeps.
const maxKept = 16

// few is how many points are looked at each time.
const few = 8

// box is what points have from the lowest to the highest in each dimension.
type box struct{ low, high []float64 }

func newBox(dims int) box { return box{make([]float64, dims), make([]float64, dims)} }

func (b box) set(other box) {
	copy(b.low, other.low)
	copy(b.high, other.high)
}

// take lets a box grow around a point.
func (b box) take(p []float64) {
	low, high := b.low[:len(p)], b.high[:len(p)]
	for d, v := range p {
		if v < low[d] {
			low[d] = v
		} else if v > high[d] {
			high[d] = v
		}
	}
}

// touches reports whether a point of a box lies at its edge.
func (b box) touches(p []float64) bool {
	for d, v := range p {
		if v <= b.low[d] || v >= b.high[d] {
			return true
		}
	}
	return false
}

// around returns the box around the points below a node. It is valid until the next call.
func (t *tree) around(h *history, at int32) box {
	n := &t.nodes[at]
	if n.leaf() {
		p := h.window(n.point, t.dims)
		return box{p, p}
	}
	if n.point != none {
		return t.kept[n.point]
	}
	t.find(h, at)
	if n.count > few {
		if n.point = t.room(); n.point != none {
			t.kept[n.point].set(t.look)
		}
	}
	return t.look
}

// find looks at all points below a node.
func (t *tree) find(h *history, top int32) {
	first := true
	t.stack = append(t.stack[:0], top)
	for len(t.stack) > 0 {
		n := &t.nodes[t.stack[len(t.stack)-1]]
		t.stack = t.stack[:len(t.stack)-1]
		if !n.leaf() {
			t.stack = append(t.stack, n.left, n.right)
			continue
		}
		p := h.window(n.point, t.dims)
		if first {
			t.look.set(box{p, p})
			first = false
			continue
		}
		t.look.take(p)
	}
}

// room returns a place for a box, or none.
func (t *tree) room() int32 {
	if last := len(t.spare) - 1; last >= 0 {
		i := t.spare[last]
		t.spare = t.spare[:last]
		return i
	}
	if len(t.kept) == maxKept {
		return none
	}
	t.kept = append(t.kept, newBox(t.dims))
	return int32(len(t.kept) - 1)
}

// forget drops the box of a cut, if it has one.
func (t *tree) forget(at int32) {
	if n := &t.nodes[at]; n.point != none {
		t.spare = append(t.spare, n.point)
		n.point = none
	}
}
