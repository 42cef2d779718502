package page

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/strongroom/strongroom/seal"
)

// Failure is what Range panics with: the reader of an index, which it is made for, has no other way to say that
// bytes cannot be had. Recover turns it into an error again.
type Failure struct{ Err error }

// Error returns what went wrong.
func (f *Failure) Error() string { return f.Err.Error() }

// Recover is deferred where Range may be called below: it puts a Failure into err.
func Recover(err *error) {
	switch v := recover().(type) {
	case nil:
	case *Failure:
		*err = v.Err
	default:
		panic(v)
	}
}

// Region is a whole file as one slice of memory. Its address space is set aside at once, its memory
// comes page by page as ranges are asked for. Range may be called together with itself.
type Region struct {
	file   *File
	memory []byte
	filled []atomic.Uint32 // a bit a page
	pages  atomic.Int64
	whole  atomic.Int64 // bytes that the view of the whole file must show
	shown  atomic.Bool  // they are there

	mu sync.Mutex // one page at a time is filled
}

// NewRegion sets the address space of a file aside.
func NewRegion(f *File) (*Region, error) {
	if f.size == 0 || f.size > math.MaxInt32*64 {
		return nil, fmt.Errorf("%w: region of %d bytes", seal.ErrCorrupt, f.size)
	}
	count := f.layout.Count(f.size)
	memory, err := allocate(int(count * f.layout.Size()))
	if err != nil {
		return nil, err
	}
	return &Region{file: f, memory: memory, filled: make([]atomic.Uint32, (count+31)/32)}, nil
}

// Len returns the length of the file.
func (r *Region) Len() int { return int(r.file.size) }

// PageSize returns how many bytes of the file are opened together.
func (r *Region) PageSize() int64 { return r.file.layout.Size() }

// Size returns how many bytes of memory the region holds.
func (r *Region) Size() int64 { return r.pages.Load() * r.file.layout.Size() }

// Range returns the bytes from start to end, which stay there until Wipe. It panics with a *Failure when
// they cannot be opened.
//
// The whole file is special: it is returned as it is, filled or not, but for what Whole says. The lookup of a symbol in a
// Prometheus index asks for all of it, and then looks only at symbols.
func (r *Region) Range(start, end int) []byte {
	if start < 0 || end < start || end > r.Len() {
		panic(&Failure{fmt.Errorf("%w: range %d to %d of %d", seal.ErrCorrupt, start, end, r.Len())})
	}
	if start == 0 && end == r.Len() && int64(end) > r.file.layout.Size() {
		if n := r.whole.Load(); n > 0 && !r.shown.Load() {
			r.need(0, n)
			r.shown.Store(true)
		}
		return r.memory[:end:end]
	}
	r.need(int64(start), int64(end))
	return r.memory[start:end:end]
}

// Whole says how many bytes from the start are filled whenever Range is asked for the whole file.
func (r *Region) Whole(n int) { r.whole.Store(int64(min(n, r.Len()))) }

// has reports whether a page is filled.
func (r *Region) has(i int64) bool { return r.filled[i/32].Load()&(1<<(i%32)) != 0 }

func (r *Region) need(start, end int64) {
	size := r.file.layout.Size()
	for i := start / size; i*size < end; i++ {
		if !r.has(i) {
			if err := r.fill(i, (end+size-1)/size); err != nil {
				panic(&Failure{err})
			}
			return
		}
	}
}

// maxRun is how many bytes are read at once, at most.
const maxRun = 64 << 10

// fill fills the pages from i to before end that are not filled. One that is must not be written again: others read it.
func (r *Region) fill(i, end int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.memory == nil {
		return ErrWiped
	}
	size := r.file.layout.Size()
	for i < end {
		if r.has(i) {
			i++
			continue
		}
		n := i + 1
		for n < end && !r.has(n) && (n-i)*size < maxRun {
			n++
		}
		_, err := r.file.Pages(r.memory[i*size:n*size], i, n)
		if err != nil {
			clear(r.memory[i*size : n*size])
			return err
		}
		r.pages.Add(n - i)
		for ; i < n; i++ {
			r.filled[i/32].Or(1 << (i % 32))
		}
	}
	return nil
}

// keepDropped is how much memory a region keeps for the next pages.
const keepDropped = 256 << 10

// Drop wipes all pages, and gives their memory back where it is more than little. Nobody may use what Range returned any
// more; pages are opened again as ranges are asked for.
func (r *Region) Drop() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.memory == nil || r.pages.Load() == 0 {
		return nil
	}
	held := r.Size()
	r.clear()
	if held <= keepDropped {
		return nil
	}
	return forget(r.memory)
}

func (r *Region) clear() {
	size := r.file.layout.Size()
	for i := range r.file.layout.Count(r.file.size) {
		if r.has(i) {
			clear(r.memory[i*size : (i+1)*size])
		}
	}
	for i := range r.filled {
		r.filled[i].Store(0)
	}
	r.pages.Store(0)
	r.shown.Store(false)
}

// Wipe gives the memory back. Nobody may use what Range returned, nor call it, any more.
func (r *Region) Wipe() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.memory == nil {
		return nil
	}
	r.clear()
	err := release(r.memory)
	r.memory = nil
	return err
}
