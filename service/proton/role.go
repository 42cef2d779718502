package proton

import (
	"context"
	"errors"

	"github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/wire"
)

// assume takes a role over for a resource, as the service itself: the role's trust policy decides, and
// sees the account and the resource as aws:SourceAccount and aws:SourceArn, so that it can hold to
// the resources that it was made for.
func (s *Service) assume(ctx context.Context, p place, role, resource, session string) (*sts.Credentials, error) {
	ctx = service.AsService(call.InRegion(call.ForSource(ctx, p.account, resource), p.region))
	out, err := s.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &session})
	if err != nil {
		return nil, err
	}
	return out.Credentials, nil
}

// tryRole is a failure when the service cannot take the role over for the resource.
func (s *Service) tryRole(ctx context.Context, p place, role, resource string) error {
	_, err := s.assume(ctx, p, role, resource, "AWSProton")
	var e *wire.Error
	if errors.As(err, &e) && !e.Fault {
		return failed("AWS Proton can't assume the role %s for %s: its trust policy must allow proton.amazonaws.com (%s).", role, resource, e.Code)
	}
	return err
}
