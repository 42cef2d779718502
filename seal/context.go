package seal

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
)

// MaxContext is the longest canonical form of an encryption context, in bytes. It is the
// limit that the AWS Encryption SDKs document for contexts that go to KMS.
const MaxContext = 8192

// ErrContext says that an encryption context is too long.
var ErrContext = errors.New("encryption context is longer than 8192 bytes")

// EncodeContext returns the canonical form of an encryption context, which is what
// gets authenticated. An empty context is no bytes at all; otherwise
//
//	uint16  number of pairs
//	then for each pair, sorted by the bytes of its key:
//	  uint16  length of the key     the key, UTF-8
//	  uint16  length of the value   the value, UTF-8
//
// with integers big-endian. The lengths are what keeps {"a":"bc"} and {"ab":"c"} apart.
// The shape is that of the AWS Encryption SDK ("Encryption context serialization").
func EncodeContext(pairs map[string]string) ([]byte, error) {
	return AppendContext(nil, pairs)
}

// AppendContext appends the canonical form of an encryption context to dst.
func AppendContext(dst []byte, pairs map[string]string) ([]byte, error) {
	if len(pairs) == 0 {
		return dst, nil
	}
	size := 2
	for k, v := range pairs {
		if len(k) > math.MaxUint16 || len(v) > math.MaxUint16 {
			return nil, ErrContext
		}
		if size += 4 + len(k) + len(v); size > MaxContext {
			return nil, ErrContext
		}
	}
	dst = slices.Grow(dst, size)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(pairs)))
	if len(pairs) == 1 { // the usual case, and no need to sort
		for k, v := range pairs {
			dst = appendPair(dst, k, v)
		}
		return dst, nil
	}
	for _, k := range slices.Sorted(maps.Keys(pairs)) {
		dst = appendPair(dst, k, pairs[k])
	}
	return dst, nil
}

func appendPair(dst []byte, k, v string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(k)))
	dst = append(dst, k...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(v)))
	return append(dst, v...)
}
