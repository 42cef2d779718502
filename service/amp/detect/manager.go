package detect

import (
	"context"
	"sync"
	"time"
)

// Options of a Manager.
type Options struct {
	Source Source
	Memory *Memory // of the house; nil for any amount
	Turns  Turns   // of the house; nil for any number
	// Lost is told why the store could not be used, each time. It must not wait for the manager.
	Lost func(error)
}

// State is how a detector is.
type State struct {
	Revision string
	Trained  bool  // an evaluation has ended, with success or not
	Err      error // of the last evaluation; what it says repeats no label and no value
}

// Manager evaluates the detectors of one workspace until Stop, one after the other. Its methods may be called together.
type Manager struct {
	o      Options
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{}
	done   chan struct{}

	mu      sync.Mutex
	running map[string]*detector
}

// New returns a manager that has no detectors yet.
func New(o Options) *Manager {
	m := &Manager{o: o, wake: make(chan struct{}, 1), done: make(chan struct{}), running: make(map[string]*detector)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	go m.run()
	return m
}

// Set makes these the detectors of the workspace. Those that have not changed go on undisturbed.
func (m *Manager) Set(all []Detector) {
	m.mu.Lock()
	defer m.mu.Unlock()
	want := make(map[string]Detector, len(all))
	for _, d := range all {
		want[d.ID] = d
	}
	for id, old := range m.running {
		if now, ok := want[id]; !ok || now.Revision != old.Revision {
			old.end()
			delete(m.running, id)
		}
	}
	for id, d := range want {
		if m.running[id] == nil {
			m.running[id] = newDetector(d, m.o.Memory, m.o.Turns)
			m.running[id].due = time.Now()
		}
	}
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// State returns how a detector is; one that is not there has none.
func (m *Manager) State(id string) State {
	m.mu.Lock()
	d := m.running[id]
	m.mu.Unlock()
	if d == nil {
		return State{}
	}
	return d.state()
}

// Stop ends all evaluations, also those under way, drops all models, and returns when nothing runs any more.
func (m *Manager) Stop() {
	m.cancel()
	<-m.done
	m.Set(nil)
}

// run evaluates what is due.
func (m *Manager) run() {
	defer close(m.done)
	for {
		d, at, wait := m.next(time.Now())
		if d != nil {
			m.evaluate(d, at)
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-m.wake:
		case <-t.C:
		case <-m.ctx.Done():
		}
		t.Stop()
		if m.ctx.Err() != nil {
			return
		}
	}
}

// next returns the detector that has been due longest with the time that it is to be evaluated at, or how long it is until one will be. The times
// of a detector keep in step with those that it was trained on, also when one was missed: a value that comes early is none that was expected.
func (m *Manager) next(now time.Time) (first *detector, at time.Time, wait time.Duration) {
	if m.ctx.Err() != nil {
		return nil, at, 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.running {
		if first == nil || d.due.Before(first.due) {
			first = d
		}
	}
	switch {
	case first == nil:
		return nil, at, time.Hour
	case first.due.After(now):
		return nil, at, first.due.Sub(now)
	}
	return first, first.due.Add(now.Sub(first.due).Truncate(first.Interval)), 0
}

// evaluate evaluates a detector at a time, with a store that was lent for it, and says when it is due again.
func (m *Manager) evaluate(d *detector, at time.Time) {
	store, release, err := m.o.Source.Use(m.ctx)
	if err == nil {
		err = d.evaluate(m.ctx, store, at)
		release()
		if m.ctx.Err() == nil {
			d.ended(err)
		}
	} else if m.o.Lost != nil && m.ctx.Err() == nil {
		m.o.Lost(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d.due = at.Add(d.Interval)
}
