package page

import (
	"errors"
	"sync"
)

// ErrWiped says that opened pages were asked for after the key was lost.
var ErrWiped = errors.New("pages are wiped")

// buffers are for sealed pages on their way through.
var buffers = sync.Pool{New: func() any { return new([sealed]byte) }}

// slabPages is how many pages an arena takes from the system at once.
const slabPages = 64

// Arena keeps opened pages of any number of files, up to a number of them, and gives out copies
// only: no slice of it ever leaves, so a page may go at any time. Its methods may be called together.
type Arena struct {
	mu    sync.Mutex
	max   int
	slabs [][]byte
	slots []slot
	where map[pageKey]int
	empty []int // slots that hold nothing
	hand  int   // of the clock that chooses what goes
	wiped bool
}

type pageKey struct {
	file *File
	page int64
}

type slot struct {
	pageKey
	n    int // bytes of plaintext
	used bool
}

// NewArena returns an arena of at most size bytes. It holds no memory until it is used.
func NewArena(size int64) *Arena {
	return &Arena{max: int(max(size/Size, 8)), where: make(map[pageKey]int)}
}

func (a *Arena) memory(i int) []byte {
	off := i % slabPages * Size
	return a.slabs[i/slabPages][off : off+Size : off+Size]
}

// Append appends n bytes of f from off to dst. Bytes beyond the end of f are left out.
func (a *Arena) Append(dst []byte, f *File, off int64, n int) ([]byte, error) {
	n = int(min(int64(n), f.size-off))
	for n > 0 {
		from, page := int(off%Size), off/Size
		m := min(n, Size-from)
		var err error
		if dst, err = a.appendPage(dst, pageKey{f, page}, from, m); err != nil {
			return dst, err
		}
		off, n = off+int64(m), n-m
	}
	return dst, nil
}

func (a *Arena) appendPage(dst []byte, k pageKey, from, n int) ([]byte, error) {
	a.mu.Lock()
	if a.wiped {
		a.mu.Unlock()
		return dst, ErrWiped
	}
	if i, ok := a.where[k]; ok {
		a.slots[i].used = true
		dst = append(dst, a.memory(i)[from:from+n]...)
		a.mu.Unlock()
		return dst, nil
	}
	a.mu.Unlock()
	buf := opened.Get().(*[Size]byte)
	defer func() { clear(buf[:]); opened.Put(buf) }()
	plain, err := k.file.Page(buf[:], k.page)
	if err != nil {
		return dst, err
	}
	dst = append(dst, plain[from:from+n]...)
	return dst, a.keep(k, plain)
}

var opened = sync.Pool{New: func() any { return new([Size]byte) }}

// keep puts a page that was opened into the arena.
func (a *Arena) keep(k pageKey, plain []byte) error {
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
	a.slots[i] = slot{pageKey: k, n: len(plain)}
	a.where[k] = i
	return nil
}

// free returns a slot that may be overwritten. Of two pages the one goes that was not asked for
// since the hand last came by.
func (a *Arena) free() (int, error) {
	if n := len(a.empty); n > 0 {
		i := a.empty[n-1]
		a.empty = a.empty[:n-1]
		return i, nil
	}
	if n := len(a.slots); n < a.max {
		if n == len(a.slabs)*slabPages {
			slab, err := allocate(slabPages * Size)
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
	delete(a.where, a.slots[i].pageKey)
	return i, nil
}

// Forget drops the pages of a file.
func (a *Arena) Forget(f *File) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.slots {
		if a.slots[i].file == f {
			delete(a.where, a.slots[i].pageKey)
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
	return int64(len(a.slots)) * Size
}

// Drop wipes all pages and gives their memory back. The arena may be used again.
func (a *Arena) Drop() error { return a.drop(false) }

// Wipe wipes all pages for good: whoever asks afterwards gets ErrWiped.
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
