package iam

import (
	"context"
	"strings"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// policySize is the name of the quota of managed policies.
const policySize = "PolicySize"

// CreatePolicy makes a managed policy.
func (s *Service) CreatePolicy(ctx context.Context, in *api.CreatePolicyInput) (*api.CreatePolicyOutput, error) {
	if _, err := checkText(*in.PolicyDocument, policy.Identity, maxManaged, policySize); err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	account := call.From(ctx).Principal.Account
	var out api.CreatePolicyOutput
	err = s.update(ctx, func(tx store.Tx) error {
		m := &managed{
			ID: newID(policyKind), Name: *in.PolicyName, Path: pathOr(in.Path), Description: wire.Val(in.Description),
			Created: now(), Tags: tags,
		}
		if err := m.make(tx, account, *in.PolicyDocument); err != nil {
			return err
		}
		out.Policy, err = m.policy(tx, account, account, true)
		return err
	})
	return &out, err
}

// policy returns m as the API shows it to an account. Of tags and description, lists show
// nothing.
func (m *managed) policy(r store.Reader, account, of string, whole bool) (*api.Policy, error) {
	arn := m.arn(of)
	attached, bounding, err := useCounts(r, account, arn)
	if err != nil {
		return nil, err
	}
	p := &api.Policy{
		PolicyName: wire.Ptr(m.Name), PolicyId: wire.Ptr(m.ID), Arn: &arn, Path: wire.Ptr(m.Path),
		DefaultVersionId: wire.Ptr(versionID(m.Default)), IsAttachable: wire.Ptr(true),
		AttachmentCount: &attached, PermissionsBoundaryUsageCount: &bounding,
		CreateDate: wire.Ptr(m.Created), UpdateDate: wire.Ptr(m.Updated),
	}
	if whole {
		p.Tags = tagList(m.Tags)
		if m.Description != "" {
			p.Description = wire.Ptr(m.Description)
		}
	}
	return p, nil
}

// useCounts returns how many holders of the account have a managed policy attached, and how many have it as boundary.
func useCounts(r store.Reader, account, arn string) (attached, bounding int32, err error) {
	list, err := uses(r, account, arn)
	for _, u := range list {
		if u.how == asPolicy {
			attached++
		} else {
			bounding++
		}
	}
	return attached, bounding, err
}

// GetPolicy returns a managed policy.
func (s *Service) GetPolicy(ctx context.Context, in *api.GetPolicyInput) (*api.GetPolicyOutput, error) {
	account := call.From(ctx).Principal.Account
	var out api.GetPolicyOutput
	err := s.view(ctx, func(r store.Reader) error {
		m, of, err := lookUp(r, account, *in.PolicyArn)
		if err != nil {
			return err
		}
		out.Policy, err = m.policy(r, account, of, true)
		return err
	})
	return &out, err
}

// ListPolicies lists the managed policies of the account, of AWS, or both.
func (s *Service) ListPolicies(ctx context.Context, in *api.ListPoliciesInput) (*api.ListPoliciesOutput, error) {
	account := call.From(ctx).Principal.Account
	l, err := s.list(call.From(ctx), in.Marker, in.MaxItems, string(in.Scope), wire.Val(in.PathPrefix), string(in.PolicyUsageFilter))
	if err != nil {
		return nil, err
	}
	out := &api.ListPoliciesOutput{Policies: []api.Policy{}}
	err = s.view(ctx, func(r store.Reader) error {
		return s.eachPolicy(r, account, in.Scope, func(m *managed, of string) (bool, error) {
			shown, err := m.policy(r, account, of, false)
			if err != nil || !listed(in, shown) {
				return true, err
			}
			taken, goOn := l.take(of + "/" + fold(m.Name))
			if taken {
				out.Policies = append(out.Policies, *shown)
			}
			return goOn, nil
		})
	})
	out.IsTruncated, out.Marker = l.answer()
	return out, err
}

// listed reports whether a list that was asked for has a policy.
func listed(in *api.ListPoliciesInput, p *api.Policy) bool {
	switch {
	case !strings.HasPrefix(*p.Path, wire.Val(in.PathPrefix)):
		return false
	case in.PolicyUsageFilter == api.PolicyUsageTypePermissionsPolicy && *p.AttachmentCount == 0:
		return false
	case in.PolicyUsageFilter == api.PolicyUsageTypePermissionsBoundary && *p.PermissionsBoundaryUsageCount == 0:
		return false
	}
	return !wire.Val(in.OnlyAttached) || *p.AttachmentCount+*p.PermissionsBoundaryUsageCount > 0
}

// eachPolicy runs fn on the managed policies of a scope until it has had enough: first those of the
// account, whose digits sort before the letters of awsAccount.
func (s *Service) eachPolicy(r store.Reader, account string, scope api.PolicyScopeType, fn func(m *managed, of string) (bool, error)) error {
	if scope != api.PolicyScopeTypeAws {
		names := under(policyTag, account)
		for rec, err := range r.Scan(store.Prefix(names)) {
			if err != nil {
				return err
			}
			m, err := read[managed](r, string(rec.Key))
			if err != nil {
				return err
			}
			if goOn, err := fn(m, account); err != nil || !goOn {
				return err
			}
		}
	}
	if scope == api.PolicyScopeTypeLocal {
		return nil
	}
	for _, p := range awsPolicies() {
		if goOn, err := fn(&p.managed, awsAccount); err != nil || !goOn {
			return err
		}
	}
	return nil
}

// DeletePolicy deletes a managed policy that nobody uses.
func (s *Service) DeletePolicy(ctx context.Context, in *api.DeletePolicyInput) (*api.DeletePolicyOutput, error) {
	return nil, s.changePolicy(ctx, in.PolicyArn, func(tx store.Tx, account string, m *managed) error {
		return m.remove(tx, account)
	})
}

// changePolicy runs fn on a managed policy of the account in a transaction.
func (s *Service) changePolicy(ctx context.Context, arn *string, fn func(tx store.Tx, account string, m *managed) error) error {
	account := call.From(ctx).Principal.Account
	return s.update(ctx, func(tx store.Tx) error {
		m, err := policyAt(tx, account, *arn)
		if err != nil {
			return err
		}
		return fn(tx, account, m)
	})
}

// CreatePolicyVersion gives a managed policy a new version.
func (s *Service) CreatePolicyVersion(ctx context.Context, in *api.CreatePolicyVersionInput) (*api.CreatePolicyVersionOutput, error) {
	if _, err := checkText(*in.PolicyDocument, policy.Identity, maxManaged, policySize); err != nil {
		return nil, err
	}
	var out api.CreatePolicyVersionOutput
	return &out, s.changePolicy(ctx, in.PolicyArn, func(tx store.Tx, account string, m *managed) error {
		v, err := m.addVersion(tx, account, *in.PolicyDocument, wire.Val(in.SetAsDefault))
		out.PolicyVersion = m.shown(v)
		return err
	})
}

// shown returns a version as the API shows it, without its text.
func (m *managed) shown(v version) *api.PolicyVersion {
	return &api.PolicyVersion{
		VersionId: wire.Ptr(versionID(v.Number)), IsDefaultVersion: wire.Ptr(v.Number == m.Default), CreateDate: wire.Ptr(v.Created),
	}
}

// GetPolicyVersion returns a version of a managed policy with its text.
func (s *Service) GetPolicyVersion(ctx context.Context, in *api.GetPolicyVersionInput) (*api.GetPolicyVersionOutput, error) {
	account := call.From(ctx).Principal.Account
	var out api.GetPolicyVersionOutput
	return &out, s.view(ctx, func(r store.Reader) error {
		m, of, err := lookUp(r, account, *in.PolicyArn)
		if err != nil {
			return err
		}
		v, err := m.version(of, *in.VersionId)
		if err != nil {
			return err
		}
		text, err := m.text(r, of, v.Number)
		out.PolicyVersion = m.shown(v)
		out.PolicyVersion.Document = encoded(text)
		return err
	})
}

// ListPolicyVersions lists the versions of a managed policy, the newest first.
func (s *Service) ListPolicyVersions(ctx context.Context, in *api.ListPolicyVersionsInput) (*api.ListPolicyVersionsOutput, error) {
	account := call.From(ctx).Principal.Account
	out := &api.ListPolicyVersionsOutput{Versions: []api.PolicyVersion{}}
	l, err := s.list(call.From(ctx), in.Marker, in.MaxItems, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	err = s.view(ctx, func(r store.Reader) error {
		m, _, err := lookUp(r, account, *in.PolicyArn)
		if err != nil {
			return err
		}
		for i := len(m.Versions) - 1; i >= 0; i-- {
			// Positions ascend while the numbers of versions descend.
			taken, goOn := l.take(string(rune('a' + len(m.Versions) - 1 - i)))
			if taken {
				out.Versions = append(out.Versions, *m.shown(m.Versions[i]))
			}
			if !goOn {
				break
			}
		}
		return nil
	})
	out.IsTruncated, out.Marker = l.answer()
	return out, err
}

// DeletePolicyVersion deletes a version of a managed policy that is not its default.
func (s *Service) DeletePolicyVersion(ctx context.Context, in *api.DeletePolicyVersionInput) (*api.DeletePolicyVersionOutput, error) {
	return nil, s.changePolicy(ctx, in.PolicyArn, func(tx store.Tx, account string, m *managed) error {
		return m.dropVersion(tx, account, *in.VersionId)
	})
}

// SetDefaultPolicyVersion says which version of a managed policy is in force.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, in *api.SetDefaultPolicyVersionInput) (*api.SetDefaultPolicyVersionOutput, error) {
	return nil, s.changePolicy(ctx, in.PolicyArn, func(tx store.Tx, account string, m *managed) error {
		v, err := m.version(account, *in.VersionId)
		if err != nil {
			return err
		}
		m.Default, m.Updated = v.Number, now()
		return m.save(tx, account)
	})
}
