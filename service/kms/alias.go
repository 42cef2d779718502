package kms

import (
	"encoding/json"
	"time"

	"github.com/strongroom/strongroom/store"
)

// alias is one name of a key, kept with the key.
type alias struct {
	name             string
	created, updated int64 // Unix milliseconds, the precision in which AWS tells them
}

// record returns the record of the alias of a key.
func (a alias) record(key string) aliasRecord {
	return aliasRecord{Key: key, Created: time.UnixMilli(a.created).UTC(), Updated: time.UnixMilli(a.updated).UTC()}
}

// aliasNames returns the names of aliases.
func aliasNames(all []alias) []string {
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].name
	}
	return names
}

// aliasesOf returns the names of the aliases of a key, sorted.
func aliasesOf(r store.Reader, h home) ([]string, error) {
	return store.KeysBelow(r, []byte(h.under(namesTag, "")), 0)
}

// loadAliases returns the aliases of a key, sorted by name.
func loadAliases(r store.Reader, h home) (all []alias, err error) {
	prefix := h.under(namesTag, "")
	for rec, err := range r.Scan(store.Prefix([]byte(prefix))) {
		if err != nil {
			return nil, err
		}
		name := string(rec.Key[len(prefix):])
		var a aliasRecord
		if len(rec.Value) > 0 {
			err = json.Unmarshal(rec.Value, &a)
		} else { // as older ones are
			a, err = read[aliasRecord](r, aliasPath(h.region, h.account, name))
		}
		if err != nil {
			return nil, internal("alias of %s: %w", h.arn(), hideNotFound(err))
		}
		all = append(all, alias{name, a.Created.UnixMilli(), a.Updated.UnixMilli()})
	}
	return all, nil
}
