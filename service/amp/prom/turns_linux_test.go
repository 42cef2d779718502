package prom

import (
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/common/route"
	"golang.org/x/sys/unix"
)

// TestLongQueriesRunApart has the thread of a query at a lower priority, once it has computed for a while, and that of one that has not as it was.
func TestLongQueriesRunApart(t *testing.T) {
	a := newAPI(t, Limits{})
	nice := func() int {
		raw, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
		if err != nil {
			t.Error(err)
		}
		return 20 - raw
	}
	first, last, other := 0, 0, false
	a.router = route.New()
	a.router.Get("/query", func(http.ResponseWriter, *http.Request) {
		other = unix.Gettid() != unix.Getpid() // the first thread of a process is never lowered
		first = nice()
		for end := time.Now().Add(2 * time.Minute); other && last == first && time.Now().Before(end); {
			last = nice()
		}
	})
	for range 100 {
		first, last = 0, 0
		if get(t, a, "query"); other {
			break
		}
	}
	if !other || last <= first {
		t.Errorf("not on the first thread: %t; niceness %d, and later %d, want more", other, first, last)
	}
}
