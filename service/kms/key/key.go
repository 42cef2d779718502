// Package key is the cryptography of KMS keys: their material, the ciphertext they make,
// and how material is kept.
//
//	domain key              one a region, kept under the house's root key, rotated
//	  -> material           what AWS calls an HSM backing key: one version of a KMS key
//	    -> message key      derived for one encryption from the material and a fresh nonce
//	      -> ciphertext     AES-256-GCM, bound to the encryption context
//
// The shape is that of the AWS KMS cryptographic details. A message key is used once, so the
// material of a key may encrypt any number of messages: no bound of AES-GCM is ever near.
//
// The package is pure: it keeps nothing and asks nobody. What it is given as context or
// binding is associated data; the caller gives it a canonical form.
package key

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"

	"github.com/strongroom/strongroom/secret"
)

// ErrCiphertext says that bytes are no ciphertext of ours, or that they were changed, or
// that the encryption context is not the one they were made with. Which is not to be told.
var ErrCiphertext = errors.New("ciphertext is invalid")

// Size is the length of symmetric key material, in bytes.
const Size = 32

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

// Material is one version of a symmetric KMS key. It is immutable; its methods may be
// called together. When the last reference to it is gone, the secret is wiped.
type Material struct {
	id  ID
	key secret.Bytes
}

// New returns fresh material.
func New() *Material {
	var id ID
	raw := make([]byte, Size)
	rand.Read(id[:])
	rand.Read(raw)
	return newMaterial(id, secret.New(raw))
}

func newMaterial(id ID, key secret.Bytes) *Material {
	m := &Material{id: id, key: key}
	runtime.AddCleanup(m, func(k secret.Bytes) { k.Wipe() }, key)
	return m
}

// ID returns the material's name.
func (m *Material) ID() ID { return m.id }

// Format prints the id and never the secret. Package fmt would look into unexported fields
// without asking the types it finds there.
func (m *Material) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[key material %s]", m.id) }
