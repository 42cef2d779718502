package sts

import (
	"context"

	api "github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service"
)

// Directory is what sts asks of iam. Calls may run together.
type Directory interface {
	// SecretKey and Principal answer for long-term access keys. Their errors are those
	// of sigv4.Keys.
	SecretKey(ctx context.Context, accessKeyID, sessionToken string) (secret.Bytes, error)
	Principal(ctx context.Context, accessKeyID, sessionToken string) (*identity.Principal, error)
	// Policies returns what bears on a principal, or on the role or user behind a session. The Set
	// is shared, and is another one once anything in it has changed.
	Policies(ctx context.Context, p *identity.Principal) (*policy.Set, error)
	// Owner returns the user, role or root user with a unique id, or sigv4.ErrUnknownKey.
	Owner(ctx context.Context, id string) (*identity.Owner, error)
	// Role returns a role and its trust policy, or store.ErrNotFound.
	Role(ctx context.Context, arn string) (*identity.Owner, *policy.Document, error)
	// ManagedPolicy returns the default version of a managed policy that the account can
	// use, or store.ErrNotFound.
	ManagedPolicy(ctx context.Context, account, arn string) (*policy.Document, error)
	// VerifyMFA checks a one-time code of the device with a serial number that belongs to
	// the user or root user with a unique id, and takes it, so that it serves only once. It answers
	// with AWS's refusal.
	VerifyMFA(ctx context.Context, ownerID, serial, code string) error
	// KeyAccount returns the account of a long-term access key, or sigv4.ErrUnknownKey.
	KeyAccount(ctx context.Context, accessKeyID string) (string, error)
}

// Service is the token service of a house. Its operations may be called together.
type Service struct {
	api.Unimplemented
	room *service.Room
	dir  Directory
	sessions
}

// Open returns the token service. It keeps nothing in the store: a session is in its token.
func Open(_ context.Context, room *service.Room, dir Directory) (*Service, error) {
	s := &Service{room: room, dir: dir}
	if err := s.sessions.open(room.Root); err != nil {
		return nil, err
	}
	return s, nil
}

// Service returns s as the gateway sees it.
func (s *Service) Service() *service.Service {
	return &service.Service{API: api.API, Impl: s, Target: s.Target}
}
