package intake

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
)

// AES key wrap with padding (RFC 5649; NIST SP 800-38F, KWP):
//
//	plaintext = 0xa65959a6 || uint32(length) || material || zeros to a multiple of 8
//
// of which the first 8 bytes are the integrity check value. A plaintext of 16 bytes is one block
// of AES, a longer one is wrapped by the six rounds of RFC 3394.
const (
	kwpBlock  = 8
	kwpPrefix = 0xa65959a6
)

// maxMaterial bounds what is wrapped; ImportKeyMaterial takes 6,144 bytes.
const maxMaterial = 8 << 10

// unwrapAES opens what was wrapped under an AES key, or fails with ErrWrapped. It takes as long
// for what is wrong as for what is right.
func unwrapAES(kek, wrapped []byte) ([]byte, error) {
	n := len(wrapped)/kwpBlock - 1
	if n < 1 || len(wrapped)%kwpBlock != 0 || len(wrapped) > maxMaterial {
		return nil, ErrWrapped
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, ErrWrapped
	}
	plain := append([]byte(nil), wrapped...)
	if n == 1 {
		block.Decrypt(plain, plain)
	} else {
		unwrapRounds(block.Decrypt, plain, n)
	}
	length := binary.BigEndian.Uint32(plain[4:])
	body := plain[kwpBlock:]
	ok := subtle.ConstantTimeEq(int32(binary.BigEndian.Uint32(plain)), int32(-(1<<32 - kwpPrefix)))
	pad := n*kwpBlock - int(length)
	ok &= subtle.ConstantTimeLessOrEq(0, pad) & subtle.ConstantTimeLessOrEq(pad, kwpBlock-1)
	for i := range kwpBlock {
		// Of the last block, the bytes that are padding must be zero.
		isPad := subtle.ConstantTimeLessOrEq(kwpBlock-pad, i)
		ok &= subtle.ConstantTimeByteEq(body[(n-1)*kwpBlock+i], 0) | (1 - isPad)
	}
	if ok != 1 {
		clear(plain)
		return nil, ErrWrapped
	}
	return body[:length], nil
}

// unwrapRounds undoes the wrapping of n blocks (RFC 3394, section 2.2.2, by indexing).
func unwrapRounds(decrypt func(dst, src []byte), plain []byte, n int) {
	var b [2 * kwpBlock]byte
	a := plain[:kwpBlock]
	for t := uint64(6 * n); t >= 1; t-- {
		at := plain[kwpBlock*(1+(t-1)%uint64(n)):][:kwpBlock]
		binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(a)^t)
		copy(b[kwpBlock:], at)
		decrypt(b[:], b[:])
		copy(a, b[:])
		copy(at, b[kwpBlock:])
	}
	clear(b[:])
}
