package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/strongroom/strongroom/secret"
)

// A mark authenticates sealed bytes without the key that opens them, so that damage is found
// also where nobody may read. Whoever keeps it where it cannot be changed needs only it, the
// key of the marks and the bytes:
//
//	offset  bytes
//	     0      1  how each chunk is authenticated: 1 AES-256-GMAC, 2 HMAC-SHA-256
//	     1     32  HMAC-SHA-256(mark key, byte 0 || tag of each chunk, in order || uint64(length))
//
//	chunk key || mark key = HKDF-SHA-256(ikm: key, no salt, info: "strongroom mark" || 00 || name, length: 64)
//	tag of chunk i        = GMAC(chunk key, nonce: uint32(0) || uint64(i), chunk), 16 bytes
//	                        or HMAC-SHA-256(chunk key, uint64(i) || chunk), 32 bytes
//
// Chunks are 64 KiB, the last what is left, and there is none of nothing. GMAC (NIST SP 800-38D)
// costs a tenth of what SHA-256 does. The name is one that nothing else has, so no nonce
// is used twice under a chunk key; and the tags themselves are never shown. GODEBUG=fips140=only
// lets nobody choose a nonce, hence the second way.
type Mark [1 + sha256.Size]byte

const (
	markGMAC = 1
	markHMAC = 2

	markChunk = 64 << 10
	markInfo  = "strongroom mark\x00"
)

// ErrMark says that a mark cannot be compared here: it was made by a way that this process may
// not use (GODEBUG=fips140=only), or by none that is known.
var ErrMark = errors.New("mark of an unknown kind")

// Marker makes the mark of what is read through it. It serves one goroutine.
type Marker struct {
	r      io.Reader
	kind   byte
	tag    func(dst []byte, i uint64, chunk []byte) []byte
	sum    hash.Hash
	chunk  []byte // that is not full yet
	count  uint64
	length uint64
	space  [sha256.Size]byte
}

// NewMarker returns a reader of r that makes its mark under a key and a name that nothing else
// has under it.
func NewMarker(r io.Reader, key secret.Bytes, name string) (*Marker, error) {
	kind := byte(markGMAC)
	if fips140.Enforced() {
		kind = markHMAC
	}
	return newMarker(r, key, name, kind)
}

func newMarker(r io.Reader, key secret.Bytes, name string, kind byte) (*Marker, error) {
	keys, err := hkdf.Key(sha256.New, key.Reveal(), nil, markInfo+name, 64)
	if err != nil {
		return nil, fmt.Errorf("mark: %w", err)
	}
	m := &Marker{r: r, kind: kind, sum: hmac.New(sha256.New, keys[32:]), chunk: make([]byte, 0, markChunk)}
	m.sum.Write([]byte{kind})
	switch {
	case kind == markGMAC && !fips140.Enforced():
		m.tag, err = gmac(keys[:32])
	case kind == markHMAC:
		m.tag = chunkHMAC(keys[:32])
	default:
		err = fmt.Errorf("%w: %d", ErrMark, kind)
	}
	return m, err
}

func gmac(key []byte) (func(dst []byte, i uint64, chunk []byte) []byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	var nonce [12]byte
	return func(dst []byte, i uint64, chunk []byte) []byte {
		binary.BigEndian.PutUint64(nonce[4:], i)
		return aead.Seal(dst, nonce[:], nil, chunk)
	}, nil
}

func chunkHMAC(key []byte) func(dst []byte, i uint64, chunk []byte) []byte {
	mac := hmac.New(sha256.New, key)
	var number [8]byte
	return func(dst []byte, i uint64, chunk []byte) []byte {
		mac.Reset()
		binary.BigEndian.PutUint64(number[:], i)
		mac.Write(number[:])
		mac.Write(chunk)
		return mac.Sum(dst)
	}
}

// Read implements io.Reader.
func (m *Marker) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.add(p[:n])
	return n, err
}

func (m *Marker) add(b []byte) {
	m.length += uint64(len(b))
	if len(m.chunk) > 0 {
		n := min(len(b), markChunk-len(m.chunk))
		m.chunk = append(m.chunk, b[:n]...)
		if b = b[n:]; len(m.chunk) == markChunk {
			m.end(m.chunk)
			m.chunk = m.chunk[:0]
		}
	}
	for ; len(b) >= markChunk; b = b[markChunk:] {
		m.end(b[:markChunk])
	}
	m.chunk = append(m.chunk, b...)
}

// end puts the tag of a whole chunk into the sum.
func (m *Marker) end(chunk []byte) {
	m.sum.Write(m.tag(m.space[:0], m.count, chunk))
	m.count++
}

// Mark returns the mark of all that was read. Nothing may be read afterwards.
func (m *Marker) Mark() (mark Mark) {
	if len(m.chunk) > 0 {
		m.end(m.chunk)
		m.chunk = m.chunk[:0]
	}
	binary.BigEndian.PutUint64(m.space[:], m.length)
	m.sum.Write(m.space[:8])
	mark[0] = m.kind
	m.sum.Sum(mark[:1])
	return mark
}

// CheckMark reads r to its end and returns nil when it is what the mark was made of, ErrCorrupt
// when it is not, ErrMark when that cannot be told, or the error of r.
func CheckMark(r io.Reader, key secret.Bytes, name string, mark Mark) error {
	m, err := newMarker(r, key, name, mark[0])
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, struct{ io.Reader }{m}); err != nil {
		return err
	}
	if got := m.Mark(); subtle.ConstantTimeCompare(got[:], mark[:]) != 1 {
		return ErrCorrupt
	}
	return nil
}
