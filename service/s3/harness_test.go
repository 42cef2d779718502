package s3

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strongroom/strongroom/api/kms"
	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

const (
	account = "111122223333"
	region  = "eu-west-1"
)

// rootKey is a root key for tests.
type rootKey struct{ aead cipher.AEAD }

func newRootKey() rootKey {
	block, _ := aes.NewCipher(make([]byte, 32))
	aead, _ := cipher.NewGCMWithRandomNonce(block)
	return rootKey{aead}
}

func (r rootKey) Wrap(purpose string, plaintext []byte) ([]byte, error) {
	return r.aead.Seal(nil, nil, plaintext, []byte(purpose)), nil
}

func (r rootKey) Unwrap(purpose string, wrapped []byte) ([]byte, error) {
	return r.aead.Open(nil, nil, wrapped, []byte(purpose))
}

func (r rootKey) Derive(purpose string) secret.Bytes { return secret.New(make([]byte, 32)) }

// blobs keeps blobs in memory and fails where it is told to.
type blobs struct {
	mu   sync.Mutex
	kept map[string][]byte
	fail func(op string) error
}

func (b *blobs) failing(op string) error {
	if b.fail == nil {
		return nil
	}
	return b.fail(op)
}

func (b *blobs) Put(_ context.Context, key string, r io.Reader) (int64, error) {
	if err := b.failing("put"); err != nil {
		return 0, err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.kept[key]; ok {
		return 0, blob.ErrExists
	}
	b.kept[key] = data
	return int64(len(data)), nil
}

func (b *blobs) Get(_ context.Context, key string, off, n int64) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	data, ok := b.kept[key]
	if !ok {
		return nil, blob.ErrNotFound
	}
	if off > int64(len(data)) {
		return nil, blob.ErrRange
	}
	data = data[off:]
	if n >= 0 && n < int64(len(data)) {
		data = data[:n]
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (b *blobs) Stat(_ context.Context, key string) (blob.Info, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	data, ok := b.kept[key]
	if !ok {
		return blob.Info{}, blob.ErrNotFound
	}
	return blob.Info{Key: key, Size: int64(len(data))}, nil
}

func (b *blobs) Delete(_ context.Context, key string) error {
	if err := b.failing("delete"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.kept, key)
	return nil
}

func (b *blobs) List(context.Context, string, string) iter.Seq2[blob.Info, error] {
	return func(func(blob.Info, error) bool) {}
}

func (b *blobs) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.kept)
}

// fakeKMS makes and opens data keys in memory.
type fakeKMS struct {
	mu       sync.Mutex
	disabled map[string]bool // by key id
	denied   bool
	wrapped  map[string]wrapping
	asked    []kmsCall
}

type wrapping struct {
	plain   []byte
	key     string
	context map[string]string
}

type kmsCall struct {
	op, key, region string
	asService       bool
	context         map[string]string
}

func (k *fakeKMS) Invoke(ctx context.Context, op *wire.Operation, in any) (any, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	where := call.RegionOf(ctx)
	if c := call.From(ctx); where == "" && c != nil {
		where = c.Region
	}
	switch in := in.(type) {
	case *kms.GenerateDataKeyInput:
		k.asked = append(k.asked, kmsCall{op.Name, *in.KeyId, where, service.IsAsService(ctx), in.EncryptionContext})
		if err := k.check(ctx, *in.KeyId); err != nil {
			return nil, err
		}
		plain, name := make([]byte, 32), make([]byte, 16)
		rand.Read(plain)
		rand.Read(name)
		k.wrapped[string(name)] = wrapping{slices.Clone(plain), *in.KeyId, maps.Clone(in.EncryptionContext)}
		return &kms.GenerateDataKeyOutput{Plaintext: plain, CiphertextBlob: name, KeyId: wire.Ptr(arnOf(*in.KeyId))}, nil
	case *kms.DecryptInput:
		w, ok := k.wrapped[string(in.CiphertextBlob)]
		k.asked = append(k.asked, kmsCall{op.Name, w.key, where, service.IsAsService(ctx), in.EncryptionContext})
		if !ok || !maps.Equal(w.context, in.EncryptionContext) {
			return nil, kms.InvalidCiphertextException("")
		}
		if err := k.check(ctx, w.key); err != nil {
			return nil, err
		}
		return &kms.DecryptOutput{Plaintext: slices.Clone(w.plain), KeyId: wire.Ptr(arnOf(w.key))}, nil
	}
	return nil, errors.New("unexpected call of kms")
}

func (k *fakeKMS) check(ctx context.Context, key string) error {
	if strings.HasPrefix(key, "alias/owned/") != service.IsAsService(ctx) {
		return wire.Errorf("AccessDeniedException", 400, "not for you")
	}
	if k.denied && !service.IsAsService(ctx) {
		return wire.Errorf("AccessDeniedException", 400, "User is not authorized to perform: kms:Decrypt")
	}
	if k.disabled[key] {
		return kms.DisabledException("%s is disabled.", arnOf(key))
	}
	return nil
}

func (k *fakeKMS) calls(op string) (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.asked {
		if c.op == op && !c.asService {
			n++
		}
	}
	return n
}

func arnOf(key string) string { return "arn:aws:kms:" + region + ":" + account + ":" + key }

// faultyDB fails updates where it is told to.
type faultyDB struct {
	store.DB
	mu     sync.Mutex
	before func() error // an error of before: nothing happens
	after  func() error // an error of after: it has happened
}

func (d *faultyDB) Update(ctx context.Context, tx store.TxID, fn func(store.Tx) error) error {
	d.mu.Lock()
	before, after := d.before, d.after
	d.mu.Unlock()
	if before != nil {
		if err := before(); err != nil {
			return err
		}
	}
	if err := d.DB.Update(ctx, tx, fn); err != nil {
		return err
	}
	if after != nil {
		return after()
	}
	return nil
}

// house is a service with all it needs.
type house struct {
	testing.TB
	*Service
	db      *faultyDB
	blobs   *blobs
	kms     *fakeKMS
	who     *identity.Principal
	region  string
	request *http.Request // of the next calls; nil for calls from inside
	plain   bool          // the next calls come without TLS
	allow   func(call.Check) bool
	checks  []call.Check // that were asked for
	mu      sync.Mutex
}

func newHouse(t testing.TB) *house {
	t.Helper()
	db, err := store.OpenFile(t.TempDir(), newRootKey(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{
		TB: t, db: &faultyDB{DB: store.Sub(db, "s3/")}, blobs: &blobs{kept: map[string][]byte{}},
		kms:    &fakeKMS{disabled: map[string]bool{}, wrapped: map[string]wrapping{}},
		region: region, who: user(account, "ann"),
	}
	h.open()
	t.Cleanup(func() {
		_ = h.Service.close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func user(account, name string) *identity.Principal {
	return &identity.Principal{Kind: identity.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/" + name, ID: "AIDA" + name, Name: name}
}

// open opens the service, as after a restart when there was one before.
func (h *house) open() {
	h.Helper()
	s, err := Open(context.Background(), &service.Room{
		Regions: []string{region}, Store: h.db, Blobs: h.blobs, Jobs: job.Open(h.db, slog.New(slog.DiscardHandler)),
		Root: newRootKey(), Log: slog.New(slog.DiscardHandler),
		Inside:    func(string) wire.Invoker { return h.kms },
		Authorize: func(ctx context.Context, check call.Check) error { return h.decide(call.From(ctx), check) },
	})
	if err != nil {
		h.Fatal(err)
	}
	if h.Service != nil {
		_ = h.Service.close()
	}
	h.Service = s
}

// everything is the policy of callers in tests.
var everything = func() *policy.Document {
	doc, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`), policy.Identity)
	if err != nil {
		panic(err)
	}
	return doc
}()

// decide decides as the gateway does, for callers that may do everything in their account.
func (h *house) decide(c *call.Call, check call.Check) error {
	h.mu.Lock()
	h.checks = append(h.checks, check)
	allow := h.allow
	h.mu.Unlock()
	set := &policy.Set{Identity: []*policy.Document{everything}, Resource: check.Policy}
	if check.Account != c.Principal.Account {
		set.ResourceAccount = check.Account
	}
	who := &policy.Principal{Account: c.Principal.Account, ARNs: []string{c.Principal.ARN}, Root: c.Principal.Kind == identity.Root}
	if c.Principal.Kind == identity.Anonymous {
		who, set.Identity = &policy.Principal{Anonymous: true}, nil
	}
	d := policy.Decide(&policy.Request{Principal: who, Action: check.Action, Resource: check.Resource, Context: check.Conditions}, set)
	if !d.Allowed || allow != nil && !allow(check) {
		return wire.Errorf("AccessDenied", 403, "Access Denied")
	}
	return nil
}

// do calls an operation as the gateway does.
func do[Out any](h *house, op string, in any) (*Out, error) {
	h.Helper()
	out, err := h.call(context.Background(), op, in)
	if err != nil {
		return nil, err
	}
	typed, _ := out.(*Out)
	if typed == nil {
		typed = new(Out)
	}
	return typed, nil
}

func (h *house) call(ctx context.Context, name string, in any) (any, error) {
	c := &call.Call{ID: "r", Time: time.Now(), Principal: h.who, Region: h.region, Op: api.API.Operation(name), In: in, HTTP: h.request}
	if !h.plain {
		c.TLS.Version = "TLSv1.3"
	}
	if c.Op == nil {
		h.Fatalf("no operation %s", name)
	}
	ctx = call.With(ctx, c)
	t, err := h.Service.target(ctx, c)
	if err != nil {
		return nil, err
	}
	c.Target = t
	for _, check := range t.Checks {
		if err := h.decide(c, check); err != nil {
			return nil, err
		}
	}
	return c.Op.Invoke(ctx, h.Service, in)
}

// must calls an operation that succeeds.
func must[Out any](h *house, op string, in any) *Out {
	h.Helper()
	out, err := do[Out](h, op, in)
	if err != nil {
		h.Fatalf("%s: %v (%v)", op, err, errors.Unwrap(err))
	}
	return out
}

// refused calls an operation that must answer with a code.
func refused(h *house, code, op string, in any) {
	h.Helper()
	_, err := h.call(context.Background(), op, in)
	if !wire.IsCode(err, code) {
		h.Fatalf("%s: got %v, want %s", op, err, code)
	}
}

func (h *house) bucket(name string) {
	h.Helper()
	must[api.CreateBucketOutput](h, "CreateBucket", &api.CreateBucketInput{Bucket: &name,
		CreateBucketConfiguration: &api.CreateBucketConfiguration{LocationConstraint: wire.Ptr(h.region)}})
}

func (h *house) put(bucket, key, body string) *api.PutObjectOutput {
	h.Helper()
	return must[api.PutObjectOutput](h, "PutObject", &api.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
}

// get reads an object whole.
func (h *house) get(in *api.GetObjectInput) (*api.GetObjectOutput, string) {
	h.Helper()
	out := must[api.GetObjectOutput](h, "GetObject", in)
	return out, h.read(out.Body)
}

func (h *house) read(r io.ReadCloser) string {
	h.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		h.Fatal(err)
	}
	if err := r.Close(); err != nil {
		h.Fatal(err)
	}
	return string(data)
}

// bytesOf returns bytes that look random and are always the same.
func bytesOf(n int) []byte {
	b := make([]byte, n)
	x := uint64(n) + 88172645463325252
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}

// records counts the records under a prefix of the store.
func (h *house) records(prefix string) (n int) {
	h.Helper()
	err := h.db.View(context.Background(), func(r store.Reader) error {
		n = 0
		for _, err := range r.Scan(store.Prefix([]byte(prefix))) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
	return n
}

func storePrefix(kind string) store.Range { return store.Prefix([]byte(kind + "\x00")) }
