package amp

import (
	"context"
	"time"

	"github.com/strongroom/strongroom/idempotency"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/wire"
)

// tokenLife is how long a client token is remembered.
const tokenLife = 8 * time.Hour

// newTokens remembers client tokens, and for each the name of what was made.
func (s *Service) newTokens(room *service.Room) *idempotency.Tokens {
	return &idempotency.Tokens{
		Store: room.Store, Jobs: room.Jobs, Secret: room.Root.Derive("amp client tokens"), Life: tokenLife, Now: func() time.Time { return s.now() },
		Conflict: func(format string, args ...any) error { return conflict("request", "", format, args...) },
	}
}

// clientToken is the token of a request of the operation, or nil. in is its input, not a pointer to it.
func (s *Service) clientToken(ctx context.Context, operation string, token *string, in any) *idempotency.Token {
	if wire.Val(token) == "" {
		return nil
	}
	p := here(ctx)
	return s.tokens.Token(key("o", p.region, p.account, operation, *token), in)
}
