package prom

import (
	"context"
	"errors"
	"runtime"
)

// errTooMany says that so much waits already that more would only wait for nothing.
var errTooMany = errors.New("too many outstanding requests")

// gate lets a number of requests run at one moment, and a number more wait.
type gate struct {
	running chan struct{}
	waiting chan struct{}
}

// atOnce is how many requests of one kind a workspace runs at one moment. With as many as there are processors,
// another workspace's single request still gets half of one, whatever this one does.
func atOnce() int { return max(2, runtime.GOMAXPROCS(0)) }

func newGate(waiting int) *gate { return newGateOf(atOnce(), waiting) }

func newGateOf(running, waiting int) *gate {
	return &gate{running: make(chan struct{}, running), waiting: make(chan struct{}, max(waiting, 1))}
}

// enter waits for its turn. leave must be called when it returns nil.
func (g *gate) enter(ctx context.Context) error {
	select {
	case g.running <- struct{}{}:
		return nil
	default:
	}
	select {
	case g.waiting <- struct{}{}:
		defer func() { <-g.waiting }()
	default:
		return errTooMany
	}
	select {
	case g.running <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) leave() { <-g.running }
