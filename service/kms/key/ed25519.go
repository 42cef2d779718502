package key

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"fmt"
)

type edKey ed25519.PrivateKey

func generateEd25519(Spec) (private, error) {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	return edKey(k), err
}

func parseEd25519(spec Spec, der []byte) (private, error) {
	k, err := parseStandard(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrMaterial, spec)
	}
	e, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrMaterial, spec)
	}
	return edKey(e), nil
}

func (k edKey) point() ed25519.PublicKey { return ed25519.PrivateKey(k).Public().(ed25519.PublicKey) }

func (k edKey) public() ([]byte, error)  { return x509.MarshalPKIXPublicKey(k.point()) }
func (k edKey) marshal() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(ed25519.PrivateKey(k)) }
func (k edKey) wipe()                    { clear(k) }

// edOptions returns the variant of Ed25519 that an algorithm is, and what it signs.
func edOptions(a Algorithm, message []byte) (*ed25519.Options, []byte) {
	if a == EdDSAph {
		return &ed25519.Options{Hash: crypto.SHA512}, sum(crypto.SHA512, message)
	}
	return &ed25519.Options{}, message
}

func (k edKey) sign(a Algorithm, _ MessageType, message []byte) ([]byte, error) {
	opts, message := edOptions(a, message)
	return ed25519.PrivateKey(k).Sign(nil, message, opts)
}

func (k edKey) verify(a Algorithm, _ MessageType, message, signature []byte) bool {
	opts, message := edOptions(a, message)
	return ed25519.VerifyWithOptions(k.point(), message, signature, opts) == nil
}
