package httpbind

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/plan"
)

// RawPayload reports whether f, the payload member, is the body as it is: bytes or
// text, not a document.
func RawPayload(f *plan.Field) bool { return f.Kind == wire.Blob || f.Kind == wire.String }

// DecodeRaw sets dst, a raw payload f, to the body: stream when it streams and
// stream is not nil, else a copy of body. A streaming member is never nil; an
// empty body that does not stream is absent.
func DecodeRaw(f *plan.Field, body []byte, stream io.Reader, dst reflect.Value) error {
	switch {
	case f.Stream:
		if stream == nil {
			stream = bytes.NewReader(bytes.Clone(body))
		}
		dst.Set(reflect.ValueOf(readCloser(stream)))
	case len(body) == 0:
	case f.Kind == wire.Blob:
		dst.SetBytes(bytes.Clone(body))
	case !utf8.Valid(body):
		return &Error{"body", errors.New("not valid UTF-8")}
	default:
		f.SetString(dst, string(body))
	}
	return nil
}

// readCloser gives r a Close when it has none; as an io.Reader it is still what it was.
func readCloser(r io.Reader) io.Reader {
	if rc, ok := r.(io.ReadCloser); ok {
		return rc
	}
	return struct {
		io.Reader
		io.Closer
	}{r, io.NopCloser(nil)}
}

// EncodeRaw makes src, a raw payload f, the body of w.
func EncodeRaw(f *plan.Field, src reflect.Value, w *wire.Response) error {
	if f.Absent(src) {
		return nil
	}
	if f.Stream {
		rc, ok := readCloser(src.Interface().(io.Reader)).(io.ReadCloser)
		if !ok {
			return fmt.Errorf("httpbind: %s is a %T", f.Name, src.Interface())
		}
		w.Stream = rc
		return nil
	}
	w.SetBody(appendRaw(wire.GetBuffer(), f, src))
	return nil
}

// EncodeRawRequest makes src, a raw payload f, the body of r.
func EncodeRawRequest(f *plan.Field, src reflect.Value, r *wire.Request) {
	switch {
	case f.Absent(src):
	case f.Stream:
		r.Stream, r.Length = src.Interface().(io.Reader), -1
	default:
		r.Body = appendRaw(nil, f, src)
	}
}

func appendRaw(b []byte, f *plan.Field, src reflect.Value) []byte {
	if f.Kind == wire.String {
		return append(b, f.Deref(src).String()...)
	}
	return append(b, src.Bytes()...)
}

// RawType returns the content type of a raw payload that nobody gave one.
func RawType(f *plan.Field) string {
	if f.Kind == wire.String {
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// Bodiless reports whether an answer to method with this status must have no body
// (RFC 9110, section 6.4.1).
func Bodiless(method string, status int) bool {
	return method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified || status < 200
}

// Reader returns the stream of r, or nil: not an interface that holds nil.
func Reader(r *wire.Response) io.Reader {
	if r.Stream == nil {
		return nil
	}
	return r.Stream
}

// SetAllow names the methods that are allowed in an answer that a method is not
// (RFC 9110, section 15.5.6).
func SetAllow(e *wire.Error, w *wire.Response) {
	var m *MethodError
	if e.Status == http.StatusMethodNotAllowed && errors.As(e.Cause, &m) {
		w.Header["Allow"] = []string{strings.Join(m.Allow, ", ")}
	}
}
