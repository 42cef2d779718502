package rootkey

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/secret"
)

// Sentinels that callers branch on with errors.Is.
var (
	// ErrSealed says that no slot of the seal file opens with the providers given.
	ErrSealed = errors.New("house is sealed")
	// ErrWrongKey says that a key file, passphrase or recovery code is not the one
	// that a slot was made with. An error that is ErrWrongKey is ErrSealed too.
	ErrWrongKey = errors.New("wrong root key")
	// ErrCorrupt says that a seal file, a key file or wrapped bytes are damaged.
	ErrCorrupt = errors.New("root key data is corrupt")
	// ErrExposed says that a key file can be read by others, or lies beside what it protects.
	ErrExposed = errors.New("key file is exposed")
	// ErrMistyped says that a recovery code or passphrase cannot be what was meant:
	// empty, too short, or with a wrong check group.
	ErrMistyped = errors.New("mistyped")
)

// keySize is the length of every key in this package, in bytes: AES-256.
const keySize = 32

// Key is the open root key and its ring. Its methods may be called together, but not after
// Close.
type Key struct {
	root   secret.Bytes   // opens the seal file's ring; wrapped once a slot
	derive secret.Bytes   // what Derive derives from: the same for a house's whole life
	wraps  []secret.Bytes // the wrapping keys, generation 1 first; the last one wraps
}

// Wrap seals plaintext under a key that serves this purpose only. The result is 29
// bytes longer and opens only for the same purpose; store.Wrapper is satisfied by it.
// At most 2^32 wraps a purpose are safe (NIST SP 800-38D, 8.3: random nonces).
func (k *Key) Wrap(purpose string, plaintext []byte) ([]byte, error) {
	g := byte(len(k.wraps))
	aead, err := newAEAD(expand(k.wraps[g-1], nil, "wrap/"+purpose))
	if err != nil {
		return nil, fmt.Errorf("wrap for %s: %w", purpose, err)
	}
	out := append(make([]byte, 0, 1+len(plaintext)+aead.Overhead()), g)
	return aead.Seal(out, nil, plaintext, wrapData(g, purpose)), nil
}

// Unwrap opens what Wrap sealed for the same purpose, also before a rotation. An error that is
// ErrCorrupt says that the bytes are damaged, were wrapped for another purpose, or by another
// house's root key.
func (k *Key) Unwrap(purpose string, wrapped []byte) ([]byte, error) {
	if len(wrapped) == 0 || wrapped[0] == 0 || int(wrapped[0]) > len(k.wraps) {
		return nil, fmt.Errorf("unwrap for %s: %w: unknown generation", purpose, ErrCorrupt)
	}
	g := wrapped[0]
	aead, err := newAEAD(expand(k.wraps[g-1], nil, "wrap/"+purpose))
	if err != nil {
		return nil, fmt.Errorf("unwrap for %s: %w", purpose, err)
	}
	plaintext, err := aead.Open(nil, nil, wrapped[1:], wrapData(g, purpose))
	if err != nil {
		return nil, fmt.Errorf("unwrap for %s: %w", purpose, ErrCorrupt)
	}
	return plaintext, nil
}

// Derive returns the 32-byte key of a purpose: always the same for the same house and purpose,
// before and after rotations, and telling nothing of any other purpose's key.
func (k *Key) Derive(purpose string) secret.Bytes { return expand(k.derive, nil, "derive/"+purpose) }

// Close wipes the root key and its ring from memory.
func (k *Key) Close() {
	k.root.Wipe()
	k.derive.Wipe()
	for _, w := range k.wraps {
		w.Wipe()
	}
}

// mac authenticates the seal file itself.
func (k *Key) mac(message []byte) []byte {
	h := hmac.New(sha256.New, expand(k.root, nil, "seal-file").Reveal())
	h.Write(message)
	return h.Sum(nil)
}

// expand derives the 32-byte key of a use from key material with full entropy.
func expand(key secret.Bytes, salt []byte, use string) secret.Bytes {
	out, err := hkdf.Key(sha256.New, key.Reveal(), salt, "strongroom/v1/"+use, keySize)
	if err != nil {
		// hkdf.Key fails only for lengths beyond 255 hashes or, under
		// fips140=only, for short keys; both are constants here.
		panic("rootkey: derive key: " + err.Error())
	}
	return secret.New(out)
}

// newAEAD returns AES-256-GCM that makes and carries its own random nonces.
func newAEAD(key secret.Bytes) (cipher.AEAD, error) {
	defer key.Wipe()
	block, err := aes.NewCipher(key.Reveal())
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func wrapData(generation byte, purpose string) []byte { return append([]byte{generation}, purpose...) }

// random returns n random bytes. crypto/rand never fails.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
