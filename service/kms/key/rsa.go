package key

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // RSAES_OAEP_SHA_1
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"strings"
)

type rsaKey struct{ *rsa.PrivateKey }

func generateRSA(spec Spec) (private, error) {
	k, err := rsa.GenerateKey(rand.Reader, specs[spec].size)
	return rsaKey{k}, err
}

// parseRSA reads an RSA key that has the size of the spec exactly, two primes, and an exponent as
// FIPS 186-5, A.1.1 asks for.
func parseRSA(spec Spec, der []byte) (private, error) {
	k, err := parseStandard(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrMaterial, spec)
	}
	r, ok := k.(*rsa.PrivateKey)
	if !ok || r.N.BitLen() != specs[spec].size || r.E <= 1<<16 || r.E&1 == 0 || len(r.Primes) != 2 ||
		r.Primes[0].BitLen() != r.Primes[1].BitLen() {
		return nil, fmt.Errorf("%w: %s", ErrMaterial, spec)
	}
	return rsaKey{r}, nil
}

func (k rsaKey) public() ([]byte, error)  { return x509.MarshalPKIXPublicKey(&k.PublicKey) }
func (k rsaKey) marshal() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k.PrivateKey) }

func (k rsaKey) wipe() {
	wipeInt(k.D)
	for _, p := range k.Primes {
		wipeInt(p)
	}
	for _, p := range []*big.Int{k.Precomputed.Dp, k.Precomputed.Dq, k.Precomputed.Qinv} {
		wipeInt(p)
	}
}

func wipeInt(x *big.Int) {
	if x != nil {
		clear(x.Bits())
	}
}

func pss(a Algorithm) bool { return strings.HasPrefix(string(a), "RSASSA_PSS") }

// "KMS uses a salt as long as the digest" (KMS developer guide, asymmetric key specs).
var saltAsDigest = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}

func (k rsaKey) sign(a Algorithm, _ MessageType, digest []byte) ([]byte, error) {
	if pss(a) {
		return rsa.SignPSS(rand.Reader, k.PrivateKey, hashes[a], digest, saltAsDigest)
	}
	return rsa.SignPKCS1v15(nil, k.PrivateKey, hashes[a], digest)
}

func (k rsaKey) verify(a Algorithm, _ MessageType, digest, signature []byte) bool {
	if pss(a) {
		return rsa.VerifyPSS(&k.PublicKey, hashes[a], digest, signature, saltAsDigest) == nil
	}
	return rsa.VerifyPKCS1v15(&k.PublicKey, hashes[a], digest, signature) == nil
}

// EncryptRSA returns the RSAES-OAEP ciphertext (RFC 8017, 7.1) of plaintext, with no label and MGF1 of
// the same hash. It fails with ErrSpec, and with ErrMessage for a plaintext longer than MaxPlaintext.
func (m *Material) EncryptRSA(a Algorithm, plaintext []byte) ([]byte, error) {
	k, h, err := m.oaep(a)
	if err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(m)
	c, err := rsa.EncryptOAEP(h.New(), rand.Reader, &k.PublicKey, plaintext, nil)
	if errors.Is(err, rsa.ErrMessageTooLong) {
		return nil, ErrMessage
	}
	return c, err
}

// DecryptRSA returns the plaintext of what EncryptRSA, or anybody with the public key, made. It fails
// with ErrCiphertext and says no more of it (RFC 8017, 7.1.2, note), or with ErrSpec.
func (m *Material) DecryptRSA(a Algorithm, ciphertext []byte) ([]byte, error) {
	k, h, err := m.oaep(a)
	if err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(m)
	p, err := rsa.DecryptOAEP(h.New(), nil, k.PrivateKey, ciphertext, nil)
	if err != nil {
		return nil, ErrCiphertext
	}
	return p, nil
}

func (m *Material) oaep(a Algorithm) (rsaKey, crypto.Hash, error) {
	if err := m.spec.ready(Ciphers, a); err != nil {
		return rsaKey{}, 0, err
	}
	if a == AESGCM {
		return rsaKey{}, 0, ErrSpec
	}
	k, err := m.private()
	if err != nil {
		return rsaKey{}, 0, err
	}
	return k.(rsaKey), hashes[a], nil
}

// MaxPlaintext returns how many bytes a key of the spec encrypts at most by the algorithm (RFC 8017,
// 7.1.1), or 0 for an RSA algorithm or spec that does not encrypt.
func (s Spec) MaxPlaintext(a Algorithm) int {
	switch a {
	case AESGCM:
		return 4096
	case OAEPSHA1, OAEPSHA256:
		if s.ready(Ciphers, a) == nil {
			return specs[s].size/8 - 2*hashes[a].Size() - 2
		}
	}
	return 0
}
