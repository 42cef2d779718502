package machine

import (
	"context"
	"runtime/debug"
	"testing"
)

func TestCollectorPercent(t *testing.T) {
	const mib, gib = int64(1) << 20, int64(1) << 30
	tests := map[string]struct {
		live, memory int64
		want         int
	}{
		"nothing yet":               {0, 24 * gib, 100},
		"small":                     {64 * mib, 24 * gib, 100},
		"half way":                  {96 * mib, 24 * gib, 250},
		"large":                     {500 * mib, 24 * gib, 400},
		"larger than there is room": {gib, 8 * gib, 100},
		"as far as there is room":   {gib, 16 * gib, 200},
		"memory is not known":       {gib, 0, 100},
	}
	for name, test := range tests {
		if got := collectorPercent(test.live, test.memory); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}

// TestOperatorsMeasureStands: who sets GOGC knows why.
func TestOperatorsMeasureStands(t *testing.T) {
	before := debug.SetGCPercent(150)
	defer debug.SetGCPercent(before)
	TuneCollector(context.Background()) // returns at once
	if got := debug.SetGCPercent(before); got != 150 {
		t.Errorf("got %d, want 150", got)
	}
}

func TestMemoryIsKnown(t *testing.T) {
	if got := Memory(); got != 0 && got < 64<<20 {
		t.Errorf("got %d bytes", got)
	}
}
