// Package apart runs what may compute for long so that it does not keep others from being quick.
//
// Go's scheduler knows no priorities, but the kernel's does. What runs here has a thread of the program to itself, and once it has computed for a
// while the thread has a lower priority than all others (on Linux): whoever is woken by the network or the disk then runs at once, and not only
// when the one that computes has had its time. Where no thread can be lowered, all runs as it would without this package.
//
//	apart.go  Do
//	lower*.go how the kernel is told
//	yield*.go the processor given to another thread for a moment
package apart

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// light is for how long one computes at the priority of all others.
	light = time.Millisecond
	// most is how many have threads to themselves at one moment: more could run only one after the other.
	most = 256
)

var busy atomic.Int64 // threads

// Do runs f, on a goroutine of its own, and returns when it has returned. It panics when f does. f must not lock its thread, and what it starts on
// other goroutines has no lower priority.
func Do(f func()) {
	defer busy.Add(-1)
	if busy.Add(1) > most || !Lowers {
		f()
		return
	}
	var thrown *panicked
	done := make(chan struct{})
	go func() {
		defer close(done)
		var t thread
		t.take()
		defer t.leave()
		defer func() {
			if v := recover(); v != nil {
				thrown = &panicked{v, debug.Stack()}
			}
		}()
		f()
	}()
	if <-done; thrown != nil {
		panic(thrown)
	}
}

// panicked is a panic that is carried to another goroutine.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("%v\n%s", p.value, p.stack) }

// thread is one that a goroutine has to itself.
type thread struct {
	mu      sync.Mutex
	id      int // 0 when the goroutine has left it
	timer   *time.Timer
	wait    time.Duration
	since   time.Duration // of its processor time
	lowered bool
}

// take gives the calling goroutine a thread.
func (t *thread) take() {
	runtime.LockOSThread()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.id, t.wait = own(), light
	t.since = computed(t.id)
	t.timer = time.AfterFunc(t.wait, t.look)
}

// look lowers the thread when it has computed for long enough, and otherwise looks again later: who waits for a disk is not heavy.
func (t *thread) look() {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.id == 0:
	case computed(t.id)-t.since >= light/2:
		t.lowered = lower(t.id)
	default:
		t.wait *= 2
		t.timer.Reset(t.wait)
	}
}

// leave gives the thread back. One that was lowered ends with its goroutine: to raise it again takes a right that a server need not have.
func (t *thread) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.id = 0
	t.timer.Stop()
	if !t.lowered {
		runtime.UnlockOSThread()
	}
}
