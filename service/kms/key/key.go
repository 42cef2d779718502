// Package key is the cryptography of KMS keys: their material, what is made with it, and how
// material is kept.
//
//	domain key              one a region, kept under the house's root key, rotated
//	  -> material           what AWS calls an HSM backing key: one version of a KMS key
//	    -> message key      derived for one encryption from the material and a fresh nonce
//	      -> ciphertext     AES-256-GCM, bound to the encryption context
//
// The shape is that of the AWS KMS cryptographic details. A message key is used once, so the
// material of a key may encrypt any number of messages: no bound of AES-GCM is ever near.
// Material of the other specs is a key pair or the key of a MAC.
//
// The package is pure: it keeps nothing and asks nobody. What it is given as context or
// binding is associated data; the caller gives it a canonical form.
//
// # Map
//
//	key.go         material: made, imported, compared
//	spec.go        specs, usages and algorithms: what goes with what
//	ciphertext.go  symmetric encryption
//	outer.go       the same, when another holds half of the key
//	sign.go        signatures, MACs, agreement and encapsulation, of any spec
//	rsa.go ecc.go secp256k1.go ed25519.go mldsa.go mlkem.go   key pairs
//	mldsa_mu.go    verification of ML-DSA from a message representative
//	pkcs8.go       private and public keys as DER, where the standard library does not know them
//	domain.go      domain keys: how material is kept
package key

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/strongroom/strongroom/secret"
)

var (
	// ErrCiphertext says that bytes are no ciphertext of ours, or that they were changed, or
	// that the encryption context is not the one they were made with. Which is not to be told.
	ErrCiphertext = errors.New("ciphertext is invalid")
	// ErrMaterial says that bytes are no key material of the spec.
	ErrMaterial = errors.New("not key material of this spec")
)

// Size is the length of symmetric key material, in bytes.
const Size = 32

// maxMaterial is the length of the longest secret: the PKCS#8 form of an RSA_4096 key is shorter.
const maxMaterial = 4096

// ID names one piece of key material. It is random, stands in every ciphertext that the
// material makes, and says nothing of the key.
type ID [32]byte

// String returns the id as 64 hexadecimal digits, which is how AWS writes a KeyMaterialId.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads what String writes.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != hex.EncodedLen(len(id)) {
		return ID{}, fmt.Errorf("key material id %q does not have 64 digits", s)
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, fmt.Errorf("key material id %q: %w", s, err)
	}
	return id, nil
}

// NewID returns a fresh id.
func NewID() (id ID) {
	rand.Read(id[:])
	return id
}

// Material is one version of a KMS key. It is immutable; its methods may be called together.
// When the last reference to it is gone, the secret is wiped: all of it that we can reach, which
// leaves the copies that the standard library's keys keep inside.
type Material struct {
	id   ID
	spec Spec
	key  secret.Bytes // 32 bytes, the bytes of an HMAC key, or PKCS#8
	held *held        // of a key pair
}

// held is what is wiped after a Material of a key pair, and so must not lead back to it.
type held struct {
	key    secret.Bytes
	parse  sync.Once // the private key is parsed when it is first used, and then kept
	parsed private
	err    error
}

// private is the private key of a key pair.
type private interface {
	public() ([]byte, error)  // SubjectPublicKeyInfo, DER
	marshal() ([]byte, error) // PKCS#8, DER
	wipe()
}

// New returns fresh symmetric material.
func New() *Material {
	raw := make([]byte, Size)
	rand.Read(raw)
	return newMaterial(NewID(), Symmetric, secret.New(raw))
}

// Generate returns fresh material of the spec. For RSA that takes long.
func Generate(spec Spec) (*Material, error) {
	t := specs[spec]
	if t == nil {
		return nil, fmt.Errorf("%w: %q", ErrSpec, spec)
	}
	if err := spec.Approved(""); err != nil {
		return nil, err
	}
	if t.generate == nil {
		raw := make([]byte, t.size)
		rand.Read(raw)
		return newMaterial(NewID(), spec, secret.New(raw)), nil
	}
	k, err := t.generate(spec)
	if err != nil {
		return nil, fmt.Errorf("generate %s: %w", spec, err)
	}
	return keep(NewID(), spec, k)
}

// Import returns material that somebody else made, under a fresh id: 32 bytes for SYMMETRIC_DEFAULT,
// as many bytes as the MAC is long for HMAC, else a private key in PKCS#8 (RFC 5208), for ML-DSA and
// ML-KEM in its seed form (RFC 9881, RFC 9935). It fails with ErrMaterial for anything else. It takes
// ownership of raw.
func Import(spec Spec, raw []byte) (*Material, error) { return ImportAs(NewID(), spec, raw) }

// ImportAs is Import under an id that the material had before.
func ImportAs(id ID, spec Spec, raw []byte) (*Material, error) {
	t := specs[spec]
	if t == nil {
		clear(raw)
		return nil, fmt.Errorf("%w: %q", ErrSpec, spec)
	}
	if err := spec.Approved(""); err != nil {
		clear(raw)
		return nil, err
	}
	if t.parse == nil {
		if len(raw) != t.size {
			clear(raw)
			return nil, fmt.Errorf("%w: %d bytes for %s, which has %d", ErrMaterial, len(raw), spec, t.size)
		}
		return newMaterial(id, spec, secret.New(raw)), nil
	}
	defer clear(raw)
	if len(raw) > maxMaterial {
		return nil, fmt.Errorf("%w: %d bytes for %s", ErrMaterial, len(raw), spec)
	}
	k, err := t.parse(spec, raw)
	if err != nil {
		return nil, err
	}
	return keep(id, spec, k)
}

// NewPair makes a key pair that is not to be kept here: the private key as PKCS#8 and the public
// key as SubjectPublicKeyInfo, both DER. The caller wipes the private key.
func NewPair(spec Spec) (private, public []byte, err error) {
	if !spec.Pair() {
		return nil, nil, fmt.Errorf("%w: %q is no key pair", ErrSpec, spec)
	}
	if err := spec.Approved(""); err != nil {
		return nil, nil, err
	}
	k, err := specs[spec].generate(spec)
	if err != nil {
		return nil, nil, fmt.Errorf("generate %s: %w", spec, err)
	}
	defer k.wipe()
	if public, err = k.public(); err != nil {
		return nil, nil, err
	}
	private, err = k.marshal()
	return private, public, err
}

// keep returns the material of a private key. The form it is kept in is our own, so that the
// same key is the same bytes, however it came.
func keep(id ID, spec Spec, k private) (*Material, error) {
	raw, err := k.marshal()
	if err != nil {
		k.wipe()
		return nil, fmt.Errorf("marshal %s: %w", spec, err)
	}
	m := newMaterial(id, spec, secret.New(raw))
	m.held.parse.Do(func() { m.held.parsed = k })
	return m, nil
}

func newMaterial(id ID, spec Spec, key secret.Bytes) *Material {
	m := &Material{id: id, spec: spec, key: key}
	if t := specs[spec]; t != nil && t.parse == nil { // as nearly all are: one object less of each
		runtime.AddCleanup(m, secret.Bytes.Wipe, key)
		return m
	}
	m.held = &held{key: key}
	runtime.AddCleanup(m, (*held).wipe, m.held)
	return m
}

func (h *held) wipe() {
	h.key.Wipe()
	if h.parsed != nil {
		h.parsed.wipe()
	}
}

// private returns the private key of a key pair. The caller keeps m alive while it uses the key.
func (m *Material) private() (private, error) {
	t := specs[m.spec]
	if t.parse == nil {
		return nil, ErrSpec
	}
	if err := m.spec.Approved(""); err != nil {
		return nil, err
	}
	m.held.parse.Do(func() { m.held.parsed, m.held.err = t.parse(m.spec, m.key.Reveal()) })
	return m.held.parsed, m.held.err
}

// ID returns the material's name.
func (m *Material) ID() ID { return m.id }

// Spec returns the spec of the material.
func (m *Material) Spec() Spec { return m.spec }

// Same reports in constant time whether other is the same secret of the same spec, under whatever id.
func (m *Material) Same(other *Material) bool {
	same := m.spec == other.spec && m.key.Equal(other.key)
	runtime.KeepAlive(m)
	runtime.KeepAlive(other)
	return same
}

// Fingerprint returns a value by which the same secret is known again where the material itself is
// not kept. It is bound to purpose, and says nothing of a secret that cannot be guessed.
func (m *Material) Fingerprint(purpose string) (sum [32]byte) {
	mac := hmac.New(sha256.New, m.key.Reveal())
	mac.Write([]byte("strongroom kms fingerprint\x00" + string(m.spec) + "\x00" + purpose))
	mac.Sum(sum[:0])
	runtime.KeepAlive(m)
	return sum
}

// PublicKey returns the public key of a key pair as a SubjectPublicKeyInfo (RFC 5280), in DER. It
// fails with ErrSpec for material that has none.
func (m *Material) PublicKey() ([]byte, error) {
	k, err := m.private()
	if err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(m)
	return k.public()
}

// Format prints the id and never the secret. Package fmt would look into unexported fields
// without asking the types it finds there.
func (m *Material) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[key material %s]", m.id) }
