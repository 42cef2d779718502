// Package totp makes and checks the one-time codes of RFC 6238, as the authenticator
// apps of the world make them: HMAC-SHA-1, 30 seconds, six digits. It is pure.
//
// SHA-1 is what RFC 6238 and those apps use; HMAC does not depend on what is broken in it.
package totp

import (
	"crypto/fips140"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"time"
)

// Digits is the length of a code, Period how long one is shown, and SeedSize the length
// of a seed in bytes.
const (
	Digits   = 6
	Period   = 30 * time.Second
	SeedSize = 40 // as AWS's: 64 characters of base32
)

// skew is how many steps a device's clock may be off, before or after (RFC 6238, 5.2, recommends one).
const skew = 1

// Step returns the number of the time step that t is in.
func Step(t time.Time) int64 { return t.Unix() / int64(Period/time.Second) }

// Code returns the code of a seed in a time step.
func Code(seed []byte, step int64) string { return code(seed, step, 1_000_000, Digits) }

func code(seed []byte, step int64, modulus uint32, digits int) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	var sum []byte
	// GODEBUG=fips140=only refuses every use of SHA-1, which all virtual MFA devices use; as a MAC
	// it still stands (NIST SP 800-131A).
	fips140.WithoutEnforcement(func() {
		mac := hmac.New(sha1.New, seed)
		mac.Write(counter[:])
		sum = mac.Sum(nil)
	})
	at := sum[len(sum)-1] & 15 // dynamic truncation: RFC 4226, 5.3
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", digits, n%modulus)
}

// Verify returns the step whose code was given: the one that t is in or one beside it, but
// none up to last, which is the step whose code was taken before. ok is false when there is none.
func Verify(seed []byte, given string, t time.Time, last int64) (step int64, ok bool) {
	for s := Step(t) - skew; s <= Step(t)+skew; s++ {
		same := subtle.ConstantTimeCompare([]byte(Code(seed, s)), []byte(given)) == 1
		if same && s > last && !ok {
			step, ok = s, true
		}
	}
	return step, ok
}
