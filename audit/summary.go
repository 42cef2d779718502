package audit

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/secret"
)

// summary is what lookups and proofs need of a segment without reading it.
type summary struct {
	number   uint64
	next     Position // after the segment's last entry
	size     int64    // where its frames end
	chain    tlog.Hash
	frames   []frameRef      // where each frame begins
	rows     []row           // one an entry, in order
	tags     []uint32        // the attribute hashes of all rows, each row's together
	accounts []string        // rows name them by index
	index    map[string]int  // of accounts
	parts    []part          // of each account's tree, what this segment added
	trees    map[string]tree // of every account of the house, as they are after the segment
}

// frameRef is what opening a frame takes: its place in the file and the chain value before it.
type frameRef struct {
	offset int64
	chain  tlog.Hash
}

// row is an entry in a summary.
type row struct {
	position Position
	time     int64 // Unix seconds
	frame    uint32
	account  uint32
	tagsEnd  uint32 // its tags end here and begin where the row before ends
}

// part is what a segment added to an account's tree: hashes as tlog.StoredHashIndex orders
// them, from the tree's size before.
type part struct {
	before uint64
	hashes []tlog.Hash
}

func newSummary(number uint64, trees map[string]tree) *summary {
	own := make(map[string]tree, len(trees))
	for account, t := range trees {
		own[account] = t
	}
	return &summary{number: number, index: make(map[string]int), trees: own}
}

// mark remembers how much a summary holds, so that a frame whose write failed can be
// taken out again.
type mark struct {
	rows, tags, accounts, frames int
	parts                        map[int]int
	trees                        map[string]tree
}

func (s *summary) mark() mark {
	return mark{len(s.rows), len(s.tags), len(s.accounts), len(s.frames), map[int]int{}, map[string]tree{}}
}

// undo takes out all that was added since m.
func (s *summary) undo(m mark) {
	for i, n := range m.parts {
		s.parts[i].hashes = s.parts[i].hashes[:n]
	}
	for account, t := range m.trees {
		s.trees[account] = t
	}
	for _, account := range s.accounts[m.accounts:] {
		delete(s.index, account)
	}
	s.rows, s.tags, s.accounts, s.parts, s.frames = s.rows[:m.rows], s.tags[:m.tags], s.accounts[:m.accounts], s.parts[:m.accounts], s.frames[:m.frames]
}

// add enters an entry that stands in the newest frame and returns its leaf hash.
func (s *summary) add(p Position, e *Entry, m *mark) tlog.Hash {
	i, ok := s.index[e.Account]
	if !ok {
		i = len(s.accounts)
		s.index[e.Account] = i
		s.accounts = append(s.accounts, e.Account)
		s.parts = append(s.parts, part{before: s.trees[e.Account].size})
	}
	t := s.trees[e.Account]
	if m != nil {
		if _, ok := m.trees[e.Account]; !ok {
			m.trees[e.Account] = t
			if i < m.accounts {
				m.parts[i] = len(s.parts[i].hashes)
			}
		}
	}
	leaf := tlog.RecordHash(e.JSON)
	s.parts[i].hashes = t.grow(leaf, s.parts[i].hashes)
	s.trees[e.Account] = t
	s.tags = append(e.tags(s.tags), tagOf("Region", e.Region))
	s.rows = append(s.rows, row{position: p, time: e.Time.Unix(), frame: uint32(len(s.frames) - 1), account: uint32(i), tagsEnd: uint32(len(s.tags))})
	return leaf
}

// rowTags returns the attribute hashes of row i.
func (s *summary) rowTags(i int) []uint32 {
	begin := uint32(0)
	if i > 0 {
		begin = s.rows[i-1].tagsEnd
	}
	return s.tags[begin:s.rows[i].tagsEnd]
}

// encode writes the summary in binary; decodeSummary reads it.
func (s *summary) encode() []byte {
	be := binary.BigEndian
	b := be.AppendUint64(nil, s.number)
	b = be.AppendUint64(b, uint64(s.next))
	b = be.AppendUint64(b, uint64(s.size))
	b = append(b, s.chain[:]...)
	b = be.AppendUint32(b, uint32(len(s.frames)))
	for _, f := range s.frames {
		b = append(be.AppendUint64(b, uint64(f.offset)), f.chain[:]...)
	}
	b = be.AppendUint32(b, uint32(len(s.rows)))
	for _, r := range s.rows {
		b = be.AppendUint64(b, uint64(r.position))
		b = be.AppendUint64(b, uint64(r.time))
		b = be.AppendUint32(b, r.frame)
		b = be.AppendUint32(b, r.account)
		b = be.AppendUint32(b, r.tagsEnd)
	}
	b = be.AppendUint32(b, uint32(len(s.tags)))
	for _, t := range s.tags {
		b = be.AppendUint32(b, t)
	}
	b = be.AppendUint32(b, uint32(len(s.accounts)))
	for i, account := range s.accounts {
		b = appendString(b, account)
		b = be.AppendUint64(b, s.parts[i].before)
		b = be.AppendUint32(b, uint32(len(s.parts[i].hashes)))
		for _, h := range s.parts[i].hashes {
			b = append(b, h[:]...)
		}
	}
	b = be.AppendUint32(b, uint32(len(s.trees)))
	for account, t := range s.trees {
		b = be.AppendUint64(appendString(b, account), t.size)
		for level := range t.edge {
			if t.size>>level&1 == 1 {
				b = append(b, t.edge[level][:]...)
			}
		}
	}
	return b
}

// count reads a list's length and refuses one whose elements of n bytes cannot all be there.
func (d *decoder) count(n int) int {
	c := int(d.uint32())
	if d.ok && c*n > len(d.b) {
		d.ok = false
	}
	if !d.ok {
		return 0
	}
	return c
}

func (d *decoder) hash() (h tlog.Hash) {
	copy(h[:], d.take(tlog.HashSize))
	return h
}

func decodeSummary(b []byte) (*summary, error) {
	d := &decoder{b: b, ok: true}
	s := &summary{number: d.uint64(), next: Position(d.uint64()), size: int64(d.uint64()), chain: d.hash(), index: make(map[string]int)}
	s.frames = make([]frameRef, d.count(8+tlog.HashSize))
	for i := range s.frames {
		s.frames[i] = frameRef{int64(d.uint64()), d.hash()}
	}
	s.rows = make([]row, d.count(28))
	for i := range s.rows {
		s.rows[i] = row{Position(d.uint64()), int64(d.uint64()), d.uint32(), d.uint32(), d.uint32()}
	}
	s.tags = make([]uint32, d.count(4))
	for i := range s.tags {
		s.tags[i] = d.uint32()
	}
	for i := range d.count(14) {
		account := d.string()
		p := part{before: d.uint64(), hashes: make([]tlog.Hash, d.count(tlog.HashSize))}
		for j := range p.hashes {
			p.hashes[j] = d.hash()
		}
		s.accounts, s.parts, s.index[account] = append(s.accounts, account), append(s.parts, p), i
	}
	n := d.count(10)
	s.trees = make(map[string]tree, n)
	for range n {
		account := d.string()
		t := tree{size: d.uint64()}
		for level := range t.edge {
			if t.size>>level&1 == 1 {
				t.edge[level] = d.hash()
			}
		}
		s.trees[account] = t
	}
	if !d.ok || len(d.b) != 0 || !s.consistent() {
		return nil, fmt.Errorf("summary is malformed")
	}
	return s, nil
}

// consistent reports whether all indexes of a decoded summary point into it.
func (s *summary) consistent() bool {
	last := uint32(0)
	for _, r := range s.rows {
		if int(r.frame) >= len(s.frames) || int(r.account) >= len(s.accounts) || r.tagsEnd < last || int(r.tagsEnd) > len(s.tags) {
			return false
		}
		last = r.tagsEnd
	}
	return true
}

// summaryAEAD is the cipher of a segment's summary, which may be made more than once.
func summaryAEAD(key secret.Bytes) (cipher.AEAD, error) {
	k, err := subkey(key, "summary")
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// writeSummary writes the summary beside its segment, durably.
func (s *summary) write(dir string, key secret.Bytes) error {
	aead, err := summaryAEAD(key)
	if err != nil {
		return err
	}
	return durable.WriteFile(summaryPath(dir, s.number), aead.Seal(nil, nil, s.encode(), []byte(magic)), 0o600)
}

// readSummary reads the summary of the segment whose key is given.
func readSummary(dir string, number uint64, key secret.Bytes) (*summary, error) {
	path := summaryPath(dir, number)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	aead, err := summaryAEAD(key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, b, []byte(magic))
	if err != nil {
		return nil, fmt.Errorf("%w: %s does not authenticate", ErrCorrupt, path)
	}
	s, err := decodeSummary(plain)
	if err != nil || s.number != number {
		return nil, fmt.Errorf("%w: %s is malformed", ErrCorrupt, path)
	}
	return s, nil
}
