package cryptfs

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
)

// ErrCorrupt says that a file is not as it was written. The error names the file.
var ErrCorrupt = errors.New("file is corrupt")

var errNotExist = fs.ErrNotExist

// corruptError is ErrCorrupt for errors.Is, and also Pebble's own mark of corruption, so
// that Pebble reports it and does not retry.
type corruptError struct{ name, what string }

func corrupt(name, what string) error { return &corruptError{name, what} }

func (e *corruptError) Error() string { return fmt.Sprintf("file %s is corrupt: %s", e.name, e.what) }

func (e *corruptError) Is(target error) bool {
	return target == ErrCorrupt || target == pebble.ErrCorruption
}

type kind byte

const (
	paged kind = 1
	logs  kind = 2
)

const (
	headerMagic = "SRFILE\x00\x01"
	headerSize  = 96
	macAt       = 64
	sectorSize  = 512
	overhead    = 12 + 16 // nonce and tag
)

// The first byte of associated data says what it is of.
const (
	ofMiddle byte = iota // a page that is not the last
	ofLast               // the last page
	ofHeader             // the header of a frame
	ofBody               // the body of a frame
)

// header is the header of a file; doc.go draws it.
type header struct {
	kind   kind
	number uint64
	salt   [32]byte
	key    dataKey
}

func newHeader(k kind, ring *Keyring) (*header, error) {
	key, err := ring.current()
	if err != nil {
		return nil, err
	}
	h := &header{kind: k, number: key.number, key: key}
	_, _ = rand.Read(h.salt[:])
	return h, nil
}

// bytes returns the header of a file with this name.
func (h *header) bytes(name string) []byte {
	b := make([]byte, headerSize)
	copy(b, headerMagic)
	b[8] = byte(h.kind)
	binary.BigEndian.PutUint64(b[16:], h.number)
	copy(b[24:], h.salt[:])
	copy(b[macAt:], h.mac(b[:macAt], name))
	return b
}

func (h *header) mac(fields []byte, name string) []byte {
	m := hmac.New(sha256.New, h.derive("strongroom store header v1"))
	m.Write(fields)
	m.Write([]byte(filepath.Base(name)))
	return m.Sum(nil)
}

// parseHeader checks the header of the file of this name.
func parseHeader(b []byte, name string, ring *Keyring) (*header, error) {
	if len(b) < headerSize {
		return nil, corrupt(name, "it is shorter than its header")
	}
	if string(b[:len(headerMagic)]) != headerMagic {
		return nil, corrupt(name, "its header is not one of a version that is known")
	}
	h := &header{kind: kind(b[8]), number: binary.BigEndian.Uint64(b[16:])}
	copy(h.salt[:], b[24:])
	key, ok := ring.find(h.number)
	if !ok {
		return nil, corrupt(name, fmt.Sprintf("its data key %d is not in the keyring", h.number))
	}
	h.key = key
	if !hmac.Equal(b[macAt:headerSize], h.mac(b[:macAt], name)) {
		return nil, corrupt(name, "its header does not authenticate under its name")
	}
	if h.kind != paged && h.kind != logs {
		return nil, corrupt(name, "its kind is not known")
	}
	return h, nil
}

// aead returns the cipher of the file's content.
func (h *header) aead() cipher.AEAD {
	block, err := aes.NewCipher(h.derive("strongroom store pages v1"))
	if err != nil {
		panic("cryptfs: AES refuses a 32-byte key: " + err.Error())
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("cryptfs: GCM refuses AES: " + err.Error())
	}
	return gcm
}

func (h *header) derive(use string) []byte {
	key, err := hkdf.Key(sha256.New, h.key.key.Reveal(), h.salt[:], use, dataKeySize)
	if err != nil {
		panic("cryptfs: derive key: " + err.Error()) // the lengths are constants
	}
	return key
}

// bound is the associated data of what stands at a position in a file.
type bound [1 + 8 + frameFields]byte

// at returns the associated data of a page, or of the header of a frame. It is in b.
func (b *bound) at(of byte, position int64) []byte {
	b[0] = of
	binary.BigEndian.PutUint64(b[1:], uint64(position))
	return b[:9]
}

// body returns the associated data of the body of the frame at a position. It is in b.
func (b *bound) body(position int64, fields []byte) []byte {
	return append(b.at(ofBody, position), fields...)
}
