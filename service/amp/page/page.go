package page

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
)

// A sealed file is its pages, one behind the other:
//
//	 0     12  nonce, random
//	12      n  AES-256-GCM ciphertext; n is the size of a page, and in the last page what is left
//	12+n   16  tag
//
// Only the last page is short, and it is empty only where the file is.
//
//	key of the pages, version 1 = HKDF-SHA-256(ikm: data key, no salt, info: "strongroom metrics pages" || 01 || name, length: 32)
//	key of the pages, version 2 = the same with info: "strongroom metrics pages" || 02 || uint32(size of a page) || name
//	associated data of page i = uint64(i) || 1 in the last page, else 0
//
// Pages of version 1 have 16 KiB of plaintext. Those of version 2 have the size that whoever keeps the file keeps with it; it is bound
// into the key, so that a size that was changed opens nothing. A small page is for what is read a few bytes at a time, a large
// one for what is read as a whole.
//
// The name says which block and which file of it the pages are of, so pages of two files, blocks or
// positions cannot be told for one another. The nonce is left to the cryptographic module, as in package
// seal, because GODEBUG=fips140=only lets nobody else choose it: a file is sealed once under its key,
// and has far fewer than the 2^32 pages that random nonces are good for (SP 800-38D, section 8.3).
const (
	// Overhead is how many bytes a sealed page is longer than its plaintext.
	Overhead = 12 + 16

	firstSize = 16 << 10 // of a page of version 1
	minSize   = 1 << 10
	maxSize   = 64 << 10

	info = "strongroom metrics pages"
)

// Layout is how a file is divided into pages: the bytes of plaintext of a page, a power of two, for version 2; 0 for version 1.
type Layout uint32

// Size returns how many bytes of plaintext a page holds.
func (l Layout) Size() int64 {
	if l == 0 {
		return firstSize
	}
	return int64(l)
}

// Count returns how many pages a file of size bytes of plaintext has.
func (l Layout) Count(size int64) int64 { return max(1, (size+l.Size()-1)/l.Size()) }

// SealedSize returns how long a sealed file is whose plaintext has size bytes.
func (l Layout) SealedSize(size int64) int64 { return size + l.Count(size)*Overhead }

func (l Layout) valid() bool {
	return l == 0 || l >= minSize && l <= maxSize && l&(l-1) == 0
}

// info is what is bound into the key of the pages.
func (l Layout) info(name string) string {
	if l == 0 {
		return info + "\x01" + name
	}
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], uint32(l))
	return info + "\x02" + string(size[:]) + name
}

func newCipher(key secret.Bytes, name string, l Layout) (cipher.AEAD, error) {
	if !l.valid() {
		return nil, fmt.Errorf("%w: pages of %d bytes", seal.ErrCorrupt, l)
	}
	k, err := hkdf.Key(sha256.New, key.Reveal(), nil, l.info(name), seal.KeySize)
	if err != nil {
		return nil, fmt.Errorf("page key: %w", err)
	}
	defer clear(k)
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, fmt.Errorf("page cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func place(ad *[9]byte, i int64, last bool) []byte {
	binary.BigEndian.PutUint64(ad[:], uint64(i))
	ad[8] = 0
	if last {
		ad[8] = 1
	}
	return ad[:]
}

// Writer seals what is written to it into w, a page at a time. It serves one goroutine.
type Writer struct {
	w      io.Writer
	aead   cipher.AEAD
	size   int    // of a page
	buf    []byte // plaintext of the page that is being filled
	out    []byte
	index  int64
	closed bool
	err    error
}

// NewWriter returns a Writer that seals under a data key, for a name that nothing else
// sealed under that key has.
func NewWriter(w io.Writer, key secret.Bytes, name string, l Layout) (*Writer, error) {
	aead, err := newCipher(key, name, l)
	if err != nil {
		return nil, err
	}
	size := int(l.Size())
	return &Writer{w: w, aead: aead, size: size, buf: make([]byte, 0, size), out: make([]byte, 0, size+Overhead)}, nil
}

// Write takes p. A full page is kept until it is known whether it is the last.
func (w *Writer) Write(p []byte) (n int, err error) {
	if w.closed && w.err == nil {
		w.err = errors.New("page writer is closed")
	}
	for len(p) > 0 && w.err == nil {
		if len(w.buf) == w.size {
			w.flush(false)
			continue
		}
		m := min(len(p), w.size-len(w.buf))
		w.buf = append(w.buf, p[:m]...)
		p, n = p[m:], n+m
	}
	return n, w.err
}

func (w *Writer) flush(last bool) {
	var ad [9]byte
	w.out = w.aead.Seal(w.out[:0], nil, w.buf, place(&ad, w.index, last))
	_, w.err = w.w.Write(w.out)
	clear(w.buf)
	w.buf = w.buf[:0]
	w.index++
}

// Size returns how many bytes of plaintext have been written.
func (w *Writer) Size() int64 { return w.index*int64(w.size) + int64(len(w.buf)) }

// Close seals the last page. It does not close what the pages are written to.
func (w *Writer) Close() error {
	if w.closed || w.err != nil {
		return w.err
	}
	w.flush(true)
	w.closed = true
	return w.err
}

// File opens the pages of a sealed file. Its methods may be called together.
type File struct {
	src    io.ReaderAt
	aead   cipher.AEAD
	size   int64
	layout Layout
}

// Open returns the file of size bytes of plaintext that was sealed under a data key, a name and a layout.
// Nothing is read yet. A wrong size is found out with the last page, a wrong layout with the first.
func Open(src io.ReaderAt, size int64, key secret.Bytes, name string, l Layout) (*File, error) {
	if size < 0 {
		return nil, fmt.Errorf("%w: size", seal.ErrCorrupt)
	}
	aead, err := newCipher(key, name, l)
	if err != nil {
		return nil, err
	}
	return &File{src: src, aead: aead, size: size, layout: l}, nil
}

// Size returns how many bytes of plaintext the file has.
func (f *File) Size() int64 { return f.size }

// Layout returns how the file is divided into pages.
func (f *File) Layout() Layout { return f.layout }

// buffers are for sealed pages on their way through.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Pages opens pages from i to before end into dst, which has room for all of them, with one read, and returns the
// plaintext. Whatever is not as it was sealed is seal.ErrCorrupt; then dst may hold anything.
func (f *File) Pages(dst []byte, i, end int64) ([]byte, error) {
	size, count := f.layout.Size(), f.layout.Count(f.size)
	if i < 0 || end > count || i >= end {
		return nil, fmt.Errorf("%w: pages %d to %d of %d", seal.ErrCorrupt, i, end, count)
	}
	n := (end - i) * (size + Overhead)
	if end == count {
		n -= count*size - f.size
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	if int64(cap(*buf)) < n {
		*buf = make([]byte, n)
	}
	raw := (*buf)[:n]
	if _, err := f.src.ReadAt(raw, i*(size+Overhead)); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("%w: it ends before page %d", seal.ErrCorrupt, end)
		}
		return nil, err
	}
	at := int64(0)
	for ; i < end; i++ {
		one := raw[:min(size+Overhead, int64(len(raw)))]
		var ad [9]byte
		plain, err := f.aead.Open(dst[at:at:at+size], nil, one, place(&ad, i, i == count-1))
		if err != nil {
			return nil, fmt.Errorf("%w: page %d", seal.ErrCorrupt, i)
		}
		at, raw = at+int64(len(plain)), raw[len(one):]
	}
	return dst[:at], nil
}

// Page opens one page into dst, which has room for it, and returns the plaintext.
func (f *File) Page(dst []byte, i int64) ([]byte, error) { return f.Pages(dst, i, i+1) }

// Check opens every page.
func (f *File) Check() error {
	dst := make([]byte, f.layout.Size())
	defer clear(dst)
	for i := range f.layout.Count(f.size) {
		if _, err := f.Page(dst, i); err != nil {
			return err
		}
	}
	return nil
}
