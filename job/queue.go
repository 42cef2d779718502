package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/strongroom/strongroom/store"
)

// Handler does the work of a job. It may be called again for a job that it finished
// when the house stopped before that was written down.
type Handler func(ctx context.Context, j Job) error

const (
	batch    = 64              // due jobs read at a time
	workers  = 8               // jobs of one queue that run together
	maxDelay = time.Hour       // longest wait between tries
	minDelay = 2 * time.Second // wait before the second try
	idleWait = time.Hour       // longest sleep without looking at the store
)

// Queue holds the jobs of one service, in that service's part of the store. Its
// methods may be called together; Handle only before Run.
type Queue struct {
	db       store.DB
	log      *slog.Logger
	handlers map[string]Handler
	wake     chan struct{}
	slots    chan struct{} // one for each job that runs

	mu     sync.Mutex
	active map[string]bool // the jobs that run, by key
}

// Open returns the queue whose jobs are kept in db. Nothing runs before Run.
func Open(db store.DB, log *slog.Logger) *Queue {
	return &Queue{db: db, log: log, handlers: make(map[string]Handler), wake: make(chan struct{}, 1), slots: make(chan struct{}, workers), active: make(map[string]bool)}
}

// Handle says which function runs the jobs of a kind.
func (q *Queue) Handle(kind string, fn Handler) { q.handlers[kind] = fn }

// Schedule writes the job in tx, replacing a job of the same kind and id. It runs at
// or after j.Due once tx is committed.
func (q *Queue) Schedule(tx store.Tx, j Job) error {
	if j.Kind == "" || strings.Contains(j.Kind, "\x00") || strings.Contains(j.ID, "\x00") {
		return fmt.Errorf("job: malformed name %q %q", j.Kind, j.ID)
	}
	old, found, err := load(tx, j.Kind, j.ID)
	if err != nil {
		return err
	}
	e := entry{Due: j.Due.UnixNano(), Payload: j.Payload, Attempt: j.Attempt, Serial: rand.Uint64()}
	if !found {
		return save(tx, j.Kind, j.ID, nil, e)
	}
	return save(tx, j.Kind, j.ID, &old, e)
}

// Cancel removes a job in tx; a job that is not there is no error. A job that runs
// at this moment is not stopped.
func (q *Queue) Cancel(tx store.Tx, kind, id string) error {
	e, found, err := load(tx, kind, id)
	if err != nil || !found {
		return err
	}
	return remove(tx, kind, id, e)
}

// Get returns a scheduled job; found is false when there is none.
func (q *Queue) Get(r store.Reader, kind, id string) (j Job, found bool, err error) {
	e, found, err := load(r, kind, id)
	if err != nil || !found {
		return Job{}, false, err
	}
	return Job{Kind: kind, ID: id, Due: time.Unix(0, e.Due), Payload: e.Payload, Attempt: e.Attempt}, true, nil
}

// Run runs jobs as they fall due until ctx ends, and returns when those that run have
// returned. It is called once.
func (q *Queue) Run(ctx context.Context) {
	stop := q.db.Observe(func(changes []store.Change) {
		for _, c := range changes {
			if bytes.HasPrefix(c.Key, []byte(timePrefix)) {
				q.poke()
				return
			}
		}
	})
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for ctx.Err() == nil {
		next, err := q.runDue(ctx, &wg)
		if err != nil && ctx.Err() == nil {
			q.log.Error("jobs cannot be read", "error", err)
			next = time.Now().Add(minDelay)
		}
		q.sleep(ctx, next)
	}
}

func (q *Queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *Queue) sleep(ctx context.Context, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-q.wake:
	}
}

// running is a job that is due, with the entry as it was read.
type running struct {
	kind, id string
	entry    entry
}

// runDue begins everything that is due, each as soon as there is room for it, and returns when to look
// again. A job that takes long keeps no other waiting: when one ends, the queue looks again.
func (q *Queue) runDue(ctx context.Context, wg *sync.WaitGroup) (next time.Time, err error) {
	due, next, err := q.due(ctx)
	if err != nil {
		return next, err
	}
	for _, r := range due {
		select {
		case q.slots <- struct{}{}:
		case <-ctx.Done():
			return next, nil
		}
		q.mark(r, true)
		wg.Go(func() {
			q.runOne(ctx, r)
			q.mark(r, false)
			<-q.slots
			q.poke()
		})
	}
	if len(due) == batch {
		return time.Now(), nil
	}
	return next, nil
}

// mark notes that a job runs, or does not any more.
func (q *Queue) mark(r running, runs bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if runs {
		q.active[string(jobKey(r.kind, r.id))] = true
	} else {
		delete(q.active, string(jobKey(r.kind, r.id)))
	}
}

func (q *Queue) runs(kind, id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.active[string(jobKey(kind, id))]
}

// due reads the jobs whose time has come, a batch at most, and when the next one's will.
func (q *Queue) due(ctx context.Context) (jobs []running, next time.Time, err error) {
	now := time.Now()
	next = now.Add(idleWait)
	err = q.db.View(ctx, func(r store.Reader) error {
		jobs = nil
		scan := store.Prefix([]byte(timePrefix))
		scan.KeysOnly = true
		for rec, err := range r.Scan(scan) {
			if err != nil {
				return err
			}
			at, kind, id, err := parseTimeKey(rec.Key)
			if err != nil {
				return err
			}
			if q.handlers[kind] == nil {
				continue // a job of a later version; it waits for one that knows it
			}
			if at > now.UnixNano() {
				if t := time.Unix(0, at); t.Before(next) {
					next = t
				}
				return nil
			}
			if q.runs(kind, id) {
				continue // its end wakes the queue
			}
			e, found, err := load(r, kind, id)
			if err != nil {
				return err
			}
			if found && e.Due == at {
				jobs = append(jobs, running{kind, id, e})
			}
			if len(jobs) == batch {
				return nil
			}
		}
		return nil
	})
	return jobs, next, err
}

// runOne runs a job and writes down what came of it.
func (q *Queue) runOne(ctx context.Context, r running) {
	if !q.stands(ctx, r) {
		return
	}
	j := Job{Kind: r.kind, ID: r.id, Due: time.Unix(0, r.entry.Due), Payload: r.entry.Payload, Attempt: r.entry.Attempt}
	err := q.guard(ctx, j)
	if ctx.Err() != nil && err != nil {
		return // stopping is no failure of the job
	}
	if err != nil {
		q.log.Error("job failed and will be tried again", "kind", j.Kind, "attempt", j.Attempt+1, "error", err)
	}
	finish := func(tx store.Tx) error { return q.finish(tx, r, err) }
	if err := q.db.Update(context.WithoutCancel(ctx), store.TxID{}, finish); err != nil {
		q.log.Error("job's end cannot be written", "kind", j.Kind, "error", err)
	}
}

// stands reports whether a job is still as it was read: it may have been cancelled while it waited for room.
func (q *Queue) stands(ctx context.Context, r running) (same bool) {
	err := q.db.View(ctx, func(rd store.Reader) error {
		e, found, err := load(rd, r.kind, r.id)
		same = found && e.Serial == r.entry.Serial
		return err
	})
	if err != nil && ctx.Err() == nil {
		q.log.Error("job cannot be read", "kind", r.kind, "error", err)
	}
	return err == nil && same
}

// guard turns a handler's panic into an error: one bad job must not stop the house.
func (q *Queue) guard(ctx context.Context, j Job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("job panicked")
			q.log.Error("job panicked", "kind", j.Kind, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	return q.handlers[j.Kind](ctx, j)
}

// finish removes a job that succeeded and moves one that failed. A job that was
// scheduled anew while it ran is left as it is.
func (q *Queue) finish(tx store.Tx, r running, failure error) error {
	now, found, err := load(tx, r.kind, r.id)
	if err != nil || !found || now.Serial != r.entry.Serial {
		return err
	}
	if failure == nil {
		return remove(tx, r.kind, r.id, now)
	}
	later := now
	later.Attempt++
	later.Due = time.Now().Add(delay(later.Attempt)).UnixNano()
	return save(tx, r.kind, r.id, &now, later)
}

// delay grows from try to try and varies, so that jobs which failed together do not
// come back together.
func delay(attempt int) time.Duration {
	d := maxDelay
	if attempt < 12 {
		d = min(minDelay<<(attempt-1), maxDelay)
	}
	return d/2 + rand.N(d/2)
}
