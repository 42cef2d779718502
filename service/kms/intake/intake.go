// Package intake is the cryptography by which key material comes in: the wrapping keys that
// GetParametersForImport gives out, the import tokens that belong to them, and the unwrapping
// of what ImportKeyMaterial is given.
//
// The package is pure: it keeps nothing and asks nobody.
package intake

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
)

// ErrWrapped says that wrapped material does not open: it was not made with this wrapping key
// and algorithm, or was changed. Which is not to be told.
var ErrWrapped = errors.New("wrapped key material is invalid")

// Algorithm is how material is wrapped, in AWS's words.
type Algorithm string

// The algorithms. In the first two the wrapping key encrypts the material, in the others an AES
// key that wraps the material (RFC 5649) and stands behind it.
const (
	OAEPSHA1   Algorithm = "RSAES_OAEP_SHA_1"
	OAEPSHA256 Algorithm = "RSAES_OAEP_SHA_256"
	AESSHA1    Algorithm = "RSA_AES_KEY_WRAP_SHA_1"
	AESSHA256  Algorithm = "RSA_AES_KEY_WRAP_SHA_256"
)

// algorithms gives the algorithms their numbers in a token, which never change.
var algorithms = [...]Algorithm{1: OAEPSHA1, OAEPSHA256, AESSHA1, AESSHA256}

// Valid reports whether there is such an algorithm.
func (a Algorithm) Valid() bool { return a.code() != 0 }

func (a Algorithm) code() byte {
	for i, other := range algorithms {
		if i > 0 && other == a {
			return byte(i)
		}
	}
	return 0
}

func (a Algorithm) hash() hash.Hash {
	if a == OAEPSHA1 || a == AESSHA1 {
		return sha1.New() // for OAEP, where nothing rests on collisions
	}
	return sha256.New()
}

// Size returns the size in bits of a wrapping key of a spec in AWS's words, or 0.
func Size(spec string) int {
	return map[string]int{"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}[spec]
}

// aesSize is the length of the AES key that wraps material (KMS developer guide, "Encrypt the key material").
const aesSize = 32

// Key is a wrapping key. Its methods may be called together.
type Key struct{ private *rsa.PrivateKey }

// New makes a wrapping key of so many bits. It takes up to some seconds.
func New(bits int) (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("wrapping key: %w", err)
	}
	return &Key{private}, nil
}

// Format prints nothing of the key.
func (k *Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[wrapping key]") }

// Public returns the public key as SubjectPublicKeyInfo, DER.
func (k *Key) Public() ([]byte, error) { return x509.MarshalPKIXPublicKey(&k.private.PublicKey) }

// Unwrap returns the material that somebody wrapped, or fails with ErrWrapped.
func (k *Key) Unwrap(a Algorithm, wrapped []byte) ([]byte, error) {
	if !a.Valid() {
		return nil, ErrWrapped
	}
	n := k.private.Size()
	if len(wrapped) < n {
		return nil, ErrWrapped
	}
	direct := a == OAEPSHA1 || a == OAEPSHA256
	if direct && len(wrapped) != n {
		return nil, ErrWrapped
	}
	plain, err := rsa.DecryptOAEP(a.hash(), nil, k.private, wrapped[:n], nil)
	if err != nil {
		return nil, ErrWrapped
	}
	if direct {
		return plain, nil
	}
	defer clear(plain)
	if len(plain) != aesSize {
		return nil, ErrWrapped
	}
	return unwrapAES(plain, wrapped[n:])
}
