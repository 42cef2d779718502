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
	memory, err := allocate(int(Count(f.size) * Size))
	if err != nil {
		return nil, err
	}
	return &Region{file: f, memory: memory, filled: make([]atomic.Uint32, (Count(f.size)+31)/32)}, nil
}

// Len returns the length of the file.
func (r *Region) Len() int { return int(r.file.size) }

// Size returns how many bytes of memory the region holds.
func (r *Region) Size() int64 { return r.pages.Load() * Size }

// Range returns the bytes from start to end, which stay there until Wipe. It panics with a *Failure when
// they cannot be opened.
//
// The whole file is special: it is returned as it is, filled or not, but for what Whole says. The lookup of a symbol in a
// Prometheus index asks for all of it, and then looks only at symbols.
func (r *Region) Range(start, end int) []byte {
	if start < 0 || end < start || end > r.Len() {
		panic(&Failure{fmt.Errorf("%w: range %d to %d of %d", seal.ErrCorrupt, start, end, r.Len())})
	}
	if start == 0 && end == r.Len() && end > Size {
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

func (r *Region) need(start, end int64) {
	for i := start / Size; i*Size < end; i++ {
		if r.filled[i/32].Load()&(1<<(i%32)) == 0 {
			if err := r.fill(i); err != nil {
				panic(&Failure{err})
			}
		}
	}
}

func (r *Region) fill(i int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.memory == nil {
		return ErrWiped
	}
	if r.filled[i/32].Load()&(1<<(i%32)) != 0 {
		return nil
	}
	if _, err := r.file.Page(r.memory[i*Size:(i+1)*Size], i); err != nil {
		clear(r.memory[i*Size : (i+1)*Size])
		return err
	}
	r.filled[i/32].Or(1 << (i % 32))
	r.pages.Add(1)
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
	for i := range Count(r.file.size) {
		if r.filled[i/32].Load()&(1<<(i%32)) != 0 {
			clear(r.memory[i*Size : (i+1)*Size])
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
