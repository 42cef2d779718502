package prom

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestTurnsInOrder lets some wait for one turn: those who have just come go first, but not for ever.
func TestTurnsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := &turns{free: 1}
		var first turn
		first.begin(t.Context(), of)
		var order []string
		come := func(name string, queue int) {
			go func() {
				if !of.take(t.Context(), queue) {
					t.Errorf("%s: no turn", name)
				}
				order = append(order, name)
				of.give()
			}()
			synctest.Wait()
		}
		come("old", again)
		for range maxStreak + 1 {
			come("new", fresh)
		}
		first.end()
		synctest.Wait()
		if want := []string{"new", "new", "new", "new", "old", "new"}; !slices.Equal(order, want) {
			t.Errorf("got %q, want %q", order, want)
		}
		if of.free != 1 || of.waiting.Load() != 0 {
			t.Errorf("%d turns are free, %d wait; want 1 and none", of.free, of.waiting.Load())
		}
	})
}

// TestTurnPasses gives way after a while, and only where somebody waits.
func TestTurnPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := &turns{free: 1}
		var long, short turn
		long.begin(t.Context(), of)
		time.Sleep(time.Second)
		long.pass() // nobody waits
		done := false
		go func() {
			short.begin(t.Context(), of)
			done = true
			short.end()
		}()
		synctest.Wait()
		if done {
			t.Fatal("two have the one turn")
		}
		long.pass()
		if !done {
			t.Error("who waited has had no turn")
		}
		long.pass() // has only begun again
		long.end()
		if of.free != 1 {
			t.Errorf("%d turns are free, want 1", of.free)
		}
	})
}

// TestTurnsAreNotForEver goes on without a turn: after a while, and when the caller has gone.
func TestTurnsAreNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := &turns{free: 1}
		var stuck, other turn
		stuck.begin(t.Context(), of)
		other.begin(t.Context(), of)
		if other.held || of.waiting.Load() != 0 {
			t.Errorf("held: %t, %d wait", other.held, of.waiting.Load())
		}
		other.end()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if of.take(gone, again) {
			t.Error("a caller who has gone has a turn")
		}
		stuck.end()
		if of.free != 1 {
			t.Errorf("%d turns are free, want 1", of.free)
		}
	})
}

// TestCompany has two workspaces come by turns, and one alone.
func TestCompany(t *testing.T) {
	var c company
	one, two, at := new(API), new(API), time.Unix(1, 0)
	for i, step := range []struct {
		a     *API
		after time.Duration
		want  bool
	}{
		{one, 0, false}, {one, time.Millisecond, false}, {two, time.Millisecond, true}, {two, time.Millisecond, true}, {one, alone - 2, true},
		{one, time.Millisecond, false}, {one, alone, false}, {two, alone, false}, {two, time.Millisecond, false}, {one, time.Millisecond, true},
	} {
		at = at.Add(step.after)
		if got := c.beside(step.a, at); got != step.want {
			t.Errorf("step %d: beside another: %t, want %t", i, got, step.want)
		}
	}
}

// TestTurnLater has one compute for a while without a turn, and then wait for one as all others do.
func TestTurnLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := &turns{free: 1}
		var long, short, longer turn
		long.begin(t.Context(), of)
		short.later(t.Context(), of)
		time.Sleep(light / 2)
		short.pass()
		short.end()
		longer.later(t.Context(), of)
		time.Sleep(light)
		passed := false
		go func() {
			longer.pass()
			passed = true
		}()
		synctest.Wait()
		if passed {
			t.Fatal("two have the one turn")
		}
		long.end()
		synctest.Wait()
		if !passed || !longer.held {
			t.Errorf("who waited goes on: %t, with a turn: %t", passed, longer.held)
		}
		longer.end()
		if of.free != 1 {
			t.Errorf("%d turns are free, want 1", of.free)
		}
	})
}

// TestTurnMoves has one that computes for long go on elsewhere, and come back.
func TestTurnMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := &turns{free: 1}
		lane := &turns{free: 1, within: all}
		to := all
		long := turn{place: func(time.Time) *turns { return to }}
		at := func(want *turns) {
			t.Helper()
			if long.of != want || !long.held || long.inner != (want == lane) || all.free != 0 || (lane.free == 0) != (want == lane) {
				t.Fatalf("it has no turn where it should, or another: %d and %d are free", all.free, lane.free)
			}
		}
		long.begin(t.Context(), all)
		to = lane
		long.pass() // it has computed for no time at all
		at(all)
		time.Sleep(quantum)
		long.pass()
		at(lane)
		other, done := new(turn), false
		go func() {
			other.begin(t.Context(), all) // within which the lane is
			done = true
			time.Sleep(quantum)
			other.end()
		}()
		synctest.Wait()
		time.Sleep(quantum)
		if long.pass(); !done {
			t.Error("who waited has had no turn")
		}
		at(lane)
		to = all
		time.Sleep(quantum)
		long.pass()
		at(all)
		long.end()
		if all.free != 1 || lane.free != 1 {
			t.Errorf("%d and %d turns are free, want 1 and 1", all.free, lane.free)
		}
	})
}

// TestPlace has a workspace compute on one processor less while another asks for something.
func TestPlace(t *testing.T) {
	noGuests()
	one, two, at := &API{lane: newLane()}, &API{lane: newLane()}, time.Now()
	if one.place(at) != processors() || two.place(at) != two.lane || one.place(at) != one.lane || one.place(at.Add(2*alone)) != processors() {
		t.Error("a workspace computes where it should not")
	}
}

func noGuests() {
	guests.mu.Lock()
	defer guests.mu.Unlock()
	guests.newest, guests.before = visit{}, visit{}
}

// TestStart has one of several queries of a workspace wait for a turn before it computes, where another workspace asks for something, and no other query.
func TestStart(t *testing.T) {
	noGuests()
	a, other, at := &API{lane: newLane(), queries: newGate(2, 2)}, new(API), time.Now()
	starts := func(what string, waits bool) {
		t.Helper()
		var one turn
		a.start(t.Context(), &one, at)
		defer one.end()
		if one.owed == waits || one.held != waits || (one.of == a.lane) != waits {
			t.Errorf("%s: owes its turn: %t, has one: %t", what, one.owed, one.held)
		}
	}
	enter := func() {
		t.Helper()
		if err := a.queries.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	enter()
	enter()
	starts("two of one workspace alone", false)
	guests.beside(other, at)
	starts("two beside another workspace", true)
	a.queries.leave()
	starts("one beside another workspace", false)
}
