package logs

import (
	"context"
	"strings"

	api "github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// PutResourcePolicy makes or replaces a policy by which others, such as services that deliver logs, may write to groups of the account.
func (s *Service) PutResourcePolicy(ctx context.Context, in *api.PutResourcePolicyInput) (*api.PutResourcePolicyOutput, error) {
	if err := accountWide(in.ResourceArn, in.ExpectedRevisionId, ""); err != nil {
		return nil, err
	}
	p, err := s.putPolicy(ctx, in)
	if err != nil {
		return nil, err
	}
	return &api.PutResourcePolicyOutput{ResourcePolicy: p.described()}, nil
}

// DescribeResourcePolicies lists the resource policies of the account.
func (s *Service) DescribeResourcePolicies(ctx context.Context, in *api.DescribeResourcePoliciesInput) (*api.DescribeResourcePoliciesOutput, error) {
	if err := accountWide(in.ResourceArn, nil, in.PolicyScope); err != nil {
		return nil, err
	}
	p := here(ctx)
	pg := page{strings.Join([]string{"policies", p.region, p.account}, "\x1f"), in.NextToken, in.Limit}
	items, next, err := list(ctx, s, below("p", p.region, p.account), false, pg, func(r store.Reader, rest string, _ []byte) (*api.ResourcePolicy, error) {
		rec, err := get[resourcePolicy](r, p.policyKey(rest))
		if err != nil {
			return nil, err
		}
		return rec.described(), nil
	})
	if err != nil {
		return nil, err
	}
	return &api.DescribeResourcePoliciesOutput{ResourcePolicies: items, NextToken: next}, nil
}

// DeleteResourcePolicy removes a resource policy.
func (s *Service) DeleteResourcePolicy(ctx context.Context, in *api.DeleteResourcePolicyInput) (*api.DeleteResourcePolicyOutput, error) {
	if err := accountWide(in.ResourceArn, in.ExpectedRevisionId, ""); err != nil {
		return nil, err
	}
	k := here(ctx).policyKey(wire.Val(in.PolicyName))
	return &api.DeleteResourcePolicyOutput{}, s.update(ctx, func(tx store.Tx) error {
		there, err := store.Exists(tx, k)
		if err != nil {
			return err
		}
		if !there {
			return api.ResourceNotFoundException("Policy with name [%s] does not exist", wire.Val(in.PolicyName))
		}
		return tx.Delete(k)
	})
}

// accountWide refuses what asks for a policy of a single group: the policies here are those of the account.
func accountWide(resource, revision *string, scope api.PolicyScope) error {
	if resource != nil || revision != nil || scope == api.PolicyScopeResource {
		return invalid("Resource policies of single log groups are not supported.")
	}
	return nil
}
