package vend

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

// fakeLogs is CloudWatch Logs as far as deliveries see it.
type fakeLogs struct {
	testing.TB
	mu      sync.Mutex
	streams map[string][]string
	batches int
	fail    error
	hold    chan struct{} // a delivery waits for it
}

func (f *fakeLogs) Invoke(ctx context.Context, op *wire.Operation, in any) (any, error) {
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if account, arn := call.SourceOf(ctx); account != "111122223333" || arn != "source" || call.From(ctx) != nil || call.RegionOf(ctx) != "eu-west-1" {
		f.Errorf("%s acts for %q, %q", op.Name, account, arn)
	}
	if f.fail != nil {
		return nil, f.fail
	}
	switch in := in.(type) {
	case *logs.CreateLogStreamInput:
		if _, there := f.streams[*in.LogStreamName]; there {
			return nil, logs.ResourceAlreadyExistsException("there")
		}
		f.streams[*in.LogStreamName] = nil
		return &logs.CreateLogStreamOutput{}, nil
	case *logs.PutLogEventsInput:
		if _, there := f.streams[*in.LogStreamName]; !there {
			return nil, logs.ResourceNotFoundException("not there")
		}
		f.batches++
		last := int64(0)
		for _, e := range in.LogEvents {
			if *e.Timestamp < last {
				f.Error("records are not in order of time")
			}
			last = *e.Timestamp
			f.streams[*in.LogStreamName] = append(f.streams[*in.LogStreamName], *e.Message)
		}
		return &logs.PutLogEventsOutput{}, nil
	}
	f.Errorf("unexpected %s", op.Name)
	return nil, nil
}

func newFake(t *testing.T) (*fakeLogs, *Queue) {
	f := &fakeLogs{TB: t, streams: map[string][]string{}}
	return f, New(f, slog.New(slog.DiscardHandler))
}

func target(stream string) Target {
	return Target{"eu-west-1", "111122223333", "source", "group", stream}
}

// waits returns how many bytes wait.
func (q *Queue) waits() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

func (f *fakeLogs) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = err
}

func (f *fakeLogs) has(stream string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.streams[stream])
}

func TestDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, q := newFake(t)
		defer q.Close()
		now := time.Now()
		for i := range 10 {
			q.Post(target("a"), now.Add(time.Duration(10-i)*time.Millisecond), fmt.Appendf(nil, "%d", i))
		}
		q.Post(target("b"), now, []byte("x"))
		time.Sleep(10 * time.Second)
		if got := strings.Join(f.has("a"), ""); got != "9876543210" || len(f.has("b")) != 1 || f.batches != 2 {
			t.Errorf("got %s in %d batches", got, f.batches)
		}
		q.Post(target("a"), now.Add(time.Minute), []byte("later"))
		time.Sleep(10 * time.Second)
		if got := f.has("a"); len(got) != 11 || q.Dropped() != 0 {
			t.Errorf("got %v, %d dropped", got, q.Dropped())
		}
	})
}

func TestRefusedAndFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, q := newFake(t)
		defer q.Close()
		f.set(logs.AccessDeniedException("no"))
		q.Post(target("a"), time.Now(), []byte("refused"))
		time.Sleep(time.Minute)
		if q.Dropped() != 1 {
			t.Errorf("%d dropped, want the one that was refused", q.Dropped())
		}
		f.set(logs.ServiceUnavailableException("later"))
		q.Post(target("a"), time.Now(), []byte("one"))
		time.Sleep(1500 * time.Millisecond)
		q.Post(target("a"), time.Now(), []byte("two"))
		f.set(nil)
		time.Sleep(time.Minute)
		if got := fmt.Sprint(f.has("a")); got != "[one two]" || q.Dropped() != 1 {
			t.Errorf("got %s, %d dropped", got, q.Dropped())
		}
		f.set(logs.ServiceUnavailableException("never"))
		q.Post(target("a"), time.Now(), []byte("lost"))
		time.Sleep(time.Hour)
		if q.Dropped() != 2 || q.waits() != 0 {
			t.Errorf("%d dropped, %d bytes wait", q.Dropped(), q.waits())
		}
	})
}

// TestBounds: a target that cannot be delivered to takes its share of memory and no more, and Post does not wait.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, q := newFake(t)
		f.hold = make(chan struct{})
		text := []byte(strings.Repeat("x", 100<<10))
		q.Post(target("first"), time.Now(), text)
		time.Sleep(5 * time.Second) // its delivery hangs
		for i := range 100 {
			q.Post(target(fmt.Sprint(i%2)), time.Now(), text)
		}
		if q.waits() > 2*maxTarget || q.Dropped() < 80 {
			t.Errorf("%d bytes wait, %d dropped", q.waits(), q.Dropped())
		}
		for i := range 400 {
			q.Post(target(fmt.Sprint("many ", i)), time.Now(), text)
		}
		if q.waits() > maxAll {
			t.Errorf("%d bytes wait", q.waits())
		}
		q.Post(target("long"), time.Now(), make([]byte, maxRecord+1))
		before := q.Dropped()
		close(f.hold)
		time.Sleep(time.Minute)
		if q.Dropped() != before || q.waits() != 0 {
			t.Errorf("%d dropped more, %d bytes wait", q.Dropped()-before, q.waits())
		}
		q.Close()
		q.Post(target("late"), time.Now(), text)
		if q.Dropped() != before+1 {
			t.Error("a closed queue took a record")
		}
	})
}
