package blob

import (
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
)

// Mapper is what a reader that Get returned is where the driver can show a whole blob as memory.
type Mapper interface {
	// Map returns reads of the blob that mostly take no system call, for whoever reads little pieces of it again and again. They
	// give the same bytes and the same errors as the reader's own do, and end when the reader is closed. An error says that the
	// blob is not mapped; it is read as before.
	Map() (io.ReaderAt, error)
}

var _ Mapper = (*section)(nil)

// extent is how many bytes of a file are read before they are taken out of the mapping for the first time: who waits for
// a disk in a system call lets others compute meanwhile, who waits for a page of a mapping does not.
const extent = 16 << 10

// mapped reads a file by way of a mapping. All reads are copies: the file is the house's, but nobody looks at
// bytes twice that another may change between.
type mapped struct {
	f    io.ReaderAt
	seen []atomic.Uint32 // a bit an extent: it was read, so it is in memory most likely

	mu   sync.RWMutex // held for reading while data is read
	data []byte       // nil when it is closed
}

// Map maps the file of a whole blob.
func (s *section) Map() (io.ReaderAt, error) {
	n := s.Size()
	if _, off, _ := s.Outer(); off != 0 || n == 0 || strconv.IntSize < 64 {
		return nil, errNotMapped
	}
	data, err := mapFile(s.f, n)
	if err != nil {
		return nil, err
	}
	s.mapped = &mapped{f: s.SectionReader, data: data, seen: make([]atomic.Uint32, (n/extent+32)/32)}
	return s.mapped, nil
}

// ReadAt reads from the mapping what was read from the file before, and from the file the first time, and when the mapping
// has no such bytes any more: the file knows what is wrong then.
func (m *mapped) ReadAt(p []byte, off int64) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.data == nil {
		return 0, os.ErrClosed
	}
	end := off + int64(len(p))
	if off < 0 || off >= int64(len(m.data)) || end > int64(len(m.data)) {
		return m.f.ReadAt(p, off)
	}
	if len(p) >= extent {
		return m.long(p, off)
	}
	for i := off / extent; i*extent < end; i++ {
		if !m.has(i) {
			if err := m.touch(i); err != nil {
				return m.f.ReadAt(p, off)
			}
		}
	}
	if !copied(p, m.data[off:end]) {
		return m.f.ReadAt(p, off)
	}
	return len(p), nil
}

// long reads many bytes. The first time all go where they belong at once, and only what is around them is read besides.
func (m *mapped) long(p []byte, off int64) (int, error) {
	end, all := off+int64(len(p)), true
	for i := off / extent; i*extent < end && all; i++ {
		all = m.has(i)
	}
	if all && copied(p, m.data[off:end]) {
		return len(p), nil
	}
	n, err := m.f.ReadAt(p, off)
	if err != nil {
		return n, err
	}
	for i := off / extent; i*extent < end; i++ {
		if i*extent >= off && (i+1)*extent <= end {
			m.seen[i/32].Or(1 << (i % 32))
		} else if !m.has(i) {
			_ = m.touch(i) // it says so again when it is asked for
		}
	}
	return n, nil
}

func (m *mapped) has(i int64) bool { return m.seen[i/32].Load()&(1<<(i%32)) != 0 }

// touch reads an extent from the file.
func (m *mapped) touch(i int64) error {
	buf := extents.Get().(*[extent]byte)
	defer extents.Put(buf)
	if _, err := m.f.ReadAt(buf[:min(extent, int64(len(m.data))-i*extent)], i*extent); err != nil {
		return err
	}
	m.seen[i/32].Or(1 << (i % 32))
	return nil
}

var extents = sync.Pool{New: func() any { return new([extent]byte) }}

// copied copies out of a mapping, and reports whether all of it was there. A page that the file does not have any more, or
// that the disk does not give, is a fault that would end the process.
func copied(to, from []byte) (ok bool) {
	defer func(before bool) {
		debug.SetPanicOnFault(before)
		if ok {
			return
		}
		v := recover()
		if _, fault := v.(interface{ Addr() uintptr }); !fault {
			panic(v)
		}
	}(debug.SetPanicOnFault(true))
	copy(to, from)
	return true
}

// close unmaps the file when nobody reads it.
func (m *mapped) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	data := m.data
	m.data = nil
	if data == nil {
		return nil
	}
	return unmap(data)
}
