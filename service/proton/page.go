package proton

import (
	"errors"
	"strings"

	"github.com/strongroom/strongroom/wire"
)

// The model's page tokens are of the letters of plain base64; those of package resource are of
// the alphabet for URLs. The two differ in two letters.
var (
	toModel   = strings.NewReplacer("-", "+", "_", "/")
	fromModel = strings.NewReplacer("+", "-", "/", "_")
)

// position returns where a listing goes on; "" at its beginning.
func (s *Service) position(p page) (string, error) {
	if wire.Val(p.token) == "" {
		return "", nil
	}
	at, err := s.pager.Position(p.scope, fromModel.Replace(*p.token))
	if err != nil {
		return "", invalid("The nextToken is not valid.").WithCause(err)
	}
	return at, nil
}

// token returns the token with which a listing goes on.
func (s *Service) token(p page, position string) *string {
	return wire.Ptr(toModel.Replace(s.pager.Token(p.scope, position)))
}

// scope binds page tokens to a place and a listing with its filters.
func (p place) scope(words ...string) string {
	return strings.Join(append([]string{p.region, p.account}, words...), "\x1f")
}

// unusable reports whether err says that a key cannot be used.
func unusable(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Code == "ValidationException"
}
