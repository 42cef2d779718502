package store

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"
)

// checkKey enforces the limits of a key.
func checkKey(key []byte) error {
	if len(key) == 0 {
		return fmt.Errorf("%w: empty key", ErrLimit)
	}
	if len(key) > MaxKey {
		return fmt.Errorf("%w: key of %d bytes", ErrLimit, len(key))
	}
	return nil
}

// reader reads the records of a Pebble snapshot or database.
type reader struct {
	src  pebble.Reader // nil once the transaction is over
	file *File
	at   uint64 // revision of what it reads
	buf  []byte // for the key with its space
}

var errOver = fmt.Errorf("transaction is over")

func (r *reader) Get(key []byte) ([]byte, error) {
	if r.src == nil {
		return nil, errOver
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	r.buf = append(append(r.buf[:0], spaceData), key...)
	value, closer, err := r.src.Get(r.buf)
	if err != nil {
		return nil, mapError(err)
	}
	out := make([]byte, len(value))
	copy(out, value)
	if err := closer.Close(); err != nil {
		return nil, mapError(err)
	}
	return out, nil
}

func (r *reader) Revision() uint64 { return r.at }

func (r *reader) Told(touches func(key []byte) bool) bool {
	r.file.pub.Lock()
	defer r.file.pub.Unlock()
	for _, c := range r.file.untold {
		if c.revision > r.at {
			break
		}
		for i := range c.changes {
			if touches(c.changes[i].Key) {
				return false
			}
		}
	}
	return true
}

func (r *reader) Scan(rg Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if r.src == nil {
			yield(Record{}, errOver)
			return
		}
		if err := r.scan(rg, yield); err != nil {
			yield(Record{}, mapError(err))
		}
	}
}

// scan yields the records of a range. It returns an error only while yield still asks
// for more.
func (r *reader) scan(rg Range, yield func(Record, error) bool) (err error) {
	opts := bounds(rg)
	if bytes.Compare(opts.LowerBound, opts.UpperBound) >= 0 {
		return nil
	}
	it, err := r.src.NewIter(opts)
	if err != nil {
		return err
	}
	wants := true
	defer func() {
		if cerr := it.Close(); err == nil && wants {
			err = cerr
		}
	}()
	first, next := it.First, it.Next
	if rg.Reverse {
		first, next = it.Last, it.Prev
	}
	n := 0
	for ok := first(); ok; ok = next() {
		rec := Record{Key: it.Key()[1:]}
		if !rg.KeysOnly {
			if rec.Value, err = it.ValueAndErr(); err != nil {
				return err
			}
			if rec.Value == nil {
				rec.Value = []byte{}
			}
		}
		if n++; !yield(rec, nil) || n == rg.Limit {
			wants = false
			return nil
		}
	}
	return it.Error()
}

// bounds translates a range into the space of records.
func bounds(rg Range) *pebble.IterOptions {
	opts := &pebble.IterOptions{
		LowerBound: append([]byte{spaceData}, rg.From...),
		UpperBound: []byte{spaceData + 1},
	}
	if rg.To != nil {
		opts.UpperBound = append([]byte{spaceData}, rg.To...)
	}
	return opts
}
