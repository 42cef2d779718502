package key

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
)

// eccKey is a key on a NIST curve, for signatures or for agreement.
type eccKey struct{ *ecdsa.PrivateKey }

var curves = map[Spec]elliptic.Curve{P256: elliptic.P256(), P384: elliptic.P384(), P521: elliptic.P521()}

func generateECC(spec Spec) (private, error) {
	k, err := ecdsa.GenerateKey(curves[spec], rand.Reader)
	return &eccKey{k}, err
}

func parseECC(spec Spec, der []byte) (private, error) {
	k, err := parseStandard(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrMaterial, spec)
	}
	e, ok := k.(*ecdsa.PrivateKey)
	if !ok || e.Curve != curves[spec] {
		return nil, fmt.Errorf("%w: %s", ErrMaterial, spec)
	}
	return &eccKey{e}, nil
}

func (k *eccKey) public() ([]byte, error)  { return x509.MarshalPKIXPublicKey(&k.PublicKey) }
func (k *eccKey) marshal() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k.PrivateKey) }
func (k *eccKey) wipe()                    { wipeInt(k.D) }

func (k *eccKey) sign(_ Algorithm, _ MessageType, digest []byte) ([]byte, error) {
	return ecdsa.SignASN1(rand.Reader, k.PrivateKey, digest)
}

func (k *eccKey) verify(_ Algorithm, _ MessageType, digest, signature []byte) bool {
	return ecdsa.VerifyASN1(&k.PublicKey, digest, signature)
}

func (k *eccKey) agree(publicKey []byte) ([]byte, error) {
	p, err := x509.ParsePKIXPublicKey(publicKey)
	if err != nil {
		return nil, ErrPublicKey
	}
	e, ok := p.(*ecdsa.PublicKey)
	if !ok || e.Curve != k.Curve {
		return nil, ErrPublicKey
	}
	peer, err := e.ECDH()
	if err != nil {
		return nil, ErrPublicKey
	}
	own, err := k.ECDH()
	if err != nil {
		return nil, fmt.Errorf("key agreement: %w", err)
	}
	shared, err := own.ECDH(peer)
	if err != nil {
		return nil, ErrPublicKey
	}
	return shared, nil
}
