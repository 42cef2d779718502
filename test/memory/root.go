// Package memory holds parts of a house that keep nothing, for tests of the services.
package memory

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"

	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service"
)

// Root is a root key that everybody knows. It binds purposes as a real one does.
type Root struct{}

var _ service.Root = Root{}

func (Root) aead(purpose string) cipher.AEAD {
	sum := sha256.Sum256([]byte("test root key " + purpose))
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// Wrap implements service.Root.
func (r Root) Wrap(purpose string, plaintext []byte) ([]byte, error) {
	return r.aead(purpose).Seal(nil, nil, plaintext, nil), nil
}

// Unwrap implements service.Root.
func (r Root) Unwrap(purpose string, wrapped []byte) ([]byte, error) {
	return r.aead(purpose).Open(nil, nil, wrapped, nil)
}

// Derive implements service.Root.
func (Root) Derive(purpose string) secret.Bytes {
	sum := sha256.Sum256([]byte("derived " + purpose))
	return secret.New(sum[:])
}
