package gateway

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/xmlbody"
)

const internalFailure = "InternalFailure"

// errBusy is answered while too many calls are under way.
var errBusy = errors.New("too many calls under way")

// answerFor is the one switch from whatever a stage failed with to the error that travels.
func (p *passage) answerFor(err error) *wire.Error {
	var own *wire.Error
	if errors.As(err, &own) && !own.Fault {
		return own
	}
	var refused *sigv4.Error
	var timeout net.Error
	switch {
	case errors.As(err, &refused):
		// Also of a body that was read by a handler: its signature is the client's affair.
		return p.refusal(refused).WithCause(err)
	case errors.Is(err, errBodyTooLarge):
		return p.say(tooLarge, err)
	case errors.Is(err, errBusy):
		return p.say(busy, err)
	case errors.Is(err, context.DeadlineExceeded) && p.ctx.Err() != nil:
		return p.say(tooSlow, err)
	case p.stream.failed != nil && errors.Is(err, p.stream.failed):
		if errors.As(err, &timeout) && timeout.Timeout() {
			return p.say(stalled, err)
		}
		return p.say(cutShort, err)
	case own == nil:
		own = wire.AsError(err)
	}
	if own.Code == internalFailure && p.room != nil && p.room.API.Protocol == wire.RESTXML {
		own = own.WithCause(own.Cause)
		own.Code, own.Message = "InternalError", "We encountered an internal error. Please try again."
	}
	return own
}

// wording is one refusal of the gateway in the words of the protocols.
type wording struct {
	json, query, s3 string // codes
	status          int    // s3Status for REST-XML, where that is not 0
	s3Status        int
	fault           bool
	message         string
}

var (
	tooLarge = &wording{
		json: "RequestEntityTooLargeException", query: "RequestEntityTooLarge", s3: "MaxMessageLengthExceeded",
		status: http.StatusRequestEntityTooLarge, s3Status: http.StatusBadRequest, message: "Your request was too large.",
	}
	busy = &wording{
		json: "ThrottlingException", query: "Throttling", s3: "SlowDown",
		status: http.StatusServiceUnavailable, message: "Please reduce your request rate.",
	}
	tooSlow = &wording{
		json: "ServiceUnavailableException", query: "ServiceUnavailable", s3: "ServiceUnavailable",
		status: http.StatusServiceUnavailable, fault: true, message: "The request has not been completed in time.",
	}
	stalled = &wording{
		json: "RequestTimeoutException", query: "RequestTimeout", s3: "RequestTimeout", status: http.StatusBadRequest,
		message: "Your socket connection to the server was not read from or written to within the timeout period.",
	}
	cutShort = &wording{
		json: "IncompleteBodyException", query: "IncompleteBody", s3: "IncompleteBody", status: http.StatusBadRequest,
		message: "You did not provide the number of bytes specified by the Content-Length HTTP header.",
	}
)

// say words a refusal of the gateway for the service that p is for.
func (p *passage) say(w *wording, cause error) *wire.Error {
	e := &wire.Error{Code: w.query, Status: w.status, Fault: w.fault, Message: w.message, Cause: cause}
	switch p.dialect() {
	case sigv4.JSON, sigv4.RESTJSON:
		e.Code = w.json
	case sigv4.S3:
		e.Code = w.s3
		if w.s3Status != 0 {
			e.Status = w.s3Status
		}
	}
	return e
}

// refusal words what sigv4 refuses.
func (p *passage) refusal(refused *sigv4.Error) *wire.Error {
	e := new(wire.Error)
	e.Status, e.Code, e.Message = refused.Answer(p.dialect())
	if p.dialect() == sigv4.S3 && len(refused.Detail) > 0 {
		e.Detail = refused.Detail
	}
	return e
}

// dialect returns the family of error codes that the client understands.
func (p *passage) dialect() sigv4.Dialect {
	if p.room == nil {
		if p.r != nil && speaksJSON(p.r) {
			return sigv4.JSON
		}
		return sigv4.Query
	}
	switch p.room.API.Protocol {
	case wire.JSON10, wire.JSON11:
		return sigv4.JSON
	case wire.RESTJSON, wire.Raw:
		return sigv4.RESTJSON
	case wire.RESTXML:
		return sigv4.S3
	}
	return sigv4.Query
}

func speaksJSON(r *http.Request) bool {
	return r.Header["X-Amz-Target"] != nil || strings.Contains(r.Header.Get("Content-Type"), "json")
}

// code returns the error code that p ends with, or OK.
func (p *passage) code() string {
	if p.call.Err == nil {
		return "OK"
	}
	return wire.AsError(p.call.Err).Code
}

// meta is what every answer to p carries.
func (p *passage) meta() wire.Meta {
	m := wire.Meta{RequestID: p.call.ID, Resource: p.req.Path, Method: p.r.Method}
	if p.room != nil && p.room.API.Protocol == wire.RESTXML {
		m.HostID = newHostID()
	}
	return m
}

// encode answers: the output, or the error.
func encode(g *Gateway, p *passage) error {
	if p.call.Err != nil {
		g.encodeFailed(p)
		return nil
	}
	resp := wire.Response{Header: p.w.Header()}
	if err := p.room.codec.EncodeOutput(p.door.op, p.call.Out, p.meta(), &resp); err != nil {
		resp.Release()
		return fmt.Errorf("%s %s: encoding the answer: %w", p.room.API.Name, p.door.op.Name, err)
	}
	for name, values := range p.call.Response {
		resp.Header[name] = values
	}
	p.sent = true
	g.timeToAnswer(p)
	if resp.Stream == nil {
		_ = resp.Send(p.w) // a client that has gone is not missed
		return nil
	}
	_ = http.NewResponseController(p.w).SetReadDeadline(noDeadline) // the client has nothing more to say while it listens
	s := &pacedStream{ReadCloser: resp.Stream, pace: writePace(p.w, g.limits.StallTime)}
	resp.Stream = s
	if err := resp.Send(p.w); err != nil {
		p.broken = true
		if s.failed != nil {
			return fmt.Errorf("%s %s: %w", p.room.API.Name, p.door.op.Name, s.failed)
		}
	}
	return nil
}

// timeToAnswer gives an answer its time anew when a body streamed in: that of the server began with the
// request, and the body may have outlasted it.
func (g *Gateway) timeToAnswer(p *passage) {
	if p.door != nil && p.door.streamsIn {
		pace := writePace(p.w, g.limits.StallTime)
		pace.progress()
	}
}

// encodeFailed answers with the error of p.
func (g *Gateway) encodeFailed(p *passage) {
	p.sent = true
	e := wire.AsError(p.call.Err)
	if e.Status == http.StatusServiceUnavailable {
		p.w.Header().Set("Retry-After", "1")
	}
	if p.room != nil && p.room.API.Protocol == wire.Raw && errors.Is(e, sigv4.MissingSignature) {
		p.w.Header()["Www-Authenticate"] = challenges
	}
	g.timeToAnswer(p)
	if _, details := e.Detail.(map[string]string); details || p.room == nil {
		p.writePlain(e)
		return
	}
	resp := wire.Response{Header: p.w.Header()}
	for name, values := range p.call.Response {
		resp.Header[name] = values
	}
	p.room.codec.EncodeError(p.call.Op, e, p.meta(), &resp)
	_ = resp.Send(p.w) // a client that has gone is not missed
}

// writePlain answers with an error that no codec knows the form of: to a client of whom not even
// the service is known, and what S3 says of a signature, with elements of its own such as the
// right Region.
func (p *passage) writePlain(e *wire.Error) {
	h := p.w.Header()
	var body []byte
	details, s3 := e.Detail.(map[string]string)
	switch {
	case s3:
		h["X-Amz-Request-Id"], h["X-Amz-Id-2"] = []string{p.call.ID}, []string{newHostID()}
		h.Set("Content-Type", "application/xml")
		body = s3Error(e, details, p.call.ID)
	case speaksJSON(p.r):
		h["X-Amzn-Requestid"] = []string{p.call.ID}
		h.Set("Content-Type", "application/x-amz-json-1.1")
		body, _ = json.Marshal(struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}{e.Code, e.Message}) // two strings always marshal
	default:
		h["X-Amzn-Requestid"] = []string{p.call.ID}
		h.Set("Content-Type", "text/xml")
		body = queryError(e, p.call.ID)
	}
	h.Set("Content-Length", itoa(len(body)))
	p.w.WriteHeader(e.Status)
	_, _ = p.w.Write(body) // a client that has gone is not missed
}

func s3Error(e *wire.Error, details map[string]string, id string) []byte {
	x := xmlbody.Encoder{Buf: []byte(xml.Header)}
	x.Start("Error", "")
	x.Text("Code", e.Code)
	x.Text("Message", e.Message)
	for _, name := range slices.Sorted(maps.Keys(details)) {
		x.Text(name, details[name])
	}
	x.Text("RequestId", id)
	x.End("Error")
	return x.Buf
}

func queryError(e *wire.Error, id string) []byte {
	x := xmlbody.Encoder{Buf: []byte(xml.Header)}
	x.Start("ErrorResponse", "")
	x.Start("Error", "")
	x.Text("Type", "Sender")
	x.Text("Code", e.Code)
	x.Text("Message", e.Message)
	x.End("Error")
	x.Text("RequestId", id)
	x.End("ErrorResponse")
	return x.Buf
}

// pacedStream is a streaming answer. It moves the deadline for the client on, and remembers
// whether a failure was the stream's own, which is the house's fault.
type pacedStream struct {
	io.ReadCloser
	pace   pace
	failed error
}

var _ io.WriterTo = (*pacedStream)(nil)

func (s *pacedStream) Read(b []byte) (int, error) {
	s.pace.progress()
	n, err := s.ReadCloser.Read(b)
	if err != nil && err != io.EOF {
		s.failed = err
	}
	return n, err
}

// WriteTo lets a stream that writes itself, frame by frame, do so.
func (s *pacedStream) WriteTo(w io.Writer) (int64, error) {
	self, ok := s.ReadCloser.(io.WriterTo)
	if !ok {
		return io.Copy(w, struct{ io.Reader }{s})
	}
	to := &pacedWriter{Writer: w, pace: &s.pace}
	n, err := self.WriteTo(to)
	if err != nil && to.failed == nil {
		s.failed = err
	}
	return n, err
}

type pacedWriter struct {
	io.Writer
	pace   *pace
	failed error
}

func (w *pacedWriter) Write(b []byte) (int, error) {
	w.pace.progress()
	n, err := w.Writer.Write(b)
	if err != nil {
		w.failed = err
	}
	return n, err
}
