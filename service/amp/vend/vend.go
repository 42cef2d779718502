// Package vend delivers log records to CloudWatch Logs, as the service that AWS calls vended logs: over the road, as delivery.logs.amazonaws.com, for the account
// whose resource the records are about, so that a resource policy of that account decides.
//
// Post never waits: what cannot be kept until it is delivered is dropped and counted. Nothing is kept over a restart.
package vend

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

// Principal is the service that delivers, as resource policies of log groups name it.
const Principal = "delivery.logs.amazonaws.com"

// The bounds of what waits to be delivered.
const (
	maxTarget  = 1 << 20   // bytes for one target, which is also the most of one batch
	maxRecords = 10_000    // of one target
	maxAll     = 16 << 20  // bytes for all targets
	maxRecord  = 200 << 10 // bytes of a record; a longer one is dropped
	overhead   = 26        // that CloudWatch Logs counts for each

	every    = time.Second      // between deliveries
	patience = 5                // deliveries that may fail before the records are dropped
	timeout  = 20 * time.Second // of a delivery
)

// Target is a log stream and the resource that records are about.
type Target struct {
	Region, Account string
	Source          string // ARN of the delivery: aws:SourceArn
	Group, Stream   string
}

// record is a record that waits.
type record struct {
	at   int64 // milliseconds
	text string
}

// waiting is what waits for a target.
type waiting struct {
	records []record
	bytes   int
	failed  int // deliveries, in a row
}

// Queue delivers records. Its methods may be called together.
type Queue struct {
	logs    *logs.Client
	log     *slog.Logger
	ctx     context.Context
	cancel  context.CancelFunc
	dropped atomic.Int64
	wake    chan struct{}

	mu     sync.Mutex
	all    map[Target]*waiting
	bytes  int
	done   chan struct{} // of the goroutine that delivers; nil before the first record
	closed bool
}

// New returns a Queue that delivers through v, which must act as Principal.
func New(v wire.Invoker, log *slog.Logger) *Queue {
	q := &Queue{logs: logs.NewClient(v), log: log, all: make(map[Target]*waiting), wake: make(chan struct{}, 1)}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	return q
}

// Dropped returns how many records were not delivered and will not be.
func (q *Queue) Dropped() int64 { return q.dropped.Load() }

// Post takes a record to be delivered soon, or drops it where too much waits already.
func (q *Queue) Post(t Target, at time.Time, text []byte) {
	size := len(text) + overhead
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.all[t]
	if q.closed || len(text) == 0 || len(text) > maxRecord || q.bytes+size > maxAll || w != nil && (w.bytes+size > maxTarget || len(w.records) >= maxRecords) {
		q.dropped.Add(1)
		return
	}
	if w == nil {
		w = &waiting{}
		q.all[t] = w
	}
	w.records = append(w.records, record{at.UnixMilli(), string(text)})
	w.bytes += size
	q.bytes += size
	if q.done == nil {
		q.done = make(chan struct{})
		go q.run() // until Close
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Close gives up what waits.
func (q *Queue) Close() {
	q.cancel()
	q.mu.Lock()
	q.closed = true
	done := q.done
	q.mu.Unlock()
	if done != nil {
		<-done
	}
}

// run delivers what waits, a little after it came, so that what comes together goes together.
func (q *Queue) run() {
	defer close(q.done)
	told, last := int64(0), time.Time{}
	for {
		select {
		case <-q.wake:
		case <-q.ctx.Done():
			return
		}
		select {
		case <-time.After(every):
		case <-q.ctx.Done():
			return
		}
		if q.flush() {
			select {
			case q.wake <- struct{}{}: // something is tried again
			default:
			}
		}
		if n := q.Dropped(); n > told && time.Since(last) > time.Minute {
			q.log.Warn("log records were not delivered", "count", n-told)
			told, last = n, time.Now()
		}
	}
}

// flush delivers once to every target, and reports whether something is left.
func (q *Queue) flush() (left bool) {
	q.mu.Lock()
	batches := q.all
	q.all, q.bytes = make(map[Target]*waiting), 0
	q.mu.Unlock()
	for t, w := range batches {
		if q.ctx.Err() != nil {
			return false
		}
		err := q.deliver(t, w.records)
		if err == nil {
			continue
		}
		if w.failed++; !passing(err) || w.failed >= patience {
			q.dropped.Add(int64(len(w.records)))
			q.log.Debug("log records of a workspace were not delivered", "source", t.Source, "count", len(w.records), "code", codeOf(err))
			continue
		}
		left = q.giveBack(t, w) || left
	}
	return left
}

// giveBack lets records wait again that could not be delivered, before those that have come since, as far as there is room.
func (q *Queue) giveBack(t Target, w *waiting) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	since := q.all[t]
	if q.bytes+w.bytes > maxAll || since != nil && (since.bytes+w.bytes > maxTarget || len(since.records)+len(w.records) > maxRecords) {
		q.dropped.Add(int64(len(w.records)))
		return since != nil
	}
	q.bytes += w.bytes
	if since != nil {
		w.records, w.bytes = append(w.records, since.records...), w.bytes+since.bytes
	}
	q.all[t] = w
	return true
}

// deliver puts records into a stream, which is made if it is not there.
func (q *Queue) deliver(t Target, records []record) error {
	ctx, cancel := context.WithTimeout(q.ctx, timeout)
	defer cancel()
	ctx = t.context(ctx)
	slices.SortStableFunc(records, func(a, b record) int { return cmp.Compare(a.at, b.at) })
	in := &logs.PutLogEventsInput{LogGroupName: &t.Group, LogStreamName: &t.Stream}
	for i := range records {
		in.LogEvents = append(in.LogEvents, logs.InputLogEvent{Timestamp: &records[i].at, Message: &records[i].text})
	}
	_, err := q.logs.PutLogEvents(ctx, in)
	if !wire.IsCode(err, "ResourceNotFoundException") {
		return err
	}
	if err := q.Prepare(ctx, t); err != nil {
		return err
	}
	_, err = q.logs.PutLogEvents(ctx, in)
	return err
}

// Prepare makes the stream of a target where it is not there. Its error says why nothing can be delivered to it.
func (q *Queue) Prepare(ctx context.Context, t Target) error {
	_, err := q.logs.CreateLogStream(t.context(ctx), &logs.CreateLogStreamInput{LogGroupName: &t.Group, LogStreamName: &t.Stream})
	if wire.IsCode(err, "ResourceAlreadyExistsException") {
		return nil
	}
	return err
}

// context is one in which the delivering service acts for the target's account and resource, whoever calls meanwhile.
func (t Target) context(ctx context.Context) context.Context {
	return call.InRegion(call.ForSource(call.With(ctx, nil), t.Account, t.Source), t.Region)
}

// passing reports whether a delivery that failed so may come off later.
func passing(err error) bool {
	var e *wire.Error
	if !errors.As(err, &e) {
		return true
	}
	return e.Fault || e.Code == "ThrottlingException" || e.Code == "OperationAbortedException" || e.Code == "ServiceUnavailableException"
}

func codeOf(err error) string {
	var e *wire.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return "InternalFailure"
}
