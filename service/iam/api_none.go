package iam

import (
	"context"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// What a house does not have: passwords, certificates, SSH keys, service credentials and instance
// profiles. Clients ask for them before they delete a user or a role, and are told so.

// lookNothing answers for a holder who has none of something.
func (s *Service) lookNothing(ctx context.Context, k kind, name *string) error {
	return s.look(ctx, k, name, func(store.Reader, string, *holder) error { return nil })
}

// GetLoginProfile says that a user has no password.
func (s *Service) GetLoginProfile(ctx context.Context, in *api.GetLoginProfileInput) (*api.GetLoginProfileOutput, error) {
	return nil, s.lookUser(ctx, in.UserName, func(_ store.Reader, _ string, h *holder) error {
		return api.NoSuchEntityException("Login Profile for User %s cannot be found.", h.Name)
	})
}

// DeleteLoginProfile says that a user has no password.
func (s *Service) DeleteLoginProfile(ctx context.Context, in *api.DeleteLoginProfileInput) (*api.DeleteLoginProfileOutput, error) {
	return nil, s.lookUser(ctx, in.UserName, func(_ store.Reader, _ string, h *holder) error {
		return api.NoSuchEntityException("Login Profile for User %s cannot be found.", h.Name)
	})
}

// ListSSHPublicKeys lists nothing.
func (s *Service) ListSSHPublicKeys(ctx context.Context, in *api.ListSSHPublicKeysInput) (*api.ListSSHPublicKeysOutput, error) {
	return &api.ListSSHPublicKeysOutput{SSHPublicKeys: []api.SSHPublicKeyMetadata{}, IsTruncated: wire.Ptr(false)}, s.lookSelf(ctx, in.UserName)
}

// ListSigningCertificates lists nothing.
func (s *Service) ListSigningCertificates(ctx context.Context, in *api.ListSigningCertificatesInput) (*api.ListSigningCertificatesOutput, error) {
	return &api.ListSigningCertificatesOutput{Certificates: []api.SigningCertificate{}, IsTruncated: wire.Ptr(false)}, s.lookSelf(ctx, in.UserName)
}

// ListServiceSpecificCredentials lists nothing.
func (s *Service) ListServiceSpecificCredentials(ctx context.Context, in *api.ListServiceSpecificCredentialsInput) (*api.ListServiceSpecificCredentialsOutput, error) {
	return &api.ListServiceSpecificCredentialsOutput{ServiceSpecificCredentials: []api.ServiceSpecificCredentialMetadata{}}, s.lookSelf(ctx, in.UserName)
}

func (s *Service) lookSelf(ctx context.Context, name *string) error {
	k, n, err := self(call.From(ctx), name)
	if err != nil {
		return err
	}
	return s.lookNothing(ctx, k, &n)
}

// ListInstanceProfilesForRole lists nothing.
func (s *Service) ListInstanceProfilesForRole(ctx context.Context, in *api.ListInstanceProfilesForRoleInput) (*api.ListInstanceProfilesForRoleOutput, error) {
	return &api.ListInstanceProfilesForRoleOutput{InstanceProfiles: []api.InstanceProfile{}, IsTruncated: wire.Ptr(false)}, s.lookNothing(ctx, roleKind, in.RoleName)
}
