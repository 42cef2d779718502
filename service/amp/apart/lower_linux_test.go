package apart

import (
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// nice returns the niceness of a thread, and whether there is such a thread.
func nice(t *testing.T, id int) (int, bool) {
	t.Helper()
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, id) // the system call gives 20 less the niceness
	if err == unix.ESRCH {
		return 0, false
	}
	if err != nil {
		t.Fatal(err)
	}
	return 20 - raw, true
}

// until waits for a condition, for long.
func until(cond func() bool) bool {
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		if cond() {
			return true
		}
	}
	return false
}

// The first thread of a process is never lowered: no test runs there.
func init() { runtime.LockOSThread() }

// TestDoLowers has a thread computing for long: it becomes a lower one, and is not there for anybody else when it is done.
func TestDoLowers(t *testing.T) {
	base, _ := nice(t, 0)
	id, lowered := 0, false
	Do(func() {
		id = unix.Gettid()
		lowered = until(func() bool { n, _ := nice(t, id); return n > base })
	})
	if !lowered {
		t.Fatal("the thread has the priority of all others")
	}
	if !until(func() bool { n, there := nice(t, id); return !there || n == base }) {
		t.Fatal("the lowered thread is still there")
	}
	allAt(t, base)
}

// TestDoLeavesOthers has what is short, and what only waits, at the priority of all others.
func TestDoLeavesOthers(t *testing.T) {
	base, _ := nice(t, 0)
	for range 200 {
		Do(func() {})
	}
	Do(func() {
		id := unix.Gettid()
		time.Sleep(20 * light)
		if n, _ := nice(t, id); n != base {
			t.Errorf("who waited has niceness %d, want %d", n, base)
		}
	})
	allAt(t, base)
}

// allAt checks the niceness of all threads of the process.
func allAt(t *testing.T, want int) {
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
		if n, there := nice(t, id); there && n != want {
			t.Errorf("thread %d has niceness %d, want %d", id, n, want)
		}
	}
}
