package amp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// update changes records in one transaction.
func (s *Service) update(ctx context.Context, fn func(store.Tx) error) error {
	return storeError(s.db.Update(ctx, store.TxID{}, fn))
}

// get reads a record of type T; found is false when there is none.
func get[T any](r store.Reader, k []byte) (v T, found bool, err error) {
	text, err := r.Get(k)
	if errors.Is(err, store.ErrNotFound) {
		return v, false, nil
	}
	if err != nil {
		return v, false, err
	}
	return v, true, json.Unmarshal(text, &v)
}

// put writes a record.
func put(tx store.Tx, k []byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Put(k, text)
}

// count counts keys, to most+1 at the utmost.
func count(r store.Reader, prefix []byte, most int) (n int, err error) {
	scan := store.Prefix(prefix)
	scan.KeysOnly, scan.Limit = true, most+1
	for _, err := range r.Scan(scan) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// deleteBelow deletes all keys that begin with prefix.
func deleteBelow(tx store.Tx, prefix []byte) error {
	var gone [][]byte
	scan := store.Prefix(prefix)
	scan.KeysOnly = true
	for rec, err := range tx.Scan(scan) {
		if err != nil {
			return err
		}
		gone = append(gone, bytes.Clone(rec.Key))
	}
	for _, k := range gone {
		if err := tx.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// page is one page of a listing.
type page struct {
	scope string // of the token
	token *string
	max   *int32
	most  int // default and largest size
}

// list reads a page of what stands below prefix and keep wants, with the token of the next page. keep may
// be nil.
func list[T any](ctx context.Context, s *Service, prefix []byte, p page, decode func([]byte) (T, error), keep func(T) bool) (items []T, next *string, err error) {
	from := ""
	if wire.Val(p.token) != "" {
		if from, err = s.pager.Position(p.scope, *p.token); err != nil {
			return nil, nil, invalid("nextToken", "The nextToken is not valid.").WithCause(err)
		}
	}
	most := p.most
	if p.max != nil {
		most = min(int(*p.max), p.most)
	}
	err = s.db.View(ctx, func(r store.Reader) error {
		items, next = nil, nil
		scan := store.Prefix(prefix)
		scan.From = append(bytes.Clone(prefix), from...)
		for rec, err := range r.Scan(scan) {
			if err != nil {
				return err
			}
			item, err := decode(rec.Value)
			if err != nil {
				return err
			}
			if keep != nil && !keep(item) {
				continue
			}
			if len(items) == most {
				next = wire.Ptr(s.pager.Token(p.scope, string(rec.Key[len(prefix):])))
				return nil
			}
			items = append(items, item)
		}
		return nil
	})
	return items, next, err
}
