package audit

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// cachedSummaries is how many summaries of closed segments are kept in memory, a few
// megabytes each.
const cachedSummaries = 4

// brief is what decides whether a closed segment need be looked into at all.
type brief struct {
	first      Position
	oldest     int64 // Unix seconds of the events
	newest     int64
	leavesFrom map[string]uint64 // of the accounts in it, their tree's size before it
}

// remember keeps a closed segment's summary for the next lookups. The index lock is held.
func (l *Log) remember(s *summary) {
	b := &brief{leavesFrom: make(map[string]uint64, len(s.accounts))}
	for i, account := range s.accounts {
		b.leavesFrom[account] = s.parts[i].before
	}
	for i, r := range s.rows {
		if i == 0 {
			b.first, b.oldest, b.newest = r.position, r.time, r.time
		}
		b.oldest, b.newest = min(b.oldest, r.time), max(b.newest, r.time)
	}
	l.briefs[s.number] = b
	if l.cached[s.number] == nil {
		l.order = append(l.order, s.number)
	}
	l.cached[s.number] = s
	if len(l.order) > cachedSummaries {
		delete(l.cached, l.order[0])
		l.order = slices.Delete(l.order, 0, 1)
	}
}

// closedSummary returns a closed segment's summary, from memory where it is there.
func (l *Log) closedSummary(number uint64) (*summary, error) {
	l.index.RLock()
	s := l.cached[number]
	l.index.RUnlock()
	if s != nil {
		return s, nil
	}
	s, err := l.load(number)
	if err != nil {
		return nil, err
	}
	l.index.Lock()
	l.remember(s)
	l.index.Unlock()
	return s, nil
}

// useful reports whether a closed segment can hold what q asks for.
func (l *Log) useful(number uint64, q Query) bool {
	l.index.RLock()
	defer l.index.RUnlock()
	b := l.briefs[number]
	if b == nil {
		return true
	}
	_, there := b.leavesFrom[q.Account]
	return there && (q.Before == 0 || b.first < q.Before) &&
		(q.From.IsZero() || b.newest >= q.From.Unix()) && (q.To.IsZero() || b.oldest <= q.To.Unix())
}

// hit is an entry that a summary says may match, and where it stands.
type hit struct {
	position Position
	frame    uint64
	at       frameRef
	index    uint64 // among the entries of its account, in the whole log
}

// hits returns the rows below end that may match q, newest first.
func (s *summary) hits(q Query, end Position) []hit {
	account, ok := s.index[q.Account]
	if !ok {
		return nil
	}
	want := []uint32{tagOf("Region", q.Region)}
	if q.Attribute != "" {
		want = append(want, tagOf(q.Attribute, q.Value))
	}
	var hits []hit
	index := s.trees[q.Account].size
	for i := len(s.rows) - 1; i >= 0; i-- {
		r := &s.rows[i]
		if r.account != uint32(account) {
			continue
		}
		index--
		switch {
		case r.position >= end, q.Before != 0 && r.position >= q.Before,
			!q.From.IsZero() && r.time < q.From.Unix(), !q.To.IsZero() && r.time > q.To.Unix():
			continue
		}
		if tags := s.rowTags(i); all(want, tags) {
			hits = append(hits, hit{r.position, uint64(r.frame), s.frames[r.frame], index})
		}
	}
	return hits
}

// all reports whether every wanted tag is among tags.
func all(want, tags []uint32) bool {
	for _, w := range want {
		if !slices.Contains(tags, w) {
			return false
		}
	}
	return true
}

// candidates returns what segment number may hold of q.
func (l *Log) candidates(number uint64, q Query) ([]hit, error) {
	l.index.RLock()
	if l.newest != nil && l.newest.number == number {
		defer l.index.RUnlock()
		return l.newest.hits(q, l.newest.next), nil
	}
	l.index.RUnlock()
	if !l.useful(number, q) {
		return nil, nil
	}
	s, err := l.closedSummary(number)
	if err != nil {
		return nil, err
	}
	return s.hits(q, s.next), nil
}

// numbers returns the segments that hold entries, ascending.
func (l *Log) numbers() []uint64 {
	l.index.RLock()
	defer l.index.RUnlock()
	numbers := slices.Clone(l.closes)
	if l.newest != nil && !slices.Contains(numbers, l.newest.number) {
		numbers = append(numbers, l.newest.number)
	}
	return numbers
}

// Lookup implements Reader.
func (l *Log) Lookup(ctx context.Context, q Query) ([]Found, error) {
	var found []Found
	for _, number := range slices.Backward(l.numbers()) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		hits, err := l.candidates(number, q)
		if err != nil {
			return nil, err
		}
		if found, err = l.read(number, hits, q, found); err != nil {
			return nil, err
		}
		if len(found) >= q.Limit {
			break
		}
	}
	return found, nil
}

// read appends the entries of one segment that really match, until found is full.
func (l *Log) read(number uint64, hits []hit, q Query, found []Found) ([]Found, error) {
	if len(hits) == 0 {
		return found, nil
	}
	seg, err := openSegment(segmentPath(l.dir, number), l.keys)
	if err != nil {
		return nil, err
	}
	defer seg.close()
	var inFrame map[Position][]byte
	last := ^uint64(0)
	for _, h := range hits {
		if len(found) >= q.Limit {
			break
		}
		if h.frame != last {
			if inFrame, err = seg.frame(h); err != nil {
				return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, seg.path, err)
			}
			last = h.frame
		}
		e, err := parseEntry(inFrame[h.position])
		if err != nil {
			return nil, fmt.Errorf("%w: %s: entry %d is malformed", ErrCorrupt, seg.path, h.position)
		}
		if e.Account == q.Account && e.Region == q.Region && e.matches(q.Attribute, q.Value) {
			found = append(found, Found{h.position, h.index, *e})
		}
	}
	return found, nil
}

// frame reads the entries of the frame that h stands in, by position.
func (s *segment) frame(h hit) (map[Position][]byte, error) {
	info, err := s.file.Stat()
	if err != nil {
		return nil, err
	}
	sealed, err := s.readFrame(h.at.offset, info.Size())
	if err != nil {
		return nil, err
	}
	plain, err := s.seal.open(sealed, h.frame, &h.at.chain)
	if err != nil {
		return nil, err
	}
	found := make(map[Position][]byte)
	return found, entries(plain, func(p Position, raw []byte) error {
		found[p] = raw
		return nil
	})
}

// Checkpoint returns the signed head of an account's tree over everything durable: a note
// in the form of golang.org/x/mod/sumdb/note. Whoever keeps it can have Verify tell later
// whether anything that was recorded until now has been changed or taken out.
func (l *Log) Checkpoint(account string) ([]byte, error) {
	return l.sign(account, l.tree(account))
}

// Verifier returns the public key of the house's checkpoints, as package note writes it.
func (l *Log) Verifier() string { return l.verifier }

// tree returns an account's tree as it is now.
func (l *Log) tree(account string) tree {
	// Between two commits the newest summary holds nothing that is not durable.
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	l.index.RLock()
	defer l.index.RUnlock()
	if l.newest == nil {
		return tree{}
	}
	return l.newest.trees[account]
}

// Verify checks that the log still holds all that a checkpoint of this house says it held.
// The error wraps ErrCheckpoint where it does not.
func (l *Log) Verify(checkpoint []byte) error {
	account, size, head, err := openCheckpoint(checkpoint, l.verifier)
	if err != nil {
		return err
	}
	now := l.tree(account)
	if now.size < size {
		return fmt.Errorf("%w: account %s had %d records and has %d", ErrCheckpoint, account, size, now.size)
	}
	if size == 0 {
		return nil
	}
	got, err := tlog.TreeHash(int64(size), l.hashes(account))
	if err != nil {
		return err
	}
	if got != head {
		return fmt.Errorf("%w: the first %d records of account %s are not what they were", ErrCheckpoint, size, account)
	}
	return nil
}

// Prove returns the proof that leaf number index, from 0, is in the first size records of
// the account: tlog.CheckRecord verifies it against a checkpoint's head and the record's JSON.
func (l *Log) Prove(account string, size, index uint64) (tlog.RecordProof, error) {
	if index >= size || size > l.tree(account).size {
		return nil, fmt.Errorf("audit: account %s has no record %d of %d", account, index, size)
	}
	return tlog.ProveRecord(int64(size), int64(index), l.hashes(account))
}

// hashes reads stored hashes of an account's tree from the summaries that hold them.
func (l *Log) hashes(account string) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		numbers := l.numbers()
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			h, err := l.storedHash(numbers, account, index)
			if err != nil {
				return nil, err
			}
			found[i] = h
		}
		return found, nil
	})
}

// storedHash finds one stored hash: in the newest segment whose part of the tree begins at
// or before it.
func (l *Log) storedHash(numbers []uint64, account string, index int64) (tlog.Hash, error) {
	for _, number := range slices.Backward(numbers) {
		p, ok, err := l.part(number, account)
		if err != nil {
			return tlog.Hash{}, err
		}
		if from := tlog.StoredHashIndex(0, int64(p.before)); ok && index >= from {
			if index-from >= int64(len(p.hashes)) {
				break
			}
			return p.hashes[index-from], nil
		}
	}
	return tlog.Hash{}, fmt.Errorf("%w: hash %d of account %s is missing", ErrCorrupt, index, account)
}

// part returns what a segment added to an account's tree; ok is false for nothing.
func (l *Log) part(number uint64, account string) (p part, ok bool, err error) {
	l.index.RLock()
	s := l.newest
	if s == nil || s.number != number {
		l.index.RUnlock()
		if s, err = l.closedSummary(number); err != nil {
			return p, false, err
		}
		l.index.RLock()
	}
	defer l.index.RUnlock()
	i, ok := s.index[account]
	if !ok {
		return p, false, nil
	}
	return s.parts[i], true, nil
}
