// Package awsjson speaks the AWS JSON protocols, 1.0 and 1.1.
//
//	POST / HTTP/1.1
//	X-Amz-Target: TrentService.Encrypt
//	Content-Type: application/x-amz-json-1.1
//
//	{"KeyId":"alias/a","Plaintext":"aGk="}
//
// Answers are JSON objects, with x-amzn-RequestId. Errors have a status and
//
//	{"__type":"NotFoundException","message":"..."}
//
// where 1.0 writes the full shape id, com.amazonaws.proton#NotFoundException.
package awsjson

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/jsonbody"
	"github.com/strongroom/strongroom/wire/plan"
)

// Codec speaks to and for one service.
type Codec struct {
	svc         *wire.Service
	ops         map[*wire.Operation]operation
	errs        *plan.Errors
	contentType []string
	namespace   string // before an error's name; 1.0 only
	messageName string
}

var _ wire.Codec = (*Codec)(nil)

type operation struct {
	in, out *plan.Struct
	target  []string // X-Amz-Target
}

// New makes the codec of svc.
func New(svc *wire.Service) (*Codec, error) {
	c := &Codec{svc: svc, ops: map[*wire.Operation]operation{}, messageName: svc.MessageName}
	if c.messageName == "" {
		c.messageName = "message"
	}
	switch svc.Protocol {
	case wire.JSON10:
		c.contentType, c.namespace = []string{"application/x-amz-json-1.0"}, namespace(svc.ID)
	case wire.JSON11:
		c.contentType = []string{"application/x-amz-json-1.1"}
	default:
		return nil, fmt.Errorf("awsjson: %s speaks another protocol", svc.Name)
	}
	plans := plan.New()
	for _, op := range svc.Operations {
		o := operation{target: []string{svc.TargetPrefix + "." + op.Name}}
		var err error
		if o.in, err = plans.Top(op.Input); err == nil {
			o.out, err = plans.Top(op.Output)
		}
		if err != nil {
			return nil, fmt.Errorf("awsjson: %s.%s: %w", svc.Name, op.Name, err)
		}
		c.ops[op] = o
	}
	var err error
	c.errs, err = plans.Errors(svc)
	return c, err
}

// namespace is that of the service's shapes, as AWS's models build it from the service's id.
func namespace(id string) string {
	return "com.amazonaws." + strings.ToLower(strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '_' {
			return -1
		}
		return r
	}, id)) + "#"
}

// Route implements wire.Codec.
func (c *Codec) Route(r *wire.Request) (*wire.Operation, error) {
	service, name, ok := "", "", false
	if target := r.Header["X-Amz-Target"]; len(target) == 1 {
		service, name, ok = wire.CutTarget(target[0])
	}
	if r.Method != http.MethodPost || !ok || service != c.svc.Target() {
		return nil, wire.Errorf("UnknownOperationException", http.StatusBadRequest, "")
	}
	op := c.svc.Operation(name)
	if op == nil {
		return nil, c.svc.Unknown(name)
	}
	return op, nil
}

// DecodeInput implements wire.Codec.
func (c *Codec) DecodeInput(op *wire.Operation, r *wire.Request, in any) error {
	s := c.ops[op].in
	dst, err := s.Of(in)
	if err != nil {
		return err
	}
	if err := jsonbody.Decode(s, r.Body, dst, jsonbody.Request); err != nil {
		return wire.Errorf("SerializationException", http.StatusBadRequest, "%s", err)
	}
	return nil
}

// EncodeOutput implements wire.Codec.
func (c *Codec) EncodeOutput(op *wire.Operation, out any, m wire.Meta, w *wire.Response) error {
	s := c.ops[op].out
	src, err := s.Of(out)
	if err != nil {
		return err
	}
	w.Status = op.Status
	if w.Status == 0 {
		w.Status = http.StatusOK
	}
	b, err := jsonbody.Append(wire.GetBuffer(), s, src)
	c.finish(b, m, w)
	return err
}

// EncodeError implements wire.Codec.
func (c *Codec) EncodeError(_ *wire.Operation, e *wire.Error, m wire.Meta, w *wire.Response) {
	w.Release() // of an answer that failed half-way
	if w.Status = e.Status; w.Status == 0 {
		w.Status = http.StatusBadRequest
	}
	b, err := jsonbody.AppendError(wire.GetBuffer(), c.errs, e, c.namespace+e.Code, c.messageName)
	if err != nil { // its members do not fit: the code and the message do
		plain := *e
		plain.Detail = nil
		b, _ = jsonbody.AppendError(b[:0], c.errs, &plain, c.namespace+e.Code, c.messageName)
	}
	c.finish(b, m, w)
}

// finish makes body w's, with the headers of every answer.
func (c *Codec) finish(body []byte, m wire.Meta, w *wire.Response) {
	w.SetBody(body)
	w.Header["Content-Type"] = c.contentType
	if m.RequestID != "" {
		w.Header["X-Amzn-Requestid"] = []string{m.RequestID}
	}
}

// EncodeInput implements wire.Codec.
func (c *Codec) EncodeInput(op *wire.Operation, in any) (*wire.Request, error) {
	o := c.ops[op]
	src, err := o.in.Of(in)
	if err != nil {
		return nil, err
	}
	o.in.FillTokens(src)
	body, err := jsonbody.Append(nil, o.in, src)
	if err != nil {
		return nil, fmt.Errorf("awsjson: %s: %w", op.Name, err)
	}
	return &wire.Request{
		Method: http.MethodPost, Path: "/", Body: body,
		Header: http.Header{"Content-Type": c.contentType, "X-Amz-Target": o.target},
	}, nil
}

// DecodeOutput implements wire.Codec.
func (c *Codec) DecodeOutput(op *wire.Operation, r *wire.Response, out any) error {
	s := c.ops[op].out
	dst, err := s.Of(out)
	if err != nil || len(s.Body) == 0 {
		return err // what an answer without members holds is nobody's business
	}
	if err := jsonbody.Decode(s, r.Body, dst, jsonbody.Answer); err != nil {
		return fmt.Errorf("awsjson: answer to %s: %w", op.Name, err)
	}
	return nil
}

// DecodeError implements wire.Codec.
func (c *Codec) DecodeError(_ *wire.Operation, r *wire.Response) *wire.Error {
	e, _, _ := jsonbody.DecodeError(c.errs, r.Body, r.Header.Get("X-Amzn-Errortype"), r.Status)
	return e
}
