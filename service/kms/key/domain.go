package key

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"

	"github.com/strongroom/strongroom/secret"
)

// Wrapped material, version 2 (AWS calls it an exported key token):
//
//	offset  bytes
//	     0      1  version, 2
//	     1      4  number of the domain key, big-endian
//	     5      1  spec of the material: the code in spec.go
//	     6     12  nonce, random
//	    18   32+n  AES-256-GCM ciphertext of: id of the material, 32 bytes || secret, n bytes
//	  50+n     16  tag
//
//	associated data = bytes 0 to 5 || uint16(len(ARN)) || ARN of the KMS key || uint32(version of the material)
//
// The secret is what Import takes. Material that is moved to another key, to another version of
// the same or to another spec does not open.
//
// Version 1 had symmetric material only. It has 1 for its version, no spec, and 32 bytes of secret:
// the nonce is at 5, and the associated data begins with bytes 0 to 4. It is opened, and written no more.
const (
	wrapV1     = 1
	wrapV2     = 2
	wrapHeadV1 = 5
	wrapHead   = 6
	wrapSizeV1 = wrapHeadV1 + gcmSize + len(ID{}) + Size
	minWrapped = wrapHead + gcmSize + len(ID{}) + 1
	maxWrapped = minWrapped - 1 + maxMaterial
)

// ErrWrapped says that wrapped material failed authentication.
var ErrWrapped = errors.New("wrapped key material failed authentication")

// Domain is a domain key. It is immutable; its methods may be called together.
type Domain struct {
	number uint32
	key    secret.Bytes
}

// NewDomain returns a fresh domain key with a number that no other of its region has.
func NewDomain(number uint32) *Domain {
	raw := make([]byte, Size)
	rand.Read(raw)
	return newDomain(number, secret.New(raw))
}

// OpenDomain returns the domain key that Secret gave out. It takes ownership of raw.
func OpenDomain(number uint32, raw []byte) (*Domain, error) {
	if len(raw) != Size {
		return nil, fmt.Errorf("domain key %d has %d bytes, not %d", number, len(raw), Size)
	}
	return newDomain(number, secret.New(raw)), nil
}

func newDomain(number uint32, key secret.Bytes) *Domain {
	d := &Domain{number: number, key: key}
	runtime.AddCleanup(d, func(k secret.Bytes) { k.Wipe() }, key)
	return d
}

// Format prints the number and never the secret.
func (d *Domain) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[domain key %d]", d.number) }

// Number returns the number the domain key was made with.
func (d *Domain) Number() uint32 { return d.number }

// Secret returns the domain key itself, to be kept under the root key. It stays valid as
// long as d is referenced.
func (d *Domain) Secret() secret.Bytes { return d.key }

// Wrap returns m in the form it is kept in, bound to the ARN of its KMS key and to its
// version.
func (d *Domain) Wrap(m *Material, arn string, materialVersion uint32) ([]byte, error) {
	secret := m.key.Reveal()
	head := make([]byte, wrapHead, minWrapped+len(secret))
	head[0] = wrapV2
	binary.BigEndian.PutUint32(head[1:], d.number)
	head[5] = specs[m.spec].code
	aead, err := newGCM(d.key.Reveal())
	if err != nil {
		return nil, err
	}
	plain := append(append(make([]byte, 0, len(m.id)+len(secret)), m.id[:]...), secret...)
	wrapped := aead.Seal(head, nil, plain, wrapBinding(head, arn, materialVersion))
	clear(plain)
	runtime.KeepAlive(d)
	runtime.KeepAlive(m)
	return wrapped, nil
}

// Unwrap opens what Wrap returned for the same ARN and version, or fails with ErrWrapped.
func (d *Domain) Unwrap(wrapped []byte, arn string, materialVersion uint32) (*Material, error) {
	number, err := WrappedUnder(wrapped)
	if err != nil {
		return nil, err
	}
	if number != d.number {
		return nil, fmt.Errorf("%w: it is under domain key %d, not %d", ErrWrapped, number, d.number)
	}
	aead, err := newGCM(d.key.Reveal())
	if err != nil {
		return nil, err
	}
	head, spec := wrapped[:wrapHeadV1], Symmetric
	if wrapped[0] == wrapV2 {
		head, spec = wrapped[:wrapHead], specOf(wrapped[5])
	}
	plain, err := aead.Open(nil, nil, wrapped[len(head):], wrapBinding(head, arn, materialVersion))
	runtime.KeepAlive(d)
	if err != nil || spec == "" {
		clear(plain)
		return nil, ErrWrapped
	}
	id := ID(plain)
	return newMaterial(id, spec, secret.New(plain[len(id):])), nil
}

// WrappedUnder returns the number of the domain key that wrapped material says it is under.
func WrappedUnder(wrapped []byte) (uint32, error) {
	n := len(wrapped)
	if n == 0 || !(wrapped[0] == wrapV1 && n == wrapSizeV1 || wrapped[0] == wrapV2 && n >= minWrapped && n <= maxWrapped) {
		return 0, fmt.Errorf("%w: %d bytes", ErrWrapped, n)
	}
	return binary.BigEndian.Uint32(wrapped[1:]), nil
}

func wrapBinding(head []byte, arn string, materialVersion uint32) []byte {
	ad := make([]byte, 0, len(head)+2+len(arn)+4)
	ad = append(ad, head...)
	ad = binary.BigEndian.AppendUint16(ad, uint16(len(arn)))
	ad = append(ad, arn...)
	return binary.BigEndian.AppendUint32(ad, materialVersion)
}
