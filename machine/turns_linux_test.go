package machine

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// turnOf returns the turn of a thread, and whether there is such a thread.
func turnOf(t *testing.T, id int) (time.Duration, bool) {
	t.Helper()
	a, err := unix.SchedGetAttr(id, 0)
	if err == unix.ESRCH {
		return 0, false
	}
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(a.Runtime), true
}

// TestShortenTurns has short turns in all threads, also in those that are made later.
func TestShortenTurns(t *testing.T) {
	runtime.LockOSThread() // and never given back: the thread ends with the test
	before, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Skipf("this kernel does not say how long turns are: %v", err)
	}
	ShortenTurns()
	if now, _ := turnOf(t, 0); now != shortTurn && now == time.Duration(before.Runtime) {
		t.Skipf("this kernel has turns of one length, or forbids to change it: %v", now)
	}
	const threads = 20
	var here, done sync.WaitGroup
	begin := make(chan struct{})
	for range threads {
		here.Add(1)
		done.Go(func() {
			runtime.LockOSThread()
			here.Done()
			<-begin
		})
	}
	here.Wait()
	if n := allTurns(t, shortTurn); n < threads {
		t.Errorf("there are %d threads, want %d and more", n, threads)
	}
	close(begin)
	done.Wait()
	after, err := unix.SchedGetAttr(0, 0)
	if err != nil || after.Policy != before.Policy || after.Nice != before.Nice {
		t.Errorf("got %+v, %v; want %+v but for the turn", after, err, before)
	}
}

// allTurns checks the turns of all threads of the process, and returns how many there are.
func allTurns(t *testing.T, want time.Duration) (n int) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			t.Fatal(err)
		}
		turn, there := turnOf(t, id)
		if there && turn != want {
			t.Errorf("thread %d has turns of %v, want %v", id, turn, want)
		}
		if there {
			n++
		}
	}
	return n
}
