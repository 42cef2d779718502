// Package restxml speaks the REST-XML protocol, which s3 has: the operation is in
// method, path, query keys and headers, its members there and in an XML body, or the
// body is a stream of bytes that never stands in memory whole.
//
// S3 departs from the protocol in small ways, which the codec of the service named s3
// follows: errors are a bare Error element with Resource and HostId, ids travel as
// x-amz-request-id and x-amz-id-2, times always have milliseconds, what cannot be
// read is InvalidArgument, InvalidURI or MalformedXML, and GetBucketLocation answers
// its one member as the text of the root.
package restxml

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/httpbind"
	"github.com/strongroom/strongroom/wire/plan"
	"github.com/strongroom/strongroom/wire/xmlbody"
)

// Codec speaks to and for one service.
type Codec struct {
	svc    *wire.Service
	router *httpbind.Router
	ops    map[*wire.Operation]*operation
	errs   *plan.Errors
	s3     bool
	time   plan.Time
}

var _ wire.Codec = (*Codec)(nil)

type operation struct {
	in, out         *httpbind.Binding
	inRoot, outRoot root
	bareText        *plan.Field // the output is this one member as the root's text
}

// root is the name and namespace of a body's root element.
type root struct {
	name, namespace string
}

// New makes the codec of svc.
func New(svc *wire.Service) (*Codec, error) {
	if svc.Protocol != wire.RESTXML {
		return nil, fmt.Errorf("restxml: %s speaks another protocol", svc.Name)
	}
	c := &Codec{svc: svc, ops: map[*wire.Operation]*operation{}, s3: svc.Name == "s3", time: plan.ISO8601}
	if c.s3 {
		c.time = plan.ISO8601Ms
	}
	var err error
	if c.router, err = httpbind.NewRouter(svc.Operations); err != nil {
		return nil, err
	}
	plans := plan.New()
	for _, op := range svc.Operations {
		o := &operation{}
		if o.in, err = httpbind.New(plans, op.Input); err == nil {
			o.out, err = httpbind.New(plans, op.Output)
		}
		if err != nil {
			return nil, fmt.Errorf("restxml: %s.%s: %w", svc.Name, op.Name, err)
		}
		c.nameRoots(op, o)
		c.ops[op] = o
	}
	c.errs, err = plans.Errors(svc)
	return c, err
}

// nameRoots works out the root elements of op's bodies.
func (c *Codec) nameRoots(op *wire.Operation, o *operation) {
	o.inRoot = root{op.InputName, op.InputXMLNS}
	if o.inRoot.name == "" {
		o.inRoot.name = op.Input.LocationName
	}
	if o.inRoot.name == "" {
		o.inRoot.name = op.Input.Name
	}
	if f := o.in.Struct.Payload; f != nil {
		o.inRoot = payloadRoot(f)
	}
	o.outRoot = root{op.OutputName, c.svc.XMLNamespace}
	if o.outRoot.name == "" {
		o.outRoot.name = op.Name + "Response"
		if f := o.out.Struct.Payload; f != nil {
			o.outRoot.name = payloadRoot(f).name
		}
	}
	if op.Unwrapped && len(o.out.Struct.Body) == 1 {
		o.bareText = o.out.Struct.Body[0]
	}
}

// payloadRoot returns the root element of a payload member: its own locationName, or its shape's.
func payloadRoot(f *plan.Field) root {
	r := root{name: f.WireName, namespace: f.XMLNamespace}
	if r.name == f.Name && f.Value.Shape.LocationName != "" {
		r.name = f.Value.Shape.LocationName
	}
	if r.namespace == "" && f.Value.Shape.XMLPrefix == "" {
		r.namespace = f.Value.Shape.XMLNamespace
	}
	return r
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
		return nil, wire.Errorf("MethodNotAllowed", http.StatusMethodNotAllowed,
			"The specified method is not allowed against this resource.").WithCause(err)
	case errors.As(err, &conflict):
		return nil, wire.Errorf("InvalidArgument", http.StatusBadRequest, "%s", err)
	case errors.Is(err, httpbind.ErrNoRoute):
		return nil, wire.Errorf("InvalidURI", http.StatusBadRequest, "Couldn't parse the specified URI.")
	}
	return nil, err // of the query string, and fit to travel
}

// DecodeInput implements wire.Codec.
func (c *Codec) DecodeInput(op *wire.Operation, r *wire.Request, in any) error {
	o := c.ops[op]
	if o == nil {
		o = &operation{}
	}
	dst, err := o.in.Of(in)
	if err != nil {
		return err
	}
	if err := o.in.DecodeRequest(c.router.Of(op), r, dst); err != nil {
		return c.badMember(err)
	}
	return c.decodeBody(o, r, dst)
}

func (c *Codec) decodeBody(o *operation, r *wire.Request, dst reflect.Value) error {
	f := o.in.Struct.Payload
	if f != nil && httpbind.RawPayload(f) {
		if err := httpbind.DecodeRaw(f, r.Body, r.Stream, dst.Field(f.Field)); err != nil {
			return c.badMember(err)
		}
		return nil
	}
	if len(r.Body) == 0 || f == nil && len(o.in.Struct.Body) == 0 {
		return nil
	}
	d, err := xmlbody.Open(r.Body, xmlbody.Request)
	switch {
	case err != nil:
	case d.Root() != o.inRoot.name:
		err = fmt.Errorf("the root element is not %s", o.inRoot.name)
	case f != nil:
		err = d.Value(&f.Value, dst.Field(f.Field))
	default:
		err = d.Struct(o.in.Struct, dst)
	}
	if err == nil {
		err = d.Close()
	}
	if err != nil {
		return c.badXML(err)
	}
	return nil
}

// badMember is the error for a member outside the body that cannot be read.
func (c *Codec) badMember(err error) error {
	var known *wire.Error
	var member *httpbind.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &member) && (member.Name == "path" || c.s3 && (member.Name == "Bucket" || member.Name == "Key")):
		return wire.Errorf("InvalidURI", http.StatusBadRequest, "Couldn't parse the specified URI.").WithCause(err)
	case c.s3:
		return wire.Errorf("InvalidArgument", http.StatusBadRequest, "%s", err)
	}
	return wire.Errorf("SerializationException", http.StatusBadRequest, "%s", err)
}

func (c *Codec) badXML(err error) error {
	if c.s3 {
		return wire.Errorf("MalformedXML", http.StatusBadRequest,
			"The XML you provided was not well-formed or did not validate against our published schema").WithCause(err)
	}
	return wire.Errorf("SerializationException", http.StatusBadRequest, "%s", err)
}

// EncodeOutput implements wire.Codec.
func (c *Codec) EncodeOutput(op *wire.Operation, out any, m wire.Meta, w *wire.Response) error {
	o := c.ops[op]
	if o == nil {
		o = &operation{}
	}
	src, err := o.out.Of(out)
	if err != nil {
		return err
	}
	if w.Status = op.Status; w.Status == 0 {
		w.Status = http.StatusOK
	}
	if err := o.out.EncodeAnswer(src, w); err != nil {
		return err
	}
	if w.Status == http.StatusOK && w.Header["Content-Range"] != nil {
		w.Status = http.StatusPartialContent // the model has no member for it (RFC 9110, section 15.3.7)
	}
	c.setIDs(m, w)
	f := o.out.Struct.Payload
	switch {
	case httpbind.Bodiless(op.Method, w.Status), f == nil && len(o.out.Struct.Body) == 0:
		return nil
	case f != nil && httpbind.RawPayload(f):
		setType(w, c.rawType(f))
		return httpbind.EncodeRaw(f, src.Field(f.Field), w)
	case f != nil && f.Absent(src.Field(f.Field)):
		return nil
	}
	setType(w, "application/xml")
	return c.encodeXML(o, src, w)
}

// encodeXML makes the document that answers with src the body of w.
func (c *Codec) encodeXML(o *operation, src reflect.Value, w *wire.Response) (err error) {
	f := o.out.Struct.Payload
	e := xmlbody.Encoder{Buf: append(wire.GetBuffer(), header...), Time: c.time}
	switch {
	case o.bareText != nil:
		var text []byte
		if field := src.Field(o.bareText.Field); !o.bareText.Absent(field) {
			text, err = o.bareText.AppendText(nil, field, c.time)
		}
		e.Start(o.outRoot.name, o.outRoot.namespace)
		e.Buf = xmlbody.AppendEscaped(e.Buf, string(text))
		e.End(o.outRoot.name)
	case f != nil:
		err = e.Struct(o.outRoot.name, o.outRoot.namespace, f.Struct, f.Deref(src.Field(f.Field)))
	default:
		err = e.Struct(o.outRoot.name, o.outRoot.namespace, o.out.Struct, src)
	}
	w.SetBody(e.Buf)
	return err
}

const header = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func setType(w *wire.Response, t string) {
	if w.Header["Content-Type"] == nil {
		w.Header["Content-Type"] = []string{t}
	}
}

// rawType is the content type of a raw payload that nobody gave one: S3's text
// payloads are bucket policies.
func (c *Codec) rawType(f *plan.Field) string {
	switch {
	case !c.s3:
		return httpbind.RawType(f)
	case f.Kind == wire.String:
		return "application/json"
	}
	return "binary/octet-stream"
}

func (c *Codec) setIDs(m wire.Meta, w *wire.Response) {
	switch {
	case m.RequestID == "":
	case c.s3:
		w.Header["X-Amz-Request-Id"] = []string{m.RequestID}
	default:
		w.Header["X-Amzn-Requestid"] = []string{m.RequestID}
	}
	if m.HostID != "" {
		w.Header["X-Amz-Id-2"] = []string{m.HostID}
	}
}

// EncodeError implements wire.Codec. When e's Detail is an output of op, its headers
// travel too: a 304 must name the ETag, a deleted object its delete marker.
func (c *Codec) EncodeError(op *wire.Operation, e *wire.Error, m wire.Meta, w *wire.Response) {
	w.Release() // of an answer that failed half-way
	method := m.Method
	if op != nil && op.Method == http.MethodHead {
		method = op.Method
	}
	if o := c.ops[op]; o != nil {
		if src, err := o.out.Of(e.Detail); err == nil {
			_ = o.out.EncodeAnswer(src, w) // headers that do not fit stay out; the error counts
		}
		delete(w.Header, "Content-Length")
	}
	if w.Status = e.Status; w.Status == 0 {
		w.Status = http.StatusBadRequest
	}
	c.setIDs(m, w)
	httpbind.SetAllow(e, w)
	if httpbind.Bodiless(method, w.Status) {
		return
	}
	w.Header["Content-Type"] = []string{"application/xml"}
	x := xmlbody.Encoder{Buf: append(wire.GetBuffer(), header...), Time: c.time}
	if !c.s3 {
		x.Start("ErrorResponse", c.svc.XMLNamespace)
	}
	x.Start("Error", "")
	c.errorMembers(&x, e, m)
	x.End("Error")
	if !c.s3 {
		x.Text("RequestId", m.RequestID)
		x.End("ErrorResponse")
	}
	w.SetBody(x.Buf)
}

func (c *Codec) errorMembers(x *xmlbody.Encoder, e *wire.Error, m wire.Meta) {
	if !c.s3 {
		kind := "Sender"
		if e.Fault {
			kind = "Receiver"
		}
		x.Text("Type", kind)
	}
	x.Text("Code", e.Code)
	x.Text("Message", e.Message)
	if members, src := c.errs.Detail(e); members != nil {
		if n := len(x.Buf); x.Members(members, src) != nil {
			x.Buf = x.Buf[:n] // its members do not fit: the code and the message do
		}
	}
	if !c.s3 {
		return
	}
	if m.Resource != "" {
		x.Text("Resource", m.Resource)
	}
	x.Text("RequestId", m.RequestID)
	x.Text("HostId", m.HostID)
}
