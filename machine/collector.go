package machine

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// standardPercent is Go's own: the heap may double before it is collected.
	standardPercent = 100
	// mostPercent lets it grow fivefold, after which little more is to be gained.
	mostPercent = 400
	// smallHeap is what a heap may be and still be left to Go's own measure: a house that is idle
	// or young shall stay small.
	smallHeap = 64 << 20
	// garbageShare of the memory there is may be garbage: an eighth.
	garbageShare = 8
	// collectorPause is how often the measure is taken.
	collectorPause = 5 * time.Second
)

// TuneCollector lets a large heap of a house with much data be collected more rarely, as far as the
// machine has the memory, until ctx ends. What a collection costs goes with what lives, so that else
// each request to a house of many keys would pay more for its few kilobytes than one to a house of one.
// An operator who sets GOGC is obeyed: then it does nothing.
func TuneCollector(ctx context.Context) {
	now := debug.SetGCPercent(standardPercent)
	if now != standardPercent {
		debug.SetGCPercent(now)
		return
	}
	memory, live := Memory(), []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(collectorPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			debug.SetGCPercent(standardPercent)
			return
		case <-tick.C:
		}
		metrics.Read(live)
		// A step that is small is not taken: each stops the house for a moment.
		if want := collectorPercent(int64(live[0].Value.Uint64()), memory); want/25 != now/25 {
			debug.SetGCPercent(want)
			now = want
		}
	}
}

// collectorPercent is by how much of itself a heap of which live bytes are in use may grow before it
// is collected, on a machine of so much memory.
func collectorPercent(live, memory int64) int {
	if live <= smallHeap {
		return standardPercent
	}
	most := memory / garbageShare * 100 / live
	// Between a small heap and one of twice that, it goes over in steps, not with a jump.
	most = min(most, standardPercent+(live-smallHeap)*(mostPercent-standardPercent)/smallHeap)
	return int(min(max(most, standardPercent), mostPercent))
}
