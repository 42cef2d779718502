package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/strongroom/strongroom/durable"
)

const (
	segmentSize = 32 << 20              // a segment is closed when it is this large
	maxLinger   = 50 * time.Millisecond // how long an entry that nobody waits for stays in memory
	maxGather   = time.Millisecond      // how long a batch waits for more entries
	crowd       = 2                     // entries in a batch beyond which the next one waits for more
)

// Log is the audit log of a house: a Sink and a Reader. All methods may be called together.
type Log struct {
	dir      string
	keys     Keys
	log      *slog.Logger
	lock     *durable.Lock
	signer   note.Signer
	verifier string

	kick    chan struct{} // wakes the committer; one is enough for any number of waiters
	stopped chan struct{}

	mu       sync.Mutex
	pending  *batch // takes entries
	inflight *batch // being written
	spare    []byte // buffer of the batch before, for the next one
	next     Position
	lazy     *time.Timer // commits what nobody waits for; nil when not set
	failures []failure
	closed   bool

	pace    time.Duration // of writes, a moving mean; the committer's own
	crowded bool          // the batch before had more than crowd entries; the committer's own

	commitMu sync.Mutex // held by who writes segments: the committer, Close
	active   *segment   // nil until the first commit, and after a write that failed
	written  int64      // where the active segment's frames end
	zeroed   int64      // to where its file is filled with zeros
	ahead    *step      // of zeros, under way; nil for none
	barren   int64      // where no step could be made
	previous header     // what the next segment's header says of the one before it

	index  sync.RWMutex
	newest *summary            // of the active segment, growing; nil with it
	closes []uint64            // numbers of the closed segments, ascending
	briefs map[uint64]*brief   // of closed segments that were looked into
	cached map[uint64]*summary // a few of them whole
	order  []uint64            // of cached, oldest first
}

// batch is a group of entries that are committed in one frame.
type batch struct {
	first   Position
	buf     []byte // frame as sealer.seal takes it: 4 spare bytes, first position, entries
	entries []*Entry
	done    chan struct{}
	err     error // set before done is closed
}

// newBatch makes an empty batch, in the memory of an earlier one where it is given.
func newBatch(first Position, buf []byte) *batch {
	b := &batch{first: first, buf: append(buf[:0], 0, 0, 0, 0), done: make(chan struct{})}
	b.buf = binary.BigEndian.AppendUint64(b.buf, uint64(first))
	return b
}

// Append implements Sink.
func (l *Log) Append(ctx context.Context, e *Entry) (Position, error) {
	if err := checkEntry(e); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.pending.buf) > maxFrame/2 {
		// Only more writers than any limit on calls allows come here: they wait for a place.
		b := l.pending
		l.mu.Unlock()
		l.poke()
		err := b.wait(ctx)
		l.mu.Lock()
		if err != nil {
			return 0, err
		}
	}
	if l.closed {
		return 0, ErrClosed
	}
	b := l.pending
	at := len(b.buf)
	b.buf = appendEntry(append(b.buf, 0, 0, 0, 0), e)
	binary.BigEndian.PutUint32(b.buf[at:], uint32(len(b.buf)-at-4))
	b.entries = append(b.entries, e)
	p := l.next
	l.next++
	if l.lazy == nil {
		l.lazy = time.AfterFunc(maxLinger, l.linger)
	}
	return p, nil
}

// linger commits what has been appended and perhaps is waited for by nobody.
func (l *Log) linger() {
	l.mu.Lock()
	l.lazy = nil
	l.mu.Unlock()
	l.poke()
}

func (l *Log) poke() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// Wait implements Sink.
func (l *Log) Wait(ctx context.Context, first, last Position) error {
	l.mu.Lock()
	b := l.pending
	if last < b.first {
		b = l.inflight
	}
	known := last < l.next
	earlier := l.inflight
	lost := l.lost(first, last)
	l.mu.Unlock()
	switch {
	case !known:
		return fmt.Errorf("audit: no record has position %d", last)
	case lost != nil:
		return lost
	case b == nil || last < b.first:
		return nil // its batch has ended, and not in failure
	}
	l.poke()
	if earlier != nil && earlier != b && first < b.first {
		if err := earlier.wait(ctx); err != nil {
			return err
		}
	}
	return b.wait(ctx)
}

func (b *batch) wait(ctx context.Context) error {
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return fmt.Errorf("audit: waiting for the log: %w", ctx.Err())
	}
}

// failure is a run of positions whose entries could not be written.
type failure struct {
	first, end Position
	err        error
}

// lost returns why an entry from first to last was not written, or nil. The lock is held.
func (l *Log) lost(first, last Position) error {
	for _, f := range l.failures {
		if f.first <= last && first < f.end {
			return f.err
		}
	}
	return nil
}

// lose notes a batch that could not be written. Batches that fail one after the other make
// one run, so a disk that stays full for a day costs no memory. The lock is held.
func (l *Log) lose(b *batch) {
	end := b.first + Position(len(b.entries))
	if n := len(l.failures); n > 0 && l.failures[n-1].end == b.first {
		l.failures[n-1].end = end
		return
	}
	l.failures = append(l.failures, failure{b.first, end, b.err})
}

// run is the committer: it writes batch after batch until the log is closed.
func (l *Log) run() {
	defer close(l.stopped)
	for range l.kick {
		l.gather()
		wrote, closed := l.commit()
		switch {
		case closed && !wrote:
			return
		case closed:
			l.poke() // once more, for what came in meanwhile
		}
	}
}

// gather lets a batch grow before it is written, when callers come in numbers: a sync costs
// far more processor time than a record, and callers that were answered together come back
// together. It waits half as long as a write has taken of late. A lone caller never waits.
func (l *Log) gather() {
	if l.crowded {
		time.Sleep(min(l.pace/2, maxGather))
	}
}

// commit writes what has been appended in one frame.
func (l *Log) commit() (wrote, closed bool) {
	l.mu.Lock()
	b := l.pending
	closed = l.closed
	if len(b.entries) == 0 {
		l.mu.Unlock()
		return false, closed
	}
	l.pending, l.inflight = newBatch(l.next, l.spare), b
	l.mu.Unlock()

	l.commitMu.Lock()
	start := time.Now()
	b.err = l.write(b)
	l.prepare()
	l.commitMu.Unlock()
	l.pace += (time.Since(start) - l.pace) / 8
	l.crowded = len(b.entries) > crowd
	if b.err != nil {
		l.log.Error("audit log cannot be written; the calls it would have recorded fail", "error", b.err)
	}
	l.mu.Lock()
	if b.err != nil {
		l.lose(b)
	}
	l.inflight = nil
	l.spare, b.buf = b.buf, nil
	l.mu.Unlock()
	close(b.done)
	return true, closed
}

// write puts a batch on disk. After an error nothing of it counts, and the next batch
// begins a new segment.
func (l *Log) write(b *batch) error {
	if l.active != nil && l.written > segmentSize {
		if err := l.finish(); err != nil {
			return err
		}
	}
	if l.active == nil {
		if err := l.begin(b.first); err != nil {
			return err
		}
	}
	l.index.Lock()
	m := l.newest.mark()
	frame := uint64(len(l.newest.frames))
	l.newest.frames = append(l.newest.frames, frameRef{l.written, l.newest.chain})
	leaves := make([]tlog.Hash, len(b.entries))
	for i, e := range b.entries {
		leaves[i] = l.newest.add(b.first+Position(i), e, &m)
	}
	chain := l.newest.chain
	l.index.Unlock()

	sealed := l.active.seal.seal(b.buf, frame, &chain)
	l.settle(l.written+int64(len(sealed))+4 > l.zeroed)
	zeroed, err := l.active.writeAt(sealed, l.written, l.zeroed)
	if err != nil {
		l.settle(true)
	}
	l.index.Lock()
	defer l.index.Unlock()
	if err != nil {
		l.newest.undo(m)
		return errors.Join(fmt.Errorf("audit: %s: %w", l.active.path, err), l.abandon())
	}
	l.zeroed = zeroed
	l.written += int64(len(sealed))
	l.newest.size = l.written
	l.newest.next = b.first + Position(len(b.entries))
	l.newest.chain = nextChain(chain, leaves)
	return nil
}

// begin makes the segment that the next frame goes to.
func (l *Log) begin(first Position) error {
	h := l.previous
	h.Number++
	h.First, h.Made = first, time.Now().UTC()
	s, err := createSegment(l.dir, l.keys, h)
	if err != nil {
		return err
	}
	l.active, l.written, l.zeroed, l.barren = s, s.start, s.start, 0
	trees := map[string]tree(nil)
	l.index.Lock()
	defer l.index.Unlock()
	if l.newest != nil {
		trees = l.newest.trees
	}
	l.newest = newSummary(s.Number, trees)
	l.newest.next, l.newest.size = first, s.start
	copy(l.newest.chain[:], h.Chain)
	return nil
}

// finish closes the active segment and writes its summary.
func (l *Log) finish() error {
	l.settle(true)
	l.index.RLock()
	s := l.newest
	l.index.RUnlock()
	if err := s.write(l.dir, l.active.secret); err != nil {
		return fmt.Errorf("audit: summary: %w", err)
	}
	if err := l.active.file.Truncate(l.written); err != nil { // the zeros ahead are not needed any more
		return fmt.Errorf("audit: %w", err)
	}
	l.index.Lock()
	defer l.index.Unlock()
	return l.abandon()
}

// abandon leaves the active segment as it stands: what was durable in it counts, what
// follows does not, and the next segment's header will say so. Its summary may be missing;
// it is made again when it is needed. The index lock is held.
func (l *Log) abandon() error {
	s := l.newest
	l.previous = header{Number: s.number, Previous: s.number, Length: s.size, Chain: append([]byte(nil), s.chain[:]...)}
	l.closes = append(l.closes, s.number)
	l.remember(s)
	err := l.active.close()
	l.active = nil
	return err
}

// Close commits what has been appended, closes the newest segment and ends the log.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	if l.lazy != nil {
		l.lazy.Stop()
	}
	l.mu.Unlock()
	l.poke()
	<-l.stopped
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	var err error
	if l.active != nil {
		err = l.finish()
	}
	return errors.Join(err, l.lock.Release())
}
