package kms

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/service/kms/grant"
	"github.com/strongroom/strongroom/store"
)

func decodeGrant(text []byte) (*grant.Grant, error) {
	g := new(grant.Grant)
	if err := json.Unmarshal(text, g); err != nil {
		return nil, internal("record of a grant: %w", err)
	}
	return g, nil
}

// granted returns the id of a grant of e that allows the caller an operation under an
// encryption context, or "".
func (s *Service) granted(ctx context.Context, c *call.Call, e *entry, operation string, context map[string]string) (string, error) {
	if e == nil || e.grants == 0 {
		return "", nil
	}
	r := &grant.Request{Operation: operation, Context: context, Source: c.SourceARN}
	if e.rules != nil {
		return e.ruled(c, r), nil
	}
	return s.searchGrants(ctx, c, e, func(set *grant.Set) *grant.Grant { return set.Find(r) })
}

// ruled is granted for a key that has its grants with it.
func (e *entry) ruled(c *call.Call, r *grant.Request) string {
	var fixed [3]string
	for _, key := range bearers(fixed[:0], c) {
		if id := e.rules.Find(key, r); id != "" {
			return id
		}
	}
	return ""
}

// parent returns the id of a grant of e by whose CreateGrant permission the caller may make g, or "".
func (s *Service) parent(ctx context.Context, c *call.Call, e *entry, g *grant.Grant) (string, error) {
	if e == nil || e.rules != nil && e.ruled(c, &grant.Request{Operation: "CreateGrant", Source: c.SourceARN}) == "" {
		return "", nil
	}
	return s.searchGrants(ctx, c, e, func(set *grant.Set) *grant.Grant { return set.Parent(g, c.SourceARN) })
}

// searchGrants asks the caller's grants on e, under all that the caller is known by.
func (s *Service) searchGrants(ctx context.Context, c *call.Call, e *entry, ask func(*grant.Set) *grant.Grant) (string, error) {
	if e == nil || e.grants == 0 {
		return "", nil
	}
	var fixed [3]string
	for _, key := range bearers(fixed[:0], c) {
		set, err := s.memos.grants.Get(ctx, e.under(granteeTag, key))
		if err != nil {
			return "", err
		}
		if g := ask(set); g != nil {
			return g.ID, nil
		}
	}
	return "", nil
}

// bearers appends what grants know the caller by, as grant.Party.Key has it: the unique id of
// the user, or of the session and of the role behind it; the ARN of a root user; a service
// under its name with and without the region.
func bearers(dst []string, c *call.Call) []string {
	p := c.Principal
	switch p.Kind {
	case identity.Anonymous:
		return dst
	case identity.Service:
		dst = append(dst, p.Name)
		if name, ok := serviceOf(p.Name); ok {
			dst = append(dst, name+"."+c.Region+".amazonaws.com")
		}
		return dst
	}
	if p.Kind == identity.Root {
		return append(dst, p.ARN)
	}
	dst = append(dst, p.ID)
	if p.Kind == identity.Role && p.Session != nil {
		dst = append(dst, p.Session.RoleID)
	}
	return dst
}

// is reports whether the caller is the party of a grant.
func is(c *call.Call, p grant.Party) bool {
	var fixed [3]string
	return slices.Contains(bearers(fixed[:0], c), p.Key())
}

// tokenScope is what grant tokens are bound to.
const tokenScope = "grant"

// grantToken makes a token for a grant. nonce makes tokens of the same grant differ, as
// those of AWS do.
func (s *Service) grantToken(h home, id, nonce string) string {
	return s.tokens.Token(tokenScope, path(h.region, h.account, h.id, id, nonce))
}

// openToken returns the grant that a token names. The grant may be gone by now.
func (s *Service) openToken(token string) (h home, id string, err error) {
	position, err := s.tokens.Position(tokenScope, token)
	if err != nil {
		return home{}, "", badToken()
	}
	parts := strings.Split(position, sep)
	if len(parts) != 5 {
		return home{}, "", badToken()
	}
	return home{parts[0], parts[1], parts[2]}, parts[3], nil
}

// checkTokens refuses tokens that we did not make, and those of other keys than the ones that
// the call is about. Nothing else is asked of them: a grant works without its token, and the
// token of another grantee, or of a grant that is gone, gives nothing.
func (s *Service) checkTokens(tokens []string, checks []call.Check) error {
	for _, t := range tokens {
		h, _, err := s.openToken(t)
		if err != nil {
			return err
		}
		if of := h.arn(); !slices.ContainsFunc(checks, func(c call.Check) bool { return c.Resource == of || veiled(&c) }) {
			return badToken()
		}
	}
	return nil
}

// veiled reports whether the key of a check is one that the caller may not even know to be
// there: then nothing may depend on it before the decision.
func veiled(check *call.Check) bool {
	cond, ok := check.Conditions.(*conditions)
	return check.Hide != nil && (!ok || cond.alias != "" || cond.unnamed)
}

func badToken() error { return api.InvalidGrantTokenException("Invalid grant token") }

// tokensOf returns the grant tokens of a request; most have none.
func tokensOf(in any) []string {
	switch in := in.(type) {
	case *api.EncryptInput:
		return in.GrantTokens
	case *api.DecryptInput:
		return in.GrantTokens
	case *api.ReEncryptInput:
		return in.GrantTokens
	case *api.GenerateDataKeyInput:
		return in.GrantTokens
	case *api.GenerateDataKeyWithoutPlaintextInput:
		return in.GrantTokens
	case *api.GenerateDataKeyPairInput:
		return in.GrantTokens
	case *api.GenerateDataKeyPairWithoutPlaintextInput:
		return in.GrantTokens
	case *api.SignInput:
		return in.GrantTokens
	case *api.VerifyInput:
		return in.GrantTokens
	case *api.GenerateMacInput:
		return in.GrantTokens
	case *api.VerifyMacInput:
		return in.GrantTokens
	case *api.DeriveSharedSecretInput:
		return in.GrantTokens
	case *api.EncapsulateInput:
		return in.GrantTokens
	case *api.DecapsulateInput:
		return in.GrantTokens
	case *api.GetPublicKeyInput:
		return in.GrantTokens
	case *api.DescribeKeyInput:
		return in.GrantTokens
	case *api.CreateGrantInput:
		return in.GrantTokens
	}
	return nil
}

// grantOf returns the grant that a record is or, without a value, names as its last part.
func grantOf(r store.Reader, storeKey, value []byte) (*grant.Grant, error) {
	if len(value) > 0 {
		return decodeGrant(value)
	}
	h, rest, ok := homeOf(storeKey)
	if !ok {
		return nil, internal("malformed key of a grant")
	}
	g, err := loadGrant(r, h, rest[strings.LastIndex(rest, sep)+1:])
	if err == nil && g == nil {
		err = internal("a grant of %s is missing", h.arn())
	}
	return g, err
}

// loadGrant returns a grant of a key, or nil.
func loadGrant(r store.Reader, h home, id string) (*grant.Grant, error) {
	if strings.Contains(id, sep) {
		return nil, nil
	}
	text, err := r.Get([]byte(h.under(grantTag, id)))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeGrant(text)
}

// putGrant writes a grant, with its indexes, of a key that has n.
func putGrant(tx store.Tx, h home, g *grant.Grant, n int) error {
	text, err := json.Marshal(g)
	if err != nil {
		return internal("record of a grant: %w", err)
	}
	puts := map[string][]byte{h.under(grantTag, g.ID): text, h.under(granteeTag, g.Grantee.Key(), g.ID): nil}
	if g.Retiring.Name != "" {
		puts[retiringPath(h, g)] = nil
	}
	if g.Name != "" {
		puts[samePath(h, g)] = []byte(g.ID)
	}
	for k, v := range puts {
		if err := tx.Put([]byte(k), v); err != nil {
			return err
		}
	}
	return setCount(tx, h.path(countTag), n+1, maxGrants)
}

// deleteGrant removes a grant with its indexes.
func deleteGrant(tx store.Tx, h home, g *grant.Grant) error {
	for _, k := range []string{h.under(grantTag, g.ID), h.under(granteeTag, g.Grantee.Key(), g.ID), retiringPath(h, g)} {
		if err := tx.Delete([]byte(k)); err != nil {
			return err
		}
	}
	if g.Name != "" {
		if err := tx.Delete([]byte(samePath(h, g))); err != nil {
			return err
		}
	}
	return add(tx, h.path(countTag), -1, maxGrants)
}

func retiringPath(h home, g *grant.Grant) string {
	return path(retiringTag, h.region, g.Retiring.Key(), h.account, h.id, g.ID)
}

func samePath(h home, g *grant.Grant) string {
	sum := g.Fingerprint()
	return h.under(sameTag, string(hexOf(sum[:])))
}
