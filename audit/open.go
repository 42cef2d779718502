package audit

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/strongroom/strongroom/durable"
)

// Open opens the audit log in dir, which is made if it is not there. What a crash left
// half written at the end of the newest segment was never acknowledged and is cut off;
// any other damage is ErrCorrupt, naming the file. One process at a time has a log open.
func Open(dir string, keys Keys, log *slog.Logger) (*Log, error) {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	lock, err := durable.LockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	l := &Log{
		dir: dir, keys: keys, log: log, lock: lock, kick: make(chan struct{}, 1), stopped: make(chan struct{}),
		briefs: make(map[uint64]*brief), cached: make(map[uint64]*summary),
	}
	err = finishHeaders(dir, keys)
	if err == nil {
		err = l.recover()
	}
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	go l.run()
	return l, nil
}

// recover reads where the log ends.
func (l *Log) recover() error {
	var err error
	seed := l.keys.Derive("audit checkpoint")
	if l.signer, l.verifier, err = checkpointKey(seed.Reveal()); err != nil {
		return err
	}
	if l.closes, err = segmentNumbers(l.dir); err != nil {
		return err
	}
	l.next = 1 // so that no position is zero
	if n := len(l.closes); n > 0 {
		s, err := l.load(l.closes[n-1])
		if err != nil {
			return err
		}
		l.newest = s
		l.next = s.next
		l.previous = header{Number: s.number, Previous: s.number, Length: s.size, Chain: append([]byte(nil), s.chain[:]...)}
	}
	l.pending = newBatch(l.next, nil)
	return nil
}

// load returns the summary of a closed segment, from its file or, where that is missing,
// made again from the segment.
func (l *Log) load(number uint64) (*summary, error) {
	seg, err := openSegment(segmentPath(l.dir, number), l.keys)
	if err != nil {
		return nil, err
	}
	defer seg.close()
	s, err := readSummary(l.dir, number, seg.secret)
	if !errors.Is(err, os.ErrNotExist) {
		return s, err
	}
	end, err := l.end(seg)
	if err != nil {
		return nil, err
	}
	var trees map[string]tree
	if seg.Previous != 0 {
		before, err := l.load(seg.Previous)
		if err != nil {
			return nil, err
		}
		trees = before.trees
	}
	if s, err = rebuild(seg, trees, end); err != nil {
		return nil, err
	}
	return s, s.write(l.dir, seg.secret)
}

// segmentEnd says where a segment's frames end. Known is false for the newest segment of a
// log that was not closed: there, and only there, a last frame may be half written.
type segmentEnd struct {
	at    int64
	chain tlog.Hash
	known bool
}

// end asks the segment after seg, whose header says how much of seg counts.
func (l *Log) end(seg *segment) (segmentEnd, error) {
	info, err := seg.file.Stat()
	if err != nil {
		return segmentEnd{}, err
	}
	after, err := openSegment(segmentPath(l.dir, seg.Number+1), l.keys)
	if errors.Is(err, os.ErrNotExist) {
		return segmentEnd{at: info.Size()}, nil
	}
	if err != nil {
		return segmentEnd{}, err
	}
	defer after.close()
	e := segmentEnd{at: after.Length, known: true}
	copy(e.chain[:], after.Chain)
	if e.at > info.Size() {
		return e, fmt.Errorf("%w: %s is cut off at byte %d of %d", ErrCorrupt, seg.path, info.Size(), e.at)
	}
	return e, nil
}

// rebuild reads a segment and makes its summary.
func rebuild(seg *segment, trees map[string]tree, end segmentEnd) (*summary, error) {
	s := newSummary(seg.Number, trees)
	s.next = seg.First
	at, chain, err := seg.replay(end.at, func(f frameRef, plain []byte) ([]tlog.Hash, error) {
		s.frames = append(s.frames, f)
		var leaves []tlog.Hash
		return leaves, entries(plain, func(p Position, raw []byte) error {
			e, err := parseEntry(raw)
			if err != nil {
				return err
			}
			leaves = append(leaves, s.add(p, e, nil))
			s.next = p + 1
			return nil
		})
	})
	s.size, s.chain = at, chain
	if end.known && (err != nil || at != end.at || chain != end.chain) {
		return nil, fmt.Errorf("%w: %s does not read to its end: byte %d of %d: %v", ErrCorrupt, filepath.Base(seg.path), at, end.at, err)
	}
	if err != nil {
		if whole, tornErr := seg.tornAt(at, end.at); tornErr != nil || !whole {
			return nil, fmt.Errorf("%w: %s: byte %d: %v", ErrCorrupt, seg.path, at, err)
		}
	}
	return s, nil
}

// tornAt reports whether what stands at byte at can be a frame that a crash cut short: the
// last thing in the file, with nothing but zeros after the length it claims.
func (s *segment) tornAt(at, end int64) (bool, error) {
	var length [4]byte
	if _, err := s.file.ReadAt(length[:], at); err != nil {
		return end-at < 4, nil
	}
	n := int64(length[0])<<24 | int64(length[1])<<16 | int64(length[2])<<8 | int64(length[3])
	buf := make([]byte, 64<<10)
	for off := at + 4 + n; off < end; off += int64(len(buf)) {
		got, err := s.file.ReadAt(buf[:min(int64(len(buf)), end-off)], off)
		if err != nil && got == 0 {
			return false, err
		}
		for _, c := range buf[:got] {
			if c != 0 {
				return false, nil
			}
		}
	}
	return true, nil
}
