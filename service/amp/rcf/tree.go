package rcf

import "math/rand/v2"

// tree is a random cut tree over some points.
type tree struct {
	dims  int
	nodes []node
	free  []int32 // places in nodes that nothing uses
	root  int32
	rng   *rand.Rand
	kept  []box   // around the points of cuts; a cut says which is its own
	spare []int32 // places in kept that nothing uses
	look  box     // around the points of the node that is looked at
	stack []int32
	path  []int32
}

const none = int32(-1)

// node is a cut with two branches, or a leaf with a point.
type node struct {
	parent, left, right int32
	count               int32   // points below, each as often as it is there
	point               int32   // of a leaf; of a cut the place of its box in kept, or none
	dim                 int32   // of a cut: what is not larger than cut in it goes to the left
	cut                 float64 // of a cut
}

func (n *node) leaf() bool { return n.left == none }

func newTree(dims, most int, rng *rand.Rand) *tree {
	return &tree{dims: dims, nodes: make([]node, 0, 2*most), root: none, rng: rng, look: newBox(dims)}
}

func (t *tree) alloc(n node) int32 {
	if last := len(t.free) - 1; last >= 0 {
		i := t.free[last]
		t.free = t.free[:last]
		t.nodes[i] = n
		return i
	}
	t.nodes = append(t.nodes, n)
	return int32(len(t.nodes) - 1)
}

// place walks down as algorithm 2 of the paper inserts a point, and returns the node beside which the point comes to lie, with the cut
// between both; same is set where that node is a leaf at the point itself.
func (t *tree) place(h *history, p []float64) (beside int32, dim int, cut float64, same bool) {
	for at := t.root; ; {
		b := t.around(h, at)
		span := 0.0
		for d, v := range p {
			span += max(b.high[d], v) - min(b.low[d], v)
		}
		if n := &t.nodes[at]; n.leaf() && span == 0 {
			return at, 0, 0, true
		}
		r := t.rng.Float64() * span
		for d, v := range p {
			low, high := min(b.low[d], v), max(b.high[d], v)
			if (r >= high-low || high == low) && d < len(p)-1 {
				r -= high - low
				continue
			}
			dim, cut = d, min(low+r, high)
			if cut >= high { // rounding: a cut leaves something on both sides
				cut = low
			}
			break
		}
		switch low, high := b.low[dim], b.high[dim]; {
		case p[dim] <= cut && cut < low, high <= cut && cut < p[dim]:
			return at, dim, cut, false
		}
		n := &t.nodes[at]
		if n.leaf() { // a cut between equal numbers, by rounding: try another
			continue
		}
		if p[n.dim] <= n.cut {
			at = n.left
		} else {
			at = n.right
		}
	}
}

// displacement returns how far a point displaces others, were it in the tree.
func (t *tree) displacement(h *history, p []float64) float64 {
	if t.root == none {
		return 0
	}
	beside, _, _, same := t.place(h, p)
	most, size := 0.0, float64(t.nodes[beside].count)
	if same {
		size++
	} else {
		most, size = size, size+1
	}
	for at := beside; ; {
		up := t.nodes[at].parent
		if up == none {
			return most
		}
		n := &t.nodes[up]
		other := n.left
		if other == at {
			other = n.right
		}
		others := float64(t.nodes[other].count)
		most = max(most, others/size)
		size += others
		at = up
	}
}

// insert puts a point into the tree and returns its leaf. p are the coordinates of the point.
func (t *tree) insert(h *history, point int32, p []float64) int32 {
	if t.root == none {
		t.root = t.alloc(node{parent: none, left: none, right: none, count: 1, point: point})
		return t.root
	}
	beside, dim, cut, same := t.place(h, p)
	leaf := beside
	if same {
		t.nodes[beside].count++
		t.nodes[beside].point = point // whose values are kept longest
	} else {
		up := t.nodes[beside].parent
		leaf = t.alloc(node{left: none, right: none, count: 1, point: point})
		branch := node{parent: up, left: leaf, right: beside, count: t.nodes[beside].count + 1, point: none, dim: int32(dim), cut: cut}
		if p[dim] > cut {
			branch.left, branch.right = beside, leaf
		}
		made := t.alloc(branch)
		t.nodes[leaf].parent, t.nodes[beside].parent = made, made
		t.replace(up, beside, made)
		beside = made
	}
	for at := t.nodes[beside].parent; at != none; at = t.nodes[at].parent {
		t.nodes[at].count++
		if kept := t.nodes[at].point; kept != none {
			t.kept[kept].take(p)
		}
	}
	return leaf
}

// replace puts a node in the place of another below up.
func (t *tree) replace(up, old, now int32) {
	switch {
	case up == none:
		t.root = now
	case t.nodes[up].left == old:
		t.nodes[up].left = now
	default:
		t.nodes[up].right = now
	}
}

// remove takes one point of a leaf away (algorithm 1 of the paper: the other branch takes the place of both).
func (t *tree) remove(h *history, leaf int32) {
	up := t.nodes[leaf].parent
	gone := t.nodes[leaf].count == 1
	if t.nodes[leaf].count--; gone {
		t.free = append(t.free, leaf)
		if up == none {
			t.root = none
			return
		}
		n := t.nodes[up]
		other := n.left
		if other == leaf {
			other = n.right
		}
		t.nodes[other].parent = n.parent
		t.replace(n.parent, up, other)
		t.forget(up)
		t.free = append(t.free, up)
		up = n.parent
	}
	p := h.window(t.nodes[leaf].point, t.dims)
	for ; up != none; up = t.nodes[up].parent {
		t.nodes[up].count--
		if kept := t.nodes[up].point; gone && kept != none && t.kept[kept].touches(p) {
			t.forget(up) // it may be smaller now
		}
	}
}

// guess returns the point of the tree that a walk ends at which knows all coordinates but the last, and how far it is from it in those: at a cut
// of the last dimension it takes the branch that has the nearer end, trying both.
func (t *tree) guess(h *history, p []float64) (point int32, distance float64) {
	last := int32(t.dims - 1)
	point = none
	t.path = append(t.path[:0], t.root)
	for len(t.path) > 0 {
		n := &t.nodes[t.path[len(t.path)-1]]
		t.path = t.path[:len(t.path)-1]
		switch {
		case n.leaf():
			d := 0.0
			for i, v := range h.window(n.point, t.dims-1) {
				d += abs(v - p[i])
			}
			if point == none || d < distance {
				point, distance = n.point, d
			}
		case n.dim == last:
			t.path = append(t.path, n.left, n.right)
		case p[n.dim] <= n.cut:
			t.path = append(t.path, n.left)
		default:
			t.path = append(t.path, n.right)
		}
	}
	return point, distance
}

func abs(v float64) float64 {
	if v < 0 {
		return -v
	}
	return v
}
