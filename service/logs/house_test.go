package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/test/memory"
	"github.com/strongroom/strongroom/wire"
)

const (
	testRegion  = "eu-west-1"
	testAccount = "111122223333"
	testKey     = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

// testKeys wraps data keys as KMS would, without one.
type testKeys struct {
	disabled atomic.Bool // testKey
	calls    atomic.Int64
}

var _ seal.Keys = (*testKeys)(nil)

func purpose(pairs map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		fmt.Fprintf(&b, "%s=%s;", name, pairs[name])
	}
	return b.String()
}

func (k *testKeys) usable(keyID string) error {
	k.calls.Add(1)
	switch {
	case keyID == testKey && k.disabled.Load():
		return wire.Errorf("DisabledException", 400, "%s is disabled.", keyID)
	case keyID == testKey, keyID == "alias/owned/logs/"+testAccount:
		return nil
	}
	return wire.Errorf("AccessDeniedException", 400, "%s may not be used.", keyID)
}

func (k *testKeys) Make(ctx context.Context, keyID string, pairs map[string]string) (seal.DataKey, error) {
	if err := k.usable(keyID); err != nil {
		return seal.DataKey{}, err
	}
	if account, arn := call.SourceOf(ctx); !service.IsAsService(ctx) || account != testAccount || arn != pairs["aws:logs:arn"] {
		return seal.DataKey{}, errors.New("KMS is not told for whom")
	}
	key := bytes.Repeat([]byte{7}, 32)
	wrapped, err := memory.Root{}.Wrap(purpose(pairs), key)
	return seal.DataKey{Plaintext: secret.New(key), Wrapped: wrapped, KeyARN: keyID}, err
}

func (k *testKeys) Open(_ context.Context, keyID string, wrapped []byte, pairs map[string]string) (secret.Bytes, error) {
	if err := k.usable(keyID); err != nil {
		return secret.Bytes{}, err
	}
	key, err := memory.Root{}.Unwrap(purpose(pairs), wrapped)
	return secret.New(key), err
}

// testHouse is the service with all it needs but KMS. Time can be put forward.
type testHouse struct {
	testing.TB
	*Service
	kms   *testKeys
	store store.DB
	files blob.Store
	queue *job.Queue
	ahead atomic.Int64
}

func newHouse(t testing.TB) *testHouse {
	t.Helper()
	file, err := store.OpenFile(t.TempDir(), memory.Root{}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(files.Close(), file.Close()); err != nil {
			t.Error(err)
		}
	})
	h := &testHouse{TB: t, kms: new(testKeys), store: store.Sub(file, "logs/"), files: files}
	h.open()
	return h
}

// open opens the service, as after a restart when there was one before.
func (h *testHouse) open() {
	h.Helper()
	log := slog.New(slog.DiscardHandler)
	h.queue = job.Open(h.store, log)
	s, err := Open(context.Background(), &service.Room{
		Regions: []string{testRegion}, Store: h.store, Blobs: h.files, Jobs: h.queue, Root: memory.Root{}, Log: log,
		Inside: func(string) wire.Invoker { return nobody{} },
	})
	if err != nil {
		h.Fatal(err)
	}
	s.keys = h.kms
	s.now = func() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }
	h.Service = s
}

// nobody answers no call.
type nobody struct{}

func (nobody) Invoke(context.Context, *wire.Operation, any) (any, error) {
	return nil, wire.Errorf("AccessDeniedException", 400, "there is nobody")
}

// caller is the context of somebody's call.
func (h *testHouse) caller() context.Context {
	who := &identity.Principal{Kind: identity.User, Account: testAccount, ARN: "arn:aws:iam::" + testAccount + ":user/ann", ID: "AIDAANN", Name: "ann"}
	return call.With(context.Background(), &call.Call{ID: "r", Time: time.Now(), Principal: who, Region: testRegion, Service: api.API})
}

// drain runs jobs until it is so.
func (h *testHouse) drain(what string, so func() bool) {
	h.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { h.queue.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	for end := time.Now().Add(2 * time.Minute); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			h.Fatalf("%s: it does not come to that", what)
		}
	}
}

// ok fails the test for an error.
func (h *testHouse) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// is fails the test for an error that has not the code.
func (h *testHouse) is(err error, code string) {
	h.Helper()
	if !wire.IsCode(err, code) {
		h.Errorf("got %v, want %s", err, code)
	}
}

// group makes a group with streams.
func (h *testHouse) group(name, keyARN string, streams ...string) {
	h.Helper()
	in := &api.CreateLogGroupInput{LogGroupName: &name}
	if keyARN != "" {
		in.KmsKeyId = &keyARN
	}
	_, err := h.CreateLogGroup(h.caller(), in)
	h.ok(err)
	for _, st := range streams {
		_, err := h.CreateLogStream(h.caller(), &api.CreateLogStreamInput{LogGroupName: &name, LogStreamName: &st})
		h.ok(err)
	}
}

// put puts events.
func (h *testHouse) put(group, stream string, events ...event) (*api.PutLogEventsOutput, error) {
	in := &api.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream}
	for _, e := range events {
		in.LogEvents = append(in.LogEvents, api.InputLogEvent{Timestamp: &e.time, Message: &e.message})
	}
	return h.PutLogEvents(h.caller(), in)
}

// everything reads a stream from its head to its end.
func (h *testHouse) everything(group, stream string, limit int32) (messages []string) {
	h.Helper()
	in := &api.GetLogEventsInput{LogGroupName: &group, LogStreamName: &stream, StartFromHead: wire.Ptr(true), Limit: &limit}
	for {
		out, err := h.GetLogEvents(h.caller(), in)
		h.ok(err)
		for _, e := range out.Events {
			messages = append(messages, *e.Message)
		}
		if in.NextToken != nil && *in.NextToken == *out.NextForwardToken {
			if len(out.Events) > 0 {
				h.Errorf("the last page has %d events", len(out.Events))
			}
			return messages
		}
		in.NextToken = out.NextForwardToken
	}
}

// left counts the records whose keys begin with kind.
func (h *testHouse) left(kind string) (n int) {
	h.Helper()
	h.ok(h.store.View(context.Background(), func(r store.Reader) error {
		rest, err := store.KeysBelow(r, below(kind), 0)
		n = len(rest)
		return err
	}))
	return n
}

// blobsLeft counts blobs.
func (h *testHouse) blobsLeft() (n int) {
	h.Helper()
	for _, err := range h.files.List(context.Background(), blobPrefix, "") {
		h.ok(err)
		n++
	}
	return n
}
