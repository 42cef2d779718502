package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/strongroom/strongroom/secret"
)

// A stream, version 1:
//
//	offset  bytes
//	     0      4  "SRSS", Strongroom sealed stream
//	     4      1  version, 1
//	     5      1  base-2 logarithm of the frame size, 16
//	     6      2  zero
//	     8     32  salt, random
//	    40     32  commitment to the key
//	    72      -  frames
//
// A frame:
//
//	   0     12  nonce, random
//	  12      n  AES-256-GCM ciphertext; n is the frame size, and in the last frame what is left
//	12+n     16  tag
//
// Every frame but the last is full; the last is empty only when the whole stream is.
//
//	frame key || commitment = HKDF-SHA-256(ikm: data key, salt: salt,
//	    info: "strongroom sealed stream" || bytes 0 to 7 || SHA-256(aad), length: 64)
//	associated data of frame i = uint64(i) || 1 in the last frame, else 0
//
// It is the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, "Online
// Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015), with position
// and end in the associated data: the nonce is left to the cryptographic module, because
// that is the only form of GCM that NIST SP 800-140 lets a caller use (GODEBUG=fips140=only).
// The key is fresh for every stream, so random nonces stay far from the bound of 2^32
// frames of SP 800-38D, section 8.3. The commitment makes a stream open under one key and
// aad only, which GCM alone does not promise.
const (
	magic      = "SRSS"
	version    = 1
	headerSize = 72
	saltAt     = 8
	commitAt   = 40
	streamInfo = "strongroom sealed stream"

	nonceSize = 12
	tagSize   = 16
	overhead  = nonceSize + tagSize // bytes a frame adds

	sealedFrame = FrameSize + overhead

	frameBits = 16
)

// FrameSize is how many bytes of plaintext a frame of a stream holds. Ranges that begin
// and end on its multiples are read without waste.
const FrameSize = 1 << frameBits

// Overhead is how many bytes the smallest sealed stream has: that of no plaintext.
const Overhead = headerSize + overhead

// ErrSize says that no stream has this many bytes.
var ErrSize = errors.New("no sealed stream has this size")

// SealedSize returns the length of the stream that plain bytes of plaintext become.
func SealedSize(plain int64) int64 {
	frames := max(1, (plain+FrameSize-1)/FrameSize)
	return headerSize + plain + frames*overhead
}

// PlainSize returns how many bytes of plaintext a stream of sealed bytes holds, or
// ErrSize. It trusts the length: a stream that was cut is found out when its last frame
// is opened, not here.
func PlainSize(sealed int64) (int64, error) {
	l, err := layoutOf(sealed)
	return l.plain, err
}

// layout is where the frames of a stream of known length stand.
type layout struct {
	plain int64 // plaintext bytes of the stream
	last  int64 // index of the last frame
}

func layoutOf(sealed int64) (layout, error) {
	body := sealed - headerSize
	if body < overhead {
		return layout{}, fmt.Errorf("%w: %d bytes", ErrSize, sealed)
	}
	l := layout{last: (body - 1) / sealedFrame}
	rest := body - l.last*sealedFrame - overhead // plaintext of the last frame
	if rest < 0 || rest == 0 && l.last > 0 {
		return layout{}, fmt.Errorf("%w: %d bytes", ErrSize, sealed)
	}
	l.plain = l.last*FrameSize + rest
	return l, nil
}

// sealedLen returns the length of frame i as sealed.
func (l layout) sealedLen(i int64) int64 {
	if i < l.last {
		return sealedFrame
	}
	return l.plain - l.last*FrameSize + overhead
}

// span returns where the frames of n bytes of plaintext from off stand in the stream,
// and the index of the first.
func (l layout) span(off, n int64) (first, at, length int64) {
	first = min(off/FrameSize, l.last)
	end := first
	if n > 0 {
		end = (off + n - 1) / FrameSize
	}
	at = headerSize + first*sealedFrame
	return first, at, (end-first)*sealedFrame + l.sealedLen(end)
}

// stream seals and opens the frames of one stream. It serves one goroutine.
type stream struct {
	aead cipher.AEAD
	ad   [9]byte // associated data, kept here because what goes into an AEAD escapes
}

// newStream makes the header and the cipher of a new stream.
func newStream(key secret.Bytes, aad []byte) (*stream, []byte, error) {
	header := make([]byte, headerSize)
	copy(header, magic)
	header[4], header[5] = version, frameBits
	rand.Read(header[saltAt:commitAt])
	s, commitment, err := deriveStream(key, aad, header)
	if err != nil {
		return nil, nil, err
	}
	copy(header[commitAt:], commitment)
	return s, header, nil
}

// openStream reads the header of a stream.
func openStream(key secret.Bytes, aad, header []byte) (*stream, error) {
	if string(header[:4]) != magic {
		return nil, fmt.Errorf("%w: it does not begin like a stream", ErrCorrupt)
	}
	if header[4] != version {
		return nil, fmt.Errorf("%w: unknown version %d", ErrCorrupt, header[4])
	}
	if header[5] != frameBits || header[6] != 0 || header[7] != 0 {
		return nil, fmt.Errorf("%w: bad header", ErrCorrupt)
	}
	s, commitment, err := deriveStream(key, aad, header)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(commitment, header[commitAt:headerSize]) != 1 {
		return nil, ErrCorrupt
	}
	return s, nil
}

func deriveStream(key secret.Bytes, aad, header []byte) (s *stream, commitment []byte, err error) {
	if err := checkKey(key); err != nil {
		return nil, nil, err
	}
	sum := sha256.Sum256(aad)
	info := make([]byte, 0, len(streamInfo)+saltAt+len(sum))
	info = append(append(append(info, streamInfo...), header[:saltAt]...), sum[:]...)
	okm, err := hkdf.Key(sha256.New, key.Reveal(), header[saltAt:commitAt], string(info), 2*KeySize)
	if err != nil {
		return nil, nil, fmt.Errorf("derive frame key: %w", err)
	}
	aead, err := newGCM(okm[:KeySize])
	clear(okm[:KeySize])
	if err != nil {
		return nil, nil, err
	}
	return &stream{aead: aead}, okm[KeySize:], nil
}

func checkKey(key secret.Bytes) error {
	if key.Len() != KeySize {
		return fmt.Errorf("data key has %d bytes, not %d", key.Len(), KeySize)
	}
	return nil
}

// newGCM returns AES-GCM that puts a random nonce of its own before the ciphertext.
func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("frame cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// place sets the associated data of frame index.
func (s *stream) place(index int64, last bool) []byte {
	binary.BigEndian.PutUint64(s.ad[:8], uint64(index))
	s.ad[8] = 0
	if last {
		s.ad[8] = 1
	}
	return s.ad[:]
}

// seal appends the sealed frame to dst.
func (s *stream) seal(dst, plaintext []byte, index int64, last bool) ([]byte, error) {
	if index >= math.MaxUint32 {
		return nil, errors.New("stream is too long to seal under one key")
	}
	return s.aead.Seal(dst, nil, plaintext, s.place(index, last)), nil
}

// open appends the plaintext of a sealed frame to dst.
func (s *stream) open(dst, sealed []byte, index int64, last bool) ([]byte, error) {
	if last && index > 0 && len(sealed) <= overhead {
		return nil, fmt.Errorf("%w: frame %d is empty", ErrCorrupt, index)
	}
	plain, err := s.aead.Open(dst, nil, sealed, s.place(index, last))
	if err != nil {
		return nil, fmt.Errorf("%w: frame %d", ErrCorrupt, index)
	}
	return plain, nil
}

// buffers holds frames between streams. What held plaintext is cleared before it goes back.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

// buffer is room for a header and a frame as sealed, and for a byte more, which tells
// whether another frame follows.
type buffer [headerSize + sealedFrame + 1]byte

func newBuffer() *buffer { return buffers.Get().(*buffer) }

// free gives the memory back; used says how much of it may hold plaintext.
func (b *buffer) free(used int) {
	clear(b[:used])
	buffers.Put(b)
}
