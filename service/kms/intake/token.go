package intake

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"time"
)

// ErrToken says that an import token is none of ours, or is for another key.
var ErrToken = errors.New("import token is invalid")

// ErrExpired says that an import token was valid once.
var ErrExpired = errors.New("import token has expired")

// Import token, version 1:
//
//	offset  bytes
//	     0      1  version, 1
//	     1     12  nonce, random
//	    13     57  AES-256-GCM ciphertext, under the key of the house's import tokens, of:
//	               id of the wrapping key, 16 bytes || its sealing key, 32 || algorithm, 1 || expiry, Unix seconds, 8
//	    70     16  tag
//
//	associated data = version || ARN of the KMS key
//
// A wrapping key as it is kept, version 1:
//
//	     0      1  version, 1
//	     1     12  nonce, random
//	    13      n  AES-256-GCM ciphertext, under the sealing key, of the private key, PKCS#8
//	 13+n      16  tag
//
//	associated data = version || id || ARN of the KMS key
//
// So what is kept opens only with the token, which is not kept: whoever has one of them
// has nothing.
const (
	version    = 1
	nonceSize  = 12
	tagSize    = 16
	sealSize   = 32
	innerSize  = len(ID{}) + sealSize + 1 + 8
	tokenSize  = 1 + nonceSize + innerSize + tagSize
	maxKeySize = 8 << 10
)

// ID names a wrapping key. It is random.
type ID [16]byte

// Token is what an import token says.
type Token struct {
	ID        ID
	Algorithm Algorithm
	Expires   time.Time // in whole seconds
	seal      [sealSize]byte
}

// NewToken returns a token for a new wrapping key.
func NewToken(a Algorithm, expires time.Time) *Token {
	t := &Token{Algorithm: a, Expires: expires.UTC().Truncate(time.Second)}
	rand.Read(t.ID[:])
	rand.Read(t.seal[:])
	return t
}

// Wipe destroys the sealing key in t.
func (t *Token) Wipe() { clear(t.seal[:]) }

// Seal returns the token as it is given out, for the KMS key with an ARN. secret has 32 bytes.
func (t *Token) Seal(secret []byte, arn string) ([]byte, error) {
	aead, err := gcm(secret)
	if err != nil {
		return nil, err
	}
	inner := make([]byte, 0, innerSize)
	inner = append(append(append(inner, t.ID[:]...), t.seal[:]...), t.Algorithm.code())
	inner = binary.BigEndian.AppendUint64(inner, uint64(t.Expires.Unix()))
	defer clear(inner[:innerSize])
	return aead.Seal([]byte{version}, nil, inner, append([]byte{version}, arn...)), nil
}

// OpenToken reads a token for the KMS key with an ARN. It fails with ErrToken, or with ErrExpired when
// the token was valid before at.
func OpenToken(secret, token []byte, arn string, at time.Time) (*Token, error) {
	if len(token) != tokenSize || token[0] != version {
		return nil, ErrToken
	}
	aead, err := gcm(secret)
	if err != nil {
		return nil, err
	}
	inner, err := aead.Open(nil, nil, token[1:], append([]byte{version}, arn...))
	if err != nil {
		return nil, ErrToken
	}
	defer clear(inner)
	t := &Token{ID: ID(inner)}
	copy(t.seal[:], inner[len(t.ID):])
	rest := inner[len(t.ID)+sealSize:]
	if int(rest[0]) >= len(algorithms) || rest[0] == 0 {
		return nil, ErrToken
	}
	t.Algorithm, t.Expires = algorithms[rest[0]], time.Unix(int64(binary.BigEndian.Uint64(rest[1:])), 0).UTC()
	if !at.Before(t.Expires) {
		return nil, ErrExpired
	}
	return t, nil
}

// SealKey returns the wrapping key of t in the form in which it is kept.
func (t *Token) SealKey(k *Key, arn string) ([]byte, error) {
	private, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, err
	}
	defer clear(private)
	aead, err := gcm(t.seal[:])
	if err != nil {
		return nil, err
	}
	return aead.Seal([]byte{version}, nil, private, t.binding(arn)), nil
}

// OpenKey opens what SealKey returned, or fails with ErrToken.
func (t *Token) OpenKey(sealed []byte, arn string) (*Key, error) {
	if len(sealed) < 1+nonceSize+tagSize || len(sealed) > maxKeySize || sealed[0] != version {
		return nil, ErrToken
	}
	aead, err := gcm(t.seal[:])
	if err != nil {
		return nil, err
	}
	private, err := aead.Open(nil, nil, sealed[1:], t.binding(arn))
	if err != nil {
		return nil, ErrToken
	}
	defer clear(private)
	parsed, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	k, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, ErrToken
	}
	return &Key{k}, nil
}

func (t *Token) binding(arn string) []byte {
	return append(append([]byte{version}, t.ID[:]...), arn...)
}

// gcm returns AES-256-GCM that puts a random nonce before the ciphertext.
func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
