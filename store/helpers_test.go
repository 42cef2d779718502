package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
)

// testRoot is a root key for tests.
type testRoot struct{ aead cipher.AEAD }

func newTestRoot() testRoot {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return testRoot{aead}
}

func (r testRoot) Wrap(purpose string, plaintext []byte) ([]byte, error) {
	return r.aead.Seal(nil, nil, plaintext, []byte(purpose)), nil
}

var errTestRoot = errors.New("wrong root key")

func (r testRoot) Unwrap(purpose string, wrapped []byte) ([]byte, error) {
	plain, err := r.aead.Open(nil, nil, wrapped, []byte(purpose))
	if err != nil {
		return nil, errTestRoot
	}
	return plain, nil
}
