package iam_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	iamapi "github.com/strongroom/strongroom/api/iam"
	stsapi "github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/gateway"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/service/iam"
	"github.com/strongroom/strongroom/service/sts"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/protocol"
)

const region = "eu-test-1"

// house is a house of two rooms, iam and sts, behind a gateway. Its clients sign their
// requests and go the whole road, but for TLS.
type house struct {
	t       testing.TB
	gateway *gateway.Gateway
	iam     *iam.Service
	sts     *sts.Service
	store   *store.File
	db      *toldLate // the store as the services have it
	audit   *trail
	log     *bytes.Buffer
	codecs  map[*wire.Service]wire.Codec
}

// trail keeps records in memory.
type trail struct {
	mu      sync.Mutex
	entries []audit.Entry
}

func (tr *trail) Append(_ context.Context, e *audit.Entry) (audit.Position, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	kept := *e
	kept.JSON = bytes.Clone(e.JSON)
	tr.entries = append(tr.entries, kept)
	return audit.Position(len(tr.entries)), nil
}

func (tr *trail) Wait(context.Context, audit.Position, audit.Position) error { return nil }

func (tr *trail) Lookup(_ context.Context, q audit.Query) ([]audit.Found, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for i := len(tr.entries) - 1; i >= 0; i-- {
		e := tr.entries[i]
		if e.Account == q.Account && e.Region == q.Region && q.Attribute == "AccessKeyId" && e.AccessKeyID == q.Value {
			return []audit.Found{{Position: audit.Position(i + 1), Entry: e}}, nil
		}
	}
	return nil, nil
}

func newHouse(t testing.TB) *house {
	t.Helper()
	dir := t.TempDir()
	root, _, err := rootkey.Init(filepath.Join(t.TempDir(), "seal.json"), rootkey.FileProvider(filepath.Join(t.TempDir(), "root.key")))
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, audit: &trail{}, log: new(bytes.Buffer), codecs: make(map[*wire.Service]wire.Codec)}
	if h.store, err = store.OpenFile(filepath.Join(dir, "store"), root, store.Options{}); err != nil {
		t.Fatal(err)
	}
	h.db = &toldLate{DB: h.store}
	log := slog.New(slog.NewTextHandler(&guarded{w: h.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if h.gateway, err = gateway.New(gateway.Config{Regions: []string{region}, Audit: h.audit, Log: log}); err != nil {
		t.Fatal(err)
	}
	room := func(name string) *service.Room {
		own := store.Sub(h.db, name+"/")
		return &service.Room{
			Regions: []string{region}, Store: own, Jobs: job.Open(own, log), Audit: h.audit, Root: root, Log: log,
			Inside: h.gateway.Inside, Authorize: h.gateway.Authorize,
		}
	}
	if h.iam, err = iam.Open(t.Context(), room("iam")); err != nil {
		t.Fatal(err)
	}
	if h.sts, err = sts.Open(t.Context(), room("sts"), h.iam); err != nil {
		t.Fatal(err)
	}
	h.gateway.SetDirectory(gateway.Directory{Keys: h.sts, Principals: h.sts, Policies: h.sts})
	if err := h.gateway.Add(h.iam.Service(), h.sts.Service()); err != nil {
		t.Fatal(err)
	}
	for _, api := range []*wire.Service{iamapi.API, stsapi.API} {
		if h.codecs[api], err = protocol.New(api); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := errors.Join(h.iam.Service().Close(), h.store.Close()); err != nil {
			t.Error(err)
		}
		root.Close()
	})
	return h
}

// toldLate is a store that lets a test do something when a commit is visible and not all have been told.
type toldLate struct {
	store.DB
	when atomic.Pointer[func()]
}

// whenTold has do called before each observer is, or nothing.
func (d *toldLate) whenTold(do func()) {
	if do == nil {
		d.when.Store(nil)
		return
	}
	d.when.Store(&do)
}

func (d *toldLate) Observe(fn func([]store.Change)) (stop func()) {
	return d.DB.Observe(func(changes []store.Change) {
		if do := d.when.Load(); do != nil {
			(*do)()
		}
		fn(changes)
	})
}

// guarded is a buffer that many may write to.
type guarded struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (g *guarded) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.w.Write(p)
}

// as returns a client that signs with a key.
func (h *house) as(accessKeyID, secretKey, token string) *client {
	return &client{house: h, credentials: sigv4.Credentials{AccessKeyID: accessKeyID, Secret: secretOf(secretKey), SessionToken: token}}
}

// asKey returns a client that signs with a key that CreateAccessKey or CreateAccount gave.
func (h *house) asCredential(c *identity.Credential) *client {
	return h.as(c.AccessKeyID, string(c.Secret.Reveal()), c.Token)
}

// client calls operations through the gateway. Its methods may run together.
type client struct {
	house       *house
	credentials sigv4.Credentials
}

var _ wire.Invoker = (*client)(nil)

// Invoke makes one signed call.
func (c *client) Invoke(ctx context.Context, op *wire.Operation, in any) (any, error) {
	codec := c.house.codecs[op.Service]
	req, err := codec.EncodeInput(op, in)
	if err != nil {
		return nil, err
	}
	r := httptest.NewRequestWithContext(ctx, req.Method, "https://house.test/", bytes.NewReader(req.Body))
	for k, v := range req.Header {
		r.Header[k] = v
	}
	r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13}
	scope := region
	if op.Service.Global {
		scope = "us-east-1"
	}
	if err := sigv4.NewSigner(c.credentials, scope, op.Service.SigningName).Sign(r, sigv4.HashPayload(req.Body), time.Now()); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	c.house.gateway.ServeHTTP(w, r)
	resp := &wire.Response{Status: w.Code, Header: w.Header(), Body: w.Body.Bytes()}
	if w.Code >= http.StatusMultipleChoices {
		return nil, codec.DecodeError(op, resp)
	}
	out := op.NewOutput()
	return out, codec.DecodeOutput(op, resp, out)
}

func (c *client) iam() *iamapi.Client { return iamapi.NewClient(c) }
func (c *client) sts() *stsapi.Client { return stsapi.NewClient(c) }

// account makes an account and returns it with a client of its administrator.
func (h *house) account(name string) (iam.Account, *client) {
	h.t.Helper()
	a, credential, err := h.iam.CreateAccount(h.t.Context(), name)
	if err != nil {
		h.t.Fatal(err)
	}
	return a, h.asCredential(credential)
}

// user makes a user with an access key and returns a client of his.
func (c *client) user(name string) *client {
	c.house.t.Helper()
	ctx := c.house.t.Context()
	if _, err := c.iam().CreateUser(ctx, &iamapi.CreateUserInput{UserName: &name}); err != nil {
		c.house.t.Fatal(err)
	}
	return c.keyOf(name)
}

// keyOf gives a user an access key and returns a client that signs with it.
func (c *client) keyOf(name string) *client {
	c.house.t.Helper()
	out, err := c.iam().CreateAccessKey(c.house.t.Context(), &iamapi.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		c.house.t.Fatal(err)
	}
	return c.house.as(*out.AccessKey.AccessKeyId, *out.AccessKey.SecretAccessKey, "")
}

// with returns a client of a session.
func (c *client) with(s *stsapi.Credentials) *client {
	return c.house.as(*s.AccessKeyId, *s.SecretAccessKey, *s.SessionToken)
}
