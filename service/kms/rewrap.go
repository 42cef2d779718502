package kms

import (
	"context"
	"strings"

	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/store"
)

// underRoot are the records that hold something wrapped under the root key: by their tag, the purpose
// of a record. All else that the service keeps is under domain keys.
var underRoot = map[string]func(storeKey []byte) (string, error){
	domainTag: func(storeKey []byte) (string, error) {
		region, digits, _ := strings.Cut(strings.TrimPrefix(string(storeKey), path(domainTag, "")), sep)
		number, err := parseDigits(digits)
		if err != nil {
			return "", internal("malformed key of a domain key")
		}
		return purpose(region, number), nil
	},
	credentialTag: func(storeKey []byte) (string, error) {
		h, _, ok := homeOf(storeKey)
		if !ok {
			return "", internal("malformed key of a credential")
		}
		return credentialPurpose(h), nil
	},
}

// rewrapRoot wraps again, after a rotation of the root key, what lies directly under it, and returns
// how many records it had to change.
func (s *Service) rewrapRoot(ctx context.Context, root service.Rewrapper) (changed int, err error) {
	for tag, purposeOf := range underRoot {
		for from, more := []byte(nil), true; more; more = from != nil {
			var done int
			var next []byte
			err := s.update(ctx, func(tx store.Tx) (err error) {
				done, next, err = rewrapBatch(tx, root, tag, purposeOf, from)
				return err
			})
			if err != nil {
				return changed, err
			}
			changed, from = changed+done, next
		}
	}
	return changed, nil
}

// rewrapBatch wraps a batch of records, and returns where the next begins, or nil at the end.
func rewrapBatch(tx store.Tx, root service.Rewrapper, tag string, purposeOf func([]byte) (string, error), from []byte) (changed int, next []byte, err error) {
	scan := store.Prefix([]byte(path(tag, "")))
	scan.Limit = batch
	if from != nil {
		scan.From = from
	}
	fresh := map[string][]byte{}
	for rec, err := range tx.Scan(scan) {
		if err != nil {
			return 0, nil, err
		}
		purpose, err := purposeOf(rec.Key)
		if err != nil {
			return 0, nil, err
		}
		wrapped, renewed, err := root.Rewrap(purpose, rec.Value)
		if err != nil {
			return 0, nil, internal("%s: %w", purpose, err)
		}
		if renewed {
			fresh[string(rec.Key)] = wrapped
		}
		next = append(append(next[:0], rec.Key...), 0)
		scan.Limit--
	}
	if scan.Limit > 0 {
		next = nil
	}
	for key, wrapped := range fresh {
		if err := tx.Put([]byte(key), wrapped); err != nil {
			return 0, nil, err
		}
	}
	return len(fresh), next, nil
}
