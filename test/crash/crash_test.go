// Package crash kills the program with SIGKILL in the middle of its work, starts it again over
// the same directory, and looks for what was promised and for what is half.
//
// Workers write through the AWS SDK, several at once, and each keeps its own account of what was
// answered. At most one call of a worker is under way when the house dies: of that one alone both
// outcomes are right, and only whole.
package crash

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/smithy-go/middleware"

	"github.com/strongroom/strongroom/test/house"
)

var (
	seed   = flag.Uint64("seed", 0, "seed of the crash test's choices; 0 takes one from the clock")
	rounds = flag.Int("rounds", 4, "how often the crash test kills the house")
)

var ctx = context.Background()

func TestMain(m *testing.M) {
	flag.Parse()
	house.Main(m)
}

// worker writes to a house, and knows what it must find again.
type worker interface {
	// step makes a few calls. It returns the error of the one that failed, after which the
	// outcome of that one call is unknown.
	step(a house.Account) error
	// verify compares what the worker knows with what is there, and learns from it how the
	// unknown call ended.
	verify(t *testing.T, a house.Account)
	// heard returns the answered calls since it was last asked, by request id.
	heard() map[string]string
}

// journal is what all workers have.
type journal struct {
	name  string
	rand  *rand.Rand
	n     int               // of the names given
	calls map[string]string // answered calls: request id to event name
}

func newJournal(name string, seed uint64) *journal {
	return &journal{name: name, rand: rand.New(rand.NewPCG(seed, uint64(len(name))<<32+uint64(name[0]))), calls: map[string]string{}}
}

// next returns a name that the worker has not used yet.
func (j *journal) next() string {
	j.n++
	return fmt.Sprintf("%s-%05d", j.name, j.n)
}

// note writes down that a call was answered, unless err says that it was not.
func (j *journal) note(event string, out any, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", event, err)
	}
	metadata := reflect.ValueOf(out).Elem().FieldByName("ResultMetadata").Interface().(middleware.Metadata)
	id, ok := awsmiddleware.GetRequestIDMetadata(metadata)
	if !ok {
		return fmt.Errorf("%s was answered without a request id", event)
	}
	j.calls[id] = event
	return nil
}

func (j *journal) heard() map[string]string {
	calls := j.calls
	j.calls = map[string]string{}
	return calls
}

// bytes returns n random bytes of the worker's own sequence.
func (j *journal) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(j.rand.Uint32())
	}
	return b
}

// chooser makes the choices of a test, and tells how to have the same again.
func chooser(t *testing.T) *rand.Rand {
	t.Helper()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("again with: -seed %d", *seed)
	return rand.New(rand.NewPCG(*seed, 0))
}

// TestKilledInTheFirstStart kills houses before they have ever answered. Whatever was made by
// then, the next start goes on from it, and the operator gets at the credentials that were
// never printed.
func TestKilledInTheFirstStart(t *testing.T) {
	choose := chooser(t)
	for range 3 {
		h := house.New(t)
		for range 3 {
			h.KillWhileStarting(time.Duration(choose.IntN(120)) * time.Millisecond)
		}
		h.Restart()
		env, err := h.Run("env")
		if err != nil || !strings.Contains(env, "export AWS_SECRET_ACCESS_KEY='") {
			t.Errorf("env: %v\n%s", err, env)
		}
		h.Stop()
		checked(t, h)
	}
}

func TestKilledInTheMiddleOfWrites(t *testing.T) {
	choose := chooser(t)
	h := house.Start(t)
	key, plain, sealed := prepare(t, h.AsAdmin())
	workers := []worker{
		newKeyWorker("keys-a", *seed), newKeyWorker("keys-b", *seed), newStateWorker("state", *seed, key),
		newUserWorker("users", *seed),
		newObjectWorker("small-plain", *seed, plain, 4<<10), newObjectWorker("small-sealed", *seed, sealed, 4<<10),
		newObjectWorker("large-sealed", *seed, sealed, 3<<20), newPartsWorker("parts", *seed, sealed),
	}
	for round := range *rounds {
		from := time.Now()
		run(t, h, workers, time.Duration(200+choose.IntN(700))*time.Millisecond)
		if round%2 == 1 { // and again, while it mends what the first left
			h.KillWhileStarting(time.Duration(choose.IntN(250)) * time.Millisecond)
			checked(t, h)
		}
		h.Restart()
		n := verify(t, h.AsAdmin(), workers, from)
		t.Logf("round %d: %d calls were answered", round, n)
		if round%2 == 0 {
			checked(t, h)
		}
		if t.Failed() {
			return
		}
	}
	h.Stop()
	checked(t, h)
}

// run has all workers work until the house is killed.
func run(t *testing.T, h *house.House, workers []worker, long time.Duration) {
	t.Helper()
	var killed atomic.Bool
	var wg sync.WaitGroup
	for _, w := range workers {
		a := h.AsAdmin()
		wg.Go(func() {
			for {
				err := w.step(a)
				if err == nil {
					continue
				}
				if !killed.Load() || house.ErrorCode(err) != "" {
					t.Errorf("the house was killed: %v; a call failed with %v", killed.Load(), err)
				}
				return
			}
		})
	}
	time.Sleep(long)
	killed.Store(true)
	h.Kill()
	wg.Wait()
}

// verify has every worker look for what is its own, and compares the trail with what was
// answered since the given time. It returns the number of answered calls.
func verify(t *testing.T, a house.Account, workers []worker, from time.Time) int {
	t.Helper()
	answered := map[string]string{}
	for _, w := range workers {
		for id, event := range w.heard() {
			answered[id] = event
		}
	}
	n := len(answered)
	if n == 0 {
		t.Error("no call was answered before the house was killed")
	}
	in := &cloudtrail.LookupEventsInput{StartTime: aws.Time(from.Add(-time.Second))}
	for pages := cloudtrail.NewLookupEventsPaginator(a.CloudTrail(), in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			id := recorded(*e.CloudTrailEvent, "requestID")
			if event, ok := answered[id]; ok && event == *e.EventName {
				delete(answered, id)
			}
		}
	}
	for id, event := range answered {
		t.Errorf("%s, request %s, was answered and is not in the trail", event, id)
	}
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() { w.verify(t, a) })
	}
	wg.Wait()
	for _, w := range workers {
		w.heard() // of what verify did, nothing is promised beyond its own answers
	}
	return n
}

// recorded returns a text member of a record.
func recorded(record, member string) string {
	_, rest, _ := strings.Cut(record, `"`+member+`":"`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// checked fails the test unless strongroom check finds the directory whole.
func checked(t *testing.T, h *house.House) {
	t.Helper()
	text, err := h.Run("check")
	if err != nil || !strings.Contains(text, "everything was read and authenticated") {
		t.Errorf("check: %v\n%s", err, text)
	}
}

// unknown is a call whose answer never came; the zero value is none.
type unknown struct{ what, name string }
