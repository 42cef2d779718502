package series

import (
	"hash/maphash"
	"math"
	"math/bits"
	"unsafe"
)

// places knows where the list of each value of each label stands, so that a page of the table of lists need not be opened for it,
// and the number of the value, so that who asked for it knows it again in a series. It keeps no texts, only 96 bits of hashes of
// them under a seed of the process: that a text which is not there passes for one that is, is as likely as that a page which was
// changed passes for one that was not.
type places struct {
	seeds [2]maphash.Seed
	table []listPlace // by hash, each in its slot or in the next one that was free
}

// listPlace is a list of series.
type listPlace struct {
	hash   [3]uint32
	at     uint32 // a fourth of it, as lists stand at multiples of 4; 0 is a free slot
	number uint32 // of the value among the symbols, and 1; 0 if it is not known
}

const placeSize = 20

// newPlaces returns what takes n places, or nil if that would take more than some bytes.
func newPlaces(n, most int) *places {
	if n > most/placeSize*4/5 {
		return nil
	}
	return &places{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, table: make([]listPlace, n+n/4+1)}
}

func (p *places) hash(name, value string) [3]uint32 {
	var sums [2]uint64
	for i := range sums {
		var h maphash.Hash
		h.SetSeed(p.seeds[i])
		for n := len(name); n > 0; n >>= 8 {
			_ = h.WriteByte(byte(n))
		}
		_ = h.WriteByte(0)
		_, _ = h.WriteString(name)
		_, _ = h.WriteString(value)
		sums[i] = h.Sum64()
	}
	return [3]uint32{uint32(sums[0] >> 32), uint32(sums[0]), uint32(sums[1])}
}

func (p *places) slot(hash [3]uint32) int {
	i, _ := bits.Mul64(uint64(hash[0])<<32|uint64(hash[1]), uint64(len(p.table)))
	return int(i)
}

// add notes a list, and the number of its value and 1, and reports whether it can be.
func (p *places) add(name, value []byte, at uint64, number uint32) bool {
	if at == 0 || at%4 != 0 || at/4 > math.MaxUint32 {
		return false
	}
	hash := p.hash(unsafe.String(unsafe.SliceData(name), len(name)), unsafe.String(unsafe.SliceData(value), len(value)))
	i := p.slot(hash)
	for range p.table {
		if p.table[i].at == 0 {
			p.table[i] = listPlace{hash, uint32(at / 4), number}
			return true
		}
		i = (i + 1) % len(p.table)
	}
	return false
}

// find returns where the list of a value of a label stands, and the number of the value and 1.
func (p *places) find(name, value string) (at int, number uint32, ok bool) {
	hash := p.hash(name, value)
	i := p.slot(hash)
	for range p.table {
		switch e := &p.table[i]; {
		case e.at == 0:
			return 0, 0, false
		case e.hash == hash:
			return int(e.at) * 4, e.number, true
		}
		if i++; i == len(p.table) {
			i = 0
		}
	}
	return 0, 0, false
}

// size returns how many bytes of memory the places take.
func (p *places) size() int64 {
	if p == nil {
		return 0
	}
	return int64(len(p.table)) * placeSize
}

// wipe forgets all places. Nobody may ask for one any more.
func (p *places) wipe() {
	if p != nil {
		clear(p.table)
	}
}
