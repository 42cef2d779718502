package key

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"runtime"
)

// A ciphertext, version 1:
//
//	offset  bytes
//	     0      5  01 02 kk 00 78; kk is 02 from Encrypt and ReEncrypt, 03 from GenerateDataKey
//	     5     32  id of the key material
//	    37      1  version, 1
//	    38     16  nonce of the message key, random
//	    54     12  nonce of AES-GCM, random
//	    66      n  AES-256-GCM ciphertext
//	  66+n     16  tag
//
//	message key = KDF in counter mode (NIST SP 800-108r1, 4.1) with HMAC-SHA-256:
//	    HMAC(material, uint32(1) || "strongroom kms message" || 00 || nonce || uint32(256))
//	associated data = bytes 0 to 53 || canonical encryption context
//
// The first five bytes are those of AWS's own ciphertexts, because tools know a KMS
// ciphertext by the beginning of its base64 text, AQICA or AQIDA. The rest is ours.
const (
	idAt       = 5
	versionAt  = 37
	nonceAt    = 38
	bodyAt     = 54
	nonceSize  = bodyAt - nonceAt
	gcmSize    = 12 + 16 // nonce and tag
	minimum    = bodyAt + gcmSize
	version    = 1
	kdfLabel   = "strongroom kms message"
	kdfMessage = 4 + len(kdfLabel) + 1 + nonceSize + 4
)

// Overhead is how many bytes longer a ciphertext is than its plaintext.
const Overhead = minimum

// Kind says what a ciphertext holds. It is authenticated, and changes nothing else.
type Kind byte

// The kinds of ciphertexts.
const (
	Data    Kind = 2 // made by Encrypt or ReEncrypt
	DataKey Kind = 3 // made by GenerateDataKey
)

// Ciphertext is a ciphertext whose outside has been read. Nothing of it is proven before
// Decrypt: the id is good for finding the material, and for nothing else.
type Ciphertext struct {
	ID   ID
	Kind Kind
	raw  []byte
}

// Parse reads the outside of a ciphertext, or fails with ErrCiphertext. The result shares
// the memory of raw.
func Parse(raw []byte) (Ciphertext, error) {
	if len(raw) < minimum {
		return Ciphertext{}, ErrCiphertext
	}
	kind := Kind(raw[2])
	if raw[0] != 1 || raw[1] != 2 || kind != Data && kind != DataKey || raw[3] != 0 || raw[4] != 0x78 ||
		raw[versionAt] != version && (raw[versionAt] != outerVersion || !outerShape(raw)) {
		return Ciphertext{}, ErrCiphertext
	}
	return Ciphertext{ID: ID(raw[idAt:versionAt]), Kind: kind, raw: raw}, nil
}

// Encrypt returns the ciphertext of plaintext, bound to context, which is the canonical
// form of an encryption context. It fails with ErrSpec for material that is not symmetric.
func (m *Material) Encrypt(kind Kind, plaintext, context []byte) ([]byte, error) {
	if m.spec != Symmetric {
		return nil, ErrSpec
	}
	raw := make([]byte, bodyAt, minimum+len(plaintext))
	raw[0], raw[1], raw[2], raw[3], raw[4] = 1, 2, byte(kind), 0, 0x78
	copy(raw[idAt:], m.id[:])
	raw[versionAt] = version
	rand.Read(raw[nonceAt:])
	aead, err := m.message(raw[nonceAt:])
	if err != nil {
		return nil, err
	}
	return aead.Seal(raw, nil, plaintext, bind(raw, context)), nil
}

// Decrypt returns the plaintext of c, or ErrCiphertext when anything at all is not as it
// was: a bit of it, the context, or the material. It fails with ErrSpec for material that is not
// symmetric.
func (m *Material) Decrypt(c Ciphertext, context []byte) ([]byte, error) {
	if m.spec != Symmetric {
		return nil, ErrSpec
	}
	if c.ID != m.id || c.Outer() {
		return nil, ErrCiphertext
	}
	head := c.raw[:bodyAt]
	aead, err := m.message(head[nonceAt:])
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open(nil, nil, c.raw[bodyAt:], bind(head, context))
	if err != nil {
		return nil, ErrCiphertext
	}
	return plaintext, nil
}

// bind returns the associated data of a ciphertext with this head.
func bind(head, context []byte) []byte {
	ad := make([]byte, 0, bodyAt+len(context))
	return append(append(ad, head[:bodyAt]...), context...)
}

// message returns the cipher under the message key of nonce.
func (m *Material) message(nonce []byte) (cipher.AEAD, error) {
	var fixed [kdfMessage]byte
	in := binary.BigEndian.AppendUint32(fixed[:0], 1)
	in = append(append(in, kdfLabel...), 0)
	in = append(in, nonce...)
	in = binary.BigEndian.AppendUint32(in, 8*Size)
	mac := hmac.New(sha256.New, m.key.Reveal())
	mac.Write(in)
	var sum [Size]byte
	k := mac.Sum(sum[:0])
	runtime.KeepAlive(m) // the cleanup must not wipe what is being read
	defer clear(k)
	return newGCM(k)
}

// newGCM returns AES-GCM that puts a random nonce of its own before the ciphertext, which
// is the form that the FIPS 140-3 module approves.
func newGCM(k []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, fmt.Errorf("message cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
