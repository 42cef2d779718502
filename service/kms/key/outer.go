package key

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"runtime"
)

// A ciphertext of a key whose other half is held elsewhere, by an external key manager or a
// hardware security module, version 2. It is encrypted twice: first here, then there.
//
//	offset  bytes
//	     0      5  01 02 kk 00 78, as in version 1
//	     5     32  id of the key material
//	    37      1  version, 2
//	    38     16  nonce of the message keys, random
//	    54      1  m, length of the holder's metadata, 0 to 20
//	    55      1  v, length of the holder's IV, 12 or 16
//	    56      m  metadata of the holder, to itself
//	  56+m      v  IV of the holder
//	     .     16  tag of the holder
//	     .      c  the holder's ciphertext, of the inner one
//	     .     32  seal
//
//	inner ciphertext = 12 nonce of AES-GCM, random || AES-256-GCM ciphertext || 16 tag; so c is 28
//	                   more than the plaintext has
//	message key      = as in version 1
//	associated data  = bytes 0 to 53 || canonical encryption context
//	the holder's     = SHA-256(associated data), which is of one length however long the context is
//	seal key         = KDF as of the message key, with the label "strongroom kms seal"
//	seal             = HMAC-SHA-256(seal key, uint32(n) || everything before it, n bytes || canonical encryption context)
//
// The inner encryption means that the holder never sees a plaintext and cannot pass off
// another one. The seal means that every byte is ours or is refused before the holder
// is asked: it need not be trusted to notice a change, and nobody can use us to ask it.
const (
	outerVersion  = 2
	outerHead     = bodyAt + 2
	maxMetadata   = 20
	outerTag      = 16
	sealLabel     = "strongroom kms seal"
	outerSmallest = outerHead + 12 + outerTag + gcmSize + sha256.Size
)

// OuterOverhead is how many bytes longer than its plaintext a version 2 ciphertext is at most.
const OuterOverhead = outerHead + maxMetadata + 16 + outerTag + gcmSize + sha256.Size

// ErrOuter says that the holder of the other half returned something that cannot be.
var ErrOuter = errors.New("the other half of the key returned what it was not given")

// Outer is what the holder of a key's other half makes of an inner ciphertext.
type Outer struct {
	Metadata []byte // at most 20 bytes; may be empty
	IV       []byte // 12 or 16 bytes
	Tag      []byte // 16 bytes
	Body     []byte // as long as the inner ciphertext
}

// Holder holds the other half of a key, and encrypts and decrypts under it with AES-GCM, bound
// to aad. Its errors are returned as they are.
type Holder interface {
	Seal(ctx context.Context, inner, aad []byte) (Outer, error)
	Open(ctx context.Context, o Outer, aad []byte) (inner []byte, err error)
}

// Outer reports whether the ciphertext is of a key whose other half is held elsewhere.
func (c Ciphertext) Outer() bool { return c.raw[versionAt] == outerVersion }

// outerShape reports whether the lengths inside a version 2 ciphertext go together.
func outerShape(raw []byte) bool {
	if len(raw) < outerSmallest {
		return false
	}
	m, v := int(raw[bodyAt]), int(raw[bodyAt+1])
	return m <= maxMetadata && (v == 12 || v == 16) && len(raw) >= outerHead+m+v+outerTag+gcmSize+sha256.Size
}

// EncryptOuter is Encrypt for a key whose other half h holds. It fails with ErrOuter when h
// returns what cannot be.
func (m *Material) EncryptOuter(ctx context.Context, h Holder, kind Kind, plaintext, context []byte) ([]byte, error) {
	if m.spec != Symmetric {
		return nil, ErrSpec
	}
	raw := make([]byte, bodyAt, OuterOverhead+len(plaintext))
	raw[0], raw[1], raw[2], raw[3], raw[4] = 1, 2, byte(kind), 0, 0x78
	copy(raw[idAt:], m.id[:])
	raw[versionAt] = outerVersion
	rand.Read(raw[nonceAt:])
	aead, err := m.message(raw[nonceAt:])
	if err != nil {
		return nil, err
	}
	ad := bind(raw, context)
	inner := aead.Seal(nil, nil, plaintext, ad)
	aad := sha256.Sum256(ad)
	o, err := h.Seal(ctx, inner, aad[:])
	if err != nil {
		return nil, err
	}
	if len(o.Metadata) > maxMetadata || len(o.IV) != 12 && len(o.IV) != 16 || len(o.Tag) != outerTag || len(o.Body) != len(inner) {
		return nil, ErrOuter
	}
	raw = append(raw, byte(len(o.Metadata)), byte(len(o.IV)))
	for _, part := range [][]byte{o.Metadata, o.IV, o.Tag, o.Body} {
		raw = append(raw, part...)
	}
	return append(raw, m.seal(raw, context)...), nil
}

// DecryptOuter is Decrypt for what EncryptOuter made. It fails with ErrCiphertext, and asks h
// nothing, when anything is not as it was; and with ErrOuter when h returns another inner
// ciphertext than it was given.
func (m *Material) DecryptOuter(ctx context.Context, h Holder, c Ciphertext, context []byte) ([]byte, error) {
	if m.spec != Symmetric {
		return nil, ErrSpec
	}
	if c.ID != m.id || !c.Outer() || !outerShape(c.raw) {
		return nil, ErrCiphertext
	}
	end := len(c.raw) - sha256.Size
	if !hmac.Equal(c.raw[end:], m.seal(c.raw[:end], context)) {
		return nil, ErrCiphertext
	}
	ad := bind(c.raw, context)
	aad := sha256.Sum256(ad)
	inner, err := h.Open(ctx, c.outer(), aad[:])
	if err != nil {
		return nil, err
	}
	aead, err := m.message(c.raw[nonceAt:bodyAt])
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open(nil, nil, inner, ad)
	if err != nil {
		return nil, ErrOuter
	}
	return plaintext, nil
}

// outer takes the holder's part out of a ciphertext whose shape is right.
func (c Ciphertext) outer() Outer {
	metadata, iv := int(c.raw[bodyAt]), int(c.raw[bodyAt+1])
	rest := c.raw[outerHead : len(c.raw)-sha256.Size]
	take := func(n int) []byte {
		part := rest[:n:n]
		rest = rest[n:]
		return part
	}
	o := Outer{Metadata: take(metadata), IV: take(iv), Tag: take(outerTag)}
	o.Body = rest[:len(rest):len(rest)]
	return o
}

// seal authenticates all of a ciphertext, and its context.
func (m *Material) seal(raw, context []byte) []byte {
	k := m.derive(sealLabel, raw[nonceAt:bodyAt])
	defer clear(k)
	mac := hmac.New(sha256.New, k)
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(raw)))
	mac.Write(n[:])
	mac.Write(raw)
	mac.Write(context)
	return mac.Sum(nil)
}

// derive returns the key for one label and nonce: KDF in counter mode, as drawn at version 1.
func (m *Material) derive(label string, nonce []byte) []byte {
	in := binary.BigEndian.AppendUint32(nil, 1)
	in = append(append(in, label...), 0)
	in = append(in, nonce...)
	in = binary.BigEndian.AppendUint32(in, 8*Size)
	mac := hmac.New(sha256.New, m.key.Reveal())
	mac.Write(in)
	k := mac.Sum(nil)
	runtime.KeepAlive(m)
	return k
}
