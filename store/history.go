package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"sort"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// What a commit changed is kept under its revision, for Watch:
//
//	value = time, Unix seconds (8) | bytes of all values up to this one (8) | changes
//	change = 0 put, 1 delete (1) | length of key (uvarint) | key | length of value (uvarint) | value
//
// The running total tells the size of any stretch of it from its two ends. The newest
// one is never pruned: it carries the revision.
const historyHead = 16

// history is the state of the change log. Its fields are the writer's.
type history struct {
	first  uint64    // oldest revision that is kept, or the next one
	before uint64    // total before it
	total  uint64    // total up to the newest
	pruned time.Time // when its age was last looked at
}

func historyKey(revision uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceHistory}, revision)
}

// openHistory reads the ends of the change log and the newest revision, 0 for none.
func openHistory(db *pebble.DB) (h history, revision uint64, err error) {
	it, err := db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{spaceHistory}, UpperBound: []byte{spaceHistory + 1},
	})
	if err != nil {
		return history{}, 0, mapError(err)
	}
	defer it.Close()
	if !it.Last() {
		return history{first: 1}, 0, mapError(it.Error())
	}
	revision, _, h.total, err = historyAt(it)
	if err != nil {
		return history{}, 0, err
	}
	if !it.First() {
		return history{}, 0, mapError(it.Error())
	}
	h.first, _, h.before, err = historyAt(it)
	if err == nil {
		h.before -= uint64(len(it.Value()))
	}
	return h, revision, err
}

// historyAt returns what the head of the record under an iterator says.
func historyAt(it *pebble.Iterator) (revision, unix, total uint64, err error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return 0, 0, 0, mapError(err)
	}
	if len(it.Key()) != 9 || len(value) < historyHead {
		return 0, 0, 0, fmt.Errorf("%w: a record of changes is malformed", ErrCorrupt)
	}
	return binary.BigEndian.Uint64(it.Key()[1:]), binary.BigEndian.Uint64(value), binary.BigEndian.Uint64(value[8:]), nil
}

// add puts the record of a commit into its batch.
func (h *history) add(b *pebble.Batch, revision uint64, now time.Time, ops []write) error {
	n := historyHead
	for _, w := range ops {
		n += 1 + 2*binary.MaxVarintLen32 + len(w.key) + len(w.value)
	}
	value := make([]byte, historyHead, n)
	for _, w := range ops {
		flag := byte(0)
		if w.deleted {
			flag = 1
		}
		value = append(value, flag)
		value = append(binary.AppendUvarint(value, uint64(len(w.key))), w.key...)
		value = append(binary.AppendUvarint(value, uint64(len(w.value))), w.value...)
	}
	h.total += uint64(len(value))
	binary.BigEndian.PutUint64(value, uint64(now.Unix()))
	binary.BigEndian.PutUint64(value[8:], h.total)
	return b.Set(historyKey(revision), value, nil)
}

// parseChanges calls fn with the changes in the record of a revision until it returns
// false. The slices are parts of value.
func parseChanges(revision uint64, value []byte, fn func(Change) bool) error {
	malformed := fmt.Errorf("%w: the changes of commit %d are malformed", ErrCorrupt, revision)
	if len(value) < historyHead {
		return malformed
	}
	field := func(b []byte) (field, rest []byte, ok bool) {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return nil, nil, false
		}
		return b[used : used+int(n)], b[used+int(n):], true
	}
	for rest := value[historyHead:]; len(rest) > 0; {
		c := Change{Revision: revision, Deleted: rest[0] == 1}
		if rest[0] > 1 {
			return malformed
		}
		var ok bool
		if c.Key, rest, ok = field(rest[1:]); !ok {
			return malformed
		}
		if c.Value, rest, ok = field(rest); !ok {
			return malformed
		}
		if !fn(c) {
			return nil
		}
	}
	return nil
}

// prune adds to the batch of the newest commit the removal of the oldest changes, when
// there are an eighth more than wanted, or once a minute when they are too old.
func (h *history) prune(b *pebble.Batch, db *pebble.DB, newest uint64, now time.Time, opts Options) error {
	excess := h.total - h.before
	if excess < uint64(opts.HistoryBytes)*9/8 && now.Sub(h.pruned) < time.Minute {
		return nil
	}
	h.pruned = now
	it, err := db.NewIter(&pebble.IterOptions{
		LowerBound: historyKey(h.first), UpperBound: []byte{spaceHistory + 1},
	})
	if err != nil {
		return mapError(err)
	}
	defer it.Close()
	oldest := uint64(now.Add(-opts.HistoryAge).Unix())
	var failed error
	// The total and, but for a clock that was put back, the time grow with the revision.
	n := sort.Search(int(newest-h.first), func(i int) bool {
		if failed != nil || !it.SeekGE(historyKey(h.first+uint64(i))) {
			return true
		}
		_, unix, total, err := historyAt(it)
		if err != nil {
			failed = err
			return true
		}
		return unix >= oldest && h.total-total < uint64(opts.HistoryBytes)
	})
	if err := it.Error(); err != nil {
		return mapError(err)
	}
	if failed != nil || n == 0 {
		return failed
	}
	return h.cut(b, it, h.first+uint64(n))
}

// cut removes the changes before a revision.
func (h *history) cut(b *pebble.Batch, it *pebble.Iterator, first uint64) error {
	if it.SeekLT(historyKey(first)) {
		_, _, total, err := historyAt(it)
		if err != nil {
			return err
		}
		h.before = total
	}
	h.first = first
	return b.DeleteRange([]byte{spaceHistory}, historyKey(first), nil)
}

const (
	watchChanges = 256     // most changes collected before they are yielded
	watchBytes   = 1 << 20 // most bytes of them, but for one commit's
)

// Watch yields the changes that are kept, then waits for more.
func (f *File) Watch(ctx context.Context, prefix []byte, rev uint64) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		after, begun := rev, rev != 0
		for {
			changes, last, more, err := f.changes(prefix, after, begun)
			if err == nil {
				for _, c := range changes {
					if cerr := ctx.Err(); cerr != nil {
						yield(Change{}, cerr)
						return
					}
					if !yield(c, nil) {
						return
					}
				}
				after, begun = last, true
				if !more {
					err = f.wait(ctx, after)
				}
			}
			if err != nil {
				yield(Change{}, err)
				return
			}
		}
	}
}

// changes collects changes under prefix after a revision, up to the last revision that it
// has looked at. With begun, every change after it must still be there.
func (f *File) changes(prefix []byte, after uint64, begun bool) (out []Change, last uint64, more bool, err error) {
	s, err := f.acquire()
	if err != nil {
		return nil, 0, false, err
	}
	defer s.unref()
	if after > s.revision {
		return nil, 0, false, fmt.Errorf("%w: revision %d is asked for, %d is the last", ErrPruned, after, s.revision)
	}
	it, err := s.snap.NewIter(&pebble.IterOptions{
		LowerBound: historyKey(after + 1), UpperBound: []byte{spaceHistory + 1},
	})
	if err != nil {
		return nil, 0, false, mapError(err)
	}
	defer it.Close()
	last, size := after, 0
	for ok := it.First(); ok; ok = it.Next() {
		revision, _, _, err := historyAt(it)
		if err != nil {
			return nil, 0, false, err
		}
		if begun && revision != last+1 {
			return nil, 0, false, fmt.Errorf("%w: after revision %d the next is %d", ErrPruned, last, revision)
		}
		if len(out) >= watchChanges || size >= watchBytes {
			return out, last, true, nil
		}
		last, begun = revision, true
		err = parseChanges(revision, it.Value(), func(c Change) bool {
			if bytes.HasPrefix(c.Key, prefix) {
				size += len(c.Key) + len(c.Value)
				out = append(out, c.clone())
			}
			return true
		})
		if err != nil {
			return nil, 0, false, err
		}
	}
	return out, last, false, mapError(it.Error())
}

func (c Change) clone() Change {
	c.Key = bytes.Clone(c.Key)
	c.Value = append([]byte{}, c.Value...)
	if c.Deleted {
		c.Value = nil
	}
	return c
}

// wait waits until there is a commit after a revision.
func (f *File) wait(ctx context.Context, after uint64) error {
	for {
		f.pub.Lock()
		if f.cur.Load() == nil {
			f.pub.Unlock()
			return ErrClosed
		}
		if f.published > after {
			f.pub.Unlock()
			return nil
		}
		if f.news == nil {
			f.news = make(chan struct{})
		}
		news := f.news
		f.pub.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
