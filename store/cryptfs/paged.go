package cryptfs

import (
	"crypto/cipher"
	"fmt"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	pageSize   = 4096
	sealedPage = pageSize + overhead
	// writeBatch is how many pages are sealed for one write below.
	writeBatch = 16
)

// buffers holds scratch for reading and sealing runs of pages.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

func getBuffer(n int) *[]byte {
	b := buffers.Get().(*[]byte)
	if cap(*b) < n {
		*b = make([]byte, n)
	}
	*b = (*b)[:n]
	return b
}

// putBuffer gives scratch back unless it is so large that it should not be kept.
func putBuffer(b *[]byte) {
	if cap(*b) <= 1<<20 {
		buffers.Put(b)
	}
}

// pagedWriter writes a paged file. It holds back the last page, because only Close
// knows that it is the last.
type pagedWriter struct {
	writer
	aead  cipher.AEAD
	tail  []byte // up to a page, not yet written
	page  int64  // number of the page that tail begins
	dirty bool   // written since the last sync
	bound bound
}

func (w *pagedWriter) Write(p []byte) (int, error) {
	if w.broken != nil {
		return 0, w.broken
	}
	n := len(p)
	for len(w.tail)+len(p) > pageSize {
		if err := w.fill(&p); err != nil {
			return 0, err
		}
	}
	w.tail = append(w.tail, p...)
	w.size += int64(n)
	return n, nil
}

// fill seals and writes as many whole pages of tail and p as one batch takes, but
// never the last byte of p.
func (w *pagedWriter) fill(p *[]byte) error {
	out := getBuffer(0)
	defer putBuffer(out)
	for i := 0; i < writeBatch && len(w.tail)+len(*p) > pageSize; i++ {
		take := pageSize - len(w.tail)
		plain := (*p)[:take]
		if len(w.tail) > 0 {
			w.tail = append(w.tail, plain...)
			plain = w.tail
		}
		*out = w.seal(*out, ofMiddle, plain)
		w.tail, *p = w.tail[:0], (*p)[take:]
	}
	w.dirty = true
	return w.put(*out)
}

func (w *pagedWriter) seal(out []byte, use byte, plain []byte) []byte {
	where := w.bound.at(use, w.page)
	w.page++
	return w.aead.Seal(out, nil, plain, where)
}

// Sync makes what has been written durable, except the bytes after the last whole
// page: those are durable after Close. Pebble syncs tables midway to spread the load.
func (w *pagedWriter) Sync() error { return w.sync(w.base.Sync) }

// SyncData is like Sync.
func (w *pagedWriter) SyncData() error { return w.sync(w.base.SyncData) }

func (w *pagedWriter) sync(below func() error) error {
	if w.broken != nil || !w.dirty || w.closed || w.dropped() {
		return w.broken
	}
	if err := below(); err != nil {
		return w.fail(err)
	}
	w.dirty = false
	return nil
}

// SyncTo starts the writing of the first length bytes.
func (w *pagedWriter) SyncTo(length int64) (bool, error) {
	if w.broken != nil || w.dropped() {
		return false, w.broken
	}
	full, err := w.base.SyncTo(min(headerSize+length/pageSize*sealedPage, w.end))
	if err != nil {
		err = w.fail(err)
	}
	return full, err
}

// Close writes the last page and makes the whole file durable.
func (w *pagedWriter) Close() error {
	if w.closed {
		return nil
	}
	if w.broken == nil {
		w.dirty = true
		if err := w.put(w.seal(nil, ofLast, w.tail)); err == nil {
			_ = w.sync(w.base.SyncData)
		}
	}
	return w.close()
}

// pagedReader reads a paged file. Its methods may be called together, but for Read.
type pagedReader struct {
	reader
	aead  cipher.AEAD
	pages int64
	pos   int64
}

// openPaged checks the length and the last page of a file.
func openPaged(f vfs.File, name string, h *header, physical int64) (*pagedReader, error) {
	r := &pagedReader{reader: reader{File: f, name: name}, aead: h.aead()}
	size, pages, ok := pagedSize(physical)
	if !ok {
		return nil, corrupt(name, "it was cut short")
	}
	r.size, r.pages = size, pages
	var last [1]byte
	if _, err := r.ReadAt(last[:], max(size-1, 0)); err != nil && err != io.EOF {
		return nil, err
	}
	if size == 0 { // ReadAt had nothing to do
		buf := getBuffer(0)
		defer putBuffer(buf)
		if _, err := r.open(buf, 0, 1); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// pagedSize returns the size of the content and the number of pages of a file of
// physical bytes, unless no file has that many.
func pagedSize(physical int64) (size, pages int64, ok bool) {
	payload := physical - headerSize
	if payload < overhead {
		return 0, 0, false
	}
	pages = (payload + sealedPage - 1) / sealedPage
	last := payload - (pages-1)*sealedPage - overhead
	if last < 0 || last == 0 && pages > 1 {
		return 0, 0, false
	}
	return (pages-1)*pageSize + last, pages, true
}

func (r *pagedReader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("read %s: negative offset %d", r.name, off)
	}
	for n < len(p) && off < r.size {
		first := off / pageSize
		last := (min(off+int64(len(p)-n), r.size) - 1) / pageSize
		last = min(last, first+64) // bounds the scratch, not the read
		m, err := r.readRun(p[n:], off, first, last-first+1)
		n, off = n+m, off+int64(m)
		if err != nil {
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// readRun copies into p from offset off of the file, which lies in page first, as far
// as count pages go.
func (r *pagedReader) readRun(p []byte, off, first, count int64) (int, error) {
	buf := getBuffer(0)
	defer putBuffer(buf)
	plain, err := r.open(buf, first, count)
	if err != nil {
		return 0, err
	}
	return copy(p, plain[off-first*pageSize:]), nil
}

// open reads and opens count pages from page first into buf, in place.
func (r *pagedReader) open(buf *[]byte, first, count int64) ([]byte, error) {
	from := headerSize + first*sealedPage
	length := count * sealedPage
	if first+count == r.pages {
		length = r.physical() - from
	}
	if int64(cap(*buf)) < length {
		*buf = make([]byte, length)
	}
	sealed := (*buf)[:length]
	if n, err := r.File.ReadAt(sealed, from); n < len(sealed) {
		if err == io.EOF || err == nil {
			return nil, corrupt(r.name, "it was cut short while it was open")
		}
		return nil, fmt.Errorf("read %s: %w", r.name, err)
	}
	plain := sealed[:0]
	var where bound
	for page := first; page < first+count; page++ {
		use := ofMiddle
		if page == r.pages-1 {
			use = ofLast
		}
		one := sealed[:min(sealedPage, len(sealed))]
		sealed = sealed[len(one):]
		// Moving the page to where it will stay lets it be opened in place.
		at := len(plain)
		copy(plain[at:cap(plain)], one)
		out, err := r.aead.Open(plain[at:at], nil, plain[at:at+len(one)], where.at(use, page))
		if err != nil {
			return nil, corrupt(r.name, fmt.Sprintf("page %d of %d does not authenticate", page, r.pages))
		}
		plain = plain[:at+len(out)]
	}
	return plain, nil
}

func (r *pagedReader) physical() int64 { return headerSize + r.size + r.pages*overhead }

func (r *pagedReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.ReadAt(p, r.pos)
	r.pos += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// Prefetch asks for the pages that hold the range.
func (r *pagedReader) Prefetch(offset, length int64) error {
	first := offset / pageSize
	count := (offset+length+pageSize-1)/pageSize - first
	return r.File.Prefetch(headerSize+first*sealedPage, count*sealedPage)
}
