package s3

import (
	"context"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/wire"
)

// private is the one ACL there is: full control for the owner.
func private(account string) (*api.Owner, []api.Grant) {
	who := owner(account)
	return who, []api.Grant{{Permission: api.PermissionFullControl, Grantee: &api.Grantee{Type: api.TypeCanonicalUser, ID: who.ID}}}
}

// isPrivate reports whether an ACL that a client wants to set is the one there is.
func isPrivate(p *api.AccessControlPolicy, account string) bool {
	if p == nil {
		return true
	}
	who := ownerID(account)
	if p.Owner != nil && p.Owner.ID != nil && *p.Owner.ID != who || len(p.Grants) != 1 {
		return false
	}
	g := &p.Grants[0]
	return g.Permission == api.PermissionFullControl && g.Grantee != nil && wire.Val(g.Grantee.ID) == who
}

// GetBucketAcl returns the ACL that every bucket has.
func (s *Service) GetBucketAcl(ctx context.Context, in *api.GetBucketAclInput) (*api.GetBucketAclOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	who, grants := private(b.Account)
	return &api.GetBucketAclOutput{Owner: who, Grants: grants}, nil
}

// PutBucketAcl accepts the ACL that every bucket has, and no other.
func (s *Service) PutBucketAcl(ctx context.Context, in *api.PutBucketAclInput) (*api.PutBucketAclOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if in.ACL == "" && in.AccessControlPolicy == nil && in.GrantFullControl == nil {
		return nil, invalidRequest("Your request was missing a required header.")
	}
	asked := acl{string(in.ACL), []*string{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP}}
	if err := asked.check(); err != nil {
		return nil, err
	}
	if !isPrivate(in.AccessControlPolicy, b.Account) {
		return nil, noACLs()
	}
	return nil, nil
}

// GetObjectAcl returns the ACL that every object has.
func (s *Service) GetObjectAcl(ctx context.Context, in *api.GetObjectAclInput) (*api.GetObjectAclOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if _, err := s.find(ctx, b, wire.Val(in.Key), in.VersionId); err != nil {
		return nil, err
	}
	who, grants := private(b.Account)
	return &api.GetObjectAclOutput{Owner: who, Grants: grants}, nil
}

// PutObjectAcl accepts the ACL that every object has, and no other.
func (s *Service) PutObjectAcl(ctx context.Context, in *api.PutObjectAclInput) (*api.PutObjectAclOutput, error) {
	_, b, err := s.enter(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if _, err := s.find(ctx, b, wire.Val(in.Key), in.VersionId); err != nil {
		return nil, err
	}
	if in.ACL == "" && in.AccessControlPolicy == nil && in.GrantFullControl == nil {
		return nil, invalidRequest("Your request was missing a required header.")
	}
	asked := acl{string(in.ACL), []*string{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP}}
	if err := asked.check(); err != nil {
		return nil, err
	}
	if !isPrivate(in.AccessControlPolicy, b.Account) {
		return nil, noACLs()
	}
	return nil, nil
}
