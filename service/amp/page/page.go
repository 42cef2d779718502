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

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
)

// A sealed file is its pages, one behind the other:
//
//	 0     12  nonce, random
//	12      n  AES-256-GCM ciphertext; n is Size, and in the last page what is left
//	12+n   16  tag
//
// Only the last page is short, and it is empty only where the file is.
//
//	key of the pages = HKDF-SHA-256(ikm: data key, no salt, info: "strongroom metrics pages" || 01 || name, length: 32)
//	associated data of page i = uint64(i) || 1 in the last page, else 0
//
// The name says which block and which file of it the pages are of, so pages of two files, blocks or
// positions cannot be told for one another. The nonce is left to the cryptographic module, as in package
// seal, because GODEBUG=fips140=only lets nobody else choose it: a file is sealed once under its key,
// and has far fewer than the 2^32 pages that random nonces are good for (SP 800-38D, section 8.3).
const (
	// Size is how many bytes of plaintext a page holds.
	Size = 16 << 10
	// Overhead is how many bytes a sealed page is longer than its plaintext.
	Overhead = 12 + 16

	info   = "strongroom metrics pages\x01"
	sealed = Size + Overhead
)

// Count returns how many pages a file of size bytes of plaintext has.
func Count(size int64) int64 { return max(1, (size+Size-1)/Size) }

// SealedSize returns how long a sealed file is whose plaintext has size bytes.
func SealedSize(size int64) int64 { return size + Count(size)*Overhead }

func newCipher(key secret.Bytes, name string) (cipher.AEAD, error) {
	k, err := hkdf.Key(sha256.New, key.Reveal(), nil, info+name, seal.KeySize)
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
	buf    []byte // plaintext of the page that is being filled
	out    []byte
	index  int64
	closed bool
	err    error
}

// NewWriter returns a Writer that seals under a data key, for a name that nothing else
// sealed under that key has.
func NewWriter(w io.Writer, key secret.Bytes, name string) (*Writer, error) {
	aead, err := newCipher(key, name)
	if err != nil {
		return nil, err
	}
	return &Writer{w: w, aead: aead, buf: make([]byte, 0, Size), out: make([]byte, 0, sealed)}, nil
}

// Write takes p. A full page is kept until it is known whether it is the last.
func (w *Writer) Write(p []byte) (n int, err error) {
	if w.closed && w.err == nil {
		w.err = errors.New("page writer is closed")
	}
	for len(p) > 0 && w.err == nil {
		if len(w.buf) == Size {
			w.flush(false)
			continue
		}
		m := min(len(p), Size-len(w.buf))
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
func (w *Writer) Size() int64 { return w.index*Size + int64(len(w.buf)) }

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
	src  io.ReaderAt
	aead cipher.AEAD
	size int64
}

// Open returns the file of size bytes of plaintext that was sealed under a data key and a name.
// Nothing is read yet. A wrong size is found out with the last page.
func Open(src io.ReaderAt, size int64, key secret.Bytes, name string) (*File, error) {
	if size < 0 {
		return nil, fmt.Errorf("%w: size", seal.ErrCorrupt)
	}
	aead, err := newCipher(key, name)
	if err != nil {
		return nil, err
	}
	return &File{src: src, aead: aead, size: size}, nil
}

// Size returns how many bytes of plaintext the file has.
func (f *File) Size() int64 { return f.size }

// Page opens page i into dst, which has room for Size bytes, and returns the plaintext. Whatever
// is not as it was sealed is seal.ErrCorrupt.
func (f *File) Page(dst []byte, i int64) ([]byte, error) {
	last := Count(f.size) - 1
	if i < 0 || i > last {
		return nil, fmt.Errorf("%w: page %d of %d", seal.ErrCorrupt, i, last+1)
	}
	n := int64(sealed)
	if i == last {
		n = f.size - last*Size + Overhead
	}
	buf := buffers.Get().(*[sealed]byte)
	defer buffers.Put(buf)
	if _, err := f.src.ReadAt(buf[:n], i*sealed); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("%w: it ends in page %d", seal.ErrCorrupt, i)
		}
		return nil, err
	}
	var ad [9]byte
	plain, err := f.aead.Open(dst[:0:Size], nil, buf[:n], place(&ad, i, i == last))
	if err != nil {
		return nil, fmt.Errorf("%w: page %d", seal.ErrCorrupt, i)
	}
	return plain, nil
}

// Check opens every page.
func (f *File) Check() error {
	dst := make([]byte, Size)
	defer clear(dst)
	for i := range Count(f.size) {
		if _, err := f.Page(dst, i); err != nil {
			return err
		}
	}
	return nil
}
