package kms

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/kms/grant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// maxPairs is how many pairs a constraint may have.
const maxPairs = 8

// newGrant reads and checks the grant that a request describes. It has no id yet.
func newGrant(c *call.Call, in *api.CreateGrantInput) (*grant.Grant, error) {
	g := &grant.Grant{
		Name: wire.Val(in.Name), Grantee: wire.Val(in.GranteePrincipal), Retiring: wire.Val(in.RetiringPrincipal),
		Issuer: c.Principal.Account,
	}
	for _, p := range []string{g.Grantee, g.Retiring} {
		if p != "" && !isPrincipal(p) {
			return nil, api.InvalidArnException("Invalid principal %s", p)
		}
	}
	for _, op := range in.Operations {
		if !grant.Symmetric(string(op)) {
			return nil, invalid("Grant operation %s is not valid for a KMS key with KeySpec SYMMETRIC_DEFAULT and KeyUsage ENCRYPT_DECRYPT.", op)
		}
		g.Operations = append(g.Operations, string(op))
	}
	slices.Sort(g.Operations)
	g.Operations = slices.Compact(g.Operations)
	if len(g.Operations) == 0 {
		return nil, invalid("A grant must list at least one operation.")
	}
	if in.Constraints != nil {
		g.Equals, g.Subset = in.Constraints.EncryptionContextEquals, in.Constraints.EncryptionContextSubset
		// Terraform sends the constraint that it was not given as one without pairs, beside the other.
		switch {
		case len(g.Equals) == 0 && len(g.Subset) > 0:
			g.Equals = nil
		case len(g.Subset) == 0 && len(g.Equals) > 0:
			g.Subset = nil
		}
	}
	for _, constraint := range []map[string]string{g.Equals, g.Subset} {
		if constraint != nil && (len(constraint) == 0 || len(constraint) > maxPairs || !grant.Distinct(constraint)) {
			return nil, invalid("A grant constraint must have between 1 and %d encryption context pairs, whose keys differ in more than letter case.", maxPairs)
		}
	}
	return g, nil
}

// isPrincipal reports whether a grant can name p: an account's root user, a user, a role, a session, or a service.
func isPrincipal(p string) bool {
	if strings.HasSuffix(p, ".amazonaws.com") {
		return !strings.ContainsAny(p, "/:* "+sep)
	}
	a, err := arn.Parse(p)
	if err != nil || a.Region != "" || !arn.ValidAccount(a.Account) || strings.ContainsAny(p, "*?"+sep) {
		return false
	}
	switch a.Service {
	case "iam":
		return a.Resource == "root" || strings.HasPrefix(a.Resource, "user/") || strings.HasPrefix(a.Resource, "role/")
	case "sts":
		return strings.HasPrefix(a.Resource, "assumed-role/") || strings.HasPrefix(a.Resource, "federated-user/")
	}
	return false
}

// CreateGrant makes a grant of a key. It works as soon as this has answered.
func (s *Service) CreateGrant(ctx context.Context, in *api.CreateGrantInput) (*api.CreateGrantOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	g, err := newGrant(call.From(ctx), in)
	if err != nil {
		return nil, err
	}
	if err := e.usable(e.arn); err != nil {
		return nil, err
	}
	if wire.Val(in.DryRun) {
		return nil, dryRun()
	}
	g.ID, g.Created = randomHex(32), now()
	id := g.ID
	err = s.change(ctx, e.home, func(tx store.Tx, r *record) error {
		if err := r.usable(e.arn); err != nil {
			return err
		}
		same, err := sameGrant(tx, e.home, g)
		if err != nil {
			return err
		}
		if id = g.ID; same != nil {
			id = same.ID
			// Written again so that this answer, too, comes after everybody knows of the grant.
			return write(tx, e.under(granteeTag, same.Grantee, same.ID), same)
		}
		return putGrant(tx, e.home, g)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateGrantOutput{GrantId: &id, GrantToken: wire.Ptr(s.grantToken(e.home, id, randomHex(8)))}, nil
}

// sameGrant returns the grant with the same name that says the same, or nil. A request with
// a name can so be repeated.
func sameGrant(r store.Reader, h home, g *grant.Grant) (*grant.Grant, error) {
	if g.Name == "" {
		return nil, nil
	}
	id, err := r.Get([]byte(samePath(h, g)))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return loadGrant(r, h, string(id))
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func hexOf(b []byte) []byte { return hex.AppendEncode(nil, b) }

// ListGrants lists the grants of a key: all, those of one grantee, or one.
func (s *Service) ListGrants(ctx context.Context, in *api.ListGrantsInput) (*api.ListGrantsOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	prefix := e.under(grantTag, "")
	if in.GranteePrincipal != nil {
		if strings.Contains(*in.GranteePrincipal, sep) {
			return nil, api.InvalidArnException("Invalid principal")
		}
		prefix = e.under(granteeTag, *in.GranteePrincipal, "")
	}
	p, err := s.page("ListGrants", e.home, in.Marker, in.Limit, 50, 100)
	if err != nil {
		return nil, err
	}
	out := &api.ListGrantsOutput{Grants: []api.GrantListEntry{}}
	if in.GrantId != nil {
		out.Grants, err = s.oneGrant(ctx, e, *in.GrantId, in.GranteePrincipal)
		out.Truncated = wire.Ptr(false)
		return out, err
	}
	err = p.scan(ctx, s, prefix, func(_ store.Reader, _ string, value []byte) error {
		g, err := decodeGrant(value)
		if err == nil {
			out.Grants = append(out.Grants, grantEntry(e.arn, g))
		}
		return err
	})
	out.NextMarker, out.Truncated = p.marker()
	return out, err
}

func (s *Service) oneGrant(ctx context.Context, e *entry, id string, grantee *string) (list []api.GrantListEntry, err error) {
	err = s.room.Store.View(ctx, func(r store.Reader) error {
		g, err := loadGrant(r, e.home, id)
		if err != nil {
			return err
		}
		if g == nil {
			return noSuchGrant(id)
		}
		list = []api.GrantListEntry{}
		if grantee == nil || *grantee == g.Grantee {
			list = append(list, grantEntry(e.arn, g))
		}
		return nil
	})
	return list, err
}

// grantEntry returns what a listing tells of a grant.
func grantEntry(keyARN string, g *grant.Grant) api.GrantListEntry {
	e := api.GrantListEntry{
		KeyId: &keyARN, GrantId: &g.ID, CreationDate: &g.Created, GranteePrincipal: &g.Grantee,
		IssuingAccount: wire.Ptr(rootARN(g.Issuer)), Name: &g.Name,
	}
	if g.Retiring != "" {
		e.RetiringPrincipal = &g.Retiring
	}
	for _, op := range g.Operations {
		e.Operations = append(e.Operations, api.GrantOperation(op))
	}
	if g.Constrained() {
		e.Constraints = &api.GrantConstraints{EncryptionContextEquals: g.Equals, EncryptionContextSubset: g.Subset}
	}
	return e
}

// ListRetirableGrants lists the grants, of keys of any account, that a principal of the
// caller's account may retire.
func (s *Service) ListRetirableGrants(ctx context.Context, in *api.ListRetirableGrantsInput) (*api.ListRetirableGrantsOutput, error) {
	c := call.From(ctx)
	principal := wire.Val(in.RetiringPrincipal)
	if !isPrincipal(principal) {
		return nil, api.InvalidArnException("Invalid principal %s", principal)
	}
	if arn.AccountOf(principal) != c.Principal.Account {
		return nil, denied("The retiring principal must belong to the account of the caller.")
	}
	p, err := s.page("ListRetirableGrants "+principal, home{region: c.Region, account: c.Principal.Account}, in.Marker, in.Limit, 50, 100)
	if err != nil {
		return nil, err
	}
	out := &api.ListRetirableGrantsOutput{Grants: []api.GrantListEntry{}}
	err = p.scan(ctx, s, path(retiringTag, c.Region, principal, ""), func(r store.Reader, name string, _ []byte) error {
		parts := strings.Split(name, sep)
		if len(parts) != 3 {
			return internal("malformed key of a retirable grant")
		}
		h := home{c.Region, parts[0], parts[1]}
		g, err := loadGrant(r, h, parts[2])
		if err == nil && g != nil {
			out.Grants = append(out.Grants, grantEntry(h.arn(), g))
		}
		return err
	})
	out.NextMarker, out.Truncated = p.marker()
	return out, err
}

// RevokeGrant takes a grant away. It takes effect on the next call.
func (s *Service) RevokeGrant(ctx context.Context, in *api.RevokeGrantInput) (*api.RevokeGrantOutput, error) {
	return nil, s.endGrant(ctx, wire.Val(in.GrantId), in.DryRun)
}

// RetireGrant gives a grant back.
func (s *Service) RetireGrant(ctx context.Context, in *api.RetireGrantInput) (*api.RetireGrantOutput, error) {
	id := wire.Val(in.GrantId)
	if in.GrantToken != nil {
		var err error
		if _, id, err = s.openToken(*in.GrantToken); err != nil {
			return nil, err
		}
	}
	return nil, s.endGrant(ctx, id, in.DryRun)
}

func (s *Service) endGrant(ctx context.Context, id string, dry *bool) error {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx store.Tx) error {
		g, err := loadGrant(tx, e.home, id)
		if err != nil {
			return err
		}
		if g == nil {
			return noSuchGrant(id)
		}
		if wire.Val(dry) {
			return dryRun()
		}
		return deleteGrant(tx, e.home, g)
	})
}
