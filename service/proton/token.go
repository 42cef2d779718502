package proton

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/strongroom/strongroom/idempotency"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/wire"
)

// tokenLife is how long a client token is remembered.
const tokenLife = 24 * time.Hour

// newTokens remembers client tokens, and for each the key of the record that was made or changed.
func (s *Service) newTokens(room *service.Room) *idempotency.Tokens {
	return &idempotency.Tokens{
		Store: room.Store, Jobs: room.Jobs, Secret: room.Root.Derive("proton client tokens"), Life: tokenLife, Now: func() time.Time { return s.now() },
		Conflict: func(format string, args ...any) error { return conflict(format, args...) },
	}
}

// clientToken is the token of a request of the operation, or nil. in is its input, not a pointer to it.
func (s *Service) clientToken(ctx context.Context, operation string, token *string, in any) *idempotency.Token {
	if wire.Val(token) == "" {
		return nil
	}
	return s.tokens.Token(key("o", here(ctx), operation, *token), in)
}

// hashName is a name for a job about a key, which holds zero bytes that no job's name may.
func hashName(k []byte) string {
	sum := sha256.Sum256(k)
	return hex.EncodeToString(sum[:20])
}
