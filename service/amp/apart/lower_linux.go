package apart

import (
	"time"

	"golang.org/x/sys/unix"
)

// Lowers reports whether threads can have a lower priority here.
const Lowers = true

const (
	// niceness, more than the program has, gives one that is lowered a tenth of what others get of a processor for which they compete: it goes on, and so does whoever waits for it.
	niceness = 10
	least    = 19 // of all priorities, as a niceness
	// turn is how long it computes at once where nobody competes. One whose turn is shorter goes before it when it is woken (Linux 6.12 and
	// later; before, and as far as the kernel bounds this, niceness alone does that).
	turn = 100 * time.Millisecond
)

// own returns the thread that calls, which must be locked.
func own() int { return unix.Gettid() }

// lower lowers a thread for ever, and reports whether it has. The first thread of the process stays as it is: it does not end when its goroutine does.
func lower(id int) bool {
	if id == unix.Getpid() {
		return false
	}
	a, err := unix.SchedGetAttr(id, 0)
	if err != nil || a.Policy != unix.SCHED_NORMAL {
		return false
	}
	return unix.SchedSetAttr(id, &unix.SchedAttr{Policy: unix.SCHED_NORMAL, Nice: min(a.Nice+niceness, least), Runtime: uint64(turn)}, 0) == nil
}

// computed returns the processor time of a thread of this process.
func computed(id int) time.Duration {
	const scheduled, perThread = 2, 4 // as in the kernel's posix-timers.h
	var ts unix.Timespec
	if unix.ClockGettime(int32(^id)<<3|scheduled|perThread, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
