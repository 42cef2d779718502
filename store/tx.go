package store

import (
	"bytes"
	"fmt"
	"iter"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// tx is an update under way: the records of the database with its own writes over them.
type tx struct {
	reader
	ops    []write
	index  map[string]int // key to its last write, once there are more than a few
	writes int
	bytes  int
	err    error // of a limit that was exceeded
}

// write is the last write of a key.
type write struct {
	key, value []byte
	deleted    bool
}

// fewWrites is up to how many writes a search beats a map.
const fewWrites = 8

func (t *tx) Put(key, value []byte) error {
	if len(value) > MaxValue && t.err == nil {
		t.err = fmt.Errorf("%w: value of %d bytes", ErrLimit, len(value))
	}
	return t.write(key, value, false)
}

func (t *tx) Delete(key []byte) error { return t.write(key, nil, true) }

func (t *tx) write(key, value []byte, deleted bool) error {
	if t.src == nil {
		return errOver
	}
	if t.err == nil {
		t.err = checkKey(key)
	}
	t.writes++
	t.bytes += len(key) + len(value)
	if t.err == nil && t.writes > MaxTxWrites {
		t.err = fmt.Errorf("%w: more than %d writes in a transaction", ErrLimit, MaxTxWrites)
	}
	if t.err == nil && t.bytes > MaxTxBytes {
		t.err = fmt.Errorf("%w: more than %d bytes in a transaction", ErrLimit, MaxTxBytes)
	}
	if t.err != nil {
		return t.err
	}
	both := make([]byte, len(key)+len(value))
	copy(both, key)
	copy(both[len(key):], value)
	w := write{key: both[:len(key):len(key)], value: both[len(key):], deleted: deleted}
	if i := t.find(key); i >= 0 {
		t.ops[i] = w
		return nil
	}
	t.ops = append(t.ops, w)
	t.note()
	return nil
}

// note keeps the index of the write that was just added.
func (t *tx) note() {
	switch n := len(t.ops); {
	case n == fewWrites+1:
		t.index = make(map[string]int, 4*fewWrites)
		for i, w := range t.ops {
			t.index[string(w.key)] = i
		}
	case n > fewWrites:
		t.index[string(t.ops[n-1].key)] = n - 1
	}
}

// find returns the place of the last write of a key, or -1.
func (t *tx) find(key []byte) int {
	if t.index != nil {
		if i, ok := t.index[string(key)]; ok {
			return i
		}
		return -1
	}
	return slices.IndexFunc(t.ops, func(w write) bool { return bytes.Equal(w.key, key) })
}

func (t *tx) Get(key []byte) ([]byte, error) {
	if i := t.find(key); i >= 0 && t.src != nil {
		if t.ops[i].deleted {
			return nil, ErrNotFound
		}
		out := make([]byte, len(t.ops[i].value))
		copy(out, t.ops[i].value)
		return out, nil
	}
	return t.reader.Get(key)
}

func (t *tx) Told(touches func(key []byte) bool) bool {
	for i := range t.ops {
		if touches(t.ops[i].key) {
			return false
		}
	}
	return t.reader.Told(touches)
}

// Scan yields the records as they were when the iteration began, own writes included.
func (t *tx) Scan(rg Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		own := t.within(rg)
		if len(own) == 0 {
			t.reader.Scan(rg)(yield)
			return
		}
		m := merger{rg: rg, own: own, yield: yield}
		below := rg
		below.Limit = 0
		for rec, err := range t.reader.Scan(below) {
			if err != nil {
				yield(Record{}, err)
				return
			}
			if !m.record(rec) {
				return
			}
		}
		m.rest(nil)
	}
}

// within returns the own writes in a range, in the order of the iteration.
func (t *tx) within(rg Range) []write {
	var own []write
	for _, w := range t.ops {
		if bytes.Compare(w.key, rg.From) >= 0 && (rg.To == nil || bytes.Compare(w.key, rg.To) < 0) {
			own = append(own, w)
		}
	}
	slices.SortFunc(own, func(a, b write) int { return order(rg, a.key, b.key) })
	return own
}

func order(rg Range, a, b []byte) int {
	if rg.Reverse {
		a, b = b, a
	}
	return bytes.Compare(a, b)
}

// merger yields records with the own writes among and over them.
type merger struct {
	rg    Range
	own   []write // that have not come yet
	n     int
	yield func(Record, error) bool
}

// record yields a record of the database after the own writes before it. It reports
// whether there may be more.
func (m *merger) record(rec Record) bool {
	if !m.rest(rec.Key) {
		return false
	}
	if len(m.own) > 0 && bytes.Equal(m.own[0].key, rec.Key) {
		w := m.own[0]
		m.own = m.own[1:]
		return m.emit(w)
	}
	return m.put(rec)
}

// rest yields the own writes before a key, or all when it is nil.
func (m *merger) rest(before []byte) bool {
	for len(m.own) > 0 && (before == nil || order(m.rg, m.own[0].key, before) < 0) {
		w := m.own[0]
		m.own = m.own[1:]
		if !m.emit(w) {
			return false
		}
	}
	return true
}

func (m *merger) emit(w write) bool {
	if w.deleted {
		return true
	}
	rec := Record{Key: w.key, Value: w.value}
	if m.rg.KeysOnly {
		rec.Value = nil
	}
	return m.put(rec)
}

func (m *merger) put(rec Record) bool {
	m.n++
	return m.yield(rec, nil) && m.n != m.rg.Limit
}

// fill adds the writes to a batch.
func (t *tx) fill(b *pebble.Batch) error {
	for _, w := range t.ops {
		if w.deleted {
			op := b.DeleteDeferred(1 + len(w.key))
			op.Key[0] = spaceData
			copy(op.Key[1:], w.key)
			if err := op.Finish(); err != nil {
				return err
			}
			continue
		}
		op := b.SetDeferred(1+len(w.key), len(w.value))
		op.Key[0] = spaceData
		copy(op.Key[1:], w.key)
		copy(op.Value, w.value)
		if err := op.Finish(); err != nil {
			return err
		}
	}
	return nil
}

// changes returns what a revision has changed.
func (t *tx) changes(revision uint64) []Change {
	all := make([]Change, len(t.ops))
	for i, w := range t.ops {
		all[i] = Change{Revision: revision, Key: w.key, Deleted: w.deleted}
		if !w.deleted {
			all[i].Value = w.value
		}
	}
	return all
}
