package iam

import (
	"context"
	"strings"

	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/store"
)

var _ service.Principals = (*Service)(nil)

// PrincipalID returns what tells the user, role or session that an ARN names from who gets
// that name later; see service.Principals.
func (s *Service) PrincipalID(ctx context.Context, name string) (id string, err error) {
	if strings.Contains(name, sep) {
		return "", store.ErrNotFound
	}
	err = s.view(ctx, func(r store.Reader) error {
		id, err = trustee(r, name)
		return err
	})
	if a, bad := arn.Parse(name); err == nil && bad == nil && a.Service == "sts" {
		_, session, _ := strings.Cut(a.ResourceID(), "/")
		id += ":" + session
	}
	return id, err
}

// PrincipalARN returns the ARN that a user or role has now; see service.Principals.
func (s *Service) PrincipalARN(ctx context.Context, id string) (string, error) {
	k, err := s.holders.Get(ctx, id)
	if err != nil {
		return "", err
	}
	return k.owner.ARN, nil
}
