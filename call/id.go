package call

import "math/rand/v2"

// NewID returns a random UUID (RFC 9562, version 4) for a call or an event. Such ids must be
// unique, not secret, so the runtime's ChaCha8 generator, seeded by the system, is enough, and
// it is cheap.
func NewID() string {
	const hex = "0123456789abcdef"
	raw := [2]uint64{rand.Uint64()&^(0xf<<12) | 4<<12, rand.Uint64()&^(3<<62) | 2<<62}
	var s [36]byte
	at := 0
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			s[at] = '-'
			at++
		}
		s[at] = hex[raw[i/16]>>(60-4*(i%16))&0xf]
		at++
	}
	return string(s[:])
}
