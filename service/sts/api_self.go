package sts

import (
	"context"
	"errors"
	"net/http"
	"time"

	api "github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/wire"
)

// How long sessions of users last, in seconds (STS API reference, GetSessionToken).
const (
	defaultUserSession = 12 * 3600
	maxRootSession     = 3600
)

// GetCallerIdentity tells the caller who he is.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *api.GetCallerIdentityInput) (*api.GetCallerIdentityOutput, error) {
	p := call.From(ctx).Principal
	return &api.GetCallerIdentityOutput{UserId: &p.ID, Account: &p.Account, Arn: &p.ARN}, nil
}

// GetSessionToken gives a user a session of himself; with a code of a device, one that has shown a second factor.
func (s *Service) GetSessionToken(ctx context.Context, in *api.GetSessionTokenInput) (*api.GetSessionTokenOutput, error) {
	p := call.From(ctx).Principal
	if p.Kind != identity.User && p.Kind != identity.Root || isSession(p.AccessKeyID) {
		return nil, denied("Cannot call GetSessionToken with session credentials")
	}
	seconds := int32(defaultUserSession)
	if in.DurationSeconds != nil {
		seconds = *in.DurationSeconds
	}
	if p.Kind == identity.Root {
		seconds = min(seconds, maxRootSession)
	}
	mfa, err := s.secondFactor(ctx, p, in.SerialNumber, in.TokenCode)
	if err != nil {
		return nil, err
	}
	credentials, err := s.issue(p.Account, &claims{Owner: p.ID, MFA: mfa}, seconds)
	if err != nil {
		return nil, err
	}
	return &api.GetSessionTokenOutput{Credentials: credentials}, nil
}

// secondFactor checks the code of a device, if there is one.
func (s *Service) secondFactor(ctx context.Context, p *identity.Principal, serial, code *string) (bool, error) {
	switch {
	case serial == nil && code == nil:
		return false, nil
	case serial == nil || code == nil:
		return false, api.ValidationErrorException("MFA serial number and one time pass code must be given together.")
	}
	return true, s.dir.VerifyMFA(ctx, p.ID, *serial, *code)
}

// issue makes the credentials of a session that begins now.
func (s *Service) issue(account string, c *claims, seconds int32) (*api.Credentials, error) {
	id, err := newKeyID(account)
	if err != nil {
		return nil, err
	}
	begins := time.Now().UTC().Truncate(time.Second)
	ends := begins.Add(time.Duration(seconds) * time.Second)
	c.Issued, c.Expires, c.Secret = begins.Unix(), ends.Unix(), newSecret()
	token, err := sealToken(s.key, id, c)
	if err != nil {
		return nil, err
	}
	return &api.Credentials{AccessKeyId: &id, SecretAccessKey: &c.Secret, SessionToken: &token, Expiration: &ends}, nil
}

// GetAccessKeyInfo tells the account of an access key.
func (s *Service) GetAccessKeyInfo(ctx context.Context, in *api.GetAccessKeyInfoInput) (*api.GetAccessKeyInfoOutput, error) {
	id := *in.AccessKeyId
	if isSession(id) {
		if account, ok := accountIn(id); ok {
			return &api.GetAccessKeyInfoOutput{Account: &account}, nil
		}
		return nil, noSuchKey()
	}
	account, err := s.dir.KeyAccount(ctx, id)
	if errors.Is(err, sigv4.ErrUnknownKey) {
		return nil, noSuchKey()
	}
	return &api.GetAccessKeyInfoOutput{Account: &account}, err
}

func noSuchKey() *wire.Error {
	return api.ValidationErrorException("The access key id is not known.")
}

func denied(format string, args ...any) *wire.Error {
	return wire.Errorf("AccessDenied", http.StatusForbidden, format, args...)
}
