package grant

import (
	"encoding/hex"
	"slices"
	"unique"
)

// Rules are the grants of one key, as little of them as deciding needs, for a key that has few.
// They never change, and may be asked by many goroutines.
type Rules []rule

// rule is one grant. Many keys have grants for the same few principals, whose keys they share.
type rule struct {
	grantee    unique.Handle[string]
	limits     *limits // nil where there are none, as mostly
	operations operations
	id         [32]byte
	same       fingerprint // of a grant with a name
}

// limits are what constrains a grant.
type limits struct {
	equals, subset map[string]string
	source         string
}

// fingerprint is as much of Grant.Fingerprint as tells the grants of one key apart.
type fingerprint [16]byte

// operations is a set of operations: a bit for each, in the order of everyOperation.
type operations uint32

// everyOperation are all operations that grants can list, sorted.
var everyOperation = func() (all []string) {
	all = slices.Concat(anyKey, withContext)
	for _, special := range byUsage {
		all = append(all, special...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}()

// bit returns the set of one operation, which is empty when there is none of the name.
func bit(operation string) operations {
	i, found := slices.BinarySearch(everyOperation, operation)
	if !found {
		return 0
	}
	return 1 << i
}

// NewRules returns the rules of grants. It fails when one has an id that is none of ours.
func NewRules(grants []*Grant) (Rules, error) {
	rules := make(Rules, len(grants))
	for i, g := range grants {
		r := &rules[i]
		r.grantee = unique.Make(g.Grantee.Key())
		if g.Constrained() {
			r.limits = &limits{g.Equals, g.Subset, g.Source}
		}
		if g.Name != "" {
			r.same = short(g)
		}
		for _, op := range g.Operations {
			r.operations |= bit(op)
		}
		if hex.DecodedLen(len(g.ID)) != len(r.id) {
			return nil, hex.ErrLength
		}
		if _, err := hex.Decode(r.id[:], []byte(g.ID)); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

// Without returns the rules of all grants but those with some ids.
func (rs Rules) Without(ids map[string]bool) Rules {
	var rest Rules
	for i := range rs {
		if !ids[hex.EncodeToString(rs[i].id[:])] {
			rest = append(rest, rs[i])
		}
	}
	return rest
}

// Find returns the id of a grant to the party with this key that allows the request, or "".
func (rs Rules) Find(grantee string, r *Request) string {
	op := bit(r.Operation)
	for i := range rs {
		rule := &rs[i]
		if rule.operations&op != 0 && rule.grantee.Value() == grantee && rule.limits.permit(r) {
			return hex.EncodeToString(rule.id[:])
		}
	}
	return ""
}

// Same returns the id of the grant that has a name and says the same as g, or "".
func (rs Rules) Same(g *Grant) string {
	if g.Name == "" {
		return ""
	}
	same := short(g)
	for i := range rs {
		if rs[i].same == same {
			return hex.EncodeToString(rs[i].id[:])
		}
	}
	return ""
}

func short(g *Grant) fingerprint {
	sum := g.Fingerprint()
	return fingerprint(sum[:])
}

func (l *limits) permit(r *Request) bool {
	return l == nil || permits(l.equals, l.subset, l.source, r)
}
