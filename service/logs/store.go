package logs

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// update changes records in one transaction.
func (s *Service) update(ctx context.Context, fn func(store.Tx) error) error {
	return storeError(s.db.Update(ctx, store.TxID{}, fn))
}

// get reads a record of type T, or store.ErrNotFound.
func get[T any](r store.Reader, k []byte) (v T, err error) {
	text, err := r.Get(k)
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal(text, &v)
}

// put writes a record.
func put(tx store.Tx, k []byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Put(k, text)
}

// page is one page of a listing.
type page struct {
	scope string // of the token
	token *string
	max   *int32
}

// maxPage is the default and the largest size of a page ("limit", API reference).
const maxPage = 50

func (p page) most() int {
	if p.max != nil {
		return min(int(*p.max), maxPage)
	}
	return maxPage
}

// position returns where a listing goes on; nil at its beginning.
func (s *Service) position(p page) (*string, error) {
	if wire.Val(p.token) == "" {
		return nil, nil
	}
	at, err := s.pager.Position(p.scope, *p.token)
	if err != nil {
		return nil, invalid("The specified nextToken is invalid.").WithCause(err)
	}
	return &at, nil
}

// list reads a page of the records in a range of the keys that begin with prefix. take makes an item of a record; nil leaves it out.
func list[T any](ctx context.Context, s *Service, prefix []byte, reverse bool, p page, take func(r store.Reader, rest string, value []byte) (*T, error)) (items []T, next *string, err error) {
	from, err := s.position(p)
	if err != nil {
		return nil, nil, err
	}
	err = s.db.View(ctx, func(r store.Reader) error {
		items, next = []T{}, nil
		scan := store.Prefix(prefix)
		scan.Reverse = reverse
		switch at := append(bytes.Clone(prefix), wire.Val(from)...); {
		case from != nil && reverse:
			scan.To = append(at, 0) // the position itself is the first
		case from != nil:
			scan.From = at
		}
		for rec, err := range r.Scan(scan) {
			if err != nil {
				return err
			}
			rest := string(rec.Key[len(prefix):])
			item, err := take(r, rest, rec.Value)
			if err != nil {
				return err
			}
			if item == nil {
				continue
			}
			if len(items) == p.most() {
				next = wire.Ptr(s.pager.Token(p.scope, rest))
				return nil
			}
			items = append(items, *item)
		}
		return nil
	})
	return items, next, err
}
