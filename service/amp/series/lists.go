package series

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/encoding"
	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service/amp/page"
)

// longList is a list of series that is longer than a page. What begins each of its spans, one to a page, and what ends the last
// is kept once it has been seen, so that whoever looks for one series opens the page that it would be on and no other.
// These are numbers of entries, which are no secret; 0 is none of them, and is what has not been seen.
type longList struct {
	region *page.Region
	start  int // of the first number, in the file
	end    int
	size   int // of a page
	heads  []atomic.Uint32
	last   atomic.Uint32
}

// newLongList returns the list whose numbers stand from start to before end.
func newLongList(r *page.Region, start, end int) *longList {
	l := &longList{region: r, start: start, end: end, size: int(r.PageSize())}
	l.heads = make([]atomic.Uint32, (end-1)/l.size-start/l.size+1)
	return l
}

// span returns the numbers of a span.
func (l *longList) span(k int) (list []byte, err error) {
	defer page.Recover(&err)
	at := (l.start/l.size + k) * l.size
	list = l.region.Range(max(at, l.start), min(at+l.size, l.end))
	l.heads[k].Store(binary.BigEndian.Uint32(list))
	if k == len(l.heads)-1 {
		l.last.Store(binary.BigEndian.Uint32(list[len(list)-4:]))
	}
	return list, nil
}

// head returns the first number of a span.
func (l *longList) head(k int) (uint32, error) {
	if n := l.heads[k].Load(); n != 0 {
		return n, nil
	}
	list, err := l.span(k)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(list), nil
}

// ends returns the first and the last number.
func (l *longList) ends() (first, last storage.SeriesRef, err error) {
	n, err := l.head(0)
	if err == nil && l.last.Load() == 0 {
		_, err = l.span(len(l.heads) - 1)
	}
	return storage.SeriesRef(n), storage.SeriesRef(l.last.Load()), err
}

// before returns the last span from k on that begins with x or less. The one of k does.
func (l *longList) before(k int, x uint32) (int, error) {
	high := len(l.heads)
	is := func(i int) (bool, error) {
		n, err := l.head(i)
		return n <= x, err
	}
	for step := 1; k+step < high; step *= 2 { // what is looked for is often near
		if ok, err := is(k + step); err != nil {
			return 0, err
		} else if ok {
			k += step
		} else {
			high = k + step
		}
	}
	for k+1 < high {
		mid := (k + high) / 2
		if ok, err := is(mid); err != nil {
			return 0, err
		} else if ok {
			k = mid
		} else {
			high = mid
		}
	}
	return k, nil
}

// walk goes through a long list.
type walk struct {
	*longList
	current uint32
	rest    []byte // of the span, behind the current number
	next    int    // the span behind this one
	closed  bool   // the current number is the first of its span, which has not been opened
	err     error
}

var _ index.Postings = (*walk)(nil)

// At returns the number of a series.
func (w *walk) At() storage.SeriesRef { return storage.SeriesRef(w.current) }

// Err returns why there is no next one, when that is an error.
func (w *walk) Err() error { return w.err }

// Next goes to the next series.
func (w *walk) Next() bool {
	if w.closed && !w.load(w.next-1) {
		return false
	}
	if len(w.rest) >= 4 {
		w.take(0)
		return true
	}
	return w.enter(w.next)
}

// take makes the number at i of the rest the current one.
func (w *walk) take(i int) {
	w.current = binary.BigEndian.Uint32(w.rest[i:])
	w.rest = w.rest[i+4:]
}

// enter goes to the first number of a span.
func (w *walk) enter(k int) bool {
	if k >= len(w.heads) || w.err != nil {
		w.rest, w.next, w.closed = nil, len(w.heads), false
		return false
	}
	if w.current = w.heads[k].Load(); w.current != 0 {
		w.rest, w.next, w.closed = nil, k+1, true
		return true
	}
	return w.load(k)
}

// load opens a span and makes its first number the current one.
func (w *walk) load(k int) bool {
	w.closed, w.next = false, k+1
	if w.rest, w.err = w.span(k); w.err != nil {
		w.rest, w.next = nil, len(w.heads)
		return false
	}
	w.take(0)
	return true
}

// Seek goes to the next series from x on, which may be the current one.
func (w *walk) Seek(x storage.SeriesRef) bool {
	if w.At() >= x {
		return true
	}
	if last := w.last.Load(); x > math.MaxUint32 || last != 0 && uint32(x) > last {
		return w.enter(len(w.heads))
	}
	if w.next == 0 && !w.enter(0) {
		return false
	}
	if w.At() >= x || !w.closed && w.find(uint32(x)) {
		return true
	}
	k, err := w.before(max(w.next, 1)-1, uint32(x))
	if err != nil {
		w.err = err
		return w.enter(len(w.heads))
	}
	if k < w.next && !w.closed {
		return w.enter(w.next)
	}
	if !w.enter(k) || w.At() == x {
		return w.err == nil
	}
	if w.closed && !w.load(k) {
		return false
	}
	return w.find(uint32(x)) || w.enter(w.next)
}

// find goes to the first number from x on in the rest of the span.
func (w *walk) find(x uint32) bool {
	n := len(w.rest) / 4
	if n == 0 || binary.BigEndian.Uint32(w.rest[(n-1)*4:]) < x {
		return false
	}
	w.take(4 * sort.Search(n, func(i int) bool { return binary.BigEndian.Uint32(w.rest[i*4:]) >= x }))
	return true
}

// list returns the list that stands at a place of the file: length (4) | count (4) | numbers of 4 bytes | checksum (4).
func (p *postings) list(at int) (index.Postings, error) {
	if l := p.long.get(at); l != nil {
		return &walk{longList: l}, nil
	}
	if at < 0 || at > p.region.Len()-8 {
		return nil, fmt.Errorf("%w: postings", seal.ErrCorrupt)
	}
	head := p.region.Range(at, at+8)
	size, count := int(binary.BigEndian.Uint32(head)), int(binary.BigEndian.Uint32(head[4:]))
	if size != 4+4*count || size > p.region.Len()-at-8 {
		return nil, fmt.Errorf("%w: postings of %d bytes for %d series", seal.ErrCorrupt, size, count)
	}
	if at%4 != 0 || 4*count <= int(p.region.PageSize()) {
		return p.short(at)
	}
	return &walk{longList: p.long.put(at, newLongList(p.region, at+8, at+4+size))}, nil
}

// short returns a list that is not worth more than to be read.
func (p *postings) short(at int) (index.Postings, error) {
	d := encoding.NewDecbufAt(p.region, at, castagnoli)
	if err := d.Err(); err != nil {
		return nil, fmt.Errorf("%w: postings: %w", seal.ErrCorrupt, err)
	}
	_, list, err := index.DecodePostingsRaw(d)
	return list, err
}

// longLists are those that have been asked for, by their places.
type longLists struct {
	mu sync.RWMutex
	at map[int]*longList
}

func (l *longLists) get(at int) *longList {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.at[at]
}

// put keeps a list, or returns the one that is there.
func (l *longLists) put(at int, list *longList) *longList {
	l.mu.Lock()
	defer l.mu.Unlock()
	if there := l.at[at]; there != nil {
		return there
	}
	if l.at == nil {
		l.at = map[int]*longList{}
	}
	l.at[at] = list
	return list
}
