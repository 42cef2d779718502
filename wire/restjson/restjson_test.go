package restjson

import (
	"context"
	"net/http"
	"reflect"
	"testing"

	"github.com/strongroom/strongroom/wire"
)

type tagInput struct {
	Arn  *string
	Tags map[string]string
}

type tagOutput struct {
	Count *int32
}

type throttled struct {
	Retry *int32
	Quota *string
}

// tagging is a small service; its path is that of most tagging operations.
func tagging() *wire.Service {
	return wire.Define(&wire.Definition{
		Service: wire.Service{Name: "tagging", Protocol: wire.RESTJSON},
		Shapes: []wire.ShapeDef{
			{Name: "String", Kind: wire.String}, {Name: "Integer", Kind: wire.Integer},
			{Name: "Tags", Kind: wire.Map, Key: &wire.MemberDef{Name: "key", Shape: "String"}, Elem: &wire.MemberDef{Name: "value", Shape: "String"}},
			{Name: "TagInput", Kind: wire.Structure, Zero: (*tagInput)(nil), Members: []wire.MemberDef{
				{Name: "resourceArn", Shape: "String", Location: wire.URI}, {Name: "tags", Shape: "Tags"}}},
			{Name: "TagOutput", Kind: wire.Structure, Zero: (*tagOutput)(nil), Members: []wire.MemberDef{{Name: "count", Shape: "Integer"}}},
			{Name: "Throttled", Kind: wire.Structure, Zero: (*throttled)(nil), Members: []wire.MemberDef{
				{Name: "retryAfterSeconds", Shape: "Integer", Location: wire.Header, WireName: "Retry-After"}, {Name: "quotaCode", Shape: "String"}}},
		},
		Errors: []wire.ErrorDef{{Name: "ThrottlingException", Status: 429, Shape: "Throttled"}},
		Operations: []wire.OperationDef{
			{Operation: wire.Operation{Name: "TagResource", Method: "POST", Path: "/tags/{resourceArn}", Status: 200, Invoke: nobody}, Input: "TagInput", Output: "TagOutput"},
		},
	})
}

func nobody(context.Context, any, any) (any, error) { return nil, nil }

func TestCodec(t *testing.T) {
	svc := tagging()
	c, err := New(svc)
	if err != nil {
		t.Fatal(err)
	}
	in := &tagInput{Arn: wire.Ptr("arn:aws:x:r:1:a/b"), Tags: map[string]string{"k": "v"}}
	r, err := c.EncodeInput(svc.Operations[0], in)
	if err != nil || r.Path != "/tags/arn%3Aaws%3Ax%3Ar%3A1%3Aa%2Fb" || string(r.Body) != `{"tags":{"k":"v"}}` {
		t.Fatalf("got %+v, %v", r, err)
	}
	op, err := c.Route(r)
	if err != nil || op.Name != "TagResource" {
		t.Fatalf("got %v, %v", op, err)
	}
	got := op.NewInput()
	if err := c.DecodeInput(op, r, got); err != nil || !reflect.DeepEqual(got, in) {
		t.Errorf("got %+v, %v", got, err)
	}
	w := &wire.Response{Header: http.Header{}}
	if err := c.EncodeOutput(op, &tagOutput{}, wire.Meta{RequestID: "r"}, w); err != nil || string(w.Body) != "{}" || w.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %s %v, %v", w.Body, w.Header, err)
	}
	for name, x := range map[string]struct {
		r      wire.Request
		code   string
		status int
	}{
		"path":   {wire.Request{Method: "POST", Path: "/tag"}, "UnknownOperationException", 404},
		"slash":  {wire.Request{Method: "POST", Path: "/tags/a/b"}, "UnknownOperationException", 404},
		"method": {wire.Request{Method: "GET", Path: "/tags/a"}, "MethodNotAllowedException", 405},
		"query":  {wire.Request{Method: "POST", Path: "/tags/a", RawQuery: "%"}, "SerializationException", 400},
	} {
		if _, err := c.Route(&x.r); !wire.IsCode(err, x.code) || wire.AsError(err).Status != x.status {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, x := range map[string]wire.Request{
		"body": {Path: "/tags/a", Body: []byte(`{"tags":[]}`)}, "escape": {Path: "/tags/%"}, "UTF-8": {Path: "/tags/%ff"},
	} {
		if err := c.DecodeInput(op, &x, op.NewInput()); !wire.IsCode(err, "SerializationException") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestErrors(t *testing.T) {
	c, err := New(tagging())
	if err != nil {
		t.Fatal(err)
	}
	e := &wire.Error{Code: "ThrottlingException", Status: 429, Message: "slow", Detail: &throttled{Retry: wire.Ptr(int32(3)), Quota: wire.Ptr("q")}}
	w := &wire.Response{Header: http.Header{}}
	c.EncodeError(nil, e, wire.Meta{RequestID: "r"}, w)
	if string(w.Body) != `{"message":"slow","quotaCode":"q"}` || w.Header.Get("Retry-After") != "3" || w.Header.Get("x-amzn-ErrorType") != "ThrottlingException" || w.Status != 429 {
		t.Errorf("got %d %s %v", w.Status, w.Body, w.Header)
	}
	if back := c.DecodeError(nil, w); !reflect.DeepEqual(back, e) {
		t.Errorf("got back %+v", back)
	}
}
