package kms

import (
	"slices"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/service/kms/grant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// forResource answers kms:GrantIsForAWSResource: whether a service makes the call for the
// principal, who asked the service for something else.
func forResource(c *call.Call) policy.Values { return policy.Bool(c.Via != "") }

func (a *ask) createGrant() (call.Target, error) {
	in := a.c.In.(*api.CreateGrantInput)
	g, err := newGrant(a.c, in)
	if err != nil {
		return call.Target{}, err
	}
	cond := &conditions{context: constraint(g), more: policy.Map{
		"granteeprincipal": optional(wire.Val(in.GranteePrincipal)), "granteeserviceprincipal": optional(wire.Val(in.GranteeServicePrincipal)),
		"retiringprincipal": optional(wire.Val(in.RetiringPrincipal)), "retiringserviceprincipal": optional(wire.Val(in.RetiringServicePrincipal)),
		"grantoperations": policy.Many(g.Operations), "grantconstrainttype": optional(g.ConstraintType()),
		"grantconstraintsourcearn": optional(g.Source), "grantisforawsresource": forResource(a.c),
	}}
	f, err := a.s.resolve(a.ctx, a.c, wire.Val(in.KeyId), anyKey)
	if err != nil {
		return call.Target{}, err
	}
	check := a.check(a.action(), &f, cond)
	// A grant can be made by the permission of another only if it gives no more than that one.
	check.GrantID, err = a.s.parent(a.ctx, a.c, f.entry, g)
	return call.Target{Checks: []call.Check{check}}, err
}

func (a *ask) listGrants() (call.Target, error) {
	return a.one(a.c.In.(*api.ListGrantsInput).KeyId, anyKey, &conditions{more: policy.Map{"grantisforawsresource": forResource(a.c)}})
}

func (a *ask) revokeGrant() (call.Target, error) {
	return a.one(a.c.In.(*api.RevokeGrantInput).KeyId, anyKey, &conditions{more: policy.Map{"grantisforawsresource": forResource(a.c)}})
}

// listRetirableGrants is decided by identity-based policies. A service has none, and may list
// the grants that name itself.
func (a *ask) listRetirableGrants() (call.Target, error) {
	if _, err := retirer(a.c, a.c.In.(*api.ListRetirableGrantsInput)); err == nil && a.c.Principal.Kind == identity.Service {
		return call.Target{Open: "a service lists the grants that it may retire itself"}, nil
	}
	return a.nothing()
}

// retireGrant is decided by the grant itself. kms:RetireGrant in a key policy has no effect;
// in an identity-based policy it can deny, and can pass on what a retiring account may do.
func (a *ask) retireGrant() (call.Target, error) {
	f, g, err := a.grantToRetire()
	if err != nil {
		return call.Target{}, err
	}
	cond := &conditions{}
	check := a.check(a.action(), f, cond)
	check.Policy = nil
	if g == nil {
		return call.Target{Checks: []call.Check{check}}, nil
	}
	if mayRetire(a.c, f, g) {
		check.GrantID = g.ID
	} else if g.Retiring.Name == rootARN(a.c.Principal.Account) {
		if check.Policy, err = a.s.documents.parse(retiringPolicy(g.Retiring.Name), nil); err != nil {
			return call.Target{}, internal("policy of a retiring account: %w", err)
		}
	}
	cond.context = constraint(g)
	return call.Target{Checks: []call.Check{check}}, nil
}

// constraint returns the pairs of a grant that answer kms:EncryptionContext.
func constraint(g *grant.Grant) map[string]string {
	if g.Equals != nil {
		return g.Equals
	}
	return g.Subset
}

// mayRetire reports whether the grant lets the caller retire it: as its retiring principal, as its
// grantee when it says so, or as the root user of the account that has the key or made the grant.
func mayRetire(c *call.Call, f *found, g *grant.Grant) bool {
	root := c.Principal.Kind == identity.Root
	return g.Retiring.Name != "" && is(c, g.Retiring) ||
		is(c, g.Grantee) && slices.Contains(g.Operations, "RetireGrant") ||
		root && (c.Principal.Account == f.owner || c.Principal.Account == g.Issuer)
}

// grantToRetire finds the grant by its token, or by key and id. A grant of another account that
// is not there is nil, and refused like one that is not the caller's.
func (a *ask) grantToRetire() (*found, *grant.Grant, error) {
	in := a.c.In.(*api.RetireGrantInput)
	id, name := wire.Val(in.GrantId), wire.Val(in.KeyId)
	if in.GrantToken != nil {
		h, tokenID, err := a.s.openToken(*in.GrantToken)
		if err != nil {
			return nil, nil, err
		}
		id, name = tokenID, h.arn()
	} else if in.GrantId == nil || in.KeyId == nil {
		return nil, nil, invalid("Either a grant token or a key ID and a grant ID must be specified.")
	}
	f, err := a.s.resolve(a.ctx, a.c, name, anyKey)
	if err != nil || f.entry == nil {
		return &f, nil, err
	}
	var g *grant.Grant
	err = a.s.room.Store.View(a.ctx, func(r store.Reader) error {
		g, err = loadGrant(r, f.home, id)
		return err
	})
	if err == nil && g == nil && f.owner == a.c.Principal.Account {
		err = noSuchGrant(id)
	}
	return &f, g, err
}

func retiringPolicy(account string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:RetireGrant","Resource":"*"}}`
}
