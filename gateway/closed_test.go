package gateway

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/wire"
)

// Every way in which the road could be left open must end in an internal failure that the
// operator reads about and the caller learns nothing from.
func TestFailsClosed(t *testing.T) {
	secret := wire.Ptr("canary")
	yes := func(context.Context, string, *boxInput) (*boxOutput, error) { return &boxOutput{Name: secret}, nil }
	tests := []struct {
		name    string
		prepare func(h *testHouse)
		adjust  func(c *Config)
		op      string
		cause   string
	}{
		{name: "no target", op: "Lost", cause: errNoTarget.Error()},
		{name: "no target function", op: "Get", adjust: func(c *Config) { c.Services[0].Target = nil }, cause: errNoTarget.Error()},
		{name: "checks and open", op: "Get", cause: errNoTarget.Error(), adjust: func(c *Config) {
			c.Services[0].Target = func(ctx context.Context, c *call.Call) (call.Target, error) {
				target, err := boxTarget(ctx, c)
				target.Open = "both"
				return target, err
			}
		}},
		{name: "target fails", op: "Get", cause: "no store", adjust: func(c *Config) {
			c.Services[0].Target = func(context.Context, *call.Call) (call.Target, error) { return call.Target{}, errors.New("no store") }
		}},
		{name: "target panics", op: "Get", cause: "panic in target", adjust: func(c *Config) {
			c.Services[0].Target = func(context.Context, *call.Call) (call.Target, error) { panic("oh") }
		}},
		{name: "deferred and never asked", op: "Many", cause: errUndecided.Error()},
		{name: "deferred and another call asked", op: "Many", cause: errUndecided.Error(), prepare: func(h *testHouse) {
			h.box.set(func(context.Context, string, *boxInput) (*boxOutput, error) {
				_ = h.Authorize(context.Background(), call.Check{Action: "box:Many", Resource: "*"})
				return &boxOutput{Name: secret}, nil
			})
		}},
		{name: "no output", op: "Get", cause: errNoOutput.Error(), prepare: func(h *testHouse) {
			h.box.set(func(context.Context, string, *boxInput) (*boxOutput, error) { return nil, nil })
		}},
		{name: "handler panics", op: "Get", cause: "panic in handle: canary-less", prepare: func(h *testHouse) {
			h.box.set(func(context.Context, string, *boxInput) (*boxOutput, error) { panic("canary-less") })
		}},
		{name: "plain error", op: "Get", cause: "disk on fire", prepare: func(h *testHouse) {
			h.box.set(func(context.Context, string, *boxInput) (*boxOutput, error) { return nil, errors.New("disk on fire") })
		}},
		{name: "log does not append", op: "Get", cause: "log full", prepare: func(h *testHouse) { h.audit.appendError = errors.New("log full") }},
		{name: "log does not sync", op: "Get", cause: "fsync failed", prepare: func(h *testHouse) { h.audit.waitError = errors.New("fsync failed") }},
		{name: "no directory", op: "Get", cause: errNobody.Error(), adjust: func(c *Config) { c.Directory = Directory{} }},
		{name: "no policies", op: "Get", cause: errNoPolicies.Error(), adjust: func(c *Config) { c.Directory.Policies = noPoliciesAtAll{} }},
		{name: "directory fails", op: "Get", cause: "iam is down", adjust: func(c *Config) { c.Directory.Principals = noPoliciesAtAll{} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := startHouse(t, func(c *Config) {
				if tt.adjust != nil {
					tt.adjust(c)
				}
			})
			h.box.set(yes)
			if tt.prepare != nil {
				tt.prepare(h)
			}
			r := h.call(t, "alice", tt.op, `{"Name":"a"}`)
			if r.status < 500 || !strings.Contains(r.body, internalFailure) {
				t.Errorf("answer %d %s, want an internal failure", r.status, r.body)
			}
			for _, leak := range []string{"canary", tt.cause} {
				if strings.Contains(r.body, leak) {
					t.Errorf("the answer %s holds %q", r.body, leak)
				}
			}
			if log := h.log.String(); strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, tt.cause) {
				t.Errorf("want one error in the log with %q:\n%s", tt.cause, log)
			}
			if h.audit.appendError == nil && tt.name != "no directory" && tt.name != "directory fails" {
				if rs := h.audit.records(t, ""); len(rs) != 1 || rs[0].ErrorCode != internalFailure && h.audit.waitError == nil {
					t.Errorf("records %+v, want one InternalFailure", rs)
				}
			}
		})
	}
}

type noPoliciesAtAll struct{}

func (noPoliciesAtAll) Policies(context.Context, *identity.Principal) (*policy.Set, error) {
	return nil, nil
}

func (noPoliciesAtAll) Principal(context.Context, string, string) (*identity.Principal, error) {
	return nil, errors.New("iam is down")
}

// A refused call whose record cannot be written is a failed call, not a refused one.
func TestRefusalWithoutRecordFails(t *testing.T) {
	h := startHouse(t)
	h.audit.waitError = errors.New("fsync failed")
	h.call(t, "bob", "Put", `{"Name":"a"}`).want(t, 503, internalFailure)
}

// A stream whose record cannot be written is closed and none of it is sent.
func TestStreamWithoutRecordIsClosed(t *testing.T) {
	h := startHouse(t)
	h.shelf.objects["b/k"] = []byte("canary")
	stream := &closeable{Reader: strings.NewReader("canary")}
	h.shelf.onGet = func(context.Context, []byte) (io.ReadCloser, error) { return stream, nil }
	h.audit.waitError = errors.New("fsync failed")
	r := h.do(t, h.shelfRequest(t, "alice", "GET", "/b/k", ""))
	r.want(t, 503, "<Code>InternalError</Code>")
	if strings.Contains(r.body, "canary") || !stream.closed {
		t.Errorf("answer %q, stream closed: %t", r.body, stream.closed)
	}
}

type closeable struct {
	io.Reader
	closed bool
}

func (c *closeable) Close() error { c.closed = true; return nil }

func TestDeferred(t *testing.T) {
	h := startHouse(t)
	hidden := wire.Errorf("NotFoundException", 404, "no such box")
	h.box.set(func(ctx context.Context, _ string, in *boxInput) (*boxOutput, error) {
		check := call.Check{Action: "box:Many", Resource: boxARN(testAccount, *in.Name)}
		if *in.Name == "hidden" {
			check.Action, check.Hide = "other:Many", hidden
		}
		if err := h.Authorize(ctx, check); err != nil {
			return nil, err
		}
		return &boxOutput{Name: in.Name}, nil
	})
	h.call(t, "alice", "Many", `{"Name":"a"}`).want(t, 200, `"a"`)
	h.call(t, "bob", "Many", `{"Name":"a"}`).want(t, 400, "AccessDeniedException", "is not authorized to perform: box:Many")
	h.call(t, "alice", "Many", `{"Name":"hidden"}`).want(t, 404, "NotFoundException")
}

func TestOpen(t *testing.T) {
	h := startHouse(t)
	h.call(t, "bob", "Who", `{"Name":"a"}`).want(t, 200, `"a"`)
}

func TestPanicLeavesTheHouseUp(t *testing.T) {
	h := startHouse(t)
	h.box.set(func(context.Context, string, *boxInput) (*boxOutput, error) { panic("oh") })
	h.call(t, "alice", "Get", `{"Name":"a"}`).want(t, 500, internalFailure)
	h.box.set(nil)
	h.call(t, "alice", "Get", `{"Name":"a"}`).want(t, 200)
	if log := h.log.String(); !strings.Contains(log, "closed_test.go") {
		t.Errorf("the log has no stack:\n%s", log)
	}
}

// An output that is not what the schema says is the house's fault, not a broken answer.
func TestOutputThatDoesNotFit(t *testing.T) {
	h := startHouse(t)
	h.boxAPI.Operation("Get").Invoke = func(context.Context, any, any) (any, error) { return &namesOutput{}, nil }
	h.call(t, "alice", "Get", `{"Name":"a"}`).want(t, 500, internalFailure)
	if log := h.log.String(); !strings.Contains(log, "encoding the answer") {
		t.Errorf("the log does not say why:\n%s", log)
	}
}

func TestNewRefuses(t *testing.T) {
	known := newPeople()
	whole := Directory{Keys: known, Principals: known, Policies: known}
	odd := boxDefinition()
	odd.Operations[0].Input.Type = nil
	api := boxDefinition()
	tests := map[string]Config{
		"no region":           {Audit: noLog{}},
		"no log":              {Regions: []string{testRegion}},
		"half a directory":    {Regions: []string{testRegion}, Audit: noLog{}, Directory: Directory{Keys: known}},
		"a type that misfits": {Regions: []string{testRegion}, Audit: noLog{}, Directory: whole, Services: []*service.Service{{API: odd, Impl: &box{}}}},
		"a service twice":     {Regions: []string{testRegion}, Audit: noLog{}, Services: []*service.Service{{API: api, Impl: &box{}}, {API: api, Impl: &box{}}}},
	}
	for name, config := range tests {
		if _, err := New(config); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	g, err := New(Config{Regions: []string{testRegion}, Audit: noLog{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Serve(nil); err == nil {
		t.Error("served without a certificate")
	}
}
