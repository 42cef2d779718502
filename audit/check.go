package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
)

// Check reads and authenticates the whole log: every frame of every segment, the chain
// through them, the accounts' trees and the summaries. progress, if not nil, is called
// after each segment. Entries may be appended meanwhile; they are not looked at.
func (l *Log) Check(ctx context.Context, progress func(done, of int)) error {
	l.index.RLock()
	numbers := append([]uint64(nil), l.closes...)
	l.index.RUnlock()
	var trees map[string]tree
	var before *summary
	for i, number := range numbers {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := l.checkSegment(number, before, trees)
		if err != nil {
			return err
		}
		before, trees = s, s.trees
		if progress != nil {
			progress(i+1, len(numbers))
		}
	}
	return nil
}

// checkSegment reads one closed segment and compares it with its neighbours and its summary.
func (l *Log) checkSegment(number uint64, before *summary, trees map[string]tree) (*summary, error) {
	seg, err := openSegment(segmentPath(l.dir, number), l.keys)
	if err != nil {
		return nil, err
	}
	defer seg.close()
	if err := seg.follows(before); err != nil {
		return nil, err
	}
	kept, err := readSummary(l.dir, number, seg.secret)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	end, err := l.end(seg)
	if err != nil {
		return nil, err
	}
	if kept != nil {
		end = segmentEnd{at: kept.size, chain: kept.chain, known: true}
	}
	s, err := rebuild(seg, trees, end)
	if err != nil {
		return nil, err
	}
	if kept != nil && (kept.next != s.next || kept.size != s.size || kept.chain != s.chain || len(kept.rows) != len(s.rows) || !maps.Equal(kept.trees, s.trees)) {
		return nil, fmt.Errorf("%w: %s does not describe its segment", ErrCorrupt, summaryPath(l.dir, number))
	}
	return s, nil
}

// follows reports whether the segment's header continues the segment before it.
func (s *segment) follows(before *summary) error {
	switch {
	case before == nil && s.Previous != 0:
		return fmt.Errorf("%w: %s follows a segment that is missing", ErrCorrupt, s.path)
	case before == nil:
		return nil
	case s.Previous != before.number || s.Length != before.size || string(s.Chain) != string(before.chain[:]):
		return fmt.Errorf("%w: %s does not continue segment %d as it is", ErrCorrupt, s.path, before.number)
	}
	return nil
}
