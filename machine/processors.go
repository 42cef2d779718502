package machine

import (
	"runtime"
	"sync/atomic"
)

var spare atomic.Int64 // places beyond the processors

// SparePlaces gives Go's scheduler so many places for threads beyond the processors that the program may use. One place is kept by the thread that
// waits for the disk to sync until the scheduler's monitor takes it away, which it can do without waking up all the time only where
// another place is free. And a thread that computes keeps its place while the kernel has taken its processor away: where all have one like that,
// nobody looks what the network has brought.
func SparePlaces(n int) {
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + n)
	spare.Add(int64(n))
}

// Processors returns how many threads of the program can compute at one moment.
func Processors() int { return max(1, runtime.GOMAXPROCS(0)-int(spare.Load())) }

// Free returns on how many processors the program may compute so that a place is left for who reads the network: on all of them where there are spare
// places, and otherwise on all but one, where there are more.
func Free() int { return max(1, min(Processors(), runtime.GOMAXPROCS(0)-1)) }
