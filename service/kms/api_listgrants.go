package kms

import (
	"context"
	"strings"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/kms/grant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// ListGrants lists the grants of a key: all, those of one grantee, or one.
func (s *Service) ListGrants(ctx context.Context, in *api.ListGrantsInput) (*api.ListGrantsOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	grantee, scope := "", "ListGrants"
	switch {
	case in.GranteePrincipal != nil && in.GranteeServicePrincipal != nil:
		return nil, invalid("You can specify either GranteePrincipal or GranteeServicePrincipal, but not both.")
	case in.GranteePrincipal != nil:
		grantee, err = s.partyKey(ctx, *in.GranteePrincipal)
	case in.GranteeServicePrincipal != nil:
		grantee, err = s.partyKey(ctx, *in.GranteeServicePrincipal)
	}
	if err != nil {
		return nil, err
	}
	if grantee != "" {
		scope += " " + grantee
	}
	p, err := s.page(scope, e.home, in.Marker, in.Limit, 50, 100)
	if err != nil {
		return nil, err
	}
	if in.GrantId != nil {
		return s.oneGrant(ctx, e, *in.GrantId, grantee)
	}
	grants, err := s.grantsOn(ctx, p, e, grantee)
	if err != nil {
		return nil, err
	}
	out := &api.ListGrantsOutput{}
	out.NextMarker, out.Truncated = p.marker()
	out.Grants, err = s.grantEntries(ctx, e.arn, grants)
	return out, err
}

// grantsOn returns the grants of a page: all of the key's, or those of one grantee. Those of a key that has few are in memory.
func (s *Service) grantsOn(ctx context.Context, p *page, e *entry, grantee string) (grants []*grant.Grant, err error) {
	if e.holdsGrants() {
		for _, g := range e.rules.Grants() {
			if (grantee == "" || g.Grantee.Key() == grantee) && p.take(g.ID) {
				grants = append(grants, g)
			}
		}
		return grants, nil
	}
	prefix := e.under(grantTag, "")
	if grantee != "" {
		prefix = e.under(granteeTag, grantee, "")
	}
	err = p.scan(ctx, s, prefix, func(r store.Reader, name string, value []byte) error {
		g, err := grantOf(r, []byte(prefix+name), value)
		grants = append(grants, g)
		return err
	})
	return grants, err
}

// oneGrant is the listing of one grant, by its id. It is empty when the grantee is another.
func (s *Service) oneGrant(ctx context.Context, e *entry, id, grantee string) (*api.ListGrantsOutput, error) {
	var g *grant.Grant
	err := s.room.Store.View(ctx, func(r store.Reader) (err error) {
		g, err = loadGrant(r, e.home, id)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case g == nil:
		return nil, noSuchGrant(id)
	}
	out := &api.ListGrantsOutput{Truncated: wire.Ptr(false), Grants: []api.GrantListEntry{}}
	if grantee == "" || grantee == g.Grantee.Key() {
		out.Grants, err = s.grantEntries(ctx, e.arn, []*grant.Grant{g})
	}
	return out, err
}

// grantEntries returns what a listing tells of grants of a key.
func (s *Service) grantEntries(ctx context.Context, keyARN string, grants []*grant.Grant) ([]api.GrantListEntry, error) {
	entries := make([]api.GrantListEntry, 0, len(grants))
	for _, g := range grants {
		e, err := s.grantEntry(ctx, keyARN, g)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (s *Service) grantEntry(ctx context.Context, keyARN string, g *grant.Grant) (e api.GrantListEntry, err error) {
	e = api.GrantListEntry{
		KeyId: &keyARN, GrantId: &g.ID, CreationDate: &g.Created, IssuingAccount: wire.Ptr(rootARN(g.Issuer)), Name: &g.Name,
	}
	if e.GranteePrincipal, e.GranteeServicePrincipal, err = s.partyNames(ctx, g.Grantee); err != nil {
		return e, err
	}
	if e.RetiringPrincipal, e.RetiringServicePrincipal, err = s.partyNames(ctx, g.Retiring); err != nil {
		return e, err
	}
	for _, op := range g.Operations {
		e.Operations = append(e.Operations, api.GrantOperation(op))
	}
	if g.Constrained() {
		e.Constraints = &api.GrantConstraints{EncryptionContextEquals: g.Equals, EncryptionContextSubset: g.Subset}
		if g.Source != "" {
			e.Constraints.SourceArn = &g.Source
		}
	}
	return e, nil
}

// retirer returns the name of the retiring principal whose grants are asked for.
func retirer(c *call.Call, in *api.ListRetirableGrantsInput) (string, error) {
	principal, serviceName := wire.Val(in.RetiringPrincipal), wire.Val(in.RetiringServicePrincipal)
	switch {
	case (principal == "") == (serviceName == ""):
		return "", invalid("You must specify either RetiringPrincipal or RetiringServicePrincipal, but not both.")
	case serviceName != "":
		if !isService(serviceName) {
			return "", invalid("Invalid service principal %s", serviceName)
		}
		if !is(c, grant.Party{Name: serviceName}) {
			return "", denied("Only the service itself can list the grants that it may retire.")
		}
		return serviceName, nil
	case !isPrincipal(principal):
		return "", api.InvalidArnException("Invalid principal %s", principal)
	case arn.AccountOf(principal) != c.Principal.Account:
		return "", denied("The retiring principal must belong to the account of the caller.")
	}
	return principal, nil
}

// ListRetirableGrants lists the grants, of keys of any account, that a principal of the
// caller's account may retire.
func (s *Service) ListRetirableGrants(ctx context.Context, in *api.ListRetirableGrantsInput) (*api.ListRetirableGrantsOutput, error) {
	c := call.From(ctx)
	principal, err := retirer(c, in)
	if err != nil {
		return nil, err
	}
	of, err := s.partyKey(ctx, principal)
	if err != nil {
		return nil, err
	}
	p, err := s.page("ListRetirableGrants "+of, home{region: c.Region, account: c.Principal.Account}, in.Marker, in.Limit, 50, 100)
	if err != nil {
		return nil, err
	}
	var homes []home
	var grants []*grant.Grant
	err = p.scan(ctx, s, path(retiringTag, c.Region, of, ""), func(r store.Reader, name string, _ []byte) error {
		parts := strings.Split(name, sep)
		if len(parts) != 3 {
			return internal("malformed key of a retirable grant")
		}
		h := home{c.Region, parts[0], parts[1]}
		g, err := loadGrant(r, h, parts[2])
		if err == nil && g != nil {
			homes, grants = append(homes, h), append(grants, g)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &api.ListRetirableGrantsOutput{Grants: make([]api.GrantListEntry, len(grants))}
	out.NextMarker, out.Truncated = p.marker()
	for i, g := range grants {
		if out.Grants[i], err = s.grantEntry(ctx, homes[i].arn(), g); err != nil {
			return nil, err
		}
	}
	return out, nil
}
