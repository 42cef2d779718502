package kms

import (
	"context"
	"encoding/json"
	"errors"
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
	return s.searchGrants(ctx, c, e, func(set *grant.Set) *grant.Grant { return set.Find(operation, context) })
}

// searchGrants asks the caller's grants on e, under each of the caller's names.
func (s *Service) searchGrants(ctx context.Context, c *call.Call, e *entry, ask func(*grant.Set) *grant.Grant) (string, error) {
	if e == nil || e.grants == 0 {
		return "", nil
	}
	var fixed [3]string
	for _, name := range grantees(fixed[:0], c) {
		set, err := s.memos.grants.Get(ctx, e.under(granteeTag, name))
		if err != nil {
			return "", err
		}
		if g := ask(set); g != nil {
			return g.ID, nil
		}
	}
	return "", nil
}

// grantees appends the names by which grants know the caller: the ARN of the user, the root
// user or the session; the role behind a session; a service under its name with and without
// the region.
func grantees(dst []string, c *call.Call) []string {
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
	dst = append(dst, p.ARN)
	if p.Kind == identity.Role && p.Session != nil {
		dst = append(dst, p.Session.RoleARN)
	}
	return dst
}

// named reports whether the caller goes by the name.
func named(c *call.Call, name string) bool {
	var fixed [3]string
	for _, n := range grantees(fixed[:0], c) {
		if n == name {
			return true
		}
	}
	return false
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
		return home{}, "", api.InvalidGrantTokenException("Invalid grant token")
	}
	parts := strings.Split(position, sep)
	if len(parts) != 5 {
		return home{}, "", api.InvalidGrantTokenException("Invalid grant token")
	}
	return home{parts[0], parts[1], parts[2]}, parts[3], nil
}

// checkTokens refuses tokens that we did not make. Nothing else is asked of them: a grant
// works without its token, and a token of another key or grantee gives nothing.
func (s *Service) checkTokens(tokens []string) error {
	for _, t := range tokens {
		if _, _, err := s.openToken(t); err != nil {
			return err
		}
	}
	return nil
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

// putGrant writes a grant with its indexes.
func putGrant(tx store.Tx, h home, g *grant.Grant) error {
	text, err := json.Marshal(g)
	if err != nil {
		return internal("record of a grant: %w", err)
	}
	puts := map[string][]byte{h.under(grantTag, g.ID): text, h.under(granteeTag, g.Grantee, g.ID): text}
	if g.Retiring != "" {
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
	return add(tx, h.path(countTag), 1, maxGrants)
}

// deleteGrant removes a grant with its indexes.
func deleteGrant(tx store.Tx, h home, g *grant.Grant) error {
	for _, k := range []string{h.under(grantTag, g.ID), h.under(granteeTag, g.Grantee, g.ID), retiringPath(h, g)} {
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
	return path(retiringTag, h.region, g.Retiring, h.account, h.id, g.ID)
}

func samePath(h home, g *grant.Grant) string {
	sum := g.Fingerprint()
	return h.under(sameTag, string(hexOf(sum[:])))
}
