package proton

import (
	"bytes"
	"context"
	"errors"

	"github.com/strongroom/strongroom/store"
)

// update changes records in one transaction.
func (s *Service) update(ctx context.Context, fn func(store.Tx) error) error {
	return storeError(s.db.Update(ctx, store.TxID{}, fn))
}

// absent is nil when there is no record, else the given error.
func absent(r store.Reader, k []byte, there error) error {
	found, err := store.Exists(r, k)
	if err == nil && found {
		return there
	}
	return err
}

// anyBelow reports whether a key begins with prefix.
func anyBelow(r store.Reader, prefix []byte) (bool, error) {
	scan := store.Prefix(prefix)
	scan.KeysOnly, scan.Limit = true, 1
	for _, err := range r.Scan(scan) {
		return err == nil, err
	}
	return false, nil
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

// room returns the quota's error when no more resources fit below prefix.
func room(r store.Reader, prefix []byte, what string, most int) error {
	n, err := count(r, prefix, most)
	if err == nil && n >= most {
		return overQuota(what, most)
	}
	return err
}

// tries is how often a change is begun again when others change the same record.
const tries = 8

// edit is a change of a record in the making.
type edit[T any] struct {
	key     []byte
	closed  bool                                              // leave what is sealed alone: KMS is not asked
	missing error                                             // for a record that is not there
	change  func(*record[T]) error                            // may run again
	also    func(tx store.Tx, before, after *record[T]) error // writes besides; may be nil
}

// apply reads the record, changes and writes it, in such a way that no change of another is lost.
func (e edit[T]) apply(ctx context.Context, s *Service) (rec *record[T], err error) {
	read := get[T]
	if e.closed {
		read = plain[T]
	}
	for range tries {
		rec, err = read(ctx, s, e.key)
		if err != nil {
			return nil, known(err, e.missing)
		}
		before := *rec
		if err := e.change(rec); err != nil {
			return nil, err
		}
		w, err := prepare(ctx, s, rec)
		if err != nil {
			return nil, err
		}
		err = s.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
			if err := unchanged[T](tx, &before); err != nil {
				return err
			}
			if e.also != nil {
				if err := e.also(tx, &before, rec); err != nil {
					return err
				}
			}
			return w.put(tx)
		})
		if !errors.Is(err, errChanged) {
			return rec, storeError(err)
		}
	}
	return nil, storeError(errChanged)
}

// unchanged returns errChanged when a record is no longer as it was read.
func unchanged[T any](r store.Reader, rec *record[T]) error {
	now, err := peek[T](r, rec.key)
	if errors.Is(err, store.ErrNotFound) || err == nil && now.Rev != rec.Rev {
		return errChanged
	}
	return err
}

// page is one page of a listing.
type page struct {
	scope string // of the token
	token *string
	max   *int32
}

const defaultPage = 100

// list reads a page of records below prefix that keep wants, with the token of the next page.
// Only the plain part is read.
func list[T any](ctx context.Context, s *Service, prefix []byte, p page, keep func(*record[T]) bool) (items []*record[T], next *string, err error) {
	from, err := s.position(p)
	if err != nil {
		return nil, nil, err
	}
	most := defaultPage
	if p.max != nil {
		most = int(*p.max)
	}
	err = s.db.View(ctx, func(r store.Reader) error {
		items, next = nil, nil
		scan := store.Prefix(prefix)
		if from != "" {
			scan.From = append(bytes.Clone(prefix), from...)
		}
		for rec, err := range r.Scan(scan) {
			if err != nil {
				return err
			}
			item, err := decode[T](rec.Key, rec.Value)
			if err != nil {
				return err
			}
			if keep != nil && !keep(item) {
				continue
			}
			if len(items) == most {
				next = s.token(p, string(rec.Key[len(prefix):]))
				return nil
			}
			items = append(items, item)
		}
		return nil
	})
	return items, next, err
}

// reveal opens the sealed members of records that were listed. Those whose key cannot be used
// stay as they are: a listing of many shows what is not sealed of all, and nothing sealed of them.
func reveal[T any](ctx context.Context, s *Service, items []*record[T]) error {
	for i, item := range items {
		if !item.closed {
			continue
		}
		whole, err := get[T](ctx, s, item.key)
		switch {
		case err == nil:
			items[i] = whole
		case errors.Is(err, store.ErrNotFound), unusable(err):
		default:
			return err
		}
	}
	return nil
}

// putPlain writes the plain part of a record that was read without the sealed one, in the
// transaction in which it was read.
func (rec *record[T]) putPlain(tx store.Tx) error {
	rec.Rev = newRev()
	text, err := compact(stored[T]{rec.head, rec.V})
	if err != nil {
		return err
	}
	return tx.Put(rec.key, text)
}
