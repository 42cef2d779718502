package proton

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
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
)

var testPlace = place{testRegion, testAccount}

// fault makes writes fail, all from one on, as a machine that stops.
type fault struct {
	from  atomic.Int64 // the first write that fails; 0 for none
	count atomic.Int64
	after bool // the write has happened when its error is told
}

var errInjected = errors.New("injected")

func (f *fault) set(from int) { f.count.Store(0); f.from.Store(int64(from)) }

// hit counts a write and reports whether it fails.
func (f *fault) hit() bool {
	from := f.from.Load()
	return from > 0 && f.count.Add(1) >= from
}

func (f *fault) reached() bool { return f.from.Load() > 0 && f.count.Load() >= f.from.Load() }

type faultyDB struct {
	store.DB
	*fault
}

func (d faultyDB) Update(ctx context.Context, id store.TxID, fn func(store.Tx) error) error {
	failed := d.hit()
	if failed && !d.after {
		return errInjected
	}
	if failed && d.count.Load() > d.from.Load() { // the machine has stopped
		return errInjected
	}
	if err := d.DB.Update(ctx, id, fn); err != nil || !failed {
		return err
	}
	return store.ErrUnknown
}

type faultyBlobs struct {
	blob.Store
	*fault
}

func (b faultyBlobs) Put(ctx context.Context, key string, r io.Reader) (int64, error) {
	if b.hit() {
		return 0, errInjected
	}
	return b.Store.Put(ctx, key, r)
}

// testKeys wraps data keys as KMS would, without one.
type testKeys struct{}

var _ seal.Keys = testKeys{}

func purpose(pairs map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		fmt.Fprintf(&b, "%s=%s;", name, pairs[name])
	}
	return b.String()
}

func (testKeys) Make(_ context.Context, keyID string, pairs map[string]string) (seal.DataKey, error) {
	key := bytes.Repeat([]byte{7}, 32)
	wrapped, err := memory.Root{}.Wrap(purpose(pairs), key)
	return seal.DataKey{Plaintext: secret.New(key), Wrapped: wrapped, KeyARN: keyID}, err
}

func (testKeys) Open(_ context.Context, _ string, wrapped []byte, pairs map[string]string) (secret.Bytes, error) {
	key, err := memory.Root{}.Unwrap(purpose(pairs), wrapped)
	return secret.New(key), err
}

// testHouse is the service with all it needs but KMS, S3 and STS. Time can be put forward.
type testHouse struct {
	testing.TB
	*Service
	db, blobs *fault
	store     store.DB
	files     blob.Store
	queue     *job.Queue
	ahead     atomic.Int64
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
	h := &testHouse{TB: t, db: new(fault), blobs: new(fault), store: store.Sub(file, "proton/"), files: files}
	h.open()
	return h
}

// open opens the service, as after a restart when there was one before.
func (h *testHouse) open() {
	h.Helper()
	db := faultyDB{h.store, h.db}
	log := slog.New(slog.DiscardHandler)
	h.queue = job.Open(db, log)
	s, err := Open(context.Background(), &service.Room{
		Regions: []string{testRegion}, Store: db, Blobs: faultyBlobs{h.files, h.blobs}, Jobs: h.queue, Root: memory.Root{}, Log: log,
		Inside: func(string) wire.Invoker { return nobody{} },
	})
	if err != nil {
		h.Fatal(err)
	}
	s.keys = testKeys{}
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

// drain runs jobs until it is so, or the machine has stopped.
func (h *testHouse) drain(what string, so func() bool) {
	h.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { h.queue.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	for end := time.Now().Add(time.Minute); !so() && !h.db.reached() && !h.blobs.reached(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			h.Fatalf("%s: it does not come to that", what)
		}
	}
}
