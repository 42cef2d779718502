package series

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/tsdb/encoding"
	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service/amp/page"
)

// postings finds the list of the series that have one value of a label, and opens only the page of the table of such
// lists that it stands on, where Prometheus's reader asks for the whole table. The table is (tsdb/docs/format/index.md): length (4) |
// count (4) | entries, ordered by name and value | checksum (4); an entry is the number 2 | name | value | place of the list, texts with
// their length before them.
type postings struct {
	region *page.Region
	names  map[string][]landmark
	places *places // nil where they would take too much memory
	long   longLists
}

const (
	// placesPart is what part of an index its places may take of memory; fewPlaces is how many bytes they may take in any case.
	placesPart = 16
	fewPlaces  = 16 << 10
)

// landmarkStep is how many entries of the table stand from one landmark to the next.
const landmarkStep = 32

// landmark is an entry of the table: every 32nd of a name, and its first.
type landmark struct {
	value string
	at    int // in the file
	end   int // of what stands before the next landmark
}

// newPostings reads the table once.
func newPostings(r *page.Region, toc *index.TOC) (*postings, error) {
	base := int(toc.PostingsTable) + 4
	if base < 4 || base > r.Len()-4 {
		return nil, fmt.Errorf("%w: table of postings", seal.ErrCorrupt)
	}
	p := &postings{region: r, names: map[string][]landmark{}}
	p.places = newPlaces(int(binary.BigEndian.Uint32(r.Range(base, base+4))), max(r.Len()/placesPart, fewPlaces))
	last, n := "", 0
	var open *landmark
	err := index.ReadPostingsOffsetTable(r, toc.PostingsTable, func(name, value []byte, list uint64, at int) error {
		if p.places != nil && !p.places.add(name, value, list) {
			p.places = nil
		}
		if string(name) != last || len(p.names) == 0 {
			last, n = string(name), 0
		}
		if n++; n%landmarkStep != 1 {
			return nil
		}
		if open != nil {
			open.end = base + at
		}
		p.names[last] = append(p.names[last], landmark{value: string(value), at: base + at})
		open = &p.names[last][len(p.names[last])-1]
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: table of postings: %w", seal.ErrCorrupt, err)
	}
	if open != nil {
		open.end = base + int(binary.BigEndian.Uint32(r.Range(base-4, base)))
	}
	return p, nil
}

// of returns the series that have a value of a label, in order.
func (p *postings) of(name, value string) (index.Postings, error) {
	if p.places != nil {
		if at, ok := p.places.find(name, value); ok {
			return p.list(at)
		}
		return index.EmptyPostings(), nil
	}
	marks := p.names[name]
	i, found := slices.BinarySearchFunc(marks, value, func(m landmark, v string) int { return cmp.Compare(m.value, v) })
	if !found {
		i--
	}
	if i < 0 {
		return index.EmptyPostings(), nil
	}
	d := encoding.Decbuf{B: p.region.Range(marks[i].at, marks[i].end)}
	for d.Err() == nil && d.Len() > 0 {
		d.Uvarint()      // always 2
		d.UvarintBytes() // the name
		v := d.UvarintBytes()
		at := d.Uvarint64()
		switch c := cmp.Compare(string(v), value); {
		case d.Err() != nil || c > 0:
			return index.EmptyPostings(), d.Err()
		case c == 0:
			return p.list(int(at))
		}
	}
	return index.EmptyPostings(), d.Err()
}
