package checksum

import "encoding/binary"

// polynomial is the generator of a CRC in reflected form: the lowest bit stands for
// the highest power. All three CRCs of S3 are reflected, begin with all ones and are
// inverted at the end, so the rule below holds for each:
//
//	crc(A || B) = crc(A) * x^(8*len(B)) mod P  xor  crc(B)
//
// because what begins and ends a CRC cancels out (zlib's crc32_combine rests on the same).
func polynomial(a Algorithm) (poly uint64, width uint) {
	switch a {
	case CRC32:
		return 0xedb88320, 32 // IEEE 802.3
	case CRC32C:
		return 0x82f63b78, 32 // RFC 3720, appendix B.4
	default:
		return 0x9a6c9329ac4bc9b5, 64 // NVM Express, NVM command set specification
	}
}

// combine returns the CRC of two pieces from the first one's CRC, the second one's CRC
// and the second one's length.
func combine(a Algorithm, first, second []byte, secondSize int64) []byte {
	poly, width := polynomial(a)
	crc := multiply(power(uint64(secondSize), poly, width), load(first), poly, width) ^ load(second)
	out := make([]byte, 8)
	binary.BigEndian.PutUint64(out, crc)
	return out[8-width/8:]
}

// load reads a big-endian checksum of four or eight bytes.
func load(sum []byte) uint64 {
	var v uint64
	for _, b := range sum {
		v = v<<8 | uint64(b)
	}
	return v
}

// multiply returns p*q modulo poly. In reflected form the polynomial 1 is the top bit.
func multiply(p, q, poly uint64, width uint) uint64 {
	var product uint64
	for bit := uint64(1) << (width - 1); bit != 0 && p != 0; bit >>= 1 {
		if p&bit != 0 {
			product ^= q
			p ^= bit
		}
		if q&1 != 0 {
			q = q>>1 ^ poly
		} else {
			q >>= 1
		}
	}
	return product
}

// power returns x^(8n) modulo poly by squaring.
func power(n, poly uint64, width uint) uint64 {
	result := uint64(1) << (width - 1)      // x^0
	square := uint64(1) << (width - 1) >> 8 // x^8
	for ; n != 0; n >>= 1 {
		if n&1 != 0 {
			result = multiply(square, result, poly, width)
		}
		square = multiply(square, square, poly, width)
	}
	return result
}
