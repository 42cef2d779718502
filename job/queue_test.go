package job

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/store"
)

// openDB opens a store in dir, with a root key beside it.
func openDB(t *testing.T, dir string) *store.File {
	t.Helper()
	seal, provider := filepath.Join(dir, "seal.json"), rootkey.FileProvider(filepath.Join(t.TempDir(), "key"))
	root, _, err := rootkey.Init(seal, provider)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.OpenFile(filepath.Join(dir, "store"), root, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func newQueue(t *testing.T, db store.DB) *Queue {
	t.Helper()
	return Open(db, slog.New(slog.NewTextHandler(io.Discard, nil)))
}

// start runs q until the test ends.
func start(t *testing.T, q *Queue) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { q.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return stop
}

func update(t *testing.T, db store.DB, fn func(store.Tx) error) {
	t.Helper()
	if err := db.Update(context.Background(), store.TxID{}, fn); err != nil {
		t.Fatal(err)
	}
}

// remaining counts all records that jobs have left in the store.
func remaining(t *testing.T, db store.DB) (n int) {
	t.Helper()
	err := db.View(context.Background(), func(r store.Reader) error {
		n = 0
		for _, err := range r.Scan(store.Prefix([]byte("\x00job"))) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing happened")
	}
	return v
}

func TestJobsRunInOrderOfTime(t *testing.T) {
	db := openDB(t, t.TempDir())
	q := newQueue(t, db)
	ran := make(chan string, 10)
	q.Handle("note", func(_ context.Context, j Job) error { ran <- j.ID + string(j.Payload); return nil })
	now := time.Now()
	update(t, db, func(tx store.Tx) error {
		return errors.Join(
			q.Schedule(tx, Job{Kind: "note", ID: "late", Due: now.Add(300 * time.Millisecond)}),
			q.Schedule(tx, Job{Kind: "note", ID: "first", Due: now.Add(-time.Hour), Payload: []byte("!")}),
			q.Schedule(tx, Job{Kind: "note", ID: "cancelled", Due: now}),
			q.Schedule(tx, Job{Kind: "unknown", ID: "x", Due: now.Add(-time.Hour)}),
			q.Schedule(tx, Job{Kind: "note", ID: "years away", Due: now.Add(20 * 365 * 24 * time.Hour)}),
		)
	})
	update(t, db, func(tx store.Tx) error { return q.Cancel(tx, "note", "cancelled") })
	stop := start(t, q)
	if got := []string{receive(t, ran), receive(t, ran)}; !slices.Equal(got, []string{"first!", "late"}) {
		t.Fatalf("ran %v", got)
	}
	// One that is scheduled while the queue sleeps wakes it.
	update(t, db, func(tx store.Tx) error { return q.Schedule(tx, Job{Kind: "note", ID: "now", Due: time.Now()}) })
	if got := receive(t, ran); got != "now" {
		t.Fatalf("ran %q", got)
	}
	stop()
	if got := remaining(t, db); got != 4 { // the unknown one and the one that is years away
		t.Errorf("%d records are left, want 4", got)
	}
}

func TestFailedJobIsTriedAgain(t *testing.T) {
	db := openDB(t, t.TempDir())
	q := newQueue(t, db)
	var tries atomic.Int32
	done := make(chan int, 1)
	q.Handle("flaky", func(_ context.Context, j Job) error {
		switch tries.Add(1) {
		case 1:
			return errors.New("not this time")
		case 2:
			panic("nor this time")
		}
		done <- j.Attempt
		return nil
	})
	update(t, db, func(tx store.Tx) error { return q.Schedule(tx, Job{Kind: "flaky", Due: time.Now()}) })
	start(t, q)
	if got := receive(t, done); got != 2 {
		t.Errorf("succeeded at attempt %d, want 2", got)
	}
}

func TestJobScheduledAnewWhileItRunsIsKept(t *testing.T) {
	db := openDB(t, t.TempDir())
	q := newQueue(t, db)
	ran := make(chan string, 3)
	q.Handle("again", func(ctx context.Context, j Job) error {
		if string(j.Payload) == "1" {
			err := db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
				return q.Schedule(tx, Job{Kind: "again", Due: time.Now(), Payload: []byte("2")})
			})
			if err != nil {
				return err
			}
		}
		ran <- string(j.Payload)
		return nil
	})
	update(t, db, func(tx store.Tx) error {
		return q.Schedule(tx, Job{Kind: "again", Due: time.Now(), Payload: []byte("1")})
	})
	start(t, q)
	if got := []string{receive(t, ran), receive(t, ran)}; !slices.Equal(got, []string{"1", "2"}) {
		t.Fatalf("ran %v", got)
	}
}

func TestJobThatWasCutOffRunsAfterRestart(t *testing.T) {
	db := openDB(t, t.TempDir())
	q := newQueue(t, db)
	began := make(chan bool, 1)
	q.Handle("slow", func(ctx context.Context, _ Job) error {
		began <- true
		<-ctx.Done()
		return ctx.Err()
	})
	update(t, db, func(tx store.Tx) error { return q.Schedule(tx, Job{Kind: "slow", ID: "a", Due: time.Now()}) })
	stop := start(t, q)
	receive(t, began)
	stop()
	again := newQueue(t, db)
	ran := make(chan Job, 1)
	again.Handle("slow", func(_ context.Context, j Job) error { ran <- j; return nil })
	start(t, again)
	if j := receive(t, ran); j.ID != "a" || j.Attempt != 0 {
		t.Errorf("ran %+v", j)
	}
}

// TestLongJobKeepsNoOtherWaiting: while a job runs on and on, those that fall due run, and that one
// not a second time.
func TestLongJobKeepsNoOtherWaiting(t *testing.T) {
	db := openDB(t, t.TempDir())
	q := newQueue(t, db)
	ran, hold := make(chan string, 10), make(chan struct{})
	q.Handle("long", func(_ context.Context, j Job) error { ran <- j.ID; <-hold; return nil })
	q.Handle("short", func(_ context.Context, j Job) error { ran <- j.ID; return nil })
	schedule := func(kind, id string) {
		update(t, db, func(tx store.Tx) error { return q.Schedule(tx, Job{Kind: kind, ID: id, Due: time.Now()}) })
	}
	schedule("long", "long")
	stop := start(t, q)
	if got := receive(t, ran); got != "long" {
		t.Fatalf("ran %q", got)
	}
	schedule("long", "long") // anew, while it runs: once more when it has ended
	for _, id := range []string{"a", "b", "c"} {
		schedule("short", id)
		if got := receive(t, ran); got != id {
			t.Fatalf("ran %q, want %q", got, id)
		}
	}
	close(hold)
	if got := receive(t, ran); got != "long" {
		t.Fatalf("ran %q", got)
	}
	stop()
	if got := remaining(t, db); got != 0 {
		t.Errorf("%d records are left", got)
	}
}

func TestMalformedNamesAreRefused(t *testing.T) {
	db := openDB(t, t.TempDir())
	q := newQueue(t, db)
	for _, j := range []Job{{Kind: ""}, {Kind: "a\x00b"}, {Kind: "a", ID: "b\x00c"}} {
		err := db.Update(context.Background(), store.TxID{}, func(tx store.Tx) error { return q.Schedule(tx, j) })
		if err == nil {
			t.Errorf("%q %q was scheduled", j.Kind, j.ID)
		}
	}
}

func TestDelayGrowsAndEnds(t *testing.T) {
	for attempt := 1; attempt < 100; attempt++ {
		if d := delay(attempt); d < minDelay/2 || d > maxDelay {
			t.Errorf("attempt %d waits %v", attempt, d)
		}
	}
}

func FuzzParseTimeKey(f *testing.F) {
	f.Add(timeKey(5, "kind", "id"))
	f.Fuzz(func(t *testing.T, key []byte) {
		due, kind, id, err := parseTimeKey(key)
		if err == nil && string(timeKey(due, kind, id)) != string(key) {
			t.Errorf("%q reads as another key", key)
		}
	})
}
