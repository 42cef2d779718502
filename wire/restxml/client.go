package restxml

import (
	"fmt"
	"net/http"
	"reflect"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/httpbind"
	"github.com/strongroom/strongroom/wire/xmlbody"
)

// EncodeInput implements wire.Codec.
func (c *Codec) EncodeInput(op *wire.Operation, in any) (*wire.Request, error) {
	o := c.ops[op]
	if o == nil {
		o = &operation{}
	}
	src, err := o.in.Of(in)
	if err != nil {
		return nil, err
	}
	o.in.Struct.FillTokens(src)
	r := &wire.Request{Header: http.Header{}}
	if err = o.in.EncodeRequest(c.router.Of(op), src, r); err == nil {
		err = c.encodeBody(o, src, r)
	}
	if err != nil {
		return nil, fmt.Errorf("restxml: %s: %w", op.Name, err)
	}
	return r, nil
}

func (c *Codec) encodeBody(o *operation, src reflect.Value, r *wire.Request) error {
	f, contentType := o.in.Struct.Payload, "application/xml"
	e := xmlbody.Encoder{Time: c.time}
	var err error
	switch {
	case f != nil && f.Absent(src.Field(f.Field)):
		return nil
	case f != nil && httpbind.RawPayload(f):
		httpbind.EncodeRawRequest(f, src.Field(f.Field), r)
		contentType = httpbind.RawType(f)
	case f != nil:
		err = e.Struct(o.inRoot.name, o.inRoot.namespace, f.Struct, f.Deref(src.Field(f.Field)))
		r.Body = e.Buf
	default:
		n := len(e.Buf)
		if err = e.Members(o.in.Struct, src); err != nil || len(e.Buf) == n {
			return err // nothing to say
		}
		e.Buf = e.Buf[:0]
		err = e.Struct(o.inRoot.name, o.inRoot.namespace, o.in.Struct, src)
		r.Body = e.Buf
	}
	if r.Header["Content-Type"] == nil {
		r.Header["Content-Type"] = []string{contentType}
	}
	return err
}

// DecodeOutput implements wire.Codec.
func (c *Codec) DecodeOutput(op *wire.Operation, r *wire.Response, out any) error {
	o := c.ops[op]
	if o == nil {
		o = &operation{}
	}
	dst, err := o.out.Of(out)
	if err != nil {
		return err
	}
	if err = o.out.DecodeAnswer(r, dst); err == nil {
		err = c.decodeAnswer(o, r, dst)
	}
	if err != nil {
		return fmt.Errorf("restxml: answer to %s: %w", op.Name, err)
	}
	return nil
}

func (c *Codec) decodeAnswer(o *operation, r *wire.Response, dst reflect.Value) error {
	f := o.out.Struct.Payload
	if f != nil && httpbind.RawPayload(f) {
		return httpbind.DecodeRaw(f, r.Body, httpbind.Reader(r), dst.Field(f.Field))
	}
	if len(r.Body) == 0 || f == nil && len(o.out.Struct.Body) == 0 {
		return nil
	}
	d, err := xmlbody.Open(r.Body, xmlbody.Answer)
	if err != nil {
		return err
	}
	switch {
	case o.bareText != nil:
		var text string
		if text, err = d.Text(); err == nil && text != "" {
			err = o.bareText.ParseText(dst.Field(o.bareText.Field), text, c.time)
		}
	case f != nil:
		err = d.Value(&f.Value, dst.Field(f.Field))
	default:
		err = d.Struct(o.out.Struct, dst)
	}
	if err != nil {
		return err
	}
	return d.Close()
}

// DecodeError implements wire.Codec.
func (c *Codec) DecodeError(op *wire.Operation, r *wire.Response) *wire.Error {
	e, err := xmlbody.DecodeError(c.errs, r.Body, r.Status)
	if err != nil { // HEAD has no body, so the status is all there is
		e = &wire.Error{Code: statusCode(r.Status), Message: http.StatusText(r.Status), Status: r.Status, Fault: r.Status >= 500}
	}
	return e
}

// statusCode names an error that came without a body, as AWS's SDKs do.
func statusCode(status int) string {
	switch status {
	case http.StatusNotModified:
		return "NotModified"
	case http.StatusBadRequest:
		return "BadRequest"
	case http.StatusForbidden:
		return "Forbidden"
	case http.StatusNotFound:
		return "NotFound"
	case http.StatusMethodNotAllowed:
		return "MethodNotAllowed"
	case http.StatusPreconditionFailed:
		return "PreconditionFailed"
	}
	return "UnknownError"
}
