package store

import (
	"context"
	"errors"
	"hash/maphash"
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
}

// Patch makes a Memo load again only what has changed of a value. Without one, values are loaded as a whole.
type Patch[V any] struct {
	// Keeps reports whether the value may be kept, to be patched, when a store key has changed. It is asked
	// in the observer of a commit. What may not be in memory any longer must not be kept.
	Keeps func(storeKey []byte) bool
	// Load returns the value of a memo key as r has it, of an old value and all store keys that have changed since. It must
	// leave the old value as it is, which others use. Without ok the value is loaded as a whole.
	Load func(r Reader, key []byte, old V, changed [][]byte) (v V, ok bool, err error)
}

// maxPatch is of how many changes a value is patched; after more it is loaded as a whole.
const maxPatch = 16

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
	inval func(key []byte) []string
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
	m := &Memo[V]{db: db, load: load, patch: patch, inval: opts.Invalidates, seed: maphash.MakeSeed()}
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

// fill loads a value and keeps it, unless a commit may have made it stale meanwhile.
//
// A commit's observers run after it is visible. If the snapshot of the load does not
// have the commit, the commit became visible after the load was announced, so its
// observer finds either the announced load, and marks it, or the kept value, and drops it.
func (m *Memo[V]) fill(ctx context.Context, p *memoPart[V], key string) (V, error) {
	l, old, changed := p.begin(key)
	kept := &memoValue[V]{}
	done := false
	defer func() {
		if !done {
			p.end(key, l, nil) // load panicked
		}
	}()
	err := m.db.View(ctx, func(r Reader) (err error) {
		if old != nil {
			var ok bool
			if kept.value, ok, err = m.patch.Load(r, []byte(key), old.value, changed); ok || err != nil {
				return err
			}
		}
		kept.value, err = m.load(r, []byte(key))
		return err
	})
	done = true
	if err != nil && !errors.Is(err, ErrNotFound) {
		p.end(key, l, nil)
		var zero V
		return zero, err
	}
	kept.err = err
	p.end(key, l, kept)
	return kept.value, err
}

func (m *Memo[V]) part(key string) *memoPart[V] {
	return &m.parts[maphash.String(m.seed, key)%memoShards]
}

// observe drops what a commit has changed.
func (m *Memo[V]) observe(keys [][]byte) {
	for _, key := range keys {
		if m.inval == nil {
			m.drop(string(key), key)
			continue
		}
		for _, stale := range m.inval(key) {
			m.drop(stale, key)
		}
	}
}

// drop makes a value stale by the change of a store key.
func (m *Memo[V]) drop(key string, storeKey []byte) {
	keep := m.patch.Keeps != nil && m.patch.Keeps(storeKey)
	m.part(key).drop(key, storeKey, keep)
}

// memoPart keeps some of the values. When it is full it drops one by the clock rule: the
// hand goes round and takes the first value that was not used since it last passed.
type memoPart[V any] struct {
	mu     sync.RWMutex
	values map[string]*memoValue[V]
	loads  map[string]*memoLoad // loads under way that no commit has overtaken
	ring   []string             // keys of values, in the order of the clock; "" where one was dropped
	free   []int                // places of ring that hold no key
	hand   int
	max    int
}

type memoValue[V any] struct {
	value V
	err   error
	place int // in ring
	used  atomic.Bool
	// changed are the store keys that have changed since. A value with any is there only to be patched.
	changed [][]byte
}

// memoLoad stands for all loads of one key that began since its last change.
type memoLoad struct {
	running int
	stale   bool
}

func (p *memoPart[V]) get(key string) *memoValue[V] {
	p.mu.RLock()
	v := p.values[key]
	if v != nil && v.changed != nil {
		v = nil
	}
	p.mu.RUnlock()
	if v != nil && !v.used.Load() {
		v.used.Store(true)
	}
	return v
}

// begin announces a load. It returns what there is to patch, and the changes since.
func (p *memoPart[V]) begin(key string) (l *memoLoad, old *memoValue[V], changed [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l = p.loads[key]; l == nil {
		l = new(memoLoad)
		p.loads[key] = l
	}
	l.running++
	if v := p.values[key]; v != nil && v.changed != nil {
		return l, v, v.changed
	}
	return l, nil, nil
}

// end keeps v, which may be nil, unless the load went stale.
func (p *memoPart[V]) end(key string, l *memoLoad, v *memoValue[V]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.running--; l.running == 0 && p.loads[key] == l {
		delete(p.loads, key)
	}
	if v == nil || l.stale {
		return
	}
	if old := p.values[key]; old != nil {
		v.place = old.place // both are of the same state of the key
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

func (p *memoPart[V]) drop(key string, storeKey []byte, keep bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.loads[key]; l != nil {
		l.stale = true
		delete(p.loads, key)
	}
	v := p.values[key]
	switch {
	case v == nil:
	case keep && v.err == nil && len(v.changed) < maxPatch:
		// A load may be reading the old slice; what is appended is behind its end.
		v.changed = append(v.changed, append([]byte{}, storeKey...))
	default:
		delete(p.values, key)
		p.ring[v.place] = ""
		p.free = append(p.free, v.place)
	}
}
