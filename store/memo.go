package store

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// memoShards is how many parts a Memo has, each with its own lock. A power of two.
const memoShards = 16

const defaultMemoMax = 4096

// MemoOptions sets the bounds of a Memo. The zero value is useful.
type MemoOptions struct {
	// Max is the most values that are kept; 0 for 4096. Those that were not asked for
	// lately go first.
	Max int
	// Invalidates returns the memo keys that a change of a store key makes stale. It
	// must name every memo key whose load reads that record. nil stands for the key itself.
	Invalidates func(key []byte) []string
	// Touches reports whether Invalidates names a memo key for a store key. nil stands for asking it.
	Touches func(memoKey string, key []byte) bool
}

// Patch makes a Memo load again only what has changed of a value. Without one, values are loaded as a whole.
type Patch[V any] struct {
	// Keeps reports whether the value may be kept, to be patched, when a store key has changed. It is asked
	// in the observer of a commit. What may not be in memory any longer must not be kept.
	Keeps func(storeKey []byte) bool
	// Load returns the value of a memo key as r has it, of an old value and all store keys that have changed since. It must
	// leave the old value as it is, which others use. Without ok the value is loaded as a whole. Get of what has changed costs
	// nearly nothing: the values are those that the commits told.
	Load func(r Reader, key []byte, old V, changed [][]byte) (v V, ok bool, err error)
}

// A value is patched of so many changes, and of so many bytes that they have written; after more it is loaded as a whole.
const (
	maxPatch      = 16
	maxPatchBytes = 16 << 10
)

// Memo keeps decoded values of records: what load makes of a key in a snapshot, until a
// commit changes it. Once an Update has returned, no Get that begins later returns a
// value from before it. That there is no record (ErrNotFound) is kept too; other errors
// are not.
//
// Values are shared by all callers, who must not change them. A Memo sees the durable
// state as View does, so inside an Update it does not see that update's own writes. Its
// methods may be called together.
type Memo[V any] struct {
	db    DB
	load  func(r Reader, key []byte) (V, error)
	patch Patch[V]
	opts  MemoOptions
	stop  func()
	seed  maphash.Seed
	parts [memoShards]memoPart[V]
}

// NewMemo returns an empty Memo that fills itself with load, which must do nothing but
// read and decode. It watches db until Close.
func NewMemo[V any](db DB, load func(r Reader, key []byte) (V, error), opts MemoOptions) *Memo[V] {
	return NewPatchedMemo(db, load, Patch[V]{}, opts)
}

// NewPatchedMemo returns a Memo that patches values where patch can.
func NewPatchedMemo[V any](db DB, load func(r Reader, key []byte) (V, error), patch Patch[V], opts MemoOptions) *Memo[V] {
	if opts.Max <= 0 {
		opts.Max = defaultMemoMax
	}
	m := &Memo[V]{db: db, load: load, patch: patch, opts: opts, seed: maphash.MakeSeed()}
	for i := range m.parts {
		p := &m.parts[i]
		p.max = max(1, (opts.Max+memoShards-1)/memoShards)
		p.values = make(map[string]*memoValue[V])
		p.loads = make(map[string]*memoLoad)
	}
	m.stop = db.Observe(m.observe)
	return m
}

// Close ends the watching. The Memo must not be used afterwards.
func (m *Memo[V]) Close() { m.stop() }

// Get returns the value of key: the one that is kept, or a new one from load. A value
// that is kept costs no allocation.
func (m *Memo[V]) Get(ctx context.Context, key string) (V, error) {
	p := m.part(key)
	if v := p.get(key); v != nil {
		return v.value, v.err
	}
	return m.fill(ctx, p, key)
}

// Peek returns the value of key that is kept, if it is the one that tx would find. It reads nothing.
func (m *Memo[V]) Peek(tx Tx, key string) (v V, ok bool) {
	if !tx.Told(m.touches(key)) {
		return v, false
	}
	kept := m.part(key).get(key)
	if kept == nil || kept.err != nil {
		return v, false
	}
	return kept.value, true
}

// touches returns whether the change of a store key makes the value of a memo key stale.
func (m *Memo[V]) touches(key string) func(storeKey []byte) bool {
	switch {
	case m.opts.Touches != nil:
		return func(storeKey []byte) bool { return m.opts.Touches(key, storeKey) }
	case m.opts.Invalidates != nil:
		return func(storeKey []byte) bool { return slices.Contains(m.opts.Invalidates(storeKey), key) }
	}
	return func(storeKey []byte) bool { return string(storeKey) == key }
}

// fill loads a value and keeps it, unless there is a change that it may not have.
//
// Observers are told of a commit after it is visible, and of commits in their order. So what the snapshot of the
// load does not have is told after the load was announced, and is found when it ends.
func (m *Memo[V]) fill(ctx context.Context, p *memoPart[V], key string) (V, error) {
	p.begin(key)
	var made *memoValue[V]
	var old *memoValue[V]
	defer func() { p.end(key, old, made) }() // without a value if load panics
	var v memoValue[V]
	err := m.db.View(ctx, func(r Reader) (err error) {
		if old, err = m.repair(r, p, key, &v); old != nil || err != nil {
			return err
		}
		v.asOf = r.Revision()
		v.value, err = m.load(r, []byte(key))
		return err
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		var zero V
		return zero, err
	}
	v.err = err
	made = &v
	return v.value, err
}

// repair makes v of the stale value that there is, which it returns, or nil where there is none or it cannot.
func (m *Memo[V]) repair(r Reader, p *memoPart[V], key string, v *memoValue[V]) (old *memoValue[V], err error) {
	old, changes := p.stale(key, r.Revision())
	if old == nil {
		return nil, nil
	}
	keys := make([][]byte, len(changes))
	for i, c := range changes {
		keys[i] = c.Key
	}
	v.asOf = changes[len(changes)-1].Revision
	var ok bool
	if v.value, ok, err = m.patch.Load(&changed{r, changes}, []byte(key), old.value, keys); !ok || err != nil {
		return nil, err
	}
	return old, nil
}

// changed reads what has changed from the changes: as it was when the observers were told of the last of them. Commits
// that the snapshot has and the observers do not know of make it stale again.
type changed struct {
	Reader
	changes []Change
}

func (r *changed) Get(key []byte) ([]byte, error) {
	for _, c := range slices.Backward(r.changes) {
		if !bytes.Equal(c.Key, key) {
			continue
		}
		if c.Deleted {
			return nil, ErrNotFound
		}
		return bytes.Clone(c.Value), nil
	}
	return r.Reader.Get(key)
}

func (m *Memo[V]) part(key string) *memoPart[V] {
	return &m.parts[maphash.String(m.seed, key)%memoShards]
}

// observe makes stale what a commit has changed. All its changes of one value come at once: a load between them would take
// the first for the whole.
func (m *Memo[V]) observe(changes []Change) {
	type change struct {
		key string
		of  *Change
	}
	var few [8]change
	all := few[:0]
	for i := range changes {
		c := &changes[i]
		if m.opts.Invalidates == nil {
			all = append(all, change{string(c.Key), c})
			continue
		}
		for _, key := range m.opts.Invalidates(c.Key) {
			all = append(all, change{key, c})
		}
	}
	slices.SortStableFunc(all, func(a, b change) int { return strings.Compare(a.key, b.key) })
	for len(all) > 0 {
		key, n := all[0].key, 1
		for n < len(all) && all[n].key == key {
			n++
		}
		p := m.part(key)
		p.mu.Lock()
		for _, c := range all[:n] {
			p.change(key, c.of, c.of.Revision > 0 && m.patch.Keeps != nil && m.patch.Keeps(c.of.Key))
		}
		p.mu.Unlock()
		all = all[n:]
	}
}

// memoPart keeps some of the values. When it is full it drops one by the clock rule: the
// hand goes round and takes the first value that was not used since it last passed.
type memoPart[V any] struct {
	mu     sync.RWMutex
	values map[string]*memoValue[V]
	loads  map[string]*memoLoad // loads under way
	ring   []string             // keys of values, in the order of the clock; "" where one was dropped
	free   []int                // places of ring that hold no key
	hand   int
	max    int
}

type memoValue[V any] struct {
	value V
	err   error
	asOf  uint64 // revision up to which it has all changes that were told
	place int    // in ring
	used  atomic.Bool
	// changes are those that were told since. A value with any is there only to be patched.
	changes []Change
	pending int // bytes of their values
}

// memoLoad stands for the loads of one key that are under way together.
type memoLoad struct {
	running int
	newest  uint64 // revision of the newest change that was told meanwhile
}

func (p *memoPart[V]) get(key string) *memoValue[V] {
	p.mu.RLock()
	v := p.values[key]
	if v != nil && v.changes != nil {
		v = nil
	}
	p.mu.RUnlock()
	if v != nil && !v.used.Load() {
		v.used.Store(true)
	}
	return v
}

// begin announces a load.
func (p *memoPart[V]) begin(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.loads[key]
	if l == nil {
		l = new(memoLoad)
		p.loads[key] = l
	}
	l.running++
}

// stale returns the value that is to be patched, if it is not newer than a revision, and the changes up to that.
func (p *memoPart[V]) stale(key string, revision uint64) (*memoValue[V], []Change) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	v := p.values[key]
	if v == nil || v.changes == nil || v.asOf > revision || v.changes[0].Revision > revision {
		return nil, nil
	}
	n := len(v.changes)
	for v.changes[n-1].Revision > revision {
		n--
	}
	return v, v.changes[:n:n]
}

// end keeps v, unless it is nil or a change was told that it does not have. Of a value that was made of an old one
// it also keeps such changes.
func (p *memoPart[V]) end(key string, old, v *memoValue[V]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.loads[key]
	if l.running--; l.running == 0 {
		delete(p.loads, key)
	}
	now := p.values[key]
	switch {
	case v == nil:
		return
	case old != nil:
		if now != old {
			return // another has patched it, or it may not be kept any longer
		}
		for _, c := range old.changes {
			if c.Revision > v.asOf {
				v.changes, v.pending = append(v.changes, c), v.pending+len(c.Value)
			}
		}
	case l.newest > v.asOf || now != nil && now.asOf > v.asOf:
		return
	}
	if now != nil {
		v.place = now.place
	} else {
		v.place = p.place()
		p.ring[v.place] = key
	}
	p.values[key] = v
}

// place returns an empty place in the ring, making one if need be.
func (p *memoPart[V]) place() int {
	if n := len(p.free); n > 0 {
		place := p.free[n-1]
		p.free = p.free[:n-1]
		return place
	}
	if len(p.ring) < p.max {
		p.ring = append(p.ring, "")
		return len(p.ring) - 1
	}
	for {
		place := p.hand
		p.hand = (p.hand + 1) % len(p.ring)
		v := p.values[p.ring[place]]
		if !v.used.Swap(false) {
			delete(p.values, p.ring[place])
			return place
		}
	}
}

// change makes the value of a key stale, or drops it where it may not be kept to be patched. The caller holds mu.
func (p *memoPart[V]) change(key string, c *Change, keep bool) {
	revision := c.Revision
	if revision == 0 {
		revision = math.MaxUint64 // nobody knows; no load has it
	}
	if l := p.loads[key]; l != nil {
		l.newest = max(l.newest, revision)
	}
	v := p.values[key]
	switch {
	case v == nil || revision <= v.asOf:
	case keep && v.err == nil && len(v.changes) < maxPatch && v.pending+len(c.Value) <= maxPatchBytes:
		v.pending += len(c.Value)
		// A load may be reading the old slice; what is appended is behind its end.
		v.changes = append(v.changes, Change{Revision: revision, Key: bytes.Clone(c.Key), Value: c.Value, Deleted: c.Deleted})
	default:
		delete(p.values, key)
		p.ring[v.place] = ""
		p.free = append(p.free, v.place)
	}
}
