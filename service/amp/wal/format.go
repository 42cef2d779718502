package wal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
)

// A segment, version 1, integers big-endian:
//
//	offset  bytes
//	     0      4  "SRML", Strongroom metrics log
//	     4      1  version, 1
//	     5      1  zero
//	     6      2  length of the wrapped data key
//	     8      8  number of the segment
//	    16      n  the wrapped data key, ciphertext of KMS
//	  16+n      -  frames; the first is empty, and says that the segment was begun
//
// A frame:
//
//	     0      4  length of what follows the check
//	     4      8  check: first bytes of HMAC-SHA-256(check key, uint64(sequence) || length)
//	    12     12  nonce, random
//	    24      n  AES-256-GCM ciphertext
//	  24+n     16  tag
//
//	frame key || check key = HKDF-SHA-256(ikm: data key, no salt,
//	    info: "strongroom metrics log" || 01 || name of the log || 00 || SHA-256(bytes 0 to 16+n), length: 64)
//	associated data = uint64(number of the segment) || uint64(sequence) || uint32(length)
//
// Frames of a segment are counted from 0. The check is what tells a length that was changed from one that was
// written: without it, a flipped bit in a length would look like a frame that is not complete, and all that
// follows would be taken for a torn write. The nonce is left to the cryptographic module, as in package seal; a segment has far
// fewer than 2^32 frames. Bytes that stayed zero to the end of the newest segment are a torn write too: file systems
// leave them where a file had grown and its bytes had not been written when the power failed.
const (
	magic      = "SRML"
	version    = 1
	headerSize = 16
	info       = "strongroom metrics log\x01"

	headSize = 12 // of a frame: length and check
	overhead = 12 + 16

	maxFrame   = 256 << 20
	maxWrapped = 8 << 10
)

// ErrPoisoned says that the log failed to write once and takes nothing more.
var ErrPoisoned = errors.New("log of the workspace failed to write, and must be opened again")

// errTorn says that a segment ends in the middle of a frame.
var errTorn = errors.New("last frame is not complete")

func appendHeader(dst []byte, number uint64, wrapped []byte) ([]byte, error) {
	if len(wrapped) == 0 || len(wrapped) > maxWrapped {
		return nil, fmt.Errorf("segment: wrapped key of %d bytes", len(wrapped))
	}
	dst = append(dst, magic...)
	dst = append(dst, version, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(wrapped)))
	dst = binary.BigEndian.AppendUint64(dst, number)
	return append(dst, wrapped...), nil
}

// parseHeader returns the wrapped key of a segment, and where its frames begin. A segment that
// ends in its header is errTorn.
func parseHeader(raw []byte, number uint64) (wrapped []byte, frames int, err error) {
	if len(raw) < headerSize || allZero(raw) {
		return nil, 0, errTorn
	}
	if string(raw[:4]) != magic || raw[4] != version || raw[5] != 0 || binary.BigEndian.Uint64(raw[8:]) != number {
		return nil, 0, fmt.Errorf("%w: header of segment %d", seal.ErrCorrupt, number)
	}
	n := int(binary.BigEndian.Uint16(raw[6:]))
	if n == 0 || n > maxWrapped {
		return nil, 0, fmt.Errorf("%w: key of segment %d", seal.ErrCorrupt, number)
	}
	if len(raw) < headerSize+n {
		return nil, 0, errTorn
	}
	return raw[headerSize : headerSize+n], headerSize + n, nil
}

// sealer seals and opens the frames of one segment, in order.
type sealer struct {
	aead     cipher.AEAD
	mac      hash.Hash
	number   uint64
	sequence uint64
	ad       [20]byte
	sum      [sha256.Size]byte
}

func newSealer(key secret.Bytes, name string, number uint64, header []byte) (*sealer, error) {
	sum := sha256.Sum256(header)
	keys, err := hkdf.Key(sha256.New, key.Reveal(), nil, info+name+"\x00"+string(sum[:]), 2*seal.KeySize)
	if err != nil {
		return nil, fmt.Errorf("segment key: %w", err)
	}
	defer clear(keys)
	block, err := aes.NewCipher(keys[:seal.KeySize])
	if err != nil {
		return nil, fmt.Errorf("segment cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("segment cipher: %w", err)
	}
	return &sealer{aead: aead, mac: hmac.New(sha256.New, keys[seal.KeySize:]), number: number}, nil
}

// check returns the check of the next frame, if it has n bytes.
func (s *sealer) check(n uint32) []byte {
	binary.BigEndian.PutUint64(s.ad[:], s.number)
	binary.BigEndian.PutUint64(s.ad[8:], s.sequence)
	binary.BigEndian.PutUint32(s.ad[16:], n)
	s.mac.Reset()
	s.mac.Write(s.ad[8:])
	return s.mac.Sum(s.sum[:0])[:8]
}

// seal appends the next frame to dst.
func (s *sealer) seal(dst, plain []byte) ([]byte, error) {
	if len(plain) > maxFrame {
		return dst, fmt.Errorf("frame of %d bytes", len(plain))
	}
	n := uint32(len(plain) + overhead)
	dst = binary.BigEndian.AppendUint32(dst, n)
	dst = append(dst, s.check(n)...)
	dst = s.aead.Seal(dst, nil, plain, s.ad[:])
	s.sequence++
	return dst, nil
}

// open opens the next frame, at the beginning of raw, into dst, and returns its length as sealed.
func (s *sealer) open(dst, raw []byte) (plain []byte, length int, err error) {
	if len(raw) < headSize || allZero(raw) {
		return nil, 0, errTorn
	}
	n := binary.BigEndian.Uint32(raw)
	if !hmac.Equal(s.check(n), raw[4:headSize]) || n < overhead || n > maxFrame+overhead {
		return nil, 0, s.corrupt()
	}
	if uint64(len(raw)-headSize) < uint64(n) {
		return nil, 0, errTorn
	}
	length = headSize + int(n)
	if plain, err = s.aead.Open(dst, nil, raw[headSize:length], s.ad[:]); err != nil {
		return nil, 0, s.corrupt()
	}
	s.sequence++
	return plain, length, nil
}

func (s *sealer) corrupt() error {
	return fmt.Errorf("%w: segment %d, frame %d", seal.ErrCorrupt, s.number, s.sequence)
}

func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
