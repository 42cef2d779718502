package iam

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/store"
)

// Most values that each memo keeps.
const (
	cachedKeys     = 1 << 16
	cachedHolders  = 1 << 16
	cachedPolicies = 1 << 14
)

// directory is what every request of the house asks: whose an access key is and what he
// may do. It answers from memory, and what it remembers is dropped by the commit that
// changes it, before that commit's call is answered.
//
// What a holder may do depends on his own records, which name him, and on groups and
// managed policies, which do not. So what was built for a holder is kept with him, and
// bears the generation of his account: an object that every change to a group or a managed policy
// of the account replaces.
type directory struct {
	keys        *store.Memo[*knownKey]        // by access key id
	holders     *store.Memo[*known]           // by unique id
	policies    *store.Memo[*policy.Document] // by account and folded name: the default version
	generations generations
}

// known is a holder as the directory remembers him.
type known struct {
	holder *holder
	owner  *identity.Owner
	trust  *policy.Document // of a role
	built  atomic.Pointer[built]
}

// knownKey is an access key as the directory remembers it.
type knownKey struct {
	owner  string // unique id
	active bool
	secret secret.Bytes
	bearer atomic.Pointer[bearer]
}

// bearer is the principal that a key stands for, as long as its owner is of.
type bearer struct {
	of        *identity.Owner
	principal *identity.Principal
}

// generation stands for all groups and managed policies of an account as they are. It is
// not empty, so that no two have the same address.
type generation struct{ _ byte }

// generations are the accounts' own as of the last commit that was told. A store.Memo would not do: one that is
// loaded after a commit and before the policies are told of it would stay, though what is built of it meanwhile is stale.
type generations struct {
	now  sync.Map // account to *generation; one for each account that was asked for
	stop func()   // watching
}

// watch replaces generations by commits. It must begin after all else that is remembered of policies, for a
// generation ends when that has been told.
func (g *generations) watch(db store.DB) {
	g.stop = db.Observe(func(changes []store.Change) {
		for i := range changes {
			for _, account := range staleGenerations(changes[i].Key) {
				g.now.Delete(account)
			}
		}
	})
}

func (g *generations) of(account string) *generation {
	if now, ok := g.now.Load(account); ok {
		return now.(*generation)
	}
	now, _ := g.now.LoadOrStore(account, new(generation))
	return now.(*generation)
}

// built is what bears on a holder, as of a generation.
type built struct {
	of  *generation
	set *policy.Set
}

// rootSet bears on root users: their right to everything is not a policy.
var rootSet = new(policy.Set)

func (s *Service) openDirectory() {
	db := s.room.Store
	s.keys = store.NewMemo(db, loadKey, store.MemoOptions{Max: cachedKeys, Invalidates: staleKeys})
	s.holders = store.NewMemo(db, loadHolder, store.MemoOptions{Max: cachedHolders, Invalidates: staleHolders})
	s.policies = store.NewMemo(db, loadDefault, store.MemoOptions{Max: cachedPolicies, Invalidates: stalePolicies})
	s.generations.watch(db)
}

func (s *Service) close() error {
	s.keys.Close()
	s.holders.Close()
	s.policies.Close()
	s.generations.stop()
	return nil
}

func staleKeys(storeKey []byte) []string { return parts(storeKey, keyTag) }

// staleHolders names the holder that a record is of.
func staleHolders(storeKey []byte) []string {
	if p := parts(storeKey, holderTag); p != nil {
		return p[1:]
	}
	if p := parts(storeKey, inlineTag); p != nil {
		return p[1:2]
	}
	return parts(storeKey, homeTag)
}

// staleGenerations names the account of a record that holders other than its own depend on.
func staleGenerations(storeKey []byte) []string {
	for _, tag := range []string{holderTag, inlineTag} {
		if p := parts(storeKey, tag); p != nil && strings.HasPrefix(p[1], idPrefixes[groupKind]) {
			return p[:1]
		}
	}
	return first(storeKey, policyTag, versionTag)
}

func first(storeKey []byte, tags ...string) []string {
	for _, tag := range tags {
		if p := parts(storeKey, tag); p != nil {
			return p[:1]
		}
	}
	return nil
}

// stalePolicies names the policy that a record is of.
func stalePolicies(storeKey []byte) []string {
	for _, tag := range []string{policyTag, versionTag} {
		if p := parts(storeKey, tag); p != nil {
			return []string{path(p[:2]...)}
		}
	}
	return nil
}

func loadKey(r store.Reader, id []byte) (*knownKey, error) {
	k, err := read[accessKey](r, path(keyTag, string(id)))
	if err != nil {
		return nil, err
	}
	return &knownKey{owner: k.Owner, active: k.Status == api.StatusTypeActive, secret: secret.FromString(k.Secret)}, nil
}

func loadHolder(r store.Reader, id []byte) (*known, error) {
	account, h, err := holderByID(r, string(id))
	if err != nil {
		return nil, err
	}
	return newKnown(account, h)
}

// newKnown makes what the directory remembers of a holder.
func newKnown(account string, h *holder) (*known, error) {
	k := &known{holder: h, owner: &identity.Owner{
		Kind: identity.User, Account: account, ID: h.ID, Name: h.Name, ARN: h.arn(account), Tags: h.Tags,
		MaxSession: time.Duration(h.MaxSession) * time.Second,
	}}
	switch h.Kind {
	case rootKind:
		k.owner.Kind = identity.Root
	case roleKind:
		k.owner.Kind = identity.Role
		trust, err := policy.Parse([]byte(h.Trust), policy.Trust)
		if err != nil {
			return nil, err
		}
		k.trust = trust.Bind(h.Trusted)
	}
	return k, nil
}

func loadDefault(r store.Reader, key []byte) (*policy.Document, error) {
	account, name, _ := strings.Cut(string(key), sep)
	m, err := read[managed](r, path(policyTag, account, name))
	if err != nil {
		return nil, err
	}
	text, err := r.Get([]byte(path(versionTag, account, name, versionID(m.Default))))
	if err != nil {
		return nil, err
	}
	doc, err := policy.Parse(text, policy.Identity)
	if err != nil {
		return nil, err
	}
	return doc.Named(m.arn(account)), nil
}

// unknown turns a record that is not there into the refusal of an access key.
func unknown(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return sigv4.ErrUnknownKey
	}
	return err
}

// key returns an active long-term access key. It carries no token.
func (s *Service) key(ctx context.Context, accessKeyID, token string) (*knownKey, error) {
	k, err := s.keys.Get(ctx, accessKeyID)
	if err != nil {
		return nil, unknown(err)
	}
	switch {
	case !k.active:
		return nil, sigv4.ErrUnknownKey
	case token != "":
		return nil, sigv4.ErrBadToken
	}
	return k, nil
}

// SecretKey returns the secret of a long-term access key that is active. The errors are
// those of sigv4.Keys.
func (s *Service) SecretKey(ctx context.Context, accessKeyID, token string) (secret.Bytes, error) {
	k, err := s.key(ctx, accessKeyID, token)
	if err != nil {
		return secret.Bytes{}, err
	}
	return k.secret, nil
}

// Principal returns the owner of a long-term access key. The errors are those of sigv4.Keys.
func (s *Service) Principal(ctx context.Context, accessKeyID, token string) (*identity.Principal, error) {
	k, err := s.key(ctx, accessKeyID, token)
	if err != nil {
		return nil, err
	}
	owner, err := s.Owner(ctx, k.owner)
	if err != nil {
		return nil, err
	}
	if b := k.bearer.Load(); b != nil && b.of == owner {
		return b.principal, nil
	}
	b := &bearer{of: owner, principal: owner.Principal(accessKeyID)}
	k.bearer.Store(b)
	return b.principal, nil
}

// Owner returns the user, role or root user with a unique id as it is now, or
// sigv4.ErrUnknownKey when there is none.
func (s *Service) Owner(ctx context.Context, id string) (*identity.Owner, error) {
	k, err := s.holders.Get(ctx, id)
	if err != nil {
		return nil, unknown(err)
	}
	return k.owner, nil
}

// Policies returns the identity-based policies and the boundary of a principal; for a
// session, those of the user or role it is a session of. The Set is shared, and is
// another one once anything in it has changed.
func (s *Service) Policies(ctx context.Context, p *identity.Principal) (*policy.Set, error) {
	id := p.ID
	switch {
	case p.Kind == identity.Root:
		return rootSet, nil
	case p.Kind == identity.Role && p.Session != nil:
		id = p.Session.RoleID
	}
	// The order matters: what is built from here on is at least as new as both.
	k, err := s.holders.Get(ctx, id)
	if err != nil {
		return nil, missing(err, gone())
	}
	g := s.generations.of(k.owner.Account)
	if b := k.built.Load(); b != nil && b.of == g {
		return b.set, nil
	}
	set, err := s.build(ctx, k.owner.Account, id)
	if err != nil {
		return nil, missing(err, gone())
	}
	k.built.Store(&built{of: g, set: set})
	return set, nil
}

// builds is how often the policies of a holder are read anew when they change meanwhile.
const builds = 8

// build collects the policies of a holder, or returns store.ErrNotFound when he is no more.
func (s *Service) build(ctx context.Context, account, id string) (*policy.Set, error) {
	for range builds {
		h, set, err := s.read(ctx, account, id)
		if err != nil {
			return nil, err
		}
		switch err := s.addManaged(ctx, account, h, set); {
		case err == nil:
			return set, nil
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
		// A policy was detached and deleted since. Without it the Set would be one that never was.
	}
	return nil, errors.New("iam: the policies of a caller change too often to be read")
}

// read returns a Set of the inline policies of a holder and his groups, and a holder with
// the names of their managed policies.
func (s *Service) read(ctx context.Context, account, id string) (*holder, *policy.Set, error) {
	whole, set := &holder{}, &policy.Set{}
	err := s.view(ctx, func(r store.Reader) error {
		h, err := read[holder](r, path(holderTag, account, id))
		if err != nil {
			return err
		}
		whole.Boundary = h.Boundary
		for _, of := range append([]string{id}, h.Groups...) {
			each, err := read[holder](r, path(holderTag, account, of))
			if err != nil {
				return err
			}
			docs, err := inlineOf(r, account, each)
			if err != nil {
				return err
			}
			set.Identity = append(set.Identity, docs...)
			whole.Attached = append(whole.Attached, each.Attached...)
		}
		return nil
	})
	return whole, set, err
}

// addManaged adds the managed policies of h to a Set.
func (s *Service) addManaged(ctx context.Context, account string, h *holder, set *policy.Set) (err error) {
	for _, arn := range h.Attached {
		doc, err := s.ManagedPolicy(ctx, account, arn)
		if err != nil {
			return err
		}
		set.Identity = append(set.Identity, doc)
	}
	if h.Boundary != "" {
		set.Boundary, err = s.ManagedPolicy(ctx, account, h.Boundary)
	}
	return err
}

// inlineOf returns the inline policies of a holder, in the order of their names.
func inlineOf(r store.Reader, account string, h *holder) ([]*policy.Document, error) {
	var docs []*policy.Document
	prefix := under(inlineTag, account, h.ID)
	for rec, err := range r.Scan(store.Prefix(prefix)) {
		if err != nil {
			return nil, err
		}
		doc, err := policy.Parse(rec.Value, policy.Identity)
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc.Named(string(h.Kind)+"_"+h.Name+"_"+string(rec.Key[len(prefix):])))
	}
	return docs, nil
}

// ManagedPolicy returns the default version of a managed policy of the account, or of AWS,
// or store.ErrNotFound when there is none.
func (s *Service) ManagedPolicy(ctx context.Context, account, arn string) (*policy.Document, error) {
	if a := awsManaged(arn); a != nil {
		return a.document()
	}
	name, ok := policyName(account, arn)
	if !ok {
		return nil, store.ErrNotFound
	}
	doc, err := s.policies.Get(ctx, path(account, name))
	if err != nil {
		return nil, err
	}
	if doc.Name() != arn { // the same name under another path
		return nil, store.ErrNotFound
	}
	return doc, nil
}

// Role returns a role with its trust policy, or store.ErrNotFound.
func (s *Service) Role(ctx context.Context, arn string) (*identity.Owner, *policy.Document, error) {
	account, k, name, ok := principalName(arn)
	if !ok || k != roleKind {
		return nil, nil, store.ErrNotFound
	}
	var id string
	err := s.view(ctx, func(r store.Reader) (err error) {
		id, err = idOf(r, account, roleKind, name)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	role, err := s.holders.Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if role.owner.ARN != arn {
		return nil, nil, store.ErrNotFound
	}
	return role.owner, role.trust, nil
}
