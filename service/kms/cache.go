package kms

import (
	"bytes"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"weak"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/service/kms/grant"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/store"
)

// Most values that each memo keeps. A busy house uses few of its keys at a time; a very
// busy one has room for all that an account and region may have.
const (
	maxCachedKeys   = 1 << 17
	maxCachedGrants = 1 << 16
)

// maxRules is how many grants of a key are kept with it. Of a key with more, those of each
// grantee are kept for themselves, when he uses it.
const maxRules = 64

// entry is a key as the hot path needs it: one snapshot of all that a decision and a use
// depend on. It never changes, but for where its uses are noted.
type entry struct {
	home
	record
	arn      string
	policy   *policy.Document
	aliases  []alias             // sorted by name
	grants   int                 // how many there are, of all grantees
	rules    grant.Rules         // the grants themselves; nil when there are more than maxRules
	material *key.Material       // that encrypts; nil while it is missing
	use      atomic.Pointer[use] // where its uses are noted; nil before the first
}

// holdsGrants reports whether all grants of the key are in its rules.
func (e *entry) holdsGrants() bool { return len(e.rules) == e.grants }

// place says where key material is.
type place struct {
	home
	version uint32
}

// memos are what the Service keeps in memory of the store.
type memos struct {
	keys      *store.Memo[*entry]        // by k
	aliases   *store.Memo[string]        // by a: the key's id
	places    *store.Memo[place]         // by m
	material  *store.Memo[*key.Material] // by b
	grants    *store.Memo[*grant.Set]    // by e, without the grant
	keyStores *store.Memo[*keyStore]     // by s
}

func (s *Service) openMemos() {
	db := s.room.Store
	s.keys = store.NewPatchedMemo(db, s.loadKey, store.Patch[*entry]{Keeps: patches, Load: s.patchKey},
		store.MemoOptions{Max: maxCachedKeys, Invalidates: staleKey, Touches: ofKey})
	s.aliases = store.NewMemo(db, loadAlias, store.MemoOptions{Max: maxCachedKeys, Invalidates: only(aliasTag)})
	s.places = store.NewMemo(db, loadPlace, store.MemoOptions{Max: maxCachedKeys, Invalidates: only(materialTag)})
	s.material = store.NewMemo(db, s.loadMaterial, store.MemoOptions{Max: maxCachedKeys, Invalidates: only(backingTag)})
	s.keyStores = store.NewMemo(db, s.loadStore, store.MemoOptions{Invalidates: staleStore})
	s.grants = store.NewMemo(db, loadGrants, store.MemoOptions{Max: maxCachedGrants, Invalidates: staleGrants})
}

func (m *memos) close() {
	m.keys.Close()
	m.aliases.Close()
	m.places.Close()
	m.material.Close()
	m.grants.Close()
	m.keyStores.Close()
}

// only returns the invalidation of a memo whose keys are those of the records with tag.
func only(tag string) func(storeKey []byte) []string {
	return func(storeKey []byte) []string {
		if !tagged(storeKey, tag) {
			return nil
		}
		return []string{string(storeKey)}
	}
}

func tagged(storeKey []byte, tag string) bool {
	return len(storeKey) > 1 && storeKey[0] == tag[0] && storeKey[1] == 0
}

// inEntry reports whether an entry is made of records like this one.
func inEntry(storeKey []byte) bool {
	return tagged(storeKey, keyTag) || tagged(storeKey, backingTag) || tagged(storeKey, namesTag) || tagged(storeKey, countTag) || tagged(storeKey, grantTag)
}

// staleKey names the entry that a changed record makes stale: that of its key.
func staleKey(storeKey []byte) []string {
	if !inEntry(storeKey) {
		return nil
	}
	if h, _, ok := homeOf(storeKey); ok {
		return []string{h.path(keyTag)}
	}
	return nil
}

// ofKey reports whether a record is one that the entry of a key is made of.
func ofKey(entryKey string, storeKey []byte) bool {
	if !inEntry(storeKey) || len(storeKey) < len(entryKey) || string(storeKey[1:len(entryKey)]) != entryKey[1:] {
		return false
	}
	return len(storeKey) == len(entryKey) || storeKey[len(entryKey)] == sep[0]
}

// staleGrants names the set that a changed grant makes stale: that of its grantee.
func staleGrants(storeKey []byte) []string {
	if !tagged(storeKey, granteeTag) {
		return nil
	}
	if i := bytes.LastIndexByte(storeKey, 0); i > 0 {
		return []string{string(storeKey[:i])}
	}
	return nil
}

func (s *Service) loadKey(r store.Reader, storeKey []byte) (*entry, error) {
	h, _, ok := homeOf(storeKey)
	if !ok {
		return nil, internal("malformed key %q", storeKey)
	}
	rec, err := read[record](r, string(storeKey))
	if err != nil {
		return nil, err
	}
	e := &entry{home: h, arn: h.arn()}
	if err := s.adopt(e, &rec); err != nil {
		return nil, err
	}
	if e.grants, err = count(r, h.path(countTag)); err != nil {
		return nil, err
	}
	if e.rules, err = loadRules(r, h, e.grants); err != nil {
		return nil, err
	}
	if e.aliases, err = loadAliases(r, h); err != nil {
		return nil, err
	}
	if rec.holds(rec.Version) {
		e.material, err = s.backing(r, h, rec.Version)
	}
	return e, err
}

// adopt gives an entry what the record of its key says.
func (s *Service) adopt(e *entry, rec *record) (err error) {
	if e.policy, err = s.documents.parse(rec.Policy, rec.Bound); err != nil {
		return internal("policy of %s: %w", e.arn, err)
	}
	e.record = *rec
	e.share()
	e.Policy = "" // the document has the text, once for all keys that share it
	return nil
}

// share makes the texts that nearly all records have the same for all: of each key in memory they would be five
// objects for the collector to look at.
func (r *record) share() {
	share(&r.State, api.KeyStateEnabled, api.KeyStateDisabled)
	share(&r.Manager, api.KeyManagerTypeCustomer, api.KeyManagerTypeAws)
	share(&r.Spec, api.KeySpecSymmetricDefault)
	share(&r.Usage, api.KeyUsageTypeEncryptDecrypt)
	share(&r.Origin, api.OriginTypeAwsKms)
}

// share replaces a text by an equal one of those.
func share[T ~string](text *T, by ...T) {
	for _, same := range by {
		if *text == same {
			*text = same
			return
		}
	}
}

func loadAlias(r store.Reader, storeKey []byte) (string, error) {
	a, err := read[aliasRecord](r, string(storeKey))
	return a.Key, err
}

func loadPlace(r store.Reader, storeKey []byte) (place, error) {
	text, err := r.Get(storeKey)
	if err != nil {
		return place{}, err
	}
	parts := strings.Split(string(text), sep)
	region, _, ok := strings.Cut(string(storeKey[2:]), sep)
	if len(parts) != 3 || !ok {
		return place{}, internal("malformed place of key material")
	}
	version, err := parseDigits(parts[2])
	if err != nil {
		return place{}, internal("place of key material: %w", err)
	}
	return place{home{region, parts[0], parts[1]}, version}, nil
}

func (s *Service) loadMaterial(r store.Reader, storeKey []byte) (*key.Material, error) {
	h, rest, ok := homeOf(storeKey)
	version, err := parseDigits(rest)
	if !ok || err != nil {
		return nil, internal("malformed key of a backing key")
	}
	return s.backing(r, h, version)
}

func loadGrants(r store.Reader, memoKey []byte) (*grant.Set, error) {
	all, err := scanGrants(r, string(memoKey)+sep)
	if err != nil {
		return nil, err
	}
	return grant.NewSet(all), nil
}

// loadRules returns the grants of a key that has n of them, unless they are too many.
func loadRules(r store.Reader, h home, n int) (grant.Rules, error) {
	if n == 0 || n > maxRules {
		return nil, nil
	}
	all, err := scanGrants(r, h.under(grantTag, ""))
	if err != nil {
		return nil, err
	}
	rules, err := grant.NewRules(all)
	if err != nil {
		return nil, internal("grants of %s: %w", h.arn(), err)
	}
	return rules, nil
}

// scanGrants returns the grants whose records begin with a prefix.
func scanGrants(r store.Reader, prefix string) (all []*grant.Grant, err error) {
	for rec, err := range r.Scan(store.Prefix([]byte(prefix))) {
		if err != nil {
			return nil, err
		}
		g, err := grantOf(r, rec.Key, rec.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}

// documents keeps compiled key policies, one for each text that is in use. Most keys of an
// account have the same policy, and compiling one costs more than a call.
type documents struct {
	mu     sync.Mutex
	byText map[string]weak.Pointer[policy.Document] // by the text, and what it is bound to
}

// parse returns the compiled form of a key policy, bound to the unique ids of the principals
// that it names.
func (d *documents) parse(text string, ids map[string]string) (*policy.Document, error) {
	name := text
	for _, arn := range slices.Sorted(maps.Keys(ids)) {
		name = path(name, arn, ids[arn])
	}
	d.mu.Lock()
	doc := d.byText[name].Value()
	d.mu.Unlock()
	if doc != nil {
		return doc, nil
	}
	doc, err := policy.Parse([]byte(text), policy.KeyPolicy)
	if err != nil {
		return nil, err
	}
	if len(ids) > 0 {
		doc = doc.Bind(ids)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if other := d.byText[name].Value(); other != nil {
		return other, nil
	}
	d.byText[name] = weak.Make(doc)
	runtime.AddCleanup(doc, d.forget, name)
	return doc, nil
}

// forget drops a text that no key has any more.
func (d *documents) forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := d.byText[name]; ok && p.Value() == nil {
		delete(d.byText, name)
	}
}
