package blob

import (
	"sync"

	"github.com/strongroom/strongroom/durable"
)

// syncer makes the names in folders durable for many callers at once. While a folder is
// being synced, the callers who changed it meanwhile gather, and one sync serves them
// all; different folders are synced at the same time, which lets a journaling file system
// commit them together.
type syncer struct {
	mu   sync.Mutex
	busy map[string]*syncRound // folders that are being synced, and who waits for the next
}

// syncRound is one sync of a folder, run by one of the callers it serves.
type syncRound struct {
	lead chan struct{} // tells one caller to run the round
	done chan struct{}
	err  error // valid after done
}

func newSyncRound() *syncRound {
	return &syncRound{lead: make(chan struct{}, 1), done: make(chan struct{})}
}

// folder syncs a folder whose names the caller has changed.
func (s *syncer) folder(dir string) error {
	s.mu.Lock()
	round, busy := s.busy[dir]
	if round == nil {
		round = newSyncRound()
	}
	if busy {
		s.busy[dir] = round
	} else {
		if s.busy == nil {
			s.busy = make(map[string]*syncRound)
		}
		s.busy[dir] = nil // nobody may join a round that runs: their change may come too late
		round.lead <- struct{}{}
	}
	s.mu.Unlock()
	select {
	case <-round.lead:
		s.run(dir, round)
	case <-round.done:
	}
	return round.err
}

// run syncs the folder and lets the next round begin.
func (s *syncer) run(dir string, round *syncRound) {
	round.err = durable.SyncDir(dir)
	close(round.done)
	s.mu.Lock()
	defer s.mu.Unlock()
	if next := s.busy[dir]; next != nil {
		s.busy[dir] = nil
		next.lead <- struct{}{}
	} else {
		delete(s.busy, dir)
	}
}
