package series

import (
	"context"
	"encoding/binary"
	"fmt"
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
	names   map[uint32]string // of labels, which are asked for with every series
	numbers map[string]uint32 // of the names of labels
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
	s := &symbols{region: r, first: start + 8, end: start + 4 + int(size), count: binary.BigEndian.Uint32(head[4:]), names: map[uint32]string{}, numbers: map[string]uint32{}}
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
			s.names[i], s.numbers[name] = name, i
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
	if name, ok := s.names[number]; ok {
		return name, nil
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
