package sts

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/secret"
)

// Sizes of the parts of a token. See the package comment.
const (
	tokenVersion = 1
	saltSize     = 16
	nonceSize    = 12
	tagSize      = 16
	maxToken     = 64 << 10 // characters of a token that is looked at
)

// claims is what a token says.
type claims struct {
	Owner          string            `json:"o"` // unique id of the role or user
	Name           string            `json:"n,omitempty"`
	Issued         int64             `json:"i"` // Unix seconds
	Expires        int64             `json:"e"`
	MFA            bool              `json:"m,omitempty"`
	SourceIdentity string            `json:"s,omitempty"`
	Policy         string            `json:"p,omitempty"`
	PolicyARNs     []string          `json:"a,omitempty"`
	Tags           map[string]string `json:"t,omitempty"`
	Transitive     []string          `json:"k,omitempty"`
	Secret         string            `json:"x"`
}

var errToken = errors.New("sts: token is not one of ours")

// expired reports whether the session is over.
func (c *claims) expired(now time.Time) bool { return now.Unix() >= c.Expires }

// aead returns the cipher of tokens with a salt.
func aead(key secret.Bytes, salt []byte) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, key.Reveal(), salt, "sts session token"+string(rune(tokenVersion)), 32)
	if err != nil {
		return nil, err
	}
	defer clear(derived)
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// associated is what a token is bound to.
func associated(accessKeyID string) []byte { return append([]byte{tokenVersion}, accessKeyID...) }

// sealToken makes the token of a session.
func sealToken(key secret.Bytes, accessKeyID string, c *claims) (string, error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	defer clear(plain)
	token := make([]byte, 1+saltSize, 1+saltSize+nonceSize+len(plain)+tagSize)
	token[0] = tokenVersion
	rand.Read(token[1:]) // never fails: crypto/rand ends the program first
	box, err := aead(key, token[1:])
	if err != nil {
		return "", err
	}
	token = box.Seal(token, nil, plain, associated(accessKeyID))
	return base64.RawURLEncoding.EncodeToString(token), nil
}

// openToken returns what a token says, or errToken.
func openToken(key secret.Bytes, accessKeyID, token string) (*claims, error) {
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") { // which base64 skips
		return nil, errToken
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < 1+saltSize+nonceSize+tagSize || raw[0] != tokenVersion {
		return nil, errToken
	}
	box, err := aead(key, raw[1:1+saltSize])
	if err != nil {
		return nil, err
	}
	plain, err := box.Open(nil, nil, raw[1+saltSize:], associated(accessKeyID))
	if err != nil {
		return nil, errToken
	}
	defer clear(plain)
	c := new(claims)
	if err := json.Unmarshal(plain, c); err != nil {
		return nil, errToken
	}
	return c, nil
}

// sessionPrefix begins the ids of the access keys of sessions.
const sessionPrefix = "ASIA"

// isSession reports whether an access key id is that of a session.
func isSession(accessKeyID string) bool { return strings.HasPrefix(accessKeyID, sessionPrefix) }

// newKeyID returns the id of the access key of a session: the account in the first five bytes,
// so that GetAccessKeyInfo can tell it, and five random ones.
func newKeyID(account string) (string, error) {
	n, err := strconv.ParseUint(account, 10, 40)
	if err != nil {
		return "", err
	}
	raw := make([]byte, 10)
	for i := range 5 {
		raw[i] = byte(n >> (8 * (4 - i)))
	}
	rand.Read(raw[5:])
	return sessionPrefix + base32.StdEncoding.EncodeToString(raw), nil
}

// accountIn returns the account in the id of the access key of a session.
func accountIn(accessKeyID string) (string, bool) {
	raw, err := base32.StdEncoding.DecodeString(strings.TrimPrefix(accessKeyID, sessionPrefix))
	if err != nil || len(raw) != 10 {
		return "", false
	}
	var n uint64
	for _, b := range raw[:5] {
		n = n<<8 | uint64(b)
	}
	account := strconv.FormatUint(n, 10)
	if len(account) < 12 {
		account = strings.Repeat("0", 12-len(account)) + account
	}
	return account, arn.ValidAccount(account)
}

// newSecret returns a secret access key: 240 random bits in 40 characters.
func newSecret() string {
	raw := make([]byte, 30)
	rand.Read(raw)
	defer clear(raw)
	return base64.StdEncoding.EncodeToString(raw)
}
