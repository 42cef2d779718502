package store

import "errors"

// Exists reports whether there is a record under the key.
func Exists(r Reader, key []byte) (bool, error) {
	_, err := r.Get(key)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// KeysBelow returns what follows prefix in the keys that begin with it, in their order: at most so many, or all for 0.
func KeysBelow(r Reader, prefix []byte, most int) (rest []string, err error) {
	scan := Prefix(prefix)
	scan.KeysOnly, scan.Limit = true, most
	for rec, err := range r.Scan(scan) {
		if err != nil {
			return nil, err
		}
		rest = append(rest, string(rec.Key[len(prefix):]))
	}
	return rest, nil
}
