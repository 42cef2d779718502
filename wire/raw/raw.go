// Package raw serves operations whose requests and answers are those of another protocol than AWS's: the data plane of
// Managed Prometheus, whose clients speak Prometheus's HTTP API. Method and path say which operation it is, and the
// first label of the path what it acts on; all else goes to the service as it came, and comes back as it left.
//
//	POST /workspaces/ws-1/api/v1/query HTTP/1.1     ->  QueryMetrics, Input{Resource: "ws-1", Path: "api/v1/query", ...}
//
// An error of the road is said for both kinds of clients, those that look for AWS's words and those that look for Prometheus's:
//
//	HTTP/1.1 403 Forbidden
//	X-Amzn-Errortype: AccessDeniedException
//
//	{"status":"error","errorType":"AccessDeniedException","error":"...","message":"..."}
package raw

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/httpbind"
)

// Input is the input of every operation. Body is valid until the operation has returned; nobody changes Header.
type Input struct {
	Resource *string // the first label of the path, unescaped
	Method   string
	Path     string // what follows the resource, without the slash between, unescaped
	RawQuery string
	Header   http.Header
	Body     []byte
}

// Output is the output of every operation.
type Output struct {
	Status int
	Header http.Header // for the answer; it is taken over
	Body   []byte
}

// Handler answers the operations of a service.
type Handler interface {
	// Answer answers an operation. An error of Output's own kind is an Output.
	Answer(ctx context.Context, operation string, in *Input) (*Output, error)
}

// Operation describes an operation.
type Operation struct {
	Name     string
	Routes   []string // "GET /workspaces/{workspaceId}/api/v1/query"
	ReadOnly bool
	MaxBody  int64         // bytes; 0 for the house's usual limit
	CallTime time.Duration // that the operation may take; 0 for the house's usual limit
}

// Define describes a service that speaks Raw. label names the resource in audit records; operations are sorted by name.
func Define(s wire.Service, label string, operations []Operation) *wire.Service {
	s.Protocol = wire.Raw
	d := &wire.Definition{
		Service: s,
		Shapes: []wire.ShapeDef{
			{Name: "Resource", Kind: wire.String},
			{Name: "Input", Kind: wire.Structure, Zero: (*Input)(nil), Members: []wire.MemberDef{{Name: label, Shape: "Resource", Location: wire.URI, Flags: wire.Required}}},
			{Name: "Output", Kind: wire.Structure, Zero: (*Output)(nil)},
		},
	}
	for _, o := range operations {
		method, path, _ := strings.Cut(o.Routes[0], " ")
		d.Operations = append(d.Operations, wire.OperationDef{Input: "Input", Output: "Output", Operation: wire.Operation{
			Name: o.Name, Method: method, Path: path, Routes: o.Routes, ReadOnly: o.ReadOnly, MaxBody: o.MaxBody, CallTime: o.CallTime,
			Invoke: func(ctx context.Context, impl, in any) (any, error) {
				h, ok := impl.(Handler)
				if !ok {
					return nil, fmt.Errorf("raw: %T answers nothing", impl)
				}
				out, err := h.Answer(ctx, o.Name, in.(*Input))
				if out == nil {
					return nil, err // not an interface that holds nil
				}
				return out, err
			},
		}})
	}
	return wire.Define(d)
}

// Codec speaks to and for one service.
type Codec struct {
	router *httpbind.Router
	ops    map[*wire.Operation]*wire.Operation // of the router's, one a route
	// folders are the first part of each route and the one behind the resource: "workspaces/api".
	folders map[string]bool
}

var _ wire.Codec = (*Codec)(nil)

var (
	inputType  = reflect.TypeFor[Input]()
	outputType = reflect.TypeFor[Output]()
)

// New makes the codec of svc.
func New(svc *wire.Service) (*Codec, error) {
	if svc.Protocol != wire.Raw {
		return nil, fmt.Errorf("raw: %s speaks another protocol", svc.Name)
	}
	c := &Codec{ops: map[*wire.Operation]*wire.Operation{}, folders: map[string]bool{}}
	var routes []*wire.Operation
	for _, op := range svc.Operations {
		if op.Input.Type != inputType || op.Output.Type != outputType {
			return nil, fmt.Errorf("raw: %s.%s has types of its own", svc.Name, op.Name)
		}
		for _, route := range op.Routes {
			method, path, ok := strings.Cut(route, " ")
			if first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/"); !ok || first == "" || !strings.HasPrefix(rest, "{") {
				return nil, fmt.Errorf("raw: %s.%s has a route %q", svc.Name, op.Name, route)
			}
			root, _, folder := place(path)
			c.folders[root+"/"+folder] = true
			one := &wire.Operation{Name: op.Name, Method: method, Path: path, Input: op.Input}
			c.ops[one] = op
			routes = append(routes, one)
		}
	}
	var err error
	c.router, err = httpbind.NewRouter(routes)
	return c, err
}

// Route implements wire.Codec.
func (c *Codec) Route(r *wire.Request) (*wire.Operation, error) {
	route, err := c.router.Match(&wire.Request{Method: r.Method, Path: r.Path}) // what stands in the query is not ours to read
	if err == nil {
		return c.ops[route.Op], nil
	}
	var method *httpbind.MethodError
	if errors.As(err, &method) {
		return nil, wire.Errorf("MethodNotAllowedException", http.StatusMethodNotAllowed, "Method not allowed.").WithCause(err)
	}
	return nil, wire.Errorf("UnknownOperationException", http.StatusNotFound, "There is nothing at this path.")
}

// Near reports whether a path lies in a folder of the service, below a resource, whether there is anything at it or not.
func (c *Codec) Near(path string) bool {
	root, _, folder := place(path)
	return c.folders[root+"/"+folder]
}

// place takes a path apart: its first part, the resource, and the part behind that.
func place(path string) (root, resource, folder string) {
	root, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	resource, rest, _ = strings.Cut(rest, "/")
	folder, _, _ = strings.Cut(rest, "/")
	return root, resource, folder
}

// DecodeInput implements wire.Codec. The body is r's.
func (c *Codec) DecodeInput(_ *wire.Operation, r *wire.Request, in any) error {
	_, rest, _ := strings.Cut(strings.TrimPrefix(r.Path, "/"), "/")
	resource, path, _ := strings.Cut(rest, "/")
	resource, err := url.PathUnescape(resource)
	if err == nil {
		path, err = url.PathUnescape(path)
	}
	if err != nil {
		return wire.Errorf("SerializationException", http.StatusBadRequest, "The path is not escaped as it must be.")
	}
	*in.(*Input) = Input{Resource: &resource, Method: r.Method, Path: path, RawQuery: r.RawQuery, Header: r.Header, Body: r.Body}
	return nil
}

// EncodeOutput implements wire.Codec.
func (c *Codec) EncodeOutput(_ *wire.Operation, out any, m wire.Meta, w *wire.Response) error {
	o := out.(*Output)
	for name, values := range o.Header {
		w.Header[name] = values
	}
	setID(m, w)
	if w.Status = o.Status; w.Status == 0 {
		w.Status = http.StatusOK
	}
	if !httpbind.Bodiless(m.Method, w.Status) {
		w.Body = o.Body
	}
	return nil
}

func setID(m wire.Meta, w *wire.Response) {
	if m.RequestID != "" {
		w.Header["X-Amzn-Requestid"] = []string{m.RequestID}
	}
}

// refusal is an error of the road.
type refusal struct {
	Status  string `json:"status"`
	Type    string `json:"errorType"`
	Error   string `json:"error"`
	Message string `json:"message"`
}

// EncodeError implements wire.Codec.
func (c *Codec) EncodeError(_ *wire.Operation, e *wire.Error, m wire.Meta, w *wire.Response) {
	w.Release() // of an answer that failed half-way
	if w.Status = e.Status; w.Status == 0 {
		w.Status = http.StatusBadRequest
	}
	body, _ := json.Marshal(refusal{"error", e.Code, e.Message, e.Message}) // strings always marshal
	w.Header["Content-Type"], w.Header["X-Amzn-Errortype"] = []string{"application/json"}, []string{e.Code}
	httpbind.SetAllow(e, w)
	setID(m, w)
	if w.Body = body; httpbind.Bodiless(m.Method, w.Status) {
		w.Body = nil
	}
}

// EncodeInput implements wire.Codec.
func (c *Codec) EncodeInput(op *wire.Operation, in any) (*wire.Request, error) {
	i := in.(*Input)
	first, _, _ := strings.Cut(strings.TrimPrefix(op.Path, "/"), "/")
	path := (&url.URL{Path: "/" + first + "/" + wire.Val(i.Resource) + "/" + i.Path}).EscapedPath()
	return &wire.Request{Method: i.Method, Path: path, RawQuery: i.RawQuery, Header: i.Header.Clone(), Body: i.Body}, nil
}

// DecodeOutput implements wire.Codec.
func (c *Codec) DecodeOutput(_ *wire.Operation, r *wire.Response, out any) error {
	*out.(*Output) = Output{Status: r.Status, Header: r.Header, Body: r.Body}
	return nil
}

// DecodeError implements wire.Codec.
func (c *Codec) DecodeError(_ *wire.Operation, r *wire.Response) *wire.Error {
	var said refusal
	if json.Unmarshal(r.Body, &said) != nil || said.Type == "" {
		said = refusal{Type: r.Header.Get("X-Amzn-Errortype"), Error: string(r.Body)}
	}
	return &wire.Error{Code: said.Type, Status: r.Status, Message: said.Error, Fault: r.Status >= http.StatusInternalServerError}
}
