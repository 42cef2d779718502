package kms

import (
	"context"
	"strings"

	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/store"
)

// rewrapRoot wraps the domain keys again after a rotation of the root key, and returns how many
// it had to. All else that the service keeps is under domain keys.
func (s *Service) rewrapRoot(ctx context.Context, root service.Rewrapper) (changed int, err error) {
	var from []byte
	for {
		var done int
		var next []byte
		err := s.update(ctx, func(tx store.Tx) (err error) {
			done, next, err = rewrapDomains(tx, root, from)
			return err
		})
		if err != nil {
			return changed, err
		}
		if changed += done; next == nil {
			return changed, nil
		}
		from = next
	}
}

// rewrapDomains wraps a batch of domain keys, and returns where the next begins, or nil at the end.
func rewrapDomains(tx store.Tx, root service.Rewrapper, from []byte) (changed int, next []byte, err error) {
	prefix := path(domainTag, "")
	scan := store.Prefix([]byte(prefix))
	scan.Limit = batch
	if from != nil {
		scan.From = from
	}
	fresh := map[string][]byte{}
	for rec, err := range tx.Scan(scan) {
		if err != nil {
			return 0, nil, err
		}
		region, digits, _ := strings.Cut(strings.TrimPrefix(string(rec.Key), prefix), sep)
		number, err := parseDigits(digits)
		if err != nil {
			return 0, nil, internal("malformed key of a domain key")
		}
		wrapped, renewed, err := root.Rewrap(purpose(region, number), rec.Value)
		if err != nil {
			return 0, nil, internal("domain key %d of %s: %w", number, region, err)
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
