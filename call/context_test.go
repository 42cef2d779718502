package call

import (
	"context"
	"errors"
	"regexp"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

type aKey struct{}

func begin(parent context.Context, deadline time.Time, inner bool) (*Context, *Call) {
	x, c := new(Context), new(Call)
	x.Begin(parent, c, deadline, inner)
	return x, c
}

func TestContextCarriesTheCall(t *testing.T) {
	parent := context.WithValue(context.Background(), aKey{}, "value")
	for _, inner := range []bool{false, true} {
		x, c := begin(parent, time.Time{}, inner)
		if From(x) != c {
			t.Error("From did not find the call")
		}
		if got := x.Value(aKey{}) != nil; got == inner {
			t.Errorf("inner %t: the parent's value is there: %t", inner, got)
		}
		x.Done()
		if From(x) != c || From(With(x, nil)) != nil {
			t.Error("From after Done")
		}
		if got := x.Value(aKey{}) != nil; got == inner {
			t.Errorf("inner %t: after Done the parent's value is there: %t", inner, got)
		}
		x.End()
	}
	if From(context.Background()) != nil {
		t.Error("a call outside of any")
	}
}

func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deadline := time.Now().Add(time.Minute)
		asked, _ := begin(context.Background(), deadline, false)
		quiet, _ := begin(context.Background(), deadline, false)
		derived, stop := context.WithCancel(asked)
		defer stop()
		if d, ok := asked.Deadline(); !ok || !d.Equal(deadline) {
			t.Errorf("deadline %v, %t", d, ok)
		}
		if asked.Err() != nil || quiet.Err() != nil {
			t.Error("ended before its time")
		}
		<-asked.Done()
		if !time.Now().Equal(deadline) {
			t.Errorf("ended at %v, want %v", time.Now(), deadline)
		}
		synctest.Wait() // those that are derived end right after
		for _, x := range []context.Context{asked, quiet, derived} {
			if !errors.Is(x.Err(), context.DeadlineExceeded) {
				t.Errorf("after the deadline: %v", x.Err())
			}
		}
		<-quiet.Done()
		asked.End()
		quiet.End()
	})
}

func TestContextEndsWithItsParent(t *testing.T) {
	parent, cancel := context.WithTimeout(context.Background(), time.Hour)
	x, _ := begin(parent, time.Now().Add(2*time.Hour), true)
	if d, _ := x.Deadline(); time.Until(d) > time.Hour {
		t.Error("the deadline is not the parent's, which is earlier")
	}
	cancel()
	if !errors.Is(x.Err(), context.Canceled) {
		t.Errorf("got %v", x.Err())
	}
	<-x.Done()
	x.End()
}

func TestContextEndedByTheGateway(t *testing.T) {
	x, _ := begin(context.Background(), time.Time{}, false)
	x.End() // nobody waits yet
	done := x.Done()
	x.End()
	<-done
	if !errors.Is(x.Err(), context.Canceled) {
		t.Errorf("got %v", x.Err())
	}
	if _, ok := x.Deadline(); ok {
		t.Error("a deadline that nobody set")
	}
}

// A context derived from one that somebody waits for hangs on to it without a goroutine.
func TestContextNeedsNoGoroutine(t *testing.T) {
	x, _ := begin(context.Background(), time.Time{}, false)
	defer x.End()
	before := runtime.NumGoroutine()
	for range 100 {
		_, stop := context.WithCancel(x)
		defer stop()
	}
	if after := runtime.NumGoroutine(); after > before+10 {
		t.Errorf("%d goroutines, before %d", after, before)
	}
}

func TestRegionAndSource(t *testing.T) {
	ctx := ForSource(InRegion(context.Background(), "eu-test-1"), "111122223333", "arn:x")
	account, arn := SourceOf(ctx)
	if RegionOf(ctx) != "eu-test-1" || account != "111122223333" || arn != "arn:x" {
		t.Errorf("got %q, %q, %q", RegionOf(ctx), account, arn)
	}
	x, _ := begin(ctx, time.Time{}, true)
	if account, arn = SourceOf(x); RegionOf(x) != "" || account+arn != "" {
		t.Error("region and source reach further than one call")
	}
}

func TestRootAndCalledVia(t *testing.T) {
	root := &Call{}
	first := &Call{Parent: root, Via: "a"}
	second := &Call{Parent: first, Via: "b"}
	itself := &Call{Parent: second}
	if itself.Root() != root || root.Root() != root {
		t.Error("Root")
	}
	if got := second.CalledVia(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("called via %v", got)
	}
	if got := itself.CalledVia(); got != nil {
		t.Errorf("a service that acts as itself is called via %v", got)
	}
}

func TestNewID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := NewID()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("%q is no fresh UUID of version 4", id)
		}
		seen[id] = true
	}
}
