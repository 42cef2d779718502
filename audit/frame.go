package audit

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// maxFrame bounds the sealed bytes of a frame. A commit takes at most this much.
const maxFrame = 16 << 20

// sealer seals and opens the frames of one segment.
type sealer struct {
	aead    cipher.AEAD
	segment uint64
}

func newSealer(key []byte, segment uint64) (*sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block) // the form that the FIPS 140-3 module approves
	if err != nil {
		return nil, err
	}
	return &sealer{aead, segment}, nil
}

// bind returns a frame's associated data.
func (s *sealer) bind(frame uint64, length uint32, chain *tlog.Hash) (aad [52]byte) {
	binary.BigEndian.PutUint64(aad[0:], s.segment)
	binary.BigEndian.PutUint64(aad[8:], frame)
	binary.BigEndian.PutUint32(aad[16:], length)
	copy(aad[20:], chain[:])
	return aad
}

// seal turns buf, which holds 4 spare bytes and then a frame's plaintext, into the frame
// as it stands in the file. It works in place where buf has room for the tag.
func (s *sealer) seal(buf []byte, frame uint64, chain *tlog.Hash) []byte {
	length := uint32(len(buf) - 4 + s.aead.Overhead())
	binary.BigEndian.PutUint32(buf, length)
	aad := s.bind(frame, length, chain)
	return s.aead.Seal(buf[:4], nil, buf[4:], aad[:])
}

// open returns a frame's plaintext, in the place of its sealed bytes.
func (s *sealer) open(sealed []byte, frame uint64, chain *tlog.Hash) ([]byte, error) {
	aad := s.bind(frame, uint32(len(sealed)), chain)
	plain, err := s.aead.Open(sealed[:0], nil, sealed, aad[:])
	if err != nil {
		return nil, fmt.Errorf("frame %d does not authenticate", frame)
	}
	return plain, nil
}

// entries calls fn with each entry of a frame's plaintext, its position and leaf hash.
func entries(plain []byte, fn func(p Position, raw []byte) error) error {
	d := &decoder{b: plain, ok: true}
	p := Position(d.uint64())
	for d.ok && len(d.b) > 0 {
		raw := d.take(int(d.uint32()))
		if !d.ok {
			break
		}
		if err := fn(p, raw); err != nil {
			return err
		}
		p++
	}
	if !d.ok {
		return fmt.Errorf("frame is malformed")
	}
	return nil
}
