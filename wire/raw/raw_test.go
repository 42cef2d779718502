package raw

import (
	"context"
	"net/http"
	"testing"

	"github.com/strongroom/strongroom/wire"
)

var service = Define(wire.Service{Name: "test"}, "boxId", []Operation{
	{Name: "Ask", Routes: []string{"GET /boxes/{boxId}/v1/ask", "POST /boxes/{boxId}/v1/ask", "GET /boxes/{boxId}/v1/label/{name}/values"}, ReadOnly: true},
	{Name: "Put", Routes: []string{"POST /boxes/{boxId}/v1/put"}, MaxBody: 7},
})

func codec(t testing.TB) *Codec {
	t.Helper()
	c, err := New(service)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNear(t *testing.T) {
	c := codec(t)
	for path, want := range map[string]bool{
		"/boxes/b-1/v1/ask": true, "/boxes/b-1/v1/nothing": true, "/boxes/b-1/v1": true, "/boxes/b-1/v1/": true,
		"/boxes/b-1/v2/ask": false, "/boxes/b-1": false, "/crates/b-1/v1/ask": false, "/": false, "": false, "/boxes//v1/x": true,
	} {
		if got := c.Near(path); got != want {
			t.Errorf("%q: got %t, want %t", path, got, want)
		}
	}
}

func TestRoute(t *testing.T) {
	c := codec(t)
	tests := []struct{ method, path, op, resource, rest, code string }{
		{"GET", "/boxes/b-1/v1/ask", "Ask", "b-1", "v1/ask", ""},
		{"POST", "/boxes/b-1/v1/ask", "Ask", "b-1", "v1/ask", ""},
		{"GET", "/boxes/b%201/v1/label/a%2Fb/values", "Ask", "b 1", "v1/label/a/b/values", ""},
		{"POST", "/boxes/b-1/v1/put", "Put", "b-1", "v1/put", ""},
		{"GET", "/boxes/b-1/v1/put", "", "", "", "MethodNotAllowedException"},
		{"GET", "/boxes/b-1/v1", "", "", "", "UnknownOperationException"},
		{"GET", "/boxes//v1/ask", "", "", "", "UnknownOperationException"},
		{"GET", "/boxes/../v1/ask/..", "", "", "", "UnknownOperationException"},
		{"GET", "/", "", "", "", "UnknownOperationException"},
	}
	for _, tc := range tests {
		r := &wire.Request{Method: tc.method, Path: tc.path, RawQuery: "a=%zz&a=1", Header: http.Header{}, Body: []byte("body")}
		op, err := c.Route(r)
		if tc.code != "" {
			if !wire.IsCode(err, tc.code) {
				t.Errorf("%s %s: got %v, want %s", tc.method, tc.path, err, tc.code)
			}
			continue
		}
		if err != nil || op.Name != tc.op {
			t.Errorf("%s %s: got %v, %v, want %s", tc.method, tc.path, op, err, tc.op)
			continue
		}
		var in Input
		if err := c.DecodeInput(op, r, &in); err != nil || *in.Resource != tc.resource || in.Path != tc.rest || in.RawQuery != r.RawQuery || string(in.Body) != "body" {
			t.Errorf("%s %s: got %+v, %v", tc.method, tc.path, in, err)
		}
		if got := string(wire.AppendParameters(nil, op.Input, &in)); got != `{"boxId":"`+tc.resource+`"}` {
			t.Errorf("record: got %s", got)
		}
	}
}

func TestAnswers(t *testing.T) {
	c, op := codec(t), service.Operation("Put")
	w := wire.Response{Header: http.Header{}}
	if err := c.EncodeOutput(op, &Output{Status: 202, Header: http.Header{"X-A": {"b"}}, Body: []byte("yes")}, wire.Meta{RequestID: "id"}, &w); err != nil {
		t.Fatal(err)
	}
	if w.Status != 202 || string(w.Body) != "yes" || w.Header.Get("X-A") != "b" || w.Header.Get("X-Amzn-Requestid") != "id" {
		t.Errorf("got %+v", w)
	}
	w = wire.Response{Header: http.Header{}}
	c.EncodeError(op, wire.Errorf("AccessDeniedException", 403, "no <%d>", 1), wire.Meta{}, &w)
	if e := c.DecodeError(op, &w); e.Code != "AccessDeniedException" || e.Status != 403 || e.Message != "no <1>" || e.Fault {
		t.Errorf("got %+v of %s", e, w.Body)
	}
}

type answering struct{ err error }

func (a answering) Answer(_ context.Context, operation string, in *Input) (*Output, error) {
	if a.err != nil {
		return nil, a.err
	}
	return &Output{Body: []byte(operation + " " + *in.Resource)}, nil
}

func TestInvoke(t *testing.T) {
	op, box := service.Operation("Put"), "b"
	out, err := op.Invoke(t.Context(), answering{}, &Input{Resource: &box})
	if err != nil || string(out.(*Output).Body) != "Put b" {
		t.Errorf("got %v, %v", out, err)
	}
	if out, err = op.Invoke(t.Context(), answering{context.Canceled}, &Input{Resource: &box}); out != nil || err == nil {
		t.Errorf("got %v, %v, want an error and nothing beside", out, err)
	}
	if _, err = op.Invoke(t.Context(), 1, &Input{Resource: &box}); err == nil {
		t.Error("an impl that answers nothing: got no error")
	}
}

func FuzzRoute(f *testing.F) {
	f.Add("GET", "/boxes/b%2F1/v1/label/%20/values")
	f.Add("POST", "/boxes/%/v1/put")
	c := codec(f)
	f.Fuzz(func(t *testing.T, method, path string) {
		r := &wire.Request{Method: method, Path: path}
		op, err := c.Route(r)
		if err != nil {
			return
		}
		var in Input
		if err := c.DecodeInput(op, r, &in); err == nil && in.Path == "" {
			t.Errorf("%s: routed to %s without a path below the resource", path, op.Name)
		}
	})
}
