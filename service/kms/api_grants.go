package kms

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/kms/grant"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// Most of what a constraint may hold (KMS API reference, CreateGrant, Constraints).
const (
	maxPairs      = 8
	maxConstraint = 384 // characters of all keys and values
)

// newGrant reads the grant that a request describes, and checks what can be checked without
// the key and without asking who there is. It has no id yet.
func newGrant(c *call.Call, in *api.CreateGrantInput) (*grant.Grant, error) {
	g := &grant.Grant{Name: wire.Val(in.Name), Issuer: c.Principal.Account}
	var err error
	if g.Grantee, err = party("Grantee", in.GranteePrincipal, in.GranteeServicePrincipal); err != nil {
		return nil, err
	}
	if g.Retiring, err = party("Retiring", in.RetiringPrincipal, in.RetiringServicePrincipal); err != nil {
		return nil, err
	}
	for _, op := range in.Operations {
		g.Operations = append(g.Operations, string(op))
	}
	slices.Sort(g.Operations)
	g.Operations = slices.Compact(g.Operations)
	if len(g.Operations) == 0 {
		return nil, invalid("A grant must list at least one operation.")
	}
	if err := constrain(g, in.Constraints); err != nil {
		return nil, err
	}
	switch {
	case g.Grantee.Name == "":
		return nil, invalid("You must specify either GranteePrincipal or GranteeServicePrincipal.")
	case g.Grantee.Service && (g.Source == "" || g.Retiring.Name == ""):
		return nil, invalid("A grant with a GranteeServicePrincipal must have a SourceArn constraint and a RetiringPrincipal or RetiringServicePrincipal.")
	}
	return g, nil
}

// party reads one of the two principals of a grant, each of which has a field for principals and one
// for services. It may be missing.
func party(role string, principal, serviceName *string) (grant.Party, error) {
	p := grant.Party{Name: wire.Val(principal)}
	switch {
	case principal != nil && serviceName != nil:
		return p, invalid("You can specify either %[1]sPrincipal or %[1]sServicePrincipal, but not both.", role)
	case serviceName != nil:
		p = grant.Party{Name: *serviceName, Service: true}
		if !isService(p.Name) {
			return p, invalid("Invalid service principal %s", p.Name)
		}
	case principal != nil && !isService(p.Name) && !isPrincipal(p.Name):
		return p, api.InvalidArnException("Invalid principal %s", p.Name)
	}
	return p, nil
}

// constrain gives g the constraints of a request.
func constrain(g *grant.Grant, in *api.GrantConstraints) error {
	if in == nil {
		return nil
	}
	g.Equals, g.Subset, g.Source = in.EncryptionContextEquals, in.EncryptionContextSubset, wire.Val(in.SourceArn)
	// Terraform sends the constraint that it was not given as one without pairs, beside the other.
	if given := len(g.Equals) > 0 || len(g.Subset) > 0 || g.Source != ""; given {
		if len(g.Equals) == 0 {
			g.Equals = nil
		}
		if len(g.Subset) == 0 {
			g.Subset = nil
		}
	}
	for _, pairs := range []map[string]string{g.Equals, g.Subset} {
		if pairs == nil {
			continue
		}
		if len(pairs) == 0 || len(pairs) > maxPairs || !grant.Distinct(pairs) {
			return invalid("A grant constraint must have between 1 and %d encryption context pairs, whose keys differ in more than letter case.", maxPairs)
		}
		size := 0
		for k, v := range pairs {
			size += utf8.RuneCountInString(k) + utf8.RuneCountInString(v)
		}
		if size > maxConstraint {
			return invalid("A grant constraint cannot exceed %d characters.", maxConstraint)
		}
	}
	if g.Source != "" && (!arn.Is(g.Source) || strings.ContainsAny(g.Source, "*?")) {
		return api.InvalidArnException("Invalid source ARN %s", g.Source)
	}
	return nil
}

// fitsGrant refuses what a grant of the key cannot give.
func (r *record) fitsGrant(g *grant.Grant) error {
	spec, usage := string(r.Spec), string(r.Usage)
	for _, op := range g.Operations {
		if !grant.Grantable(spec, usage, op) {
			return invalid("Grant operation %s is not valid for a KMS key with KeySpec %s and KeyUsage %s.", op, spec, usage)
		}
		// "You cannot use an encryption context grant constraint for cryptographic operations with asymmetric
		// KMS keys or HMAC KMS keys" (KMS API reference, GrantConstraints).
		if g.Bound() && !grant.Symmetric(spec) && !grant.Grantable("", "", op) {
			return invalid("An encryption context constraint is not valid for operation %s of a KMS key with KeySpec %s.", op, spec)
		}
	}
	return nil
}

// grantable returns the error for a grant of a key in a state that takes none, or nil. A key
// whose custom key store is away may still be granted.
func (r *record) grantable(arn string) error {
	if r.State == api.KeyStateUnavailable {
		return nil
	}
	return r.usable(arn)
}

// isService reports whether p has the form of a service principal.
func isService(p string) bool {
	return strings.HasSuffix(p, ".amazonaws.com") && !strings.ContainsAny(p, "/:* "+sep)
}

// isPrincipal reports whether a grant can name p: an account's root user, a user, a role or a session.
func isPrincipal(p string) bool {
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
	if err := e.grantable(e.arn); err != nil {
		return nil, err
	}
	if err := e.fitsGrant(g); err != nil {
		return nil, err
	}
	if err := s.bindGrant(ctx, g); err != nil {
		return nil, err
	}
	if wire.Val(in.DryRun) {
		return nil, dryRun()
	}
	g.ID, g.Created = randomHex(32), now()
	id := g.ID
	err = s.update(ctx, func(tx store.Tx) error {
		r, err := s.held(tx, e.home)
		if err != nil {
			return err
		}
		if err := r.grantable(e.arn); err != nil {
			return err
		}
		if id, err = s.sameGrant(tx, e.home, g); id != "" || err != nil {
			return err
		}
		id = g.ID
		n, err := s.grantsHeld(tx, e.home)
		if err != nil {
			return err
		}
		return putGrant(tx, e.home, g, n)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateGrantOutput{GrantId: &id, GrantToken: wire.Ptr(s.grantToken(e.home, id, randomHex(8)))}, nil
}

// sameGrant returns the id of the grant with the same name that says the same, or "". A request with
// a name can so be repeated.
func (s *Service) sameGrant(tx store.Tx, h home, g *grant.Grant) (string, error) {
	if g.Name == "" {
		return "", nil
	}
	if e, ok := s.keys.Peek(tx, h.path(keyTag)); ok && e.holdsGrants() {
		return e.rules.Same(g), nil
	}
	id, err := tx.Get([]byte(samePath(h, g)))
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return string(id), err
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func hexOf(b []byte) []byte { return hex.AppendEncode(nil, b) }

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
