package grant

// Set is the grants that one principal has on one key, ready to be asked. However many
// they are, asking costs no more than the pairs of the request's encryption context: each
// constrained grant is filed under one pair that a request must have. A Set never changes,
// and may be asked by many goroutines.
type Set struct {
	all    []*Grant
	open   []*Grant            // without a constraint, or with an operation that has no context
	byPair map[string][]*Grant // by a pair of the constraint
}

// NewSet returns the set of grants. It keeps the slice.
func NewSet(grants []*Grant) *Set {
	s := &Set{all: grants}
	for _, g := range grants {
		pair, ok := g.pair()
		if !ok || !g.allBound() {
			s.open = append(s.open, g)
		}
		if ok {
			if s.byPair == nil {
				s.byPair = make(map[string][]*Grant)
			}
			s.byPair[pair] = append(s.byPair[pair], g)
		}
	}
	return s
}

// Len returns how many grants there are.
func (s *Set) Len() int { return len(s.all) }

// Find returns a grant that allows the request, or nil.
func (s *Set) Find(r *Request) *Grant {
	if !HasContext(r.Operation) {
		return first(s.open, r)
	}
	for k, v := range r.Context {
		if len(s.byPair) == 0 {
			break
		}
		if g := first(s.byPair[filed(k, v)], r); g != nil {
			return g
		}
	}
	return first(s.open, r)
}

// Parent returns a grant by whose CreateGrant permission child may be made on a request
// with this source, or nil.
func (s *Set) Parent(child *Grant, source string) *Grant {
	r := &Request{Operation: "CreateGrant", Source: source}
	for _, g := range s.all {
		if g.Allows(r) && child.Within(g) {
			return g
		}
	}
	return nil
}

func first(grants []*Grant, r *Request) *Grant {
	for _, g := range grants {
		if g.Allows(r) {
			return g
		}
	}
	return nil
}

// allBound reports whether a constraint bears on everything that g allows.
func (g *Grant) allBound() bool {
	for _, op := range g.Operations {
		if !HasContext(op) {
			return false
		}
	}
	return true
}

// pair returns a pair that every request under g's constraint has: the one that files
// first, so that it does not depend on the order of a map.
func (g *Grant) pair() (pair string, ok bool) {
	for _, constraint := range []map[string]string{g.Equals, g.Subset} {
		for k, v := range constraint {
			if p := filed(k, v); !ok || p < pair {
				pair, ok = p, true
			}
		}
	}
	return pair, ok
}

// filed is the name a pair is filed under.
func filed(k, v string) string { return Fold(k) + "\x00" + v }
