package audit

import (
	"context"
	"os"
	"strings"
	"testing"
)

// long is an entry of a few KiB.
func long(i int) *Entry {
	e := entry(i)
	e.JSON = append(e.JSON[:len(e.JSON)-1], `,"text":"`+strings.Repeat("x", 20<<10)+`"}`...)
	return e
}

// state returns where frames and zeros end, and the step under way.
func (l *Log) state() (written, zeroed int64, ahead *step) {
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	return l.written, l.zeroed, l.ahead
}

// appendUntil appends long entries until cond, and returns how many there are then.
func appendUntil(t *testing.T, l *Log, from int, cond func(written, zeroed int64, ahead *step) bool) int {
	t.Helper()
	for n := from; n < from+1000; n++ {
		if cond(l.state()) {
			return n
		}
		mustAppend(t, l, long(n))
	}
	t.Fatal("it does not come")
	return 0
}

func underWay(_, _ int64, ahead *step) bool { return ahead != nil }

// reopened checks that a log as a crash leaves it, or as it was closed, has all entries.
func reopened(t *testing.T, dir string, want int) {
	t.Helper()
	l := mustOpen(t, dir)
	if err := l.Check(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if got := len(lookup(t, l, Query{})); got != want {
		t.Fatalf("%d records, want %d", got, want)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRoomIsMadeAhead has no frame fill more than itself, but the first.
func TestRoomIsMadeAhead(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	mustAppend(t, l, long(0))
	_, first, _ := l.state()
	n := 1
	for steps := range int64(3) {
		n = appendUntil(t, l, n, underWay)
		written, zeroed, ahead := l.state()
		if zeroed != first+steps*zeroStep || written > zeroed {
			t.Fatalf("after %d steps frames end at %d and zeros at %d", steps, written, zeroed)
		}
		<-ahead.done
		if ahead.err != nil {
			t.Fatal(ahead.err)
		}
		mustAppend(t, l, long(n))
		n++
		reopened(t, copyDir(t, dir), n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(segmentPath(dir, 1)); err != nil || info.Size() != l.newest.size {
		t.Fatalf("the closed segment has %v bytes (%v), want %d", info.Size(), err, l.newest.size)
	}
	reopened(t, dir, n)
}

// TestCrashWhileRoomIsMade leaves any part of a step.
func TestCrashWhileRoomIsMade(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	n := appendUntil(t, l, 0, underWay)
	written, zeroed, ahead := l.state()
	<-ahead.done
	for _, size := range []int64{written, written + 3, written + 4, zeroed, zeroed + 1, zeroed + zeroChunk, zeroed + zeroStep - 1} {
		back := copyDir(t, dir)
		if err := os.Truncate(segmentPath(back, 1), size); err != nil {
			t.Fatal(err)
		}
		reopened(t, back, n)
	}
}

// TestNoRoomAhead has the calls make the room that could not be made before.
func TestNoRoomAhead(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	mustAppend(t, l, long(0))
	path := segmentPath(dir, 1)
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	n := appendUntil(t, l, 1, underWay)
	_, before, ahead := l.state()
	if <-ahead.done; ahead.err == nil {
		t.Fatal("zeros were written into a file that is not there")
	}
	n = appendUntil(t, l, n, func(_, zeroed int64, _ *step) bool { return zeroed > before })
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	n = appendUntil(t, l, n, func(_, _ int64, next *step) bool { return next != nil && next != ahead })
	n = appendUntil(t, l, n, func(_, zeroed int64, next *step) bool { return next == nil && zeroed > before+zeroStep })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	reopened(t, dir, n)
}

// TestFailedWriteWhileRoomIsMade goes on in a new segment, and closes both.
func TestFailedWriteWhileRoomIsMade(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	n := appendUntil(t, l, 0, underWay)
	if err := l.active.file.Close(); err != nil { // every write fails from here
		t.Fatal(err)
	}
	p, err := l.Append(context.Background(), long(n))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Wait(context.Background(), p, p); err == nil {
		t.Fatal("a record that could not be written was acknowledged")
	}
	mustAppend(t, l, long(n))
	if written, _, ahead := l.state(); written > zeroStep/4 || ahead != nil {
		t.Fatalf("the new segment has %d bytes, and a step %v", written, ahead)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	reopened(t, dir, n+1)
}
