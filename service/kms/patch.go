package kms

import (
	"github.com/strongroom/strongroom/service/kms/grant"
	"github.com/strongroom/strongroom/store"
)

// patches reports whether an entry may stay to be patched after a change of a record. Key material is
// never kept beyond its record.
func patches(storeKey []byte) bool { return !tagged(storeKey, backingTag) }

// changes says which parts of an entry have changed.
type changes struct {
	record, aliases bool
	grants          map[string]bool // by id; nil when there are none
}

func changesOf(storeKeys [][]byte) (c changes) {
	for _, k := range storeKeys {
		switch {
		case tagged(k, keyTag):
			c.record = true
		case tagged(k, namesTag):
			c.aliases = true
		default: // a grant, or how many there are
			if c.grants == nil {
				c.grants = make(map[string]bool)
			}
			if _, id, ok := homeOf(k); ok && id != "" {
				c.grants[id] = true
			}
		}
	}
	return c
}

// patchKey reads what has changed of an entry, and takes the rest of the old one.
func (s *Service) patchKey(r store.Reader, storeKey []byte, old *entry, changed [][]byte) (*entry, bool, error) {
	e := &entry{home: old.home, record: old.record, arn: old.arn, policy: old.policy, aliases: old.aliases, grants: old.grants, rules: old.rules, material: old.material}
	e.use.Store(old.use.Load())
	c := changesOf(changed)
	var err error
	if c.record {
		rec, err := read[record](r, string(storeKey))
		if err != nil {
			return nil, false, err
		}
		if rec.Version != old.Version || rec.holds(rec.Version) != (old.material != nil) {
			return nil, false, nil
		}
		if err := s.adopt(e, &rec); err != nil {
			return nil, false, err
		}
	}
	if c.aliases {
		if e.aliases, err = loadAliases(r, e.home); err != nil {
			return nil, false, err
		}
	}
	if c.grants != nil {
		if err = patchGrants(r, e, c.grants); err != nil {
			return nil, false, err
		}
	}
	return e, true, nil
}

// patchGrants reads the grants of an entry that have changed, or all where that does not lead to as many as there are.
func patchGrants(r store.Reader, e *entry, ids map[string]bool) (err error) {
	few := e.rules
	if e.grants, err = count(r, e.path(countTag)); err != nil {
		return err
	}
	e.rules = nil
	if e.grants == 0 || e.grants > maxRules {
		return nil
	}
	now := make([]*grant.Grant, 0, len(ids))
	for id := range ids {
		g, err := loadGrant(r, e.home, id)
		if err != nil {
			return err
		}
		if g != nil {
			now = append(now, g)
		}
	}
	newer, err := grant.NewRules(now)
	if err != nil {
		return internal("grants of %s: %w", e.arn, err)
	}
	if e.rules = few.Replace(ids, newer); e.holdsGrants() {
		return nil
	}
	e.rules, err = loadRules(r, e.home, e.grants)
	return err
}
