package s3

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service/s3/checksum"
)

// customerKey is a key that a client sent for SSE-C. The zero value is none.
type customerKey struct {
	key secret.Bytes
	md5 string
}

func (k customerKey) given() bool { return k.key.Len() > 0 }

// customerHeaders are the three headers of SSE-C as they came.
type customerHeaders struct{ Algorithm, Key, KeyMD5 *string }

// read checks the headers and returns the key. The key is the customer's secret: it must
// not travel in the clear.
func (h customerHeaders) read(c *call.Call) (customerKey, error) {
	if h.Algorithm == nil && h.Key == nil && h.KeyMD5 == nil {
		return customerKey{}, nil
	}
	if c.Root().TLS.Version == "" {
		return customerKey{}, invalidRequest("Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.")
	}
	switch {
	case h.Algorithm == nil:
		return customerKey{}, invalidArgument("Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.")
	case *h.Algorithm != "AES256":
		return customerKey{}, badRequest("InvalidEncryptionAlgorithmError", "The encryption request you specified is not valid. The valid value is AES256.")
	case h.Key == nil:
		return customerKey{}, invalidArgument("Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.")
	case h.KeyMD5 == nil:
		return customerKey{}, invalidArgument("Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.")
	}
	raw, err := base64.StdEncoding.DecodeString(*h.Key)
	if err != nil || len(raw) != 32 {
		return customerKey{}, invalidArgument("The secret key was invalid for the specified algorithm.")
	}
	sum := checksum.NewMD5()
	sum.Write(raw)
	if subtle.ConstantTimeCompare([]byte(base64.StdEncoding.EncodeToString(sum.Sum(nil))), []byte(*h.KeyMD5)) != 1 {
		return customerKey{}, invalidArgument("The calculated MD5 hash of the key did not match the hash that was provided.")
	}
	return customerKey{secret.New(raw), *h.KeyMD5}, nil
}

// verifier returns what is stored of a customer's key: enough to tell it from another,
// nothing to open an object with.
//
//	HKDF-SHA-256(ikm: key, salt: salt, info: "strongroom s3 customer key verifier v1", length: 32)
func (k customerKey) verifier(salt [16]byte) ([]byte, error) {
	return hkdf.Key(sha256.New, k.key.Reveal(), salt[:], "strongroom s3 customer key verifier v1", 32)
}
