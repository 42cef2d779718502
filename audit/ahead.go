package audit

import (
	"errors"
	"os"

	"github.com/strongroom/strongroom/durable"
)

const (
	zeroStep  = 1 << 20   // how much of a segment is filled with zeros at a time
	zeroChunk = 256 << 10 // and how much of that is synced at once: a record that is synced meanwhile waits for no more
)

// step is a part of a segment that is filled with zeros while the log goes on, behind all that is there.
type step struct {
	end  int64
	done chan struct{}
	err  error // set before done is closed
}

// prepare begins the next step when the frames have come half-way through the zeros that are there: no call waits for
// it then. What could not be filled is not tried again here: the call that needs it does it, and fails if it cannot. commitMu is held.
func (l *Log) prepare() {
	if l.active == nil || l.ahead != nil || l.barren == l.zeroed || l.zeroed-l.written > zeroStep/2 || l.written > segmentSize {
		return
	}
	l.ahead = &step{end: l.zeroed + zeroStep, done: make(chan struct{})}
	go l.ahead.fill(l.active.path, l.zeroed)
}

// fill writes zeros through a file of its own: an error of the disk that has to do with frames is told to whoever syncs those, too.
func (s *step) fill(path string, from int64) {
	defer close(s.done)
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		s.err = err
		return
	}
	zeros := make([]byte, zeroChunk)
	for at := from; at < s.end && err == nil; at += zeroChunk {
		if _, err = file.WriteAt(zeros[:min(zeroChunk, s.end-at)], at); err == nil {
			err = durable.SyncData(file)
		}
	}
	s.err = errors.Join(err, file.Close())
}

// settle takes a step that has ended into account; with wait, also one that has not. Frames go where it writes only after that.
// commitMu is held.
func (l *Log) settle(wait bool) {
	if l.ahead == nil {
		return
	}
	if !wait {
		select {
		case <-l.ahead.done:
		default:
			return
		}
	}
	<-l.ahead.done
	if err := l.ahead.err; err != nil {
		l.barren = l.zeroed
		l.log.Warn("room for the next audit records could not be made ahead; the next call makes it", "error", err)
	} else {
		l.zeroed = l.ahead.end
	}
	l.ahead = nil
}
