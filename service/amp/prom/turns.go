package prom

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/strongroom/strongroom/machine"
	"github.com/strongroom/strongroom/service/amp/apart"
)

// turns lets so many requests compute at one moment, of all workspaces together, that a thread of the program is always free for
// whoever reads the network: Go looks there only when nothing else is to be done. Who has computed for a while gives way to
// those who wait, and those who have just come go first.
type turns struct {
	within  *turns // of which one is taken, too; nil for none
	waiting atomic.Int64

	mu     sync.Mutex
	free   int
	queues [2][]chan struct{} // of those who have just come, and of those who have had a turn
	streak int                // how many of the first were let in since the last of the second
}

const (
	fresh = iota
	again

	// quantum is for how long one computes while others wait.
	quantum = time.Millisecond
	// slice is for how long one computes without letting what else is ready run: what the network or the disk has woken waits
	// for a thread, and Go takes one away only after ten milliseconds.
	slice = 200 * time.Microsecond
	// ownSlice is the same for one that has a thread to itself: to give the processor away and to come back wakes two threads, and the kernel
	// takes it away without being asked.
	ownSlice = time.Millisecond
	// patience is how long one waits for a turn, and then goes on without: a turn is what is fair, not what is safe. Who holds one
	// may wait for something that only who waits for one can give.
	patience = 250 * time.Millisecond
	// light is for how long one computes that needs no turn yet: most requests are answered by then, and need not wait behind those that are not.
	light = 500 * time.Microsecond
	// maxStreak is how many of those who have just come go before one who has had a turn.
	maxStreak = 4
)

// processors are the turns of the program.
var processors = sync.OnceValue(func() *turns { return &turns{free: machine.Free()} })

// newLane returns the turns of what computes for long in one workspace beside another, on one processor less: what a request does before and after its turn,
// from TLS to the garbage it leaves, takes about as long again.
func newLane() *turns { return &turns{within: processors(), free: max(1, machine.Free()-1)} }

// alone is for how long a workspace is alone again when another has asked for something: it may have all processors then.
const alone = time.Second

// company knows which two workspaces have come last.
type company struct {
	mu             sync.Mutex
	newest, before visit
}

// visit is a request of a workspace. It does not keep it from being closed and forgotten.
type visit struct {
	by weak.Pointer[API]
	at time.Time
}

var guests company

// beside notes a request of a workspace and reports whether it is beside another's.
func (c *company) beside(a *API, now time.Time) bool {
	by := weak.Make(a)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.newest.by != by {
		c.before = c.newest
	}
	c.newest = visit{by, now}
	return c.before.by != by && now.Sub(c.before.at) < alone
}

// place returns where a request of a workspace computes that takes long.
func (a *API) place(now time.Time) *turns {
	if guests.beside(a, now) {
		return a.lane
	}
	return processors()
}

// take waits for a turn and reports whether it is one, which must be given back.
func (t *turns) take(ctx context.Context, queue int) bool {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return true
	}
	mine := make(chan struct{})
	t.queues[queue] = append(t.queues[queue], mine)
	t.waiting.Add(1)
	t.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-mine:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.queues[queue], mine)
	if i < 0 {
		return true // it came at the same moment
	}
	t.queues[queue] = slices.Delete(t.queues[queue], i, i+1)
	t.waiting.Add(-1)
	return false
}

// start has a query that was let in begin. One that comes alone computes at once, and waits for a turn only when it takes long. One of several of
// its workspace waits from the beginning while another workspace asks for something, on the processors that are left to the workspace then: what
// each of a flood may compute without a turn is a processor, together.
func (a *API) start(ctx context.Context, t *turn, now time.Time) {
	if guests.beside(a, now) && a.queries.several() {
		t.begin(ctx, a.lane)
		return
	}
	t.later(ctx, processors())
}

// wanted reports whether somebody waits for a turn.
func (t *turns) wanted() bool {
	return t.waiting.Load() > 0 || t.within != nil && t.within.waiting.Load() > 0
}

// give gives a turn to the next.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := fresh
	if len(t.queues[fresh]) == 0 || t.streak >= maxStreak && len(t.queues[again]) > 0 {
		q, t.streak = again, 0
	} else {
		t.streak++
	}
	if len(t.queues[q]) == 0 {
		t.free++
		return
	}
	close(t.queues[q][0])
	t.queues[q] = slices.Delete(t.queues[q], 0, 1)
	t.waiting.Add(-1)
}

// turn is that of one request. The zero value is none.
type turn struct {
	of     *turns
	ctx    context.Context
	place  func(time.Time) *turns // where it goes on after a turn, if it is one that takes long; nil for where it is
	mu     sync.Mutex
	since  time.Time
	sliced time.Time
	own    bool // it has a thread to itself
	owed   bool // it computes without, until it is no longer light
	held   bool
	inner  bool // holds one of those that its own are within
}

// later has a request wait for its first turn when it has computed for a while, and not before.
func (t *turn) later(ctx context.Context, of *turns) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of, t.ctx, t.owed, t.since = of, ctx, true, time.Now()
	t.sliced = t.since
}

// begin waits for the first turn of a request.
func (t *turn) begin(ctx context.Context, of *turns) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of, t.ctx = of, ctx
	t.wait(fresh)
}

// wait waits for a turn in one of the queues. The caller holds mu.
func (t *turn) wait(queue int) {
	t.held = t.of.take(t.ctx, queue)
	t.inner = t.of.within != nil && t.of.within.take(t.ctx, queue)
	t.since = time.Now()
	t.sliced = t.since
}

// give gives back what is held. The caller holds mu.
func (t *turn) give() {
	if t.inner {
		t.of.within.give()
	}
	if t.held {
		t.of.give()
	}
	t.held, t.inner = false, false
}

// pass gives way where others wait and the request has computed for a while: other requests, Go's other goroutines, and the kernel's other threads.
func (t *turn) pass() {
	if t.next(time.Now()) {
		rest()
	}
}

// rest lets others have the processor for a moment.
func rest() {
	runtime.Gosched()
	apart.Yield()
}

// next gives the turn to another, where one waits and it is time, or reports whether the thread is to be given away for a moment.
func (t *turn) next(now time.Time) (yield bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.of == nil:
	case t.owed && now.Sub(t.since) >= light:
		t.owed = false
		t.wait(fresh)
	case t.owed:
	case now.Sub(t.since) >= quantum && t.ends(now):
		t.wait(again)
	case now.Sub(t.sliced) >= t.slice():
		t.sliced, yield = now, true
	}
	return yield
}

// ends gives a turn back that has been long enough, where another waits, or the request has to go on elsewhere. The caller holds mu.
func (t *turn) ends(now time.Time) bool {
	to := t.of
	if t.place != nil && now.Sub(t.sliced) >= t.slice() {
		to = t.place(now)
	}
	if to == t.of && !t.of.wanted() {
		return false
	}
	t.give()
	t.of = to
	return true
}

func (t *turn) slice() time.Duration {
	if t.own {
		return ownSlice
	}
	return slice
}

// end gives the turn back for good.
func (t *turn) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.give()
	t.of, t.owed = nil, false
}
