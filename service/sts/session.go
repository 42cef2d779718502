package sts

import (
	"context"
	"crypto/subtle"
	"errors"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/store"
)

// maxSessions is how many opened tokens are kept: about 2 KiB each.
const maxSessions = 1 << 15

// sessions keeps the tokens that were opened lately, and what was made of them. It may be
// used by any number of goroutines.
type sessions struct {
	key secret.Bytes
	// limits of sessions of users, which are nobody's policy: see limit.
	plain, withMFA *policy.Document

	mu    sync.RWMutex
	known map[string]*session // by access key id
}

// session is an opened token.
type session struct {
	token  string
	secret secret.Bytes
	claims claims

	bearer atomic.Pointer[bearer]
	built  atomic.Pointer[built]
}

// bearer is the principal of a session, as long as its role or user is of.
type bearer struct {
	of        *identity.Owner
	principal *identity.Principal
}

// built is what bears on a session, as long as of bears on its role or user.
type built struct {
	of  *policy.Set
	set *policy.Set
}

func (ss *sessions) open(root service.Root) (err error) {
	ss.key = root.Derive("sts session tokens")
	ss.known = make(map[string]*session)
	if ss.plain, err = policy.Parse([]byte(plainLimit), policy.Session); err != nil {
		return err
	}
	ss.withMFA, err = policy.Parse([]byte(mfaLimit), policy.Session)
	return err
}

// What a session of a user may not do, whatever the user may (STS API reference,
// GetSessionToken): call IAM without a second factor, or of STS more than AssumeRole and
// GetCallerIdentity.
const (
	plainLimit = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
		{"Effect":"Deny","Action":["iam:*","sts:Get*","sts:Decode*"],"Resource":"*"}]}`
	mfaLimit = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
		{"Effect":"Deny","Action":["sts:Get*","sts:Decode*"],"Resource":"*"}]}`
)

// session returns the session of an access key and its token. The errors are those of
// sigv4.Keys.
func (ss *sessions) session(accessKeyID, token string) (*session, error) {
	ss.mu.RLock()
	s := ss.known[accessKeyID]
	ss.mu.RUnlock()
	if s == nil || !equal(s.token, token) {
		var err error
		if s, err = ss.openSession(accessKeyID, token); err != nil {
			return nil, err
		}
	}
	if s.claims.expired(time.Now()) {
		return nil, sigv4.ErrExpiredToken
	}
	return s, nil
}

// equal compares two tokens in a time that tells nothing of where they differ.
func equal(a, b string) bool {
	return len(a) == len(b) && len(a) > 0 &&
		subtle.ConstantTimeCompare(unsafe.Slice(unsafe.StringData(a), len(a)), unsafe.Slice(unsafe.StringData(b), len(b))) == 1
}

// openSession opens a token and keeps what is in it.
func (ss *sessions) openSession(accessKeyID, token string) (*session, error) {
	c, err := openToken(ss.key, accessKeyID, token)
	if errors.Is(err, errToken) {
		return nil, sigv4.ErrBadToken
	}
	if err != nil {
		return nil, err
	}
	s := &session{token: strings.Clone(token), secret: secret.FromString(c.Secret), claims: *c}
	s.claims.Secret = ""
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.known[accessKeyID] == nil && len(ss.known) >= maxSessions {
		ss.makeRoom()
	}
	ss.known[strings.Clone(accessKeyID)] = s
	return s, nil
}

// makeRoom drops the sessions that are over, of the few that a walk from a random place
// meets, and one more at least.
func (ss *sessions) makeRoom() {
	now, seen := time.Now(), 0
	for id, s := range ss.known {
		if seen == 0 || s.claims.expired(now) {
			delete(ss.known, id)
		}
		if seen++; seen == 32 {
			return
		}
	}
}

// SecretKey returns the secret of an access key, of a session or of iam. The errors are
// those of sigv4.Keys.
func (s *Service) SecretKey(ctx context.Context, accessKeyID, token string) (secret.Bytes, error) {
	if !isSession(accessKeyID) {
		return s.dir.SecretKey(ctx, accessKeyID, token)
	}
	known, err := s.session(accessKeyID, token)
	if err != nil {
		return secret.Bytes{}, err
	}
	return known.secret, nil
}

// Principal returns the owner of an access key, of a session or of iam. The errors are
// those of sigv4.Keys.
func (s *Service) Principal(ctx context.Context, accessKeyID, token string) (*identity.Principal, error) {
	if !isSession(accessKeyID) {
		return s.dir.Principal(ctx, accessKeyID, token)
	}
	known, err := s.session(accessKeyID, token)
	if err != nil {
		return nil, err
	}
	owner, err := s.dir.Owner(ctx, known.claims.Owner)
	if err != nil {
		return nil, err
	}
	if b := known.bearer.Load(); b != nil && b.of == owner {
		return b.principal, nil
	}
	b := &bearer{of: owner, principal: known.claims.principal(owner, accessKeyID)}
	known.bearer.Store(b)
	return b.principal, nil
}

// principal returns a session of owner as the one who calls.
func (c *claims) principal(owner *identity.Owner, accessKeyID string) *identity.Principal {
	p := owner.Principal(accessKeyID)
	p.Session = &identity.Session{
		Issued: time.Unix(c.Issued, 0).UTC(), Expires: time.Unix(c.Expires, 0).UTC(), MFA: c.MFA,
		SourceIdentity: c.SourceIdentity, PolicyARNs: c.PolicyARNs, Transitive: c.Transitive,
	}
	if c.Policy != "" {
		p.Session.Policies = [][]byte{[]byte(c.Policy)}
	}
	if owner.Kind != identity.Role {
		return p
	}
	p.Session.RoleARN, p.Session.RoleID, p.Session.RoleName, p.Session.Name = owner.ARN, owner.ID, owner.Name, c.Name
	p.Name = ""
	p.ID = owner.ID + ":" + c.Name
	p.ARN = sessionARN(owner, c.Name)
	p.Tags = overlay(owner.Tags, c.Tags)
	return p
}

// sessionARN returns the name of a session of a role. The role's path is not in it.
func sessionARN(role *identity.Owner, name string) string {
	return "arn:" + identity.Partition + ":sts::" + role.Account + ":assumed-role/" + role.Name + "/" + name
}

// overlay returns tags with others laid over them. Keys compare without letter case.
func overlay(tags, over map[string]string) map[string]string {
	if len(over) == 0 {
		return tags
	}
	all := maps.Clone(over)
	for k, v := range tags {
		if _, found := tagNamed(over, k); !found {
			all[k] = v
		}
	}
	return all
}

// tagNamed finds a tag whatever the letter case of its key.
func tagNamed(tags map[string]string, key string) (string, bool) {
	for k, v := range tags {
		if strings.EqualFold(k, key) {
			return v, true
		}
	}
	return "", false
}

// Policies returns what bears on a principal: what bears on the user or role, cut by the
// policies of the session. The Set is shared.
func (s *Service) Policies(ctx context.Context, p *identity.Principal) (*policy.Set, error) {
	base, err := s.dir.Policies(ctx, p)
	if err != nil || p.Session == nil || !isSession(p.AccessKeyID) {
		return base, err
	}
	if p.Kind == identity.Role && len(p.Session.Policies) == 0 && len(p.Session.PolicyARNs) == 0 {
		return base, nil
	}
	s.mu.RLock()
	known := s.known[p.AccessKeyID]
	s.mu.RUnlock()
	if known != nil {
		if b := known.bearer.Load(); b == nil || b.principal != p {
			known = nil // of another token under the same id, or of the role as it was
		} else if set := known.built.Load(); set != nil && set.of == base {
			return set.set, nil
		}
	}
	set := *base
	if set.Session, err = s.cuts(ctx, p); err != nil {
		return nil, err
	}
	if known != nil {
		known.built.Store(&built{of: base, set: &set})
	}
	return &set, nil
}

// cuts returns the policies of a session. A managed policy that is no more allows nothing.
func (s *Service) cuts(ctx context.Context, p *identity.Principal) ([]*policy.Document, error) {
	docs := []*policy.Document{}
	if p.Kind != identity.Role {
		if p.Session.MFA {
			return append(docs, s.withMFA), nil
		}
		return append(docs, s.plain), nil
	}
	for _, text := range p.Session.Policies {
		doc, err := policy.Parse(text, policy.Session)
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	for _, name := range p.Session.PolicyARNs {
		doc, err := s.dir.ManagedPolicy(ctx, p.Account, name)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	return docs, nil
}
