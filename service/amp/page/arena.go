package page

import (
	"errors"
	"slices"
	"sync"
)

// ErrWiped says that opened pages were asked for after the key was lost.
var ErrWiped = errors.New("pages are wiped")

const (
	// unit is how many bytes an arena keeps or lets go together, whatever the layouts of files.
	unit = 4 << 10
	// slabUnits is how many units an arena takes from the system at once.
	slabUnits = 256
	// ahead is how many bytes are opened at once of a file that is read from one unit on into the next.
	ahead = 4 * unit
)

// Arena keeps what was opened of any number of files, up to a number of bytes, and gives out copies
// only: no slice of it ever leaves, so any part may go at any time. Its methods may be called together.
type Arena struct {
	mu    sync.Mutex
	max   int
	slabs [][]byte
	slots []slot
	where map[spot]int
	empty []int // slots that hold nothing
	hand  int   // of the clock that chooses what goes
	wiped bool
}

// spot is a unit of a file.
type spot struct {
	file *File
	unit int64
}

type slot struct {
	spot
	n    int // bytes of plaintext
	used bool
}

// NewArena returns an arena of at most size bytes. It holds no memory until it is used.
func NewArena(size int64) *Arena {
	return &Arena{max: int(max(size/unit, 32)), where: make(map[spot]int)}
}

func (a *Arena) memory(i int) []byte {
	off := i % slabUnits * unit
	return a.slabs[i/slabUnits][off : off+unit : off+unit]
}

// Append appends n bytes of f from off to dst. Bytes beyond the end of f are left out.
func (a *Arena) Append(dst []byte, f *File, off int64, n int) ([]byte, error) {
	n = int(min(int64(n), f.size-off))
	for n > 0 {
		from := int(off % unit)
		m := min(n, unit-from)
		var err error
		if dst, err = a.appendUnit(dst, spot{f, off / unit}, from, m); err != nil {
			return dst, err
		}
		off, n = off+int64(m), n-m
	}
	return dst, nil
}

func (a *Arena) appendUnit(dst []byte, s spot, from, n int) ([]byte, error) {
	a.mu.Lock()
	if a.wiped {
		a.mu.Unlock()
		return dst, ErrWiped
	}
	if i, ok := a.where[s]; ok {
		a.slots[i].used = true
		dst = append(dst, a.memory(i)[from:from+n]...)
		a.mu.Unlock()
		return dst, nil
	}
	_, goesOn := a.where[spot{s.file, s.unit - 1}]
	if goesOn {
		_, goesOn = a.where[spot{s.file, s.unit - 2}]
	}
	a.mu.Unlock()
	return a.appendOpened(dst, s, from, n, goesOn)
}

// appendOpened opens what a unit is in, and more where reading goes on, and keeps all of that.
func (a *Arena) appendOpened(dst []byte, s spot, from, n int, goesOn bool) ([]byte, error) {
	size, count := s.file.layout.Size(), s.file.layout.Count(s.file.size)
	first, end := s.unit*unit/size, min(((s.unit+1)*unit+size-1)/size, count)
	far := end
	if goesOn {
		far = min(max(end, first+ahead/size), count)
	}
	buf := opened.Get().(*[]byte)
	defer func() { clear(*buf); opened.Put(buf) }()
	*buf = slices.Grow((*buf)[:0], int((far-first)*size))
	plain, err := s.file.Pages((*buf)[:cap(*buf)], first, far)
	if err != nil && far > end {
		plain, err = s.file.Pages((*buf)[:cap(*buf)], first, end) // what is damaged further on is not asked for
	}
	if err != nil {
		clear((*buf)[:cap(*buf)]) // of the pages before it
		return dst, err
	}
	*buf = plain
	at := s.unit*unit - first*size
	dst = append(dst, plain[at+int64(from):at+int64(from+n)]...)
	for i := int64(0); i < int64(len(plain)); i += unit {
		if err := a.keep(spot{s.file, (first*size + i) / unit}, plain[i:min(i+unit, int64(len(plain)))]); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

var opened = sync.Pool{New: func() any { return new([]byte) }}

// keep puts a unit that was opened into the arena.
func (a *Arena) keep(k spot, plain []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wiped {
		return ErrWiped
	}
	if _, ok := a.where[k]; ok {
		return nil
	}
	i, err := a.free()
	if err != nil {
		return err
	}
	clear(a.memory(i)[copy(a.memory(i), plain):])
	a.slots[i] = slot{spot: k, n: len(plain)}
	a.where[k] = i
	return nil
}

// free returns a slot that may be overwritten. Of two units the one goes that was not asked for
// since the hand last came by.
func (a *Arena) free() (int, error) {
	if n := len(a.empty); n > 0 {
		i := a.empty[n-1]
		a.empty = a.empty[:n-1]
		return i, nil
	}
	if n := len(a.slots); n < a.max {
		if n == len(a.slabs)*slabUnits {
			slab, err := allocate(slabUnits * unit)
			if err != nil {
				return 0, err
			}
			a.slabs = append(a.slabs, slab)
		}
		a.slots = append(a.slots, slot{})
		return n, nil
	}
	for a.slots[a.hand].used {
		a.slots[a.hand].used = false
		a.hand = (a.hand + 1) % len(a.slots)
	}
	i := a.hand
	a.hand = (a.hand + 1) % len(a.slots)
	delete(a.where, a.slots[i].spot)
	return i, nil
}

// Forget drops what is kept of a file.
func (a *Arena) Forget(f *File) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.slots {
		if a.slots[i].file == f {
			delete(a.where, a.slots[i].spot)
			clear(a.memory(i)[:a.slots[i].n])
			a.slots[i] = slot{}
			a.empty = append(a.empty, i)
		}
	}
}

// Size returns how many bytes the arena holds.
func (a *Arena) Size() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return int64(len(a.slots)) * unit
}

// Drop wipes all of it and gives their memory back. The arena may be used again.
func (a *Arena) Drop() error { return a.drop(false) }

// Wipe wipes all of it for good: whoever asks afterwards gets ErrWiped.
func (a *Arena) Wipe() error { return a.drop(true) }

func (a *Arena) drop(forGood bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for i := range a.slots {
		clear(a.memory(i)[:a.slots[i].n])
	}
	for _, slab := range a.slabs {
		errs = append(errs, release(slab))
	}
	a.slabs, a.slots, a.empty, a.hand = nil, nil, nil, 0
	clear(a.where)
	a.wiped = a.wiped || forGood
	return errors.Join(errs...)
}
