// Package restjson speaks the REST-JSON protocol: the operation is in method and
// path, its members in path, query string, headers and a JSON body. An error has
// its name in X-Amzn-Errortype and the rest in the body:
//
//	HTTP/1.1 404 Not Found
//	X-Amzn-Errortype: ResourceNotFoundException
//
//	{"message":"..."}
package restjson

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/httpbind"
	"github.com/strongroom/strongroom/wire/jsonbody"
	"github.com/strongroom/strongroom/wire/plan"
)

// Codec speaks to and for one service.
type Codec struct {
	svc         *wire.Service
	router      *httpbind.Router
	ops         map[*wire.Operation]operation
	errs        *plan.Errors
	headers     map[*plan.Struct]*httpbind.Binding // of errors' members
	messageName string
}

var _ wire.Codec = (*Codec)(nil)

type operation struct {
	in, out *httpbind.Binding
}

// New makes the codec of svc.
func New(svc *wire.Service) (*Codec, error) {
	if svc.Protocol != wire.RESTJSON {
		return nil, fmt.Errorf("restjson: %s speaks another protocol", svc.Name)
	}
	c := &Codec{
		svc: svc, ops: map[*wire.Operation]operation{}, headers: map[*plan.Struct]*httpbind.Binding{},
		messageName: svc.MessageName,
	}
	if c.messageName == "" {
		c.messageName = "message"
	}
	var err error
	if c.router, err = httpbind.NewRouter(svc.Operations); err != nil {
		return nil, err
	}
	plans := plan.New()
	for _, op := range svc.Operations {
		var o operation
		if o.in, err = httpbind.New(plans, op.Input); err == nil {
			o.out, err = httpbind.New(plans, op.Output)
		}
		if err != nil {
			return nil, fmt.Errorf("restjson: %s.%s: %w", svc.Name, op.Name, err)
		}
		c.ops[op] = o
	}
	if c.errs, err = plans.Errors(svc); err != nil {
		return nil, err
	}
	for _, e := range svc.Errors {
		if p := c.errs.Of(e.Code); p.Members != nil {
			if c.headers[p.Members], err = httpbind.Bind(p.Members); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// Route implements wire.Codec.
func (c *Codec) Route(r *wire.Request) (*wire.Operation, error) {
	route, err := c.router.Match(r)
	if err == nil {
		return route.Op, nil
	}
	var method *httpbind.MethodError
	var conflict *httpbind.ConflictError
	switch {
	case errors.As(err, &method):
		return nil, wire.Errorf("MethodNotAllowedException", http.StatusMethodNotAllowed, "").WithCause(err)
	case errors.As(err, &conflict):
		e := wire.Errorf("ValidationException", http.StatusBadRequest, "%s", err)
		e.Detail = c.svc.Explain(e.Code, wire.ReasonOther)
		return nil, e
	case errors.Is(err, httpbind.ErrNoRoute):
		return nil, wire.Errorf("UnknownOperationException", http.StatusNotFound, "")
	}
	return nil, c.malformed(err)
}

// malformed is the error for a request that cannot be read: a ValidationException where the service has that reason for one.
func (c *Codec) malformed(err error) error {
	var known *wire.Error
	if errors.As(err, &known) {
		err = errors.New(strings.TrimSuffix(known.Message, "."))
	}
	e := wire.Errorf("SerializationException", http.StatusBadRequest, "%s", err)
	if detail := c.svc.Explain("ValidationException", wire.ReasonCannotParse); detail != nil {
		e.Code, e.Detail = "ValidationException", detail
	}
	return e
}

// DecodeInput implements wire.Codec.
func (c *Codec) DecodeInput(op *wire.Operation, r *wire.Request, in any) error {
	b := c.ops[op].in
	dst, err := b.Of(in)
	if err != nil {
		return err
	}
	if err := b.DecodeRequest(c.router.Of(op), r, dst); err != nil {
		return c.malformed(err)
	}
	f := b.Struct.Payload
	switch {
	case f == nil && len(b.Struct.Body) > 0:
		err = jsonbody.Decode(b.Struct, r.Body, dst, jsonbody.Request)
	case f == nil:
	case httpbind.RawPayload(f):
		err = httpbind.DecodeRaw(f, r.Body, r.Stream, dst.Field(f.Field))
	case len(r.Body) > 0:
		err = jsonbody.DecodeValue(&f.Value, r.Body, dst.Field(f.Field), jsonbody.Request)
	}
	if err != nil {
		return c.malformed(err)
	}
	return nil
}

// EncodeOutput implements wire.Codec.
func (c *Codec) EncodeOutput(op *wire.Operation, out any, m wire.Meta, w *wire.Response) error {
	b := c.ops[op].out
	src, err := b.Of(out)
	if err != nil {
		return err
	}
	if w.Status = op.Status; w.Status == 0 {
		w.Status = http.StatusOK
	}
	if err := b.EncodeAnswer(src, w); err != nil {
		return err
	}
	setID(m, w)
	f := b.Struct.Payload
	switch {
	case httpbind.Bodiless(op.Method, w.Status), f == nil && len(b.Struct.Body) == 0:
		return nil
	case f == nil:
		var body []byte
		body, err = jsonbody.Append(wire.GetBuffer(), b.Struct, src)
		w.SetBody(body)
	case httpbind.RawPayload(f):
		setType(w, httpbind.RawType(f))
		return httpbind.EncodeRaw(f, src.Field(f.Field), w)
	case f.Absent(src.Field(f.Field)):
		w.SetBody(append(wire.GetBuffer(), "{}"...))
	default:
		var body []byte
		body, err = jsonbody.AppendValue(wire.GetBuffer(), &f.Value, src.Field(f.Field))
		w.SetBody(body)
	}
	setType(w, "application/json")
	return err
}

func setType(w *wire.Response, t string) {
	if w.Header["Content-Type"] == nil {
		w.Header["Content-Type"] = []string{t}
	}
}

func setID(m wire.Meta, w *wire.Response) {
	if m.RequestID != "" {
		w.Header["X-Amzn-Requestid"] = []string{m.RequestID}
	}
}

// EncodeError implements wire.Codec.
func (c *Codec) EncodeError(_ *wire.Operation, e *wire.Error, m wire.Meta, w *wire.Response) {
	w.Release() // of an answer that failed half-way
	if w.Status = e.Status; w.Status == 0 {
		w.Status = http.StatusBadRequest
	}
	plain := *e
	if members, src := c.errs.Detail(e); members != nil && c.headers[members].EncodeAnswer(src, w) != nil {
		plain.Detail = nil // its members do not fit: the code and the message do
	}
	body, err := jsonbody.AppendError(wire.GetBuffer(), c.errs, &plain, "", c.messageName)
	if err != nil {
		plain.Detail = nil
		body, _ = jsonbody.AppendError(body[:0], c.errs, &plain, "", c.messageName)
	}
	w.Header["Content-Type"] = []string{"application/json"}
	w.Header["X-Amzn-Errortype"] = []string{e.Code}
	httpbind.SetAllow(e, w)
	setID(m, w)
	if w.SetBody(body); httpbind.Bodiless(m.Method, w.Status) {
		w.Release()
	}
}

// EncodeInput implements wire.Codec.
func (c *Codec) EncodeInput(op *wire.Operation, in any) (*wire.Request, error) {
	b := c.ops[op].in
	src, err := b.Of(in)
	if err != nil {
		return nil, err
	}
	b.Struct.FillTokens(src)
	r := &wire.Request{Header: http.Header{}}
	if err := b.EncodeRequest(c.router.Of(op), src, r); err != nil {
		return nil, fmt.Errorf("restjson: %s: %w", op.Name, err)
	}
	f, contentType := b.Struct.Payload, "application/json"
	switch {
	case f == nil && len(b.Struct.Body) == 0:
		return r, nil
	case f == nil:
		r.Body, err = jsonbody.Append(nil, b.Struct, src)
	case httpbind.RawPayload(f):
		if f.Absent(src.Field(f.Field)) {
			return r, nil
		}
		httpbind.EncodeRawRequest(f, src.Field(f.Field), r)
		contentType = httpbind.RawType(f)
	case f.Absent(src.Field(f.Field)):
		r.Body = []byte("{}")
	default:
		r.Body, err = jsonbody.AppendValue(nil, &f.Value, src.Field(f.Field))
	}
	if err != nil {
		return nil, fmt.Errorf("restjson: %s: %w", op.Name, err)
	}
	if r.Header["Content-Type"] == nil {
		r.Header["Content-Type"] = []string{contentType}
	}
	return r, nil
}

// DecodeOutput implements wire.Codec.
func (c *Codec) DecodeOutput(op *wire.Operation, r *wire.Response, out any) error {
	b := c.ops[op].out
	dst, err := b.Of(out)
	if err != nil {
		return err
	}
	if err = b.DecodeAnswer(r, dst); err == nil {
		f := b.Struct.Payload
		switch {
		case f == nil && len(b.Struct.Body) > 0:
			err = jsonbody.Decode(b.Struct, r.Body, dst, jsonbody.Answer)
		case f == nil:
		case httpbind.RawPayload(f):
			err = httpbind.DecodeRaw(f, r.Body, httpbind.Reader(r), dst.Field(f.Field))
		case len(r.Body) > 0:
			err = jsonbody.DecodeValue(&f.Value, r.Body, dst.Field(f.Field), jsonbody.Answer)
		}
	}
	if err != nil {
		return fmt.Errorf("restjson: answer to %s: %w", op.Name, err)
	}
	return nil
}

// DecodeError implements wire.Codec.
func (c *Codec) DecodeError(_ *wire.Operation, r *wire.Response) *wire.Error {
	e, members, detail := jsonbody.DecodeError(c.errs, r.Body, r.Header.Get("X-Amzn-Errortype"), r.Status)
	if members != nil && e.Detail != nil && c.headers[members].DecodeAnswer(r, detail) != nil {
		e.Detail = nil // better none than half
	}
	return e
}
