package tenant

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/test/memory"
	"github.com/strongroom/strongroom/wire"
)

// fakeKMS wraps data keys under a key of the test, and lets the service use it as far as its grants stand.
type fakeKMS struct {
	mu       sync.Mutex
	disabled bool
	denied   bool            // the key's policy denies the service
	revoked  map[string]bool // sources and ids of grants
	reader   bool            // whether callers may decrypt themselves
	decrypts int
	block    chan struct{} // where it is not nil, Decrypt waits for it
}

var wrapping = secret.New(bytes.Repeat([]byte{7}, seal.KeySize))

func refusal(code string) error {
	return &wire.Error{Code: code, Status: 400, Message: "refused by the test"}
}

func (k *fakeKMS) set(fn func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	fn()
}

func (k *fakeKMS) allowed(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, source := call.SourceOf(ctx)
	own := call.From(ctx) == nil || service.IsAsService(ctx)
	switch {
	case k.disabled:
		return refusal("DisabledException")
	case own && (k.denied || k.revoked[source]), !own && !k.reader:
		return refusal("AccessDeniedException")
	}
	return nil
}

func (k *fakeKMS) Invoke(ctx context.Context, op *wire.Operation, in any) (any, error) {
	switch in := in.(type) {
	case *kms.GenerateDataKeyInput:
		if err := k.allowed(ctx); err != nil {
			return nil, err
		}
		key := make([]byte, seal.KeySize)
		rand.Read(key)
		pairs, _ := seal.EncodeContext(in.EncryptionContext)
		wrapped, err := seal.Bytes(wrapping, key, pairs)
		return &kms.GenerateDataKeyOutput{Plaintext: key, CiphertextBlob: wrapped, KeyId: in.KeyId}, err
	case *kms.DecryptInput:
		k.mu.Lock()
		k.decrypts++
		block := k.block
		k.mu.Unlock()
		if block != nil {
			<-block
		}
		if err := k.allowed(ctx); err != nil {
			return nil, err
		}
		pairs, _ := seal.EncodeContext(in.EncryptionContext)
		key, err := seal.OpenBytes(wrapping, in.CiphertextBlob, pairs)
		if err != nil {
			return nil, refusal("InvalidCiphertextException")
		}
		return &kms.DecryptOutput{Plaintext: key}, nil
	case *kms.RetireGrantInput:
		k.mu.Lock()
		defer k.mu.Unlock()
		if !wire.Val(in.DryRun) {
			return nil, errors.New("a grant was retired")
		}
		if k.revoked[*in.GrantId] {
			return nil, refusal("AccessDeniedException")
		}
		return nil, refusal("DryRunOperationException")
	}
	return nil, fmt.Errorf("unexpected %s", op.Name)
}

// fakeDirectory has workspaces in memory.
type fakeDirectory struct {
	mu   sync.Mutex
	have map[ID]*Workspace
}

func (d *fakeDirectory) Workspace(_ context.Context, id ID) (*Workspace, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w := d.have[id]; w != nil {
		return w, nil
	}
	return nil, ErrNoWorkspace
}

func (d *fakeDirectory) Lose(_ context.Context, id ID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := *d.have[id]
	w.Lost = true
	d.have[id] = &w
	return nil
}

type harness struct {
	*Tenants
	t     testing.TB
	kms   *fakeKMS
	dir   *fakeDirectory
	opts  Options
	store store.DB
}

var ctx = context.Background()

func newHarness(t testing.TB) *harness {
	t.Helper()
	base := t.TempDir()
	db, err := store.OpenFile(filepath.Join(base, "store"), memory.Root{}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.OpenDir(filepath.Join(base, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, kms: &fakeKMS{revoked: map[string]bool{}, reader: true}, dir: &fakeDirectory{have: map[ID]*Workspace{}}, store: db}
	h.opts = Options{
		Directory: h.dir, Store: db, Blobs: blobs, Invoker: h.kms, Log: slog.New(slog.DiscardHandler),
		Folder: func() (string, error) { return filepath.Join(base, "logs"), nil },
		Memory: func() (string, error) { return filepath.Join(base, "memory"), nil },
	}
	h.Tenants = New(h.opts)
	t.Cleanup(func() {
		if err := errors.Join(h.Tenants.Close(), blobs.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// restart closes all workspaces, as a house does that stops, and begins again.
func (h *harness) restart() {
	h.t.Helper()
	if err := h.Tenants.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.Tenants = New(h.opts)
}

// add makes a workspace; key is "" for one under the owned key.
func (h *harness) add(name, key string) ID {
	h.t.Helper()
	id := ID{"eu-central-1", "111122223333", name}
	w := &Workspace{ARN: id.ARN(), Key: key, Limits: DefaultLimits()}
	if key != "" {
		w.Grants = []string{"g0", "g1", "g2"}
	}
	dk, err := newKeys(seal.NewKeys(h.kms), id, w).Make(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	w.Proof = dk.Wrapped
	h.dir.have[id] = w
	return id
}

func (h *harness) write(id ID, value float64) error {
	x, done, err := h.Use(ctx, id)
	if err != nil {
		return err
	}
	defer done()
	app := x.DB.Appender(ctx)
	if _, err := app.Append(0, labels.FromStrings("__name__", "up", "job", "a"), time.Now().UnixMilli(), value); err != nil {
		return err
	}
	return app.Commit()
}

// samples counts what a query finds.
func (h *harness) samples(id ID) (n int, err error) {
	x, done, err := h.Read(ctx, id)
	if err != nil {
		return 0, err
	}
	defer done()
	q, err := x.DB.Querier(0, time.Now().Add(time.Hour).UnixMilli())
	if err != nil {
		return 0, err
	}
	defer q.Close()
	set := q.Select(ctx, false, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", "up"))
	for set.Next() {
		for it := set.At().Iterator(nil); it.Next() != 0; {
			n++
		}
	}
	return n, set.Err()
}

func (h *harness) wantSamples(id ID, want int) {
	h.t.Helper()
	if got, err := h.samples(id); err != nil || got != want {
		h.t.Errorf("%d samples, %v; want %d", got, err, want)
	}
}

const customerKey = "arn:aws:kms:eu-central-1:111122223333:key/1"

func (h *harness) blobs() (n int) {
	for _, err := range h.opts.Blobs.List(ctx, blobPrefix, "") {
		if err != nil {
			h.t.Fatal(err)
		}
		n++
	}
	return n
}
