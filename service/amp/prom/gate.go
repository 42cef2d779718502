package prom

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/strongroom/strongroom/machine"
)

// errTooMany says that so much waits already that more would only wait for nothing.
var errTooMany = errors.New("too many outstanding requests")

// gate lets a number of requests run at one moment, and a number more wait, in the order in which they came.
type gate struct {
	mu      sync.Mutex
	run     int // how many may
	running int
	wait    int             // how many may
	waiting []chan struct{} // closed when its turn has come
}

// atOnce is how many requests of one kind a workspace runs at one moment, one of which may wait for the disk. With as many as there are processors,
// another workspace's single request still gets half of one, whatever this one does.
func atOnce() int { return machine.Processors() + 1 }

func newGate(run, wait int) *gate { return &gate{run: run, wait: wait} }

// resize says how many may run and wait from now on. Nobody is sent away.
func (g *gate) resize(run, wait int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.run, g.wait = run, wait
	g.admit()
}

// enter waits for its turn. leave must be called when it returns nil.
func (g *gate) enter(ctx context.Context) error {
	g.mu.Lock()
	if g.running < g.run && len(g.waiting) == 0 {
		g.running++
		g.mu.Unlock()
		return nil
	}
	if len(g.waiting) >= g.wait {
		g.mu.Unlock()
		return errTooMany
	}
	turn := make(chan struct{})
	g.waiting = append(g.waiting, turn)
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting, turn); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	} else { // its turn had come
		g.running--
		g.admit()
	}
	return ctx.Err()
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	g.admit()
}

// admit lets those in whose turn it is. g.mu is held.
func (g *gate) admit() {
	for g.running < g.run && len(g.waiting) > 0 {
		g.running++
		close(g.waiting[0])
		g.waiting = slices.Delete(g.waiting, 0, 1)
	}
}

// several reports whether one that runs is not the only one.
func (g *gate) several() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running > 1 || len(g.waiting) > 0
}

// queued returns how many wait.
func (g *gate) queued() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}
