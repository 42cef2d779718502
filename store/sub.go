package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Sub returns the part of db under a prefix as a store of its own: the keys that its
// methods take, yield and observe have the prefix removed. The prefix counts towards
// MaxKey and, with every write, towards MaxTxBytes. Updates of parts of one store are
// updates of that store, one after another; revisions and TxIDs are the store's.
//
// Check checks the whole store. Backup is refused, since a part cannot be restored
// alone. Close does nothing: the store is closed by whoever opened it.
func Sub(db DB, prefix string) DB {
	if s, ok := db.(*sub); ok {
		db, prefix = s.db, string(s.prefix)+prefix
	}
	return &sub{db: db, prefix: []byte(prefix)}
}

type sub struct {
	db     DB
	prefix []byte
}

var _ DB = (*sub)(nil)

func (s *sub) View(ctx context.Context, fn func(Reader) error) error {
	return s.db.View(ctx, func(r Reader) error {
		return fn(&subReader{r: r, prefix: s.prefix})
	})
}

func (s *sub) Update(ctx context.Context, id TxID, fn func(Tx) error) error {
	return s.db.Update(ctx, id, func(tx Tx) error {
		return fn(&subTx{subReader{r: tx, prefix: s.prefix}, tx})
	})
}

func (s *sub) Outcome(ctx context.Context, id TxID) (bool, error) { return s.db.Outcome(ctx, id) }

func (s *sub) Watch(ctx context.Context, prefix []byte, rev uint64) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		for c, err := range s.db.Watch(ctx, join(nil, s.prefix, prefix), rev) {
			if err == nil {
				c.Key = c.Key[len(s.prefix):]
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

func (s *sub) Observe(fn func(changes []Change)) (stop func()) {
	return s.db.Observe(func(changes []Change) {
		var own []Change
		for _, c := range changes {
			if rest, ok := bytes.CutPrefix(c.Key, s.prefix); ok {
				c.Key = rest
				own = append(own, c)
			}
		}
		if len(own) > 0 {
			fn(own)
		}
	})
}

func (s *sub) Backup(context.Context, io.Writer) error {
	return fmt.Errorf("backup of a part of a store: %w", errors.ErrUnsupported)
}

func (s *sub) Erase(ctx context.Context, prefix []byte) error {
	return s.db.Erase(ctx, join(nil, s.prefix, prefix))
}

func (s *sub) Check(ctx context.Context) error { return s.db.Check(ctx) }

func (s *sub) Close() error { return nil }

// subReader reads what is under a prefix.
type subReader struct {
	r      Reader
	prefix []byte
	buf    []byte
}

func (r *subReader) Get(key []byte) ([]byte, error) {
	if len(key) == 0 {
		return nil, checkKey(key)
	}
	r.buf = join(r.buf[:0], r.prefix, key)
	return r.r.Get(r.buf)
}

func (r *subReader) Revision() uint64 { return r.r.Revision() }

func (r *subReader) Told(touches func(key []byte) bool) bool {
	return r.r.Told(func(key []byte) bool {
		rest, ok := bytes.CutPrefix(key, r.prefix)
		return ok && touches(rest)
	})
}

func (r *subReader) Scan(rg Range) iter.Seq2[Record, error] {
	rg.From = join(nil, r.prefix, rg.From)
	if rg.To == nil {
		rg.To = PrefixEnd(r.prefix)
	} else {
		rg.To = join(nil, r.prefix, rg.To)
	}
	return func(yield func(Record, error) bool) {
		for rec, err := range r.r.Scan(rg) {
			if err == nil {
				rec.Key = rec.Key[len(r.prefix):]
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

// subTx writes what is under a prefix.
type subTx struct {
	subReader
	tx Tx
}

func (t *subTx) Put(key, value []byte) error {
	return t.tx.Put(t.own(key), value)
}

func (t *subTx) Delete(key []byte) error { return t.tx.Delete(t.own(key)) }

// own adds the prefix. The empty key stays empty, and is refused below.
func (t *subTx) own(key []byte) []byte {
	if len(key) == 0 {
		return nil
	}
	t.buf = join(t.buf[:0], t.prefix, key)
	return t.buf
}

func join(dst, a, b []byte) []byte { return append(append(dst, a...), b...) }
