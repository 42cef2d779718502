// Package awsquery speaks the AWS Query protocol, which iam and sts have.
//
// A request is a form, in the query string of a GET or the body of a POST:
//
//	Action=TagUser&Version=2010-05-08&UserName=ada&Tags.member.1.Key=a&Tags.member.1.Value=b
//
// An answer is XML:
//
//	<TagUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">
//	  <TagUserResult>...</TagUserResult>
//	  <ResponseMetadata><RequestId>...</RequestId></ResponseMetadata>
//	</TagUserResponse>
//
// and an error
//
//	<ErrorResponse xmlns="..."><Error><Type>Sender</Type><Code>NoSuchEntity</Code>
//	  <Message>...</Message></Error><RequestId>...</RequestId></ErrorResponse>
package awsquery

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/plan"
	"github.com/strongroom/strongroom/wire/xmlbody"
)

// Codec speaks to and for one service.
type Codec struct {
	svc  *wire.Service
	ops  map[*wire.Operation]operation
	errs *plan.Errors
}

var _ wire.Codec = (*Codec)(nil)

type operation struct {
	in, out *plan.Struct
}

// New makes the codec of svc.
func New(svc *wire.Service) (*Codec, error) {
	if svc.Protocol != wire.Query {
		return nil, fmt.Errorf("awsquery: %s speaks another protocol", svc.Name)
	}
	c := &Codec{svc: svc, ops: map[*wire.Operation]operation{}}
	plans := plan.New()
	for _, op := range svc.Operations {
		var o operation
		var err error
		if o.in, err = plans.Top(op.Input); err == nil {
			o.out, err = plans.Top(op.Output)
		}
		if err != nil {
			return nil, fmt.Errorf("awsquery: %s.%s: %w", svc.Name, op.Name, err)
		}
		c.ops[op] = o
	}
	var err error
	c.errs, err = plans.Errors(svc)
	return c, err
}

// Route implements wire.Codec.
func (c *Codec) Route(r *wire.Request) (*wire.Operation, error) {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return nil, wire.Errorf("MethodNotAllowed", http.StatusMethodNotAllowed, "Only GET and POST are allowed.")
	}
	params, err := r.Form()
	if err != nil {
		return nil, err
	}
	action, version := find(params, "Action"), find(params, "Version")
	if action == "" {
		return nil, wire.Errorf("MissingAction", http.StatusBadRequest, "The request is missing an action.")
	}
	if version == "" {
		version = "NO_VERSION_SPECIFIED"
	}
	op := c.svc.Operation(action)
	if op == nil || version != c.svc.Version {
		return nil, wire.Errorf("InvalidAction", http.StatusBadRequest, "Could not find operation %.128s for version %.32s", action, version)
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
	params, err := r.Form()
	if err != nil {
		return err
	}
	if err := decodeForm(s, params, dst); err != nil {
		return wire.Errorf("MalformedInput", http.StatusBadRequest, "%s", err)
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
	if w.Status = op.Status; w.Status == 0 {
		w.Status = http.StatusOK
	}
	e := xmlbody.Encoder{Buf: wire.GetBuffer(), Time: plan.ISO8601}
	e.Start(op.Name+"Response", c.svc.XMLNamespace)
	if op.ResultWrapper != "" {
		err = e.Struct(op.ResultWrapper, "", s, src)
	} else {
		err = e.Members(s, src)
	}
	e.Start("ResponseMetadata", "")
	e.Text("RequestId", m.RequestID)
	e.End("ResponseMetadata")
	e.End(op.Name + "Response")
	finish(e.Buf, m, w)
	return err
}

// EncodeError implements wire.Codec.
func (c *Codec) EncodeError(_ *wire.Operation, e *wire.Error, m wire.Meta, w *wire.Response) {
	w.Release() // of an answer that failed half-way
	if w.Status = e.Status; w.Status == 0 {
		w.Status = http.StatusBadRequest
	}
	x := xmlbody.Encoder{Buf: wire.GetBuffer(), Time: plan.ISO8601}
	x.Start("ErrorResponse", c.svc.XMLNamespace)
	x.Start("Error", "")
	if e.Fault {
		x.Text("Type", "Receiver")
	} else {
		x.Text("Type", "Sender")
	}
	x.Text("Code", e.Code)
	x.Text("Message", e.Message)
	if members, src := c.errs.Detail(e); members != nil {
		if n := len(x.Buf); x.Members(members, src) != nil {
			x.Buf = x.Buf[:n] // its members do not fit: the code and the message do
		}
	}
	x.End("Error")
	x.Text("RequestId", m.RequestID)
	x.End("ErrorResponse")
	finish(x.Buf, m, w)
}

var contentType = []string{"text/xml"}

func finish(body []byte, m wire.Meta, w *wire.Response) {
	w.SetBody(body)
	w.Header["Content-Type"] = contentType
	if m.RequestID != "" {
		w.Header["X-Amzn-Requestid"] = []string{m.RequestID}
	}
}

// EncodeInput implements wire.Codec.
func (c *Codec) EncodeInput(op *wire.Operation, in any) (*wire.Request, error) {
	s := c.ops[op].in
	src, err := s.Of(in)
	if err != nil {
		return nil, err
	}
	s.FillTokens(src)
	body, err := encodeForm(op.Name, c.svc.Version, s, src)
	if err != nil {
		return nil, fmt.Errorf("awsquery: %s: %w", op.Name, err)
	}
	return &wire.Request{
		Method: http.MethodPost, Path: "/", Body: body,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}},
	}, nil
}

// DecodeOutput implements wire.Codec.
func (c *Codec) DecodeOutput(op *wire.Operation, r *wire.Response, out any) error {
	s := c.ops[op].out
	dst, err := s.Of(out)
	if err != nil || len(s.Body) == 0 {
		return err
	}
	d, err := xmlbody.Open(r.Body, xmlbody.Answer)
	if err == nil && op.ResultWrapper == "" {
		err = d.Struct(s, dst)
	} else if err == nil {
		err = eachChild(d, func(name string) error {
			if name == op.ResultWrapper {
				return d.Struct(s, dst)
			}
			return d.Skip()
		})
	}
	if err == nil {
		err = d.Close()
	}
	if err != nil {
		return fmt.Errorf("awsquery: answer to %s: %w", op.Name, err)
	}
	return nil
}

// eachChild calls fn, which reads one child, for each child of the element that d stands on.
func eachChild(d *xmlbody.Document, fn func(name string) error) error {
	for {
		name, err := d.Child()
		if err != nil || name == "" {
			return err
		}
		if err := fn(name); err != nil {
			return err
		}
	}
}

// DecodeError implements wire.Codec.
func (c *Codec) DecodeError(_ *wire.Operation, r *wire.Response) *wire.Error {
	e, err := xmlbody.DecodeError(c.errs, r.Body, r.Status)
	if err != nil {
		return &wire.Error{
			Code: "UnknownError", Message: http.StatusText(r.Status), Status: r.Status, Fault: r.Status >= 500,
			Cause: errors.Join(errors.New("awsquery: error answer"), err),
		}
	}
	return e
}
