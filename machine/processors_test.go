package machine

import (
	"runtime"
	"testing"
)

// TestProcessors counts processors, with places beyond them and without.
func TestProcessors(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() {
		runtime.GOMAXPROCS(before)
		spare.Store(0)
	})
	for _, c := range []struct{ places, spare, processors, free int }{
		{1, 0, 1, 1}, {2, 0, 2, 1}, {4, 0, 4, 3}, {1, 2, 1, 1}, {2, 1, 2, 2}, {2, 2, 2, 2}, {8, 2, 8, 8},
	} {
		runtime.GOMAXPROCS(c.places)
		spare.Store(0)
		SparePlaces(c.spare)
		if p, f := Processors(), Free(); p != c.processors || f != c.free {
			t.Errorf("%d and %d more: %d processors, %d free; want %d and %d", c.places, c.spare, p, f, c.processors, c.free)
		}
	}
}
