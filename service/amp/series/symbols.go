package series

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sort"
	"unsafe"

	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service/amp/page"
)

// symbols finds the strings of an index by their numbers, and opens only the page that one is on. Prometheus's own
// lookup asks for the whole index each time. The table is (tsdb/docs/format/index.md): length (4) | count (4) | strings, each with its
// length before it | checksum (4).
type symbols struct {
	region  *page.Region
	first   int      // where the first string stands
	end     int      // of the last
	offsets []uint32 // of every eighth string, from the first
	count   uint32
	texts   map[uint32]string // names of labels, and what keep kept: they are asked for with every series
	numbers map[string]uint32 // of the names of labels
	kept    []byte            // what keep kept
	size    int64             // of memory that it takes
}

// symbolStep is how many strings stand behind each offset that is kept: so few that most often one page has all of them.
const symbolStep = 8

// newSymbols reads the table once. names are those of all labels.
func newSymbols(r *page.Region, toc *index.TOC, names []string) (*symbols, error) {
	start, end := int(toc.Symbols), int(toc.Series)
	if start < 0 || end < start+12 || end > r.Len() {
		return nil, fmt.Errorf("%w: table of symbols", seal.ErrCorrupt)
	}
	head := r.Range(start, start+8)
	size := int64(binary.BigEndian.Uint32(head))
	if size < 4 || int64(start)+4+size > int64(end)-4 {
		return nil, fmt.Errorf("%w: table of symbols", seal.ErrCorrupt)
	}
	s := &symbols{region: r, first: start + 8, end: start + 4 + int(size), count: binary.BigEndian.Uint32(head[4:]), texts: map[uint32]string{}, numbers: map[string]uint32{}}
	isName := make(map[string]bool, len(names))
	for _, n := range names {
		isName[n] = true
	}
	text, at := r.Range(s.first, s.end), uint32(0)
	for i := range s.count {
		if i%symbolStep == 0 {
			s.offsets = append(s.offsets, at)
		}
		word, n := cutSymbol(text)
		if n == 0 {
			return nil, fmt.Errorf("%w: symbol %d", seal.ErrCorrupt, i)
		}
		if isName[string(word)] {
			name := string(word)
			s.texts[i], s.numbers[name] = name, i
		}
		text, at = text[n:], at+uint32(n)
	}
	return s, nil
}

// cutSymbol returns the string at the beginning of b, and how many bytes it takes; 0 when it is not whole.
func cutSymbol(b []byte) (word []byte, n int) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, 0
	}
	return b[n : n+int(size)], n + int(size)
}

// lookup returns a string that is good as long as the region's pages are, so it is copied by whoever keeps it: the builder
// of labels does.
func (s *symbols) lookup(_ context.Context, number uint32) (string, error) {
	if text, ok := s.texts[number]; ok {
		return text, nil
	}
	if number >= s.count {
		return "", fmt.Errorf("%w: symbol %d of %d", seal.ErrCorrupt, number, s.count)
	}
	step := int(number / symbolStep)
	end := s.end
	if step+1 < len(s.offsets) {
		end = s.first + int(s.offsets[step+1])
	}
	text := s.region.Range(s.first+int(s.offsets[step]), end)
	for range number % symbolStep {
		_, n := cutSymbol(text)
		text = text[n:]
	}
	word, n := cutSymbol(text)
	if n == 0 {
		return "", fmt.Errorf("%w: symbol %d", seal.ErrCorrupt, number)
	}
	return unsafe.String(unsafe.SliceData(word), len(word)), nil
}

// text is a string with its number. It points into the region.
type text struct {
	number uint32
	bytes  []byte
}

// size returns about how many bytes of memory it takes to keep a text.
func (t text) size() int { return len(t.bytes) + 32 }

// keep keeps some texts until wipe.
func (s *symbols) keep(texts []text) {
	size := 0
	for _, t := range texts {
		size += len(t.bytes)
		s.size += int64(t.size())
	}
	s.kept = make([]byte, 0, size)
	for _, t := range texts {
		at := len(s.kept)
		s.kept = append(s.kept, t.bytes...)
		s.texts[t.number] = unsafe.String(unsafe.SliceData(s.kept[at:]), len(t.bytes))
	}
}

// wipe forgets what keep kept. Nobody may look anything up any more.
func (s *symbols) wipe() { clear(s.kept) }

// finder finds the numbers of strings, quickly where one is soon behind the one that was found before.
type finder struct {
	*symbols
	table []byte // all strings
	rest  []byte // those from next on
	next  uint32
}

// finder reads all strings, which are opened already when the table was just read.
func (s *symbols) finder() *finder {
	table := s.region.Range(s.first, s.end)
	return &finder{symbols: s, table: table, rest: table}
}

// find returns the number of a string.
func (f *finder) find(value []byte) (number uint32, ok bool) {
	if n, ok := f.near(value); ok {
		return n, true
	}
	i := sort.Search(len(f.offsets), func(i int) bool {
		word, _ := cutSymbol(f.table[f.offsets[i]:])
		return bytes.Compare(word, value) > 0
	})
	if i == 0 {
		return 0, false
	}
	f.next, f.rest = uint32(i-1)*symbolStep, f.table[f.offsets[i-1]:]
	return f.near(value)
}

// near looks at the next few strings only.
func (f *finder) near(value []byte) (uint32, bool) {
	for range symbolStep {
		word, n := cutSymbol(f.rest)
		if n == 0 || f.next == f.count {
			return 0, false
		}
		f.rest, f.next = f.rest[n:], f.next+1
		if bytes.Equal(word, value) {
			return f.next - 1, true
		}
	}
	return 0, false
}
