package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/wire"
)

// A house of three rooms, made by hand: box speaks awsJson1.1, shelf is S3's protocol with streams,
// and names speaks Query.

const (
	testRegion  = "eu-test-1"
	testAccount = "111122223333"
	boxName     = "box.amazonaws.com"
)

type boxInput struct {
	Name  *string
	Note  *string
	Inner *boxInput
}

type boxOutput struct {
	Name *string
	Note *string
}

type shelfPutInput struct {
	Bucket, Key *string
	Body        io.Reader
}

type shelfPutOutput struct{ ETag *string }

type shelfGetInput struct{ Bucket, Key *string }

type shelfGetOutput struct{ Body io.ReadCloser }

type shelfDeleteInput struct {
	Bucket *string
	Delete *shelfDelete
}

type shelfDelete struct{ Keys []string }

type shelfDeleteOutput struct{ Deleted []string }

func boxDefinition() *wire.Service {
	invoke := func(name string) func(context.Context, any, any) (any, error) {
		return func(ctx context.Context, impl, in any) (any, error) {
			return answer(impl.(*box).do(ctx, name, in.(*boxInput)))
		}
	}
	op := func(name string, readOnly bool) wire.OperationDef {
		return wire.OperationDef{
			Operation: wire.Operation{Name: name, Method: "POST", Path: "/", ReadOnly: readOnly, Invoke: invoke(name)},
			Input:     "Input", Output: "Output",
		}
	}
	return wire.Define(&wire.Definition{
		Service: wire.Service{
			Name: "box", ID: "Box", Version: "2020-01-01", Protocol: wire.JSON11, SigningName: "box",
			EventSource: boxName, TargetPrefix: "Box",
		},
		Shapes: []wire.ShapeDef{
			{Name: "Text", Kind: wire.String, Min: 1, Max: 40, Flags: wire.HasMin | wire.HasMax},
			{Name: "Secret", Kind: wire.String, Flags: wire.Sensitive},
			{Name: "Input", Kind: wire.Structure, Zero: (*boxInput)(nil), Members: []wire.MemberDef{
				{Name: "Name", Shape: "Text", Flags: wire.Required}, {Name: "Note", Shape: "Secret"}, {Name: "Inner", Shape: "Input"},
			}},
			{Name: "Output", Kind: wire.Structure, Zero: (*boxOutput)(nil), Members: []wire.MemberDef{
				{Name: "Name", Shape: "Text"}, {Name: "Note", Shape: "Secret"},
			}},
		},
		Operations: []wire.OperationDef{op("Get", true), op("Lost", true), op("Many", false), op("Put", false), op("Unbuilt", false), op("Who", true)},
	})
}

func answer[T any](out *T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if out == nil {
		return nil, nil
	}
	return out, nil
}

// box answers with what its fn says, or with the name it was given. Unbuilt is an operation it does not have.
type box struct {
	mu sync.Mutex
	fn func(ctx context.Context, op string, in *boxInput) (*boxOutput, error)
}

func (b *box) do(ctx context.Context, op string, in *boxInput) (*boxOutput, error) {
	b.mu.Lock()
	fn := b.fn
	b.mu.Unlock()
	if fn != nil {
		return fn(ctx, op, in)
	}
	return &boxOutput{Name: in.Name, Note: in.Note}, nil
}

func (b *box) set(fn func(ctx context.Context, op string, in *boxInput) (*boxOutput, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fn = fn
}

func (b *box) Get(context.Context, *boxInput) (*boxOutput, error)  { return nil, nil }
func (b *box) Lost(context.Context, *boxInput) (*boxOutput, error) { return nil, nil }
func (b *box) Many(context.Context, *boxInput) (*boxOutput, error) { return nil, nil }
func (b *box) Put(context.Context, *boxInput) (*boxOutput, error)  { return nil, nil }
func (b *box) Who(context.Context, *boxInput) (*boxOutput, error)  { return nil, nil }

func boxARN(account, name string) string {
	return "arn:aws:box:" + testRegion + ":" + account + ":box/" + name
}

// boxTarget: a name like "444455556666:x" is of another account's box.
func boxTarget(_ context.Context, c *call.Call) (call.Target, error) {
	name := wire.Val(c.In.(*boxInput).Name)
	owner, short, ok := strings.Cut(name, ":")
	if !ok {
		owner, short = "", name
	}
	account := owner
	if account == "" {
		account = c.Principal.Account
	}
	check := call.Check{Action: "box:" + c.Op.Name, Resource: boxARN(account, short), Type: "AWS::Box::Box", Account: owner}
	switch c.Op.Name {
	case "Lost":
		return call.Target{}, nil
	case "Who":
		return call.Target{Open: "everybody may ask who they are"}, nil
	case "Many":
		return call.Target{Deferred: true}, nil
	}
	return call.Target{Checks: []call.Check{check}}, nil
}

func shelfDefinition() *wire.Service {
	return wire.Define(&wire.Definition{
		Service: wire.Service{
			Name: "s3", ID: "Shelf", Version: "2020-01-01", Protocol: wire.RESTXML, SigningName: "s3", EventSource: "s3.amazonaws.com",
		},
		Shapes: []wire.ShapeDef{
			{Name: "Text", Kind: wire.String},
			{Name: "Stream", Kind: wire.Blob},
			{Name: "Texts", Kind: wire.List, Elem: &wire.MemberDef{Name: "member", Shape: "Text"}, Flags: wire.Flattened},
			{Name: "Delete", Kind: wire.Structure, Zero: (*shelfDelete)(nil), Members: []wire.MemberDef{{Name: "Keys", Shape: "Texts", WireName: "Key"}}},
			{Name: "PutIn", Kind: wire.Structure, Zero: (*shelfPutInput)(nil), Payload: "Body", Members: []wire.MemberDef{
				{Name: "Bucket", Shape: "Text", Location: wire.URI, Flags: wire.Required},
				{Name: "Key", Shape: "Text", Location: wire.URI, Flags: wire.Required},
				{Name: "Body", Shape: "Stream", Flags: wire.Streaming},
			}},
			{Name: "PutOut", Kind: wire.Structure, Zero: (*shelfPutOutput)(nil), Members: []wire.MemberDef{
				{Name: "ETag", Shape: "Text", Location: wire.Header},
			}},
			{Name: "GetIn", Kind: wire.Structure, Zero: (*shelfGetInput)(nil), Members: []wire.MemberDef{
				{Name: "Bucket", Shape: "Text", Location: wire.URI, Flags: wire.Required},
				{Name: "Key", Shape: "Text", Location: wire.URI, Flags: wire.Required},
			}},
			{Name: "GetOut", Kind: wire.Structure, Zero: (*shelfGetOutput)(nil), Payload: "Body", Members: []wire.MemberDef{
				{Name: "Body", Shape: "Stream", Flags: wire.Streaming},
			}},
			{Name: "DeleteIn", Kind: wire.Structure, Zero: (*shelfDeleteInput)(nil), Payload: "Delete", Members: []wire.MemberDef{
				{Name: "Bucket", Shape: "Text", Location: wire.URI, Flags: wire.Required}, {Name: "Delete", Shape: "Delete"},
			}},
			{Name: "DeleteOut", Kind: wire.Structure, Zero: (*shelfDeleteOutput)(nil), Members: []wire.MemberDef{{Name: "Deleted", Shape: "Texts"}}},
		},
		Operations: []wire.OperationDef{
			{Operation: wire.Operation{Name: "DeleteObjects", Method: "POST", Path: "/{Bucket}?delete", Invoke: func(ctx context.Context, impl, in any) (any, error) {
				return answer(impl.(*shelf).DeleteObjects(ctx, in.(*shelfDeleteInput)))
			}}, Input: "DeleteIn", Output: "DeleteOut"},
			{Operation: wire.Operation{Name: "GetObject", Method: "GET", Path: "/{Bucket}/{Key+}", ReadOnly: true, Invoke: func(ctx context.Context, impl, in any) (any, error) {
				return answer(impl.(*shelf).GetObject(ctx, in.(*shelfGetInput)))
			}}, Input: "GetIn", Output: "GetOut"},
			{Operation: wire.Operation{Name: "PutObject", Method: "PUT", Path: "/{Bucket}/{Key+}", Invoke: func(ctx context.Context, impl, in any) (any, error) {
				return answer(impl.(*shelf).PutObject(ctx, in.(*shelfPutInput)))
			}}, Input: "PutIn", Output: "PutOut"},
		},
	})
}

// shelf keeps objects in memory.
type shelf struct {
	mu      sync.Mutex
	objects map[string][]byte
	onGet   func(ctx context.Context, body []byte) (io.ReadCloser, error)
	seen    http.Header // trailer of the last put
}

func (s *shelf) PutObject(ctx context.Context, in *shelfPutInput) (*shelfPutOutput, error) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, errors.Join(errors.New("storing"), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[*in.Bucket+"/"+*in.Key] = body
	s.seen = call.From(ctx).HTTP.Trailer
	return &shelfPutOutput{ETag: wire.Ptr(`"1"`)}, nil
}

func (s *shelf) GetObject(ctx context.Context, in *shelfGetInput) (*shelfGetOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, ok := s.objects[*in.Bucket+"/"+*in.Key]
	if !ok {
		return nil, wire.Errorf("NoSuchKey", 404, "The specified key does not exist.")
	}
	if s.onGet != nil {
		stream, err := s.onGet(ctx, body)
		return &shelfGetOutput{Body: stream}, err
	}
	return &shelfGetOutput{Body: io.NopCloser(bytes.NewReader(body))}, nil
}

func (s *shelf) DeleteObjects(_ context.Context, in *shelfDeleteInput) (*shelfDeleteOutput, error) {
	return &shelfDeleteOutput{Deleted: in.Delete.Keys}, nil
}

// shelfTarget: the bucket "public" lets everybody read.
func shelfTarget(_ context.Context, c *call.Call) (call.Target, error) {
	var bucket, key string
	switch in := c.In.(type) {
	case *shelfPutInput:
		bucket, key = *in.Bucket, *in.Key
	case *shelfGetInput:
		bucket, key = *in.Bucket, *in.Key
	case *shelfDeleteInput:
		bucket = *in.Bucket
	}
	check := call.Check{Action: "s3:" + c.Op.Name, Resource: "arn:aws:s3:::" + bucket + "/" + key, Type: "AWS::S3::Object", Account: testAccount}
	if bucket == "public" {
		check.Policy = publicRead
	}
	return call.Target{Checks: []call.Check{check}}, nil
}

type namesInput struct{ Name *string }

type namesOutput struct{ Name *string }

func namesDefinition() *wire.Service {
	op := func(name string, unsigned bool) wire.OperationDef {
		return wire.OperationDef{
			Operation: wire.Operation{Name: name, Method: "POST", Path: "/", Unsigned: unsigned, ResultWrapper: name + "Result", Invoke: func(_ context.Context, _, in any) (any, error) {
				return &namesOutput{Name: in.(*namesInput).Name}, nil
			}},
			Input: "In", Output: "Out",
		}
	}
	return wire.Define(&wire.Definition{
		Service: wire.Service{
			Name: "names", ID: "Names", Version: "2011-11-11", Protocol: wire.Query, SigningName: "names", EventSource: "names.amazonaws.com",
			XMLNamespace: "https://names.example/doc/", Global: true,
		},
		Shapes: []wire.ShapeDef{
			{Name: "Text", Kind: wire.String},
			{Name: "In", Kind: wire.Structure, Zero: (*namesInput)(nil), Members: []wire.MemberDef{{Name: "Name", Shape: "Text"}}},
			{Name: "Out", Kind: wire.Structure, Zero: (*namesOutput)(nil), Members: []wire.MemberDef{{Name: "Name", Shape: "Text"}}},
		},
		Operations: []wire.OperationDef{op("Hello", true), op("Tell", false)},
	})
}

type names struct{}

func (names) Hello(context.Context, *namesInput) (*namesOutput, error) { return nil, nil }
func (names) Tell(context.Context, *namesInput) (*namesOutput, error)  { return nil, nil }

func namesTarget(_ context.Context, c *call.Call) (call.Target, error) {
	if c.Op.Name == "Hello" {
		return call.Target{Open: "a greeting"}, nil
	}
	return call.Target{Checks: []call.Check{{Action: "names:Tell", Resource: "*"}}}, nil
}

func mustParse(text string, kind policy.Kind) *policy.Document {
	d, err := policy.Parse([]byte(text), kind)
	if err != nil {
		panic(err)
	}
	return d
}

var (
	publicRead = mustParse(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::public/*"}}`, policy.Resource)
	allowAll   = mustParse(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["box:*","s3:*","names:*"],"Resource":"*"}]}`, policy.Identity)
	denyPut    = mustParse(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"box:Put","Resource":"*"}]}`, policy.Identity)
)

// people are who the house knows: each name is an access key, with the secret "secret-" + name.
type people map[string]*person

type person struct {
	identity.Principal
	set policy.Set
}

func (p people) SecretKey(_ context.Context, id, token string) (secret.Bytes, error) {
	who, ok := p[id]
	switch {
	case !ok:
		return secret.Bytes{}, sigv4.ErrUnknownKey
	case who.Session != nil && token != "token-"+id:
		return secret.Bytes{}, sigv4.ErrBadToken
	}
	return secret.FromString("secret-" + id), nil
}

func (p people) Principal(_ context.Context, id, _ string) (*identity.Principal, error) {
	if who, ok := p[id]; ok {
		return &who.Principal, nil
	}
	return nil, sigv4.ErrUnknownKey
}

func (p people) Policies(_ context.Context, who *identity.Principal) (*policy.Set, error) {
	if found, ok := p[who.AccessKeyID]; ok {
		return &found.set, nil
	}
	return nil, nil
}

func newPeople() people {
	user := func(name string, docs ...*policy.Document) *person {
		return &person{
			Principal: identity.Principal{
				Kind: identity.User, Account: testAccount, ARN: "arn:aws:iam::" + testAccount + ":user/" + name, ID: "AIDA" + name,
				Name: name, AccessKeyID: name, Tags: map[string]string{"Team": "blue"},
			},
			set: policy.Set{Identity: docs},
		}
	}
	session := user("ASIAeve", allowAll)
	session.Kind, session.ARN, session.ID = identity.Role, "arn:aws:sts::"+testAccount+":assumed-role/Reader/eve", "AROA1:eve"
	session.Session = &identity.Session{
		RoleARN: "arn:aws:iam::" + testAccount + ":role/Reader", RoleID: "AROA1", RoleName: "Reader", Name: "eve",
		Issued: time.Now().Add(-time.Minute), Expires: time.Now().Add(time.Hour),
	}
	return people{"alice": user("alice", allowAll), "bob": user("bob"), "dan": user("dan", allowAll, denyPut), "ASIAeve": session}
}

// memoryLog is an audit.Sink in memory, that fails when told.
type memoryLog struct {
	mu          sync.Mutex
	entries     []*audit.Entry
	waited      audit.Position
	waits       int
	appendError error
	waitError   error
}

func (l *memoryLog) Append(_ context.Context, e *audit.Entry) (audit.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.appendError != nil {
		return 0, l.appendError
	}
	l.entries = append(l.entries, e)
	return audit.Position(len(l.entries)), nil
}

func (l *memoryLog) Wait(_ context.Context, _, pos audit.Position) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waitError != nil {
		return l.waitError
	}
	l.waited = max(l.waited, pos)
	l.waits++
	return nil
}

// records returns the records of an account, or of all.
func (l *memoryLog) records(t *testing.T, account string) []audit.Record {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []audit.Record
	for _, e := range l.entries {
		var r audit.Record
		if err := json.Unmarshal(e.JSON, &r); err != nil {
			t.Fatalf("a record is not JSON: %v\n%s", err, e.JSON)
		}
		if account == "" || e.Account == account {
			out = append(out, r)
		}
	}
	return out
}

// plainRoot wraps by marking, for tests of what is wrapped.
type plainRoot struct{}

func (plainRoot) Wrap(purpose string, plaintext []byte) ([]byte, error) {
	return append([]byte(purpose+"\x00"), plaintext...), nil
}

func (plainRoot) Unwrap(purpose string, wrapped []byte) ([]byte, error) {
	plain, ok := bytes.CutPrefix(wrapped, []byte(purpose+"\x00"))
	if !ok {
		return nil, errors.New("wrong root key")
	}
	return bytes.Clone(plain), nil
}

// lockedBuffer is a bytes.Buffer for many writers.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

type testHouse struct {
	*Gateway
	box   *box
	shelf *shelf
	audit *memoryLog
	log   *lockedBuffer
	addr  string
	roots *x509.CertPool

	boxAPI, shelfAPI, namesAPI *wire.Service

	client *http.Client
}

// startHouse serves a house of three rooms on a loopback port until the test ends.
func startHouse(t testing.TB, adjust ...func(*Config)) *testHouse {
	t.Helper()
	h := &testHouse{
		box: &box{}, shelf: &shelf{objects: map[string][]byte{}}, audit: &memoryLog{}, log: &lockedBuffer{}, roots: x509.NewCertPool(),
		boxAPI: boxDefinition(), shelfAPI: shelfDefinition(), namesAPI: namesDefinition(),
	}
	authority, err := OpenAuthority(t.TempDir(), plainRoot{}, LocalNames())
	if err != nil {
		t.Fatal(err)
	}
	h.roots.AppendCertsFromPEM(authority.PEM())
	known := newPeople()
	config := Config{
		Regions: []string{testRegion, "us-test-2"}, Audit: h.audit, Certificate: authority.Certificate, Hosts: []string{"localhost"},
		Directory: Directory{Keys: known, Principals: known, Policies: known},
		Services: []*service.Service{
			{API: h.boxAPI, Impl: h.box, Target: boxTarget},
			{API: h.shelfAPI, Impl: h.shelf, Target: shelfTarget},
			{API: h.namesAPI, Impl: names{}, Target: namesTarget},
		},
		Log: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, fn := range adjust {
		fn(&config)
	}
	if h.Gateway, err = New(config); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- h.Serve(l) }()
	h.client = &http.Client{Transport: &http.Transport{TLSClientConfig: h.tls(), MaxIdleConnsPerHost: 64, DisableCompression: true}}
	t.Cleanup(func() {
		h.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return h
}

func (h *testHouse) tls() *tls.Config { return &tls.Config{RootCAs: h.roots} }

func signer(key, region, service string) *sigv4.Signer {
	c := sigv4.Credentials{AccessKeyID: key, Secret: secret.FromString("secret-" + key)}
	if strings.HasPrefix(key, "ASIA") {
		c.SessionToken = "token-" + key
	}
	return sigv4.NewSigner(c, region, service)
}

// boxRequest is a signed request for an operation of box.
func (h *testHouse) boxRequest(t testing.TB, key, op, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest("POST", "https://"+h.addr+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "Box."+op)
	r.Header.Set("User-Agent", "test/1")
	if key != "" {
		if err := signer(key, testRegion, "box").Sign(r, sigv4.HashPayload([]byte(body)), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (h *testHouse) shelfRequest(t testing.TB, key, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, "https://"+h.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		if err := signer(key, testRegion, "s3").Sign(r, sigv4.HashPayload([]byte(body)), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (h *testHouse) do(t testing.TB, r *http.Request) reply {
	t.Helper()
	resp, err := h.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// call makes a signed call of box and returns the answer.
func (h *testHouse) call(t testing.TB, key, op, body string) reply {
	t.Helper()
	return h.do(t, h.boxRequest(t, key, op, body))
}

// want checks an answer's status and that its body holds all texts.
func (r reply) want(t testing.TB, status int, texts ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("status %d, want %d; body %s", r.status, status, r.body)
	}
	for _, text := range texts {
		if !strings.Contains(r.body, text) {
			t.Errorf("body %q does not hold %q", r.body, text)
		}
	}
}

// connectionState is what a TLS 1.3 connection shows a handler.
func connectionState() *tls.ConnectionState {
	return &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, HandshakeComplete: true}
}

// startBare serves what a call costs at the least: TLS, and the proof of the signature over the body.
func startBare(t testing.TB, h *testHouse) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	verifier := sigv4.NewVerifier(newPeople())
	s := &http.Server{TLSConfig: tlsConfig(h.certificate), ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := sigv4.Parse(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verifier.Verify(r.Context(), q, sigv4.Endpoint{Service: "box", Regions: []string{testRegion}}, body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = w.Write(body)
	})}
	go func() { _ = s.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String()
}
