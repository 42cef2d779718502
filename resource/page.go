package resource

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/strongroom/strongroom/secret"
)

// ErrToken says that a page token was not made by this house for this listing.
var ErrToken = errors.New("page token is not valid")

// Pager makes and reads the opaque tokens with which listings go on. A token carries
// the position a listing stopped at, and is bound to the listing's scope, so that a
// token of one account or operation is refused by another. Calls may run together.
//
//	token = base64url( HMAC-SHA-256(key, scope 0x00 position)[:16] || position )
type Pager struct{ key secret.Bytes }

const pageMAC = 16

// NewPager returns a pager with a key of at least 16 bytes.
func NewPager(key secret.Bytes) *Pager { return &Pager{key: key} }

// Token returns the token for a position in the listing that scope names. No scope
// holds a zero byte.
func (p *Pager) Token(scope, position string) string {
	return base64.RawURLEncoding.EncodeToString(append(p.mac(scope, position), position...))
}

// Position returns the position a token carries, or ErrToken.
func (p *Pager) Position(scope, token string) (string, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < pageMAC || strings.ContainsAny(token, "\r\n") { // base64 passes over ends of lines
		return "", ErrToken
	}
	position := string(raw[pageMAC:])
	if !hmac.Equal(raw[:pageMAC], p.mac(scope, position)) {
		return "", ErrToken
	}
	return position, nil
}

func (p *Pager) mac(scope, position string) []byte {
	h := hmac.New(sha256.New, p.key.Reveal())
	h.Write([]byte(scope))
	h.Write([]byte{0})
	h.Write([]byte(position))
	return h.Sum(nil)[:pageMAC]
}
