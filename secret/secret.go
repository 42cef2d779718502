// Package secret holds bytes that must never be printed: key material,
// passwords, the secret half of an access key.
//
// A value of type Bytes prints nothing through fmt, slog and encoding/json. The
// raw bytes come out through one method, Reveal, whose name can be searched for:
//
//	grep -rn '\.Reveal()' .
//
// lists every place of the program that handles a secret in the clear.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every printed form of a secret says.
const redacted = "[secret]"

// Bytes is a secret byte string. The zero value is the empty secret. Copies of a
// Bytes share the same memory, so Wipe reaches all of them.
type Bytes struct {
	// A function, because package fmt prints the unexported fields of other types without
	// asking their methods, whatever they point to; of a function it writes only the address.
	held func() []byte
}

// New makes a secret of b and takes ownership of it: the caller must not use b
// afterwards.
func New(b []byte) Bytes { return Bytes{held: func() []byte { return b }} }

// FromString makes a secret of the bytes of s.
func FromString(s string) Bytes { return New([]byte(s)) }

// Reveal returns the secret itself, not a copy. The caller must neither keep it
// longer than it needs nor write to it.
func (b Bytes) Reveal() []byte {
	if b.held == nil {
		return nil
	}
	return b.held()
}

// Len returns the number of bytes in the secret.
func (b Bytes) Len() int { return len(b.Reveal()) }

// Equal reports in constant time whether both secrets hold the same bytes. Only
// their lengths may show in the time it takes.
func (b Bytes) Equal(other Bytes) bool {
	return subtle.ConstantTimeCompare(b.Reveal(), other.Reveal()) == 1
}

// Wipe overwrites the secret with zeros. Every copy of b is wiped with it.
func (b Bytes) Wipe() { clear(b.Reveal()) }

// String returns a fixed word, never the secret.
func (Bytes) String() string { return redacted }

// GoString returns a fixed word, so that %#v prints nothing either.
func (Bytes) GoString() string { return redacted }

// Format writes a fixed word for every verb, so that %x and %q print nothing either.
func (Bytes) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns a fixed word for log/slog.
func (Bytes) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON returns a fixed word for encoding/json.
func (Bytes) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns a fixed word for encoders of text.
func (Bytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }
