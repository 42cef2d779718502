package sts

import (
	"context"

	api "github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/call"
)

// Target says what must be allowed before an operation of sts runs.
func (s *Service) Target(ctx context.Context, c *call.Call) (call.Target, error) {
	switch in := c.In.(type) {
	case *api.GetCallerIdentityInput:
		return call.Target{Open: "whoever can sign may know who he is"}, nil
	case *api.GetSessionTokenInput:
		return call.Target{Open: "a session of oneself gives nothing that one has not"}, nil
	case *api.GetAccessKeyInfoInput:
		return call.Target{Checks: []call.Check{{Action: "sts:GetAccessKeyInfo", Resource: "*"}}}, nil
	case *api.AssumeRoleInput:
		return s.assuming(ctx, c, in)
	}
	return call.Target{}, nil // the gateway refuses what has no target
}
