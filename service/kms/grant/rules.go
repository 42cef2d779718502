package grant

import (
	"bytes"
	"encoding/hex"
	"math/bits"
	"slices"
	"time"
	"unique"
)

// Rules are the grants of one key in little memory, sorted by id, for a key that has few.
// They never change, and may be asked by many goroutines.
type Rules []rule

// rule is one grant, in 64 bytes with two pointers: a house may have a million, which the collector looks at again
// and again. Many keys have grants by and for the same few principals, which they share.
type rule struct {
	sides      unique.Handle[sides]
	special    *special // nil where there is nothing, as mostly
	created    int64    // Unix milliseconds
	operations operations
	id         [32]byte
}

// sides are whom a grant is about.
type sides struct {
	grantee, retiring unique.Handle[Party]
	issuer            unique.Handle[string]
}

// special is what only some grants have: a name, and what constrains them.
type special struct {
	name           string
	same           fingerprint // of a grant with a name
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

// list returns the names of a set of operations, sorted.
func (o operations) list() []string {
	names := make([]string, 0, bits.OnesCount32(uint32(o)))
	for ; o != 0; o &= o - 1 {
		names = append(names, everyOperation[bits.TrailingZeros32(uint32(o))])
	}
	return names
}

// NewRules returns the rules of grants. It fails when one has an id that is none of ours.
func NewRules(grants []*Grant) (Rules, error) {
	rules := make(Rules, len(grants))
	for i, g := range grants {
		r := &rules[i]
		r.sides = unique.Make(sides{unique.Make(g.Grantee), unique.Make(g.Retiring), unique.Make(g.Issuer)})
		r.created = g.Created.UnixMilli()
		if g.Name != "" || g.Constrained() {
			r.special = &special{name: g.Name, equals: g.Equals, subset: g.Subset, source: g.Source}
		}
		if g.Name != "" {
			r.special.same = short(g)
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
	return rules.sorted(), nil
}

func (rs Rules) sorted() Rules {
	slices.SortFunc(rs, func(a, b rule) int { return bytes.Compare(a.id[:], b.id[:]) })
	return rs
}

// Replace returns the rules of all grants but those with some ids, and others.
func (rs Rules) Replace(ids map[string]bool, others Rules) Rules {
	all := make(Rules, 0, len(rs)+len(others))
	var text [2 * len(rule{}.id)]byte
	for i := range rs {
		if hex.Encode(text[:], rs[i].id[:]); !ids[string(text[:])] {
			all = append(all, rs[i])
		}
	}
	return append(all, others...).sorted()
}

// Grants returns the grants, sorted by id. They share what is equal.
func (rs Rules) Grants() []*Grant {
	all, grants := make([]Grant, len(rs)), make([]*Grant, len(rs))
	for i := range rs {
		r, g := &rs[i], &all[i]
		g.ID, g.Created = hex.EncodeToString(r.id[:]), time.UnixMilli(r.created).UTC()
		of := r.sides.Value()
		g.Grantee, g.Retiring, g.Issuer = of.grantee.Value(), of.retiring.Value(), of.issuer.Value()
		if s := r.special; s != nil {
			g.Name, g.Equals, g.Subset, g.Source = s.name, s.equals, s.subset, s.source
		}
		if i > 0 && rs[i-1].operations == r.operations {
			g.Operations = all[i-1].Operations
		} else {
			g.Operations = r.operations.list()
		}
		grants[i] = g
	}
	return grants
}

// Find returns the id of a grant to the party with this key that allows the request, or "".
func (rs Rules) Find(grantee string, r *Request) string {
	op := bit(r.Operation)
	for i := range rs {
		rule := &rs[i]
		if rule.operations&op != 0 && rule.sides.Value().grantee.Value().Key() == grantee && rule.special.permit(r) {
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
		if s := rs[i].special; s != nil && s.name != "" && s.same == same {
			return hex.EncodeToString(rs[i].id[:])
		}
	}
	return ""
}

func short(g *Grant) fingerprint {
	sum := g.Fingerprint()
	return fingerprint(sum[:])
}

func (s *special) permit(r *Request) bool {
	return s == nil || permits(s.equals, s.subset, s.source, r)
}
