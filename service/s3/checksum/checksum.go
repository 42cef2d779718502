// Package checksum computes the additional checksums of S3 objects.
//
// S3 knows five algorithms. A checksum travels as the standard base64 of its
// big-endian bytes. Of an object uploaded in parts it is one of two types:
//
//	FULL_OBJECT  over the object's bytes; only the CRCs, whose parts can be combined
//	COMPOSITE    over the concatenated raw checksums of the parts, written "base64-N";
//	             every algorithm but CRC64NVME
//
// Source: "Checking object integrity for data uploads" in the S3 user guide.
// The package is pure.
package checksum

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"

	"github.com/minio/crc64nvme"
)

// Algorithm is a checksum algorithm. The zero value is none. Its numbers are stored.
type Algorithm uint8

// The algorithms.
const (
	None Algorithm = iota
	CRC32
	CRC32C
	CRC64NVME
	SHA1
	SHA256
)

// Algorithms lists all of them.
var Algorithms = [...]Algorithm{CRC32, CRC32C, CRC64NVME, SHA1, SHA256}

// Type is what the checksum of an object is taken over. Its numbers are stored.
type Type uint8

// The types. The zero value is the type that the algorithm has by default.
const (
	Default Type = iota
	FullObject
	Composite
)

// Errors of Parse and Decode.
var (
	ErrAlgorithm = errors.New("unknown checksum algorithm")
	ErrType      = errors.New("checksum type does not fit the algorithm")
	ErrValue     = errors.New("malformed checksum value")
)

// castagnoli is the table of CRC32C; hash/crc32 finds the machine's instruction by it.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var names = [...]string{"", "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"}

// String returns the API's name of a: "CRC32C", or "" for None.
func (a Algorithm) String() string {
	if int(a) < len(names) {
		return names[a]
	}
	return fmt.Sprintf("Algorithm(%d)", uint8(a))
}

// Header returns the header and trailer that carry a value of a, in lower case.
func (a Algorithm) Header() string {
	return [...]string{"", "x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-crc64nvme",
		"x-amz-checksum-sha1", "x-amz-checksum-sha256"}[a]
}

// Size returns the length of a raw checksum in bytes.
func (a Algorithm) Size() int {
	return [...]int{0, 4, 4, 8, sha1.Size, sha256.Size}[a]
}

// Combines reports whether the checksums of two pieces give that of both together.
func (a Algorithm) Combines() bool { return a == CRC32 || a == CRC32C || a == CRC64NVME }

// New returns a hash that computes a.
func (a Algorithm) New() hash.Hash {
	switch a {
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(castagnoli)
	case CRC64NVME:
		return crc64nvme.New()
	case SHA1:
		return newSHA1()
	case SHA256:
		return sha256.New()
	}
	return nil
}

// Parse reads the API's name of an algorithm; the empty name is None. The error wraps
// ErrAlgorithm.
func Parse(name string) (Algorithm, error) {
	for i, n := range names {
		if n == name {
			return Algorithm(i), nil
		}
	}
	return None, fmt.Errorf("%w %q", ErrAlgorithm, name)
}

// ForHeader returns the algorithm whose values the header or trailer of this name, in
// lower case, carries; None when it carries none.
func ForHeader(name string) Algorithm {
	for _, a := range Algorithms {
		if a.Header() == name {
			return a
		}
	}
	return None
}

// ParseType reads the API's name of a checksum type for uploads in parts and fills in
// the default: FULL_OBJECT for CRC64NVME, else COMPOSITE. The error wraps ErrType.
func ParseType(name string, a Algorithm) (Type, error) {
	switch {
	case name == "" && a == CRC64NVME:
		return FullObject, nil
	case name == "":
		return Composite, nil
	case name == "FULL_OBJECT" && a.Combines():
		return FullObject, nil
	case name == "COMPOSITE" && a != CRC64NVME && a != None:
		return Composite, nil
	}
	return Default, fmt.Errorf("%w: %q of %s", ErrType, name, a)
}

// String returns the API's name of t.
func (t Type) String() string {
	switch t {
	case FullObject:
		return "FULL_OBJECT"
	case Composite:
		return "COMPOSITE"
	}
	return ""
}

// Decode reads a base64 value of a. The error wraps ErrValue.
func (a Algorithm) Decode(value string) ([]byte, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || len(raw) != a.Size() || a == None {
		return nil, fmt.Errorf("%w of %s", ErrValue, a)
	}
	return raw, nil
}

// Encode writes a raw checksum as it travels.
func Encode(raw []byte) string { return base64.StdEncoding.EncodeToString(raw) }

// Part is the checksum of one part of an object.
type Part struct {
	Sum  []byte
	Size int64
}

// OfParts returns the checksum of an object made of parts, raw. For Composite it is
// the checksum of their checksums; for FullObject they are combined without the bytes.
func OfParts(a Algorithm, t Type, parts []Part) ([]byte, error) {
	if t == Composite {
		h := a.New()
		for _, p := range parts {
			h.Write(p.Sum)
		}
		return h.Sum(nil), nil
	}
	if !a.Combines() {
		return nil, fmt.Errorf("%w: %s of %s", ErrType, t, a)
	}
	sum := make([]byte, a.Size()) // a CRC of nothing is zero
	for _, p := range parts {
		sum = combine(a, sum, p.Sum, p.Size)
	}
	return sum, nil
}
