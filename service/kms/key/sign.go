package key

import (
	"crypto"
	"crypto/hmac"
	_ "crypto/sha256" // the hashes of hashes
	_ "crypto/sha512"
	"errors"
	"hash"
	"runtime"
)

// MessageType says what the message to be signed is, in AWS's words.
type MessageType string

// The types of messages.
const (
	Raw        MessageType = "RAW"         // the message
	Digest     MessageType = "DIGEST"      // its hash, by the hash of the algorithm
	ExternalMu MessageType = "EXTERNAL_MU" // the message representative of ML-DSA (FIPS 204, 6.2)
)

var (
	// ErrMessageType says that the algorithm does not take messages of this type.
	ErrMessageType = errors.New("algorithm does not take this type of message")
	// ErrMessage says that a digest or message representative has the wrong length, or that a
	// plaintext is too long.
	ErrMessage = errors.New("message has the wrong length")
	// ErrSignature says that a signature is not one of the message by this key.
	ErrSignature = errors.New("signature is invalid")
	// ErrMAC says that a MAC is not one of the message by this key.
	ErrMAC = errors.New("MAC is invalid")
	// ErrPublicKey says that bytes are no public key, or one that does not fit the key.
	ErrPublicKey = errors.New("public key is invalid")
)

// hashes are the hashes of the algorithms that have one of their own choosing.
var hashes = map[Algorithm]crypto.Hash{
	OAEPSHA1: crypto.SHA1, OAEPSHA256: crypto.SHA256,
	PSSSHA256: crypto.SHA256, PSSSHA384: crypto.SHA384, PSSSHA512: crypto.SHA512,
	PKCS1SHA256: crypto.SHA256, PKCS1SHA384: crypto.SHA384, PKCS1SHA512: crypto.SHA512,
	ECDSASHA256: crypto.SHA256, ECDSASHA384: crypto.SHA384, ECDSASHA512: crypto.SHA512,
	HMACSHA224: crypto.SHA224, HMACSHA256: crypto.SHA256, HMACSHA384: crypto.SHA384, HMACSHA512: crypto.SHA512,
}

// signer is a private key that signs. The message is of a type that prepare has let through.
type signer interface {
	sign(a Algorithm, t MessageType, message []byte) ([]byte, error)
	// verify reports whether the signature is good.
	verify(a Algorithm, t MessageType, message, signature []byte) bool
}

// Sign returns the signature of a message: for ECDSA the DER form of RFC 3279, for PSS with a salt as
// long as the digest, for EdDSA as RFC 8032 and for ML-DSA as FIPS 204 have it. It fails with ErrSpec,
// ErrMessageType or ErrMessage.
func (m *Material) Sign(a Algorithm, t MessageType, message []byte) ([]byte, error) {
	k, message, err := m.signer(a, t, message)
	if err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(m) // the cleanup must not wipe what is being read
	return k.sign(a, t, message)
}

// Verify returns nil when signature is one of the message by this key, else ErrSignature, or an
// error as of Sign.
func (m *Material) Verify(a Algorithm, t MessageType, message, signature []byte) error {
	k, message, err := m.signer(a, t, message)
	if err != nil {
		return err
	}
	defer runtime.KeepAlive(m)
	if !k.verify(a, t, message, signature) {
		return ErrSignature
	}
	return nil
}

// signer returns the key that signs by an algorithm, and the message as it takes it.
func (m *Material) signer(a Algorithm, t MessageType, message []byte) (signer, []byte, error) {
	if err := m.spec.ready(Signs, a); err != nil {
		return nil, nil, err
	}
	message, err := prepare(a, t, message)
	if err != nil {
		return nil, nil, err
	}
	k, err := m.private()
	if err != nil {
		return nil, nil, err
	}
	return k.(signer), message, nil
}

// prepare returns what is signed: the digest, where the algorithm signs one.
func prepare(a Algorithm, t MessageType, message []byte) ([]byte, error) {
	var kinds []MessageType
	size := 0
	switch h := hashes[a]; {
	case a == EdDSA:
		kinds = []MessageType{Raw}
	case a == EdDSAph: // "requires MessageType:DIGEST", and hashes it again (KMS API reference, Sign)
		kinds, size = []MessageType{Digest}, crypto.SHA512.Size()
	case a == MLDSA:
		kinds, size = []MessageType{Raw, ExternalMu}, 64
	default:
		kinds, size = []MessageType{Raw, Digest}, h.Size()
	}
	for _, k := range kinds {
		if t != k {
			continue
		}
		if t != Raw && len(message) != size {
			return nil, ErrMessage
		}
		if h := hashes[a]; t == Raw && h != 0 {
			message = sum(h, message)
		}
		return message, nil
	}
	return nil, ErrMessageType
}

func sum(h crypto.Hash, message []byte) []byte {
	s := h.New()
	s.Write(message)
	return s.Sum(nil)
}

// MAC returns the HMAC (FIPS 198-1) of a message. It fails with ErrSpec.
func (m *Material) MAC(a Algorithm, message []byte) ([]byte, error) {
	if err := m.spec.ready(Authenticate, a); err != nil {
		return nil, err
	}
	mac := hmac.New(func() hash.Hash { return hashes[a].New() }, m.key.Reveal())
	runtime.KeepAlive(m)
	mac.Write(message)
	return mac.Sum(nil), nil
}

// VerifyMAC returns nil when mac is the whole MAC of the message, else ErrMAC, or ErrSpec.
func (m *Material) VerifyMAC(a Algorithm, message, mac []byte) error {
	want, err := m.MAC(a, message)
	if err != nil {
		return err
	}
	if !hmac.Equal(want, mac) {
		return ErrMAC
	}
	return nil
}

// Agree returns the shared secret with the owner of a public key, a SubjectPublicKeyInfo in DER: the x
// coordinate of ECDH (NIST SP 800-56A, 5.7.1.2). It fails with ErrPublicKey for a key of another curve
// or none, and with ErrSpec.
func (m *Material) Agree(publicKey []byte) ([]byte, error) {
	if err := m.spec.ready(Agrees, ECDH); err != nil {
		return nil, err
	}
	k, err := m.private()
	if err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(m)
	return k.(*eccKey).agree(publicKey)
}

// encapsulator is a private key for ML-KEM (FIPS 203).
type encapsulator interface {
	encapsulate() (shared, ciphertext []byte, err error)
	decapsulate(ciphertext []byte) ([]byte, error)
}

// Encapsulate returns a fresh shared secret of 32 bytes, and its ciphertext for the owner of the key.
func (m *Material) Encapsulate() (shared, ciphertext []byte, err error) {
	k, err := m.encapsulator()
	if err != nil {
		return nil, nil, err
	}
	defer runtime.KeepAlive(m)
	return k.encapsulate()
}

// Decapsulate returns the shared secret of a ciphertext. It fails with ErrCiphertext only for a wrong
// length: any other that was not made for this key gives a secret that nobody else has (FIPS 203, 6.3).
func (m *Material) Decapsulate(ciphertext []byte) ([]byte, error) {
	k, err := m.encapsulator()
	if err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(m)
	return k.decapsulate(ciphertext)
}

func (m *Material) encapsulator() (encapsulator, error) {
	if err := m.spec.ready(Encapsulates, MLKEM); err != nil {
		return nil, err
	}
	k, err := m.private()
	if err != nil {
		return nil, err
	}
	return k.(encapsulator), nil
}
