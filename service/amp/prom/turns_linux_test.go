package prom

import (
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/common/route"
	"golang.org/x/sys/unix"
)

// The first thread of a process is never lowered: no test runs there.
func init() { runtime.LockOSThread() }

// TestLongQueriesRunApart has the thread of a query at a lower priority, once it has computed for a while.
func TestLongQueriesRunApart(t *testing.T) {
	a := newAPI(t, Limits{})
	nice := func() int {
		raw, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
		if err != nil {
			t.Error(err)
		}
		return 20 - raw
	}
	first, last := 0, 0
	a.router = route.New()
	a.router.Get("/query", func(http.ResponseWriter, *http.Request) {
		first = nice()
		last = first
		for end := time.Now().Add(2 * time.Minute); last == first && time.Now().Before(end); {
			last = nice()
		}
	})
	if get(t, a, "query"); last <= first {
		t.Errorf("niceness %d, and later %d, want more", first, last)
	}
}
