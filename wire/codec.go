package wire

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Codec speaks the protocol of one service, on both sides of the wire. It is made
// once by protocol.New, holds no state of any call and may be used together.
//
// A server goes Route, DecodeInput, EncodeOutput or EncodeError, Response.Send; a
// client EncodeInput, DecodeOutput or DecodeError. Every error that Route and
// DecodeInput return is an *Error that may cross the wire.
type Codec interface {
	// Route finds the operation that r asks for. It reads Method, Path, RawQuery
	// and Header; for the Query protocol also Body. Unknown operations are
	// UnknownOperationException, InvalidAction or MethodNotAllowed, as the protocol has it.
	Route(r *Request) (*Operation, error)

	// DecodeInput reads r into in, a pointer to a zero input of op. It checks form
	// only (SerializationException, MalformedInput, MalformedXML, InvalidArgument);
	// constraints are Validate's. What it sets shares no memory with r.Body; a
	// streaming member becomes r.Stream.
	DecodeInput(op *Operation, r *Request, in any) error

	// EncodeOutput writes out, a pointer to an output of op, to w. An error means
	// that out does not fit its description; w is then good for EncodeError only.
	EncodeOutput(op *Operation, out any, m Meta, w *Response) error

	// EncodeError writes e to w. op is nil when the request was not routed.
	EncodeError(op *Operation, e *Error, m Meta, w *Response)

	// EncodeInput makes the request that asks for op with in, a pointer to an input
	// of op. It first gives every absent idempotency token in in a random value, so
	// that sending in again repeats the same request.
	EncodeInput(op *Operation, in any) (*Request, error)

	// DecodeOutput reads r, an answer with a status below 300, into out, a pointer
	// to a zero output of op. A streaming member becomes r.Stream, which the caller closes.
	DecodeOutput(op *Operation, r *Response, out any) error

	// DecodeError reads r, an answer with a status of 300 or more. It never fails:
	// what cannot be understood becomes an Error named after the status.
	DecodeError(op *Operation, r *Response) *Error
}

// Request is a call as it travels.
type Request struct {
	Method   string
	Path     string // as sent, still escaped, without the query; never cleaned. S3: always path style
	RawQuery string
	Header   http.Header
	Body     []byte    // the whole body, unless the operation's input streams
	Stream   io.Reader // the body of an operation for which StreamsInput holds
	Length   int64     // of Stream in bytes; -1 when unknown

	query, form memo
}

// memo is parameters that were parsed once.
type memo struct {
	params []Param
	done   bool
}

// Param is one key of a query string or form.
type Param struct {
	Key, Value string
}

// Query returns the parameters of RawQuery, unescaped, in the order sent. It
// parses once. A broken escape is an InvalidURI.
func (r *Request) Query() ([]Param, error) {
	if r.query.done {
		return r.query.params, nil
	}
	params, err := ParseParams(r.RawQuery)
	if err != nil {
		return nil, Errorf("InvalidURI", http.StatusBadRequest, "Couldn't parse the specified URI.").WithCause(err)
	}
	r.query = memo{params, true}
	return params, nil
}

// Form returns the parameters of RawQuery and Body together, as the Query protocol
// has them, sorted by key. It parses once. A broken escape or a key that
// comes twice is a MalformedQueryString: which of the two counts must not be a guess.
func (r *Request) Form() ([]Param, error) {
	if r.form.done {
		return r.form.params, nil
	}
	query, err := ParseParams(r.RawQuery)
	if err != nil {
		return nil, malformedQuery(err)
	}
	params, err := ParseParams(string(r.Body))
	if err != nil {
		return nil, malformedQuery(err)
	}
	params = append(params, query...)
	slices.SortFunc(params, func(a, b Param) int { return strings.Compare(a.Key, b.Key) })
	for i := 1; i < len(params); i++ {
		if params[i].Key == params[i-1].Key {
			return nil, malformedQuery(errors.New("a parameter is given twice"))
		}
	}
	r.form = memo{params, true}
	return params, nil
}

func malformedQuery(err error) *Error {
	return Errorf("MalformedQueryString", http.StatusBadRequest, "The query string is malformed: %v", err)
}

var errEscape = errors.New("invalid percent-encoding") // says nothing of the value, which may be secret

// ParseParams splits a query string or an application/x-www-form-urlencoded body.
// Unlike url.ParseQuery it keeps the order and stops at the first broken escape.
func ParseParams(raw string) ([]Param, error) {
	if raw == "" {
		return nil, nil
	}
	params := make([]Param, 0, strings.Count(raw, "&")+1)
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		key, err := url.QueryUnescape(key)
		if err != nil {
			return nil, errEscape
		}
		value, err = url.QueryUnescape(value)
		if err != nil {
			return nil, errEscape
		}
		params = append(params, Param{key, value})
	}
	return params, nil
}

// Meta is what an answer carries beside its result.
type Meta struct {
	RequestID string
	HostID    string // S3 only: x-amz-id-2
	Resource  string // S3 errors only: the path that was asked for
	Method    string // of the request; an answer to HEAD has no body
}

// Response is an answer as it travels.
type Response struct {
	Status int
	Header http.Header   // made by the caller; a server passes its ResponseWriter's
	Body   []byte        // the whole body, unless Stream is set
	Stream io.ReadCloser // the body of an operation whose output streams
	pooled bool
}

// Send writes r, whose Header is w's, to w, closes its stream and takes its buffer back; r must not be
// used again. When the error is that of the stream, headers and part of the body
// may have left: the caller must break the connection, so that no client takes
// the part for the whole.
func (r *Response) Send(w http.ResponseWriter) error {
	defer r.Release()
	if r.Stream != nil {
		w.WriteHeader(r.Status)
		if _, err := io.Copy(w, r.Stream); err != nil {
			return fmt.Errorf("streaming answer: %w", err)
		}
		return nil
	}
	if len(r.Body) == 0 {
		if w.Header()["Content-Length"] == nil && bodyAllowed(r.Status) {
			w.Header()["Content-Length"] = zeroLength
		}
		w.WriteHeader(r.Status)
		return nil
	}
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(r.Body))}
	w.WriteHeader(r.Status)
	_, err := w.Write(r.Body)
	return err
}

var zeroLength = []string{"0"}

// bodyAllowed reports whether an answer with this status may name a length (RFC 9110, section 8.6).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// Release closes the stream of r and gives its buffer back without sending anything.
func (r *Response) Release() {
	if r.Stream != nil {
		_ = r.Stream.Close() // the bytes are out or no longer wanted; nothing depends on it
		r.Stream = nil
	}
	if r.pooled {
		PutBuffer(r.Body)
		r.pooled = false
	}
	r.Body = nil
}

// SetBody makes b, a slice that began as GetBuffer's, the body of r, which gives it back when sent.
func (r *Response) SetBody(b []byte) {
	r.Body, r.pooled = b, true
}

// maxPooled bounds what an idle buffer may hold on to.
const maxPooled = 1 << 20

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// GetBuffer returns an empty buffer to append to.
func GetBuffer() []byte {
	return (*buffers.Get().(*[]byte))[:0]
}

// PutBuffer takes back a buffer, wiped: answers hold plaintext and data keys.
func PutBuffer(b []byte) {
	if cap(b) == 0 || cap(b) > maxPooled {
		clear(b)
		return
	}
	clear(b)
	b = b[:0]
	buffers.Put(&b)
}

// StreamsInput reports whether the input of o has a member that is read from
// Request.Stream while the operation runs.
func (o *Operation) StreamsInput() bool { return o.Input.streams() }

// StreamsOutput reports whether the output of o has a member that is copied from an io.ReadCloser.
func (o *Operation) StreamsOutput() bool { return o.Output.streams() }

// streams reports whether the payload member of structure s is a stream of bytes.
func (s *Shape) streams() bool {
	if s == nil || s.Payload == "" {
		return false
	}
	for _, m := range s.Members {
		if m.Name == s.Payload {
			return m.Streaming && m.Shape.Kind == Blob
		}
	}
	return false
}
