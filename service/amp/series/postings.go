package series

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

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
	placesPart = 12
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

// newPostings reads the table once, and has the texts of common values kept.
func newPostings(r *page.Region, toc *index.TOC, words *symbols) (*postings, error) {
	base := int(toc.PostingsTable) + 4
	if base < 4 || base > r.Len()-4 {
		return nil, fmt.Errorf("%w: table of postings", seal.ErrCorrupt)
	}
	p := &postings{region: r, names: map[string][]landmark{}}
	p.places = newPlaces(int(binary.BigEndian.Uint32(r.Range(base, base+4))), max(r.Len()/placesPart, fewPlaces))
	last, n := "", 0
	var open *landmark
	numbers, often := words.finder(), new(common)
	err := index.ReadPostingsOffsetTable(r, toc.PostingsTable, func(name, value []byte, list uint64, at int) error {
		if string(name) != last {
			often.end()
		}
		number, known := numbers.find(value)
		if known {
			often.add(text{number, value})
			number++
		}
		if p.places != nil && !p.places.add(name, value, list, number) {
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
	often.end()
	words.keep(often.texts)
	return p, nil
}

// commonTexts is how many bytes of memory the texts take that are kept of a block, beside the names of labels.
const commonTexts = 4 << 10

// common collects the values of labels that have few: nearly every series has them, and every page that one stands on would
// be opened for it alone.
type common struct {
	texts []text
	size  int
	from  int // where those of the current label begin
	now   int // their size
}

// add adds the next value of a label.
func (c *common) add(t text) {
	if len(c.texts)-c.from <= landmarkStep {
		c.texts = append(c.texts, t)
		c.now += t.size()
	}
}

// end ends a label. Of one that has many values, or long ones, none is kept.
func (c *common) end() {
	if len(c.texts)-c.from > landmarkStep || c.size+c.now > commonTexts {
		c.texts, c.now = c.texts[:c.from], 0
	}
	c.from, c.size, c.now = len(c.texts), c.size+c.now, 0
}

// find returns where the list of a value of a label stands, and the number of the value and 1 where that is known.
func (p *postings) find(name, value string) (at int, number uint32, ok bool, err error) {
	if p.places != nil {
		at, number, ok = p.places.find(name, value)
		return at, number, ok, nil
	}
	at, ok, err = p.search(name, value)
	return at, 0, ok, err
}

// search finds the list of a value of a label in the table.
func (p *postings) search(name, value string) (at int, ok bool, err error) {
	marks := p.names[name]
	i, found := slices.BinarySearchFunc(marks, value, func(m landmark, v string) int { return cmp.Compare(m.value, v) })
	if !found {
		i--
	}
	if i < 0 {
		return 0, false, nil
	}
	d := encoding.Decbuf{B: p.region.Range(marks[i].at, marks[i].end)}
	for d.Err() == nil && d.Len() > 0 {
		d.Uvarint()      // always 2
		d.UvarintBytes() // the name
		v := d.UvarintBytes()
		at := d.Uvarint64()
		switch c := cmp.Compare(string(v), value); {
		case d.Err() != nil || c > 0:
			return 0, false, d.Err()
		case c == 0:
			return int(at), true, nil
		}
	}
	return 0, false, d.Err()
}

// each yields the values of a label in order, with the places of their lists, until yield says no. A value is good as long as the
// region's pages are, or for ever if it is to be kept.
func (p *postings) each(name string, keep bool, yield func(value string, at int) (bool, error)) error {
	skip := len(binary.AppendUvarint([]byte{2}, uint64(len(name)))) + len(name) // is the same in all entries
	marks := p.names[name]
	for some := 1; len(marks) > 0; some = min(2*some, 64) { // few at first: perhaps no more are asked for
		some = min(some, len(marks))
		b := p.region.Range(marks[0].at, marks[some-1].end)
		if keep {
			b = bytes.Clone(b)
		}
		for len(b) > 0 {
			v, n := cutSymbol(b[min(skip, len(b)):])
			at, m := binary.Uvarint(b[min(skip+n, len(b)):])
			if n == 0 || m <= 0 {
				return fmt.Errorf("%w: table of postings", seal.ErrCorrupt)
			}
			b = b[skip+n+m:]
			if more, err := yield(unsafe.String(unsafe.SliceData(v), len(v)), int(at)); err != nil || !more {
				return err
			}
		}
		marks = marks[some:]
	}
	return nil
}

// values returns the values of a label in order, at most limit of them if that is not 0.
func (p *postings) values(name string, limit int) (list []string, err error) {
	most := len(p.names[name]) * landmarkStep
	if limit > 0 {
		most = min(most, limit)
	}
	list = make([]string, 0, most)
	err = p.each(name, true, func(v string, _ int) (bool, error) {
		list = append(list, v)
		return len(list) != limit, nil
	})
	return list, err
}

// few reports whether a label has so few values that it is cheaper to ask of each which series have it than of each series which
// it has.
func (p *postings) few(name string) bool { return len(p.names[name]) == 1 }

// meeting returns the values of a label that one of some series has, at most limit of them if that is not 0.
func (p *postings) meeting(name string, series index.Postings, limit int) ([]string, error) {
	var values []string
	var lists []index.Postings
	err := p.each(name, true, func(v string, at int) (bool, error) {
		list, err := p.list(at)
		values, lists = append(values, v), append(lists, list)
		return true, err
	})
	if err != nil {
		return nil, err
	}
	found, err := index.FindIntersectingPostings(series, lists)
	if err != nil {
		return nil, err
	}
	slices.Sort(found)
	if limit > 0 {
		found = found[:min(limit, len(found))]
	}
	var some []string
	for _, i := range found {
		some = append(some, values[i])
	}
	return some, series.Err()
}

// matching returns the series that have a value of a label that matches, or any value if match is nil.
func (p *postings) matching(ctx context.Context, name string, match func(string) bool) (index.Postings, error) {
	var list []index.Postings
	n := 0
	err := p.each(name, false, func(v string, at int) (bool, error) {
		if n++; n%checkEvery == 0 && ctx.Err() != nil {
			return false, ctx.Err()
		}
		if match != nil && !match(v) {
			return true, nil
		}
		one, err := p.list(at)
		list = append(list, one)
		return true, err
	})
	if err != nil {
		return nil, err
	}
	return index.Merge(ctx, list...), nil
}

// checkEvery is after how many values or series it is looked whether a call was given up.
const checkEvery = 128
