package gateway

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/raw"
)

// shelves answers another protocol's requests for boxes.
type shelves struct{}

func (shelves) Answer(ctx context.Context, operation string, in *raw.Input) (*raw.Output, error) {
	switch operation {
	case "Fail":
		return nil, wire.Errorf("ThrottlingException", http.StatusTooManyRequests, "slower")
	case "Empty":
		return nil, nil
	case "Ponder":
		select {
		case <-time.After(2500 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	c := call.From(ctx)
	body := operation + " " + *in.Resource + " " + in.Path + " " + in.RawQuery + " " + string(in.Body) + " " + c.Region
	return &raw.Output{Status: 207, Header: http.Header{"X-Own": {"yes"}, "Content-Type": {"text/plain"}}, Body: []byte(body)}, nil
}

// withRaw gives the service box a data plane.
func withRaw(c *Config) {
	api := raw.Define(wire.Service{Name: "box", SigningName: "box", EventSource: boxName}, "boxId", []raw.Operation{
		{Name: "Empty", Routes: []string{"GET /boxes/{boxId}/empty"}, ReadOnly: true},
		{Name: "Fail", Routes: []string{"GET /boxes/{boxId}/fail"}, ReadOnly: true},
		{Name: "Look", Routes: []string{"GET /boxes/{boxId}/v1/look", "POST /boxes/{boxId}/v1/look"}, ReadOnly: true},
		{Name: "Ponder", Routes: []string{"GET /boxes/{boxId}/v1/ponder"}, ReadOnly: true, CallTime: time.Minute},
		{Name: "Put", Routes: []string{"POST /boxes/{boxId}/v1/put"}, MaxBody: 2 << 20},
	})
	c.Services[0].Data = &service.Service{API: api, Impl: shelves{}, Target: func(_ context.Context, c *call.Call) (call.Target, error) {
		name := *c.In.(*raw.Input).Resource
		return call.Target{Checks: []call.Check{{Action: "box:" + c.Op.Name, Resource: boxARN(c.Principal.Account, name), Type: "AWS::Box::Box"}}}, nil
	}}
}

func rawRequest(t testing.TB, h *testHouse, key, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, "https://"+h.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		if err := signer(key, testRegion, "box").Sign(r, sigv4.HashPayload([]byte(body)), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestRawDoor(t *testing.T) {
	h := startHouse(t, withRaw)
	r := h.do(t, rawRequest(t, h, "alice", "POST", "/boxes/b-1/v1/look?q=a%20b", "\x00body"))
	r.want(t, 207, "Look b-1 v1/look q=a%20b \x00body "+testRegion)
	if r.header.Get("X-Own") != "yes" || len(r.header.Get("X-Amzn-Requestid")) != 36 {
		t.Errorf("headers: got %v", r.header)
	}
	h.call(t, "alice", "Put", `{"Name":"a"}`).want(t, 200) // the other plane of the service is where it was
	records := h.audit.records(t, testAccount)
	if got := records[0]; got.EventName != "Look" || got.EventCategory != "Data" || got.ManagementEvent || !got.ReadOnly || string(got.RequestParameters) != `{"boxId":"b-1"}` {
		t.Errorf("recorded %+v", got)
	}
	if bytes.Contains(h.audit.entries[0].JSON, []byte("a%20b")) || bytes.Contains(h.audit.entries[0].JSON, []byte("body")) {
		t.Error("the record holds what was asked")
	}
	if records[1].EventCategory != "Management" {
		t.Errorf("the other plane: got %s", records[1].EventCategory)
	}

	tests := []struct {
		name, key, method, path, body string
		status                        int
		texts                         []string
	}{
		{"denied", "bob", "POST", "/boxes/b-1/v1/put", "x", 403, []string{`"status":"error"`, `"errorType":"AccessDeniedException"`, "not authorized to perform: box:Put"}},
		{"explicitly denied", "dan", "POST", "/boxes/b-1/v1/put", "x", 403, []string{"explicit deny"}},
		{"nobody", "nobody", "GET", "/boxes/b-1/v1/look", "", 403, []string{"UnrecognizedClientException"}},
		{"another method", "alice", "DELETE", "/boxes/b-1/v1/put", "", 405, nil},
		{"the service's own error", "alice", "GET", "/boxes/b-1/fail", "", 429, []string{"ThrottlingException", "slower"}},
		{"no answer", "alice", "GET", "/boxes/b-1/empty", "", 500, []string{"InternalFailure"}},
		{"its own limit", "alice", "POST", "/boxes/b-1/v1/put", strings.Repeat("x", 2<<20), 207, nil},
		{"more than that", "alice", "POST", "/boxes/b-1/v1/put", strings.Repeat("x", 2<<20+1), 413, nil},
		{"more than the usual", "alice", "POST", "/boxes/b-1/v1/look", strings.Repeat("x", 1<<20+1), 413, nil},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			h.do(t, rawRequest(t, h, tc.key, tc.method, tc.path, tc.body)).want(t, tc.status, tc.texts...)
		})
	}
	changed := rawRequest(t, h, "alice", "POST", "/boxes/b-1/v1/put", "x")
	changed.URL.Path = "/boxes/b-2/v1/put"
	h.do(t, changed).want(t, 403, "InvalidSignatureException")
}

// TestCarriedKeys lets access keys in with their secret, at the data plane only.
func TestCarriedKeys(t *testing.T) {
	h := startHouse(t, withRaw)
	basic := func(id, secret string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(id, secret) }
	}
	header := func(v string) func(*http.Request) { return func(r *http.Request) { r.Header.Set("Authorization", v) } }
	tests := []struct {
		name   string
		with   func(*http.Request)
		path   string
		status int
		text   string
	}{
		{"basic", basic("alice", "secret-alice"), "/boxes/b-1/v1/look", 207, "Look b-1"},
		{"bearer", header("Bearer alice:secret-alice"), "/boxes/b-1/v1/look", 207, "Look b-1"},
		{"a session", basic("ASIAeve", "secret-ASIAeve:token-ASIAeve"), "/boxes/b-1/v1/look", 207, "Look b-1"},
		{"a session as bearer", header("bearer ASIAeve:secret-ASIAeve:token-ASIAeve"), "/boxes/b-1/v1/look", 207, "Look b-1"},
		{"a session without its token", basic("ASIAeve", "secret-ASIAeve"), "/boxes/b-1/v1/look", 403, ""},
		{"no right", basic("bob", "secret-bob"), "/boxes/b-1/v1/look", 403, "AccessDeniedException"},
		{"wrong secret", basic("alice", "secret-bob"), "/boxes/b-1/v1/look", 403, "not that of its access key"},
		{"no secret", basic("alice", ""), "/boxes/b-1/v1/look", 403, "not that of its access key"},
		{"part of the secret", basic("alice", "secret-alic"), "/boxes/b-1/v1/look", 403, "not that of its access key"},
		{"unknown key", basic("nobody", "secret-nobody"), "/boxes/b-1/v1/look", 403, "UnrecognizedClientException"},
		{"unknown key with the secret of none", basic("nobody", string(make([]byte, 40))), "/boxes/b-1/v1/look", 403, "UnrecognizedClientException"},
		{"no base64", header("Basic !"), "/boxes/b-1/v1/look", 403, "Missing Authentication Token"},
		{"another plane", basic("alice", "secret-alice"), "/", 400, ""},
		{"another path", basic("alice", "secret-alice"), "/boxes/b-1", 400, ""},
		{"twice", func(r *http.Request) {
			r.Header["Authorization"] = []string{"Bearer alice:secret-alice", "Bearer bob:secret-bob"}
		}, "/boxes/b-1/v1/look", 400, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			r := rawRequest(t, h, "", "GET", tc.path, "")
			tc.with(r)
			h.do(t, r).want(t, tc.status, tc.text)
		})
	}
	for _, got := range h.audit.records(t, testAccount) {
		if how := got.AdditionalEventData["AuthenticationMethod"]; how != "Basic" && how != "Bearer" {
			t.Errorf("%s by %s: the record says %v of how it came", got.EventName, got.UserIdentity.UserName, how)
		}
	}
	if strings.Contains(h.log.String(), "secret-") {
		t.Error("the log holds a secret")
	}
	r := rawRequest(t, h, "", "GET", "/boxes/b-1/v1/look", "")
	r.Host = "boxes.us-test-2.example.org"
	r.SetBasicAuth("alice", "secret-alice")
	h.do(t, r).want(t, 207, "us-test-2")
}

// TestWithoutKeys: whoever says nothing of who he is, or in a way that is not known, is told how, in the words of the data plane.
func TestWithoutKeys(t *testing.T) {
	h := startHouse(t, withRaw)
	for name, c := range map[string]struct{ method, path, authorization, body string }{
		"nothing":             {"GET", "/boxes/b-1/v1/look", "", ""},
		"nothing, with body":  {"POST", "/boxes/b-1/v1/put", "", "x"},
		"an unknown scheme":   {"GET", "/boxes/b-1/v1/look", `Digest username="alice"`, ""},
		"an empty header":     {"GET", "/boxes/b-1/v1/look", " ", ""},
		"a key with no colon": {"GET", "/boxes/b-1/v1/look", "Bearer alice", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := rawRequest(t, h, "", c.method, c.path, c.body)
			if c.authorization != "" {
				r.Header.Set("Authorization", c.authorization)
			}
			got := h.do(t, r)
			got.want(t, 403, `"message":"Missing Authentication Token"`)
			if got.header.Get("X-Amzn-Errortype") != "MissingAuthenticationTokenException" || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("headers: got %v", got.header)
			}
			if how := strings.Join(got.header.Values("Www-Authenticate"), " "); !strings.Contains(how, "Basic ") || !strings.Contains(how, "Bearer ") {
				t.Errorf("WWW-Authenticate: got %q", how)
			}
		})
	}
	if n := len(h.audit.entries); n != 0 {
		t.Errorf("%d records of nobody's calls", n)
	}
	bad := rawRequest(t, h, "", "GET", "/boxes/b-1/v1/look", "")
	bad.Header.Set("Authorization", "AWS4-HMAC-SHA256 nothing")
	if got := h.do(t, bad); got.header.Get("X-Amzn-Errortype") == "" || got.header.Get("Www-Authenticate") != "" {
		t.Errorf("a broken signature: got %d %v", got.status, got.header)
	}
	bucket := &Gateway{hosts: []string{".s3.example.org"}}
	for host, want := range map[string]bool{"photos.s3.example.org:443": true, "s3.example.org": false, "example.org": false} {
		if got := bucket.namesBucket(host); got != want {
			t.Errorf("%s names a bucket: got %v", host, got)
		}
	}
}

// TestLongCalls: an operation with a time of its own may take longer than all others, and than a connection's usual deadlines.
func TestLongCalls(t *testing.T) {
	h := startHouse(t, withRaw, func(c *Config) { c.Limits.CallTime, c.Limits.BodyTime = 100*time.Millisecond, 2*time.Second })
	h.do(t, rawRequest(t, h, "alice", "GET", "/boxes/b-1/v1/ponder", "")).want(t, 207, "Ponder b-1")
}

func FuzzCarried(f *testing.F) {
	f.Add("Basic YWxpY2U6c2VjcmV0OnRva2Vu")
	f.Add("Bearer alice:secret:token")
	f.Add("Bearer :")
	f.Fuzz(func(t *testing.T, header string) {
		c, ok := carried(&http.Request{Header: http.Header{"Authorization": {header}}})
		if ok && c.scheme == "" {
			t.Errorf("%q: credentials of no scheme", header)
		}
	})
}
