package totp

import (
	"testing"
	"time"
)

// TestRFC6238 runs the SHA-1 vectors of RFC 6238, appendix B, which have eight digits.
func TestRFC6238(t *testing.T) {
	seed := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924",
		2000000000: "69279037", 20000000000: "65353130",
	} {
		step := Step(time.Unix(at, 0))
		if got := code(seed, step, 100_000_000, 8); got != want {
			t.Errorf("%d: got %s, want %s", at, got, want)
		}
		if got := Code(seed, step); got != want[2:] {
			t.Errorf("%d: six digits: got %s, want %s", at, got, want[2:])
		}
	}
}

func TestVerify(t *testing.T) {
	seed := []byte("a seed of a device that is not one")
	at := time.Unix(1_700_000_000, 0)
	step := Step(at)
	for name, c := range map[string]struct {
		code string
		last int64
		want int64
		ok   bool
	}{
		"now":          {Code(seed, step), 0, step, true},
		"before":       {Code(seed, step-1), 0, step - 1, true},
		"after":        {Code(seed, step+1), 0, step + 1, true},
		"too early":    {Code(seed, step-2), 0, 0, false},
		"too late":     {Code(seed, step+2), 0, 0, false},
		"taken":        {Code(seed, step), step, 0, false},
		"older":        {Code(seed, step-1), step, 0, false},
		"newer":        {Code(seed, step+1), step, step + 1, true},
		"empty":        {"", 0, 0, false},
		"long":         {Code(seed, step) + "0", 0, 0, false},
		"other device": {Code([]byte("another"), step), 0, 0, false},
	} {
		got, ok := Verify(seed, c.code, at, c.last)
		if got != c.want || ok != c.ok {
			t.Errorf("%s: got %d %v, want %d %v", name, got, ok, c.want, c.ok)
		}
	}
}
