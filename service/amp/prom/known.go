package prom

import (
	"bytes"
	"hash/maphash"
	"sync"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// known remembers the series of a workspace by the bytes in which senders name them, so that a series that goes on is found
// without its labels being read. What it says stays true: the store never gives the number of a series to another, and takes
// the labels where the number means nothing any more. It is emptied when series are forgotten and when the limits
// change, which its entries were found to keep.
type known struct {
	mu      sync.RWMutex
	seed    maphash.Seed
	limits  *Limits        // that the entries keep
	epoch   uint64         // of the store, see series.DB.Forgotten
	slots   map[uint64]int // by the hash of the name: which entry
	entries []entry
	slab    []byte // where the newest names stand
	size    int64  // of all names
}

// entry is a series that is known.
type entry struct {
	name      []byte // its labels as a sender encodes them
	labels    labels.Labels
	ref       storage.SeriesRef
	described uint64 // hash of the metadata that was kept of it, of version 2
}

const (
	// maxName is how long a name is that is worth being remembered.
	maxName = 4 << 10
	// nameRoom bounds the bytes of names for each active series, as one may be named in many ways.
	nameRoom = 1 << 10
	slabSize = 64 << 10
)

func newKnown() *known {
	return &known{seed: maphash.MakeSeed(), slots: map[uint64]int{}}
}

// holds reports whether the entries are good for a request. k.mu is held.
func (k *known) holds(l *Limits, epoch uint64) bool { return k.limits == l && k.epoch == epoch }

// find returns the number of the entry with a name, or -1. It looks at guess first: a sender names its series in the same
// order each time. k.mu is held.
func (k *known) find(name []byte, guess int) int {
	if guess < len(k.entries) && bytes.Equal(k.entries[guess].name, name) {
		return guess
	}
	if n, ok := k.slots[maphash.Bytes(k.seed, name)]; ok && bytes.Equal(k.entries[n].name, name) {
		return n
	}
	return -1
}

// learn remembers the series of a request that were not known, or not so. room is how many bytes names may take.
func (k *known) learn(parts []part, l *Limits, epoch uint64, room int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.holds(l, epoch) || k.size > room {
		k.limits, k.epoch, k.size = l, epoch, 0
		k.entries, k.slab, k.slots = nil, nil, map[uint64]int{}
	}
	for i := range parts {
		if p := &parts[i]; p.news && p.ref != 0 && len(p.name) <= maxName {
			k.put(p)
		}
	}
}

// put remembers one series. k.mu is held for writing.
func (k *known) put(p *part) {
	if n := k.find(p.name, len(k.entries)); n >= 0 {
		k.entries[n].ref, k.entries[n].described = p.ref, p.described
		return
	}
	if cap(k.slab)-len(k.slab) < len(p.name) {
		k.slab = make([]byte, 0, slabSize)
	}
	at := len(k.slab)
	k.slab = append(k.slab, p.name...)
	name := k.slab[at:len(k.slab):len(k.slab)]
	k.size += int64(len(name))
	k.slots[maphash.Bytes(k.seed, name)] = len(k.entries)
	k.entries = append(k.entries, entry{name: name, labels: p.labels, ref: p.ref, described: p.described})
}
