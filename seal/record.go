package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/secret"
)

// A record, version 1:
//
//	offset  bytes
//	     0      1  version, 1
//	     1     16  salt, random
//	    17     12  nonce, random
//	    29      n  AES-256-GCM ciphertext
//	  29+n     16  tag
//
//	key = HKDF-SHA-256(ikm: data key, salt: salt, info: "strongroom sealed record" || version || aad, length: 32)
//
// Every record has a key of its own, so that one data key may seal any number of them, and
// streams beside them.
const (
	recordVersion = 1
	recordSalt    = 16
	recordHead    = 1 + recordSalt
	recordInfo    = "strongroom sealed record\x01"
)

// MaxRecord is the longest plaintext of a record, in bytes. What is longer is a stream.
const MaxRecord = 256 << 10

// RecordOverhead is how many bytes longer a record is than its plaintext.
const RecordOverhead = recordHead + overhead

// ErrTooLong says that a plaintext is longer than MaxRecord.
var ErrTooLong = errors.New("record is longer than 256 KiB")

// Bytes seals a record under a data key of 32 bytes.
func Bytes(key secret.Bytes, plaintext, aad []byte) ([]byte, error) {
	if len(plaintext) > MaxRecord {
		return nil, ErrTooLong
	}
	sealed := make([]byte, recordHead, RecordOverhead+len(plaintext))
	sealed[0] = recordVersion
	rand.Read(sealed[1:recordHead])
	aead, err := recordCipher(key, sealed[1:recordHead], aad)
	if err != nil {
		return nil, err
	}
	return aead.Seal(sealed, nil, plaintext, nil), nil
}

// OpenBytes opens a record. Any change of the record, the key or aad is ErrCorrupt.
func OpenBytes(key secret.Bytes, sealed, aad []byte) ([]byte, error) {
	if len(sealed) < RecordOverhead || len(sealed) > RecordOverhead+MaxRecord {
		return nil, fmt.Errorf("%w: %d bytes", ErrCorrupt, len(sealed))
	}
	if sealed[0] != recordVersion {
		return nil, fmt.Errorf("%w: unknown version %d", ErrCorrupt, sealed[0])
	}
	aead, err := recordCipher(key, sealed[1:recordHead], aad)
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open(nil, nil, sealed[recordHead:], nil)
	if err != nil {
		return nil, ErrCorrupt
	}
	return plaintext, nil
}

func recordCipher(key secret.Bytes, salt, aad []byte) (cipher.AEAD, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	k, err := hkdf.Key(sha256.New, key.Reveal(), salt, recordInfo+string(aad), KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive record key: %w", err)
	}
	defer clear(k)
	return newGCM(k)
}
