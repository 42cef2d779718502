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
	grantee        unique.Handle[string]
	id             [32]byte
	operations     operations
	equals, subset map[string]string
	source         string
}

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
		r.grantee, r.equals, r.subset, r.source = unique.Make(g.Grantee.Key()), g.Equals, g.Subset, g.Source
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
		if rule.operations&op != 0 && rule.grantee.Value() == grantee && permits(rule.equals, rule.subset, rule.source, r) {
			return hex.EncodeToString(rule.id[:])
		}
	}
	return ""
}
