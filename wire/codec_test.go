package wire

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
)

func TestParseParams(t *testing.T) {
	for raw, want := range map[string][]Param{
		"":                        nil,
		"a":                       {{"a", ""}},
		"b=2&a=1&&a=%20+%2B":      {{"b", "2"}, {"a", "1"}, {"a", "  +"}},
		"a=b=c;d":                 {{"a", "b=c;d"}},
		"%C3%BC=%00&x%3Dy=%26":    {{"ü", "\x00"}, {"x=y", "&"}},
		"uploads&list-type=2&x=1": {{"uploads", ""}, {"list-type", "2"}, {"x", "1"}},
	} {
		if got, err := ParseParams(raw); err != nil || len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, %v", raw, got, err)
		}
	}
	for _, raw := range []string{"%", "a=%1", "a=%zz", "%g0=1"} {
		if got, err := ParseParams(raw); err == nil {
			t.Errorf("%s: got %v", raw, got)
		}
	}
}

func TestForm(t *testing.T) {
	r := &Request{RawQuery: "b=2", Body: []byte("c=3&a=1")}
	want := []Param{{"a", "1"}, {"b", "2"}, {"c", "3"}}
	if got, err := r.Form(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, r := range []*Request{{RawQuery: "a=1", Body: []byte("a=1")}, {Body: []byte("a&a=")}, {RawQuery: "%"}, {Body: []byte("%")}} {
		if got, err := r.Form(); !IsCode(err, "MalformedQueryString") {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if _, err := (&Request{RawQuery: "%"}).Query(); !IsCode(err, "InvalidURI") {
		t.Errorf("got %v", err)
	}
}

func TestSend(t *testing.T) {
	for _, c := range []struct {
		r      Response
		body   string
		length string
	}{
		{Response{Status: 200}, "", "0"},
		{Response{Status: 204}, "", ""},
		{Response{Status: 304}, "", ""},
		{Response{Status: 200, Body: []byte("hello")}, "hello", "5"},
		{Response{Status: 200, Stream: io.NopCloser(bytes.NewReader([]byte("hello")))}, "hello", ""},
	} {
		w := httptest.NewRecorder()
		c.r.Header = w.Header()
		if err := c.r.Send(w); err != nil || w.Code != c.r.Status || w.Body.String() != c.body || w.Header().Get("Content-Length") != c.length {
			t.Errorf("got %d %q %q, %v", w.Code, w.Body, w.Header(), err)
		}
	}
	head := httptest.NewRecorder()
	head.Header()["Content-Length"] = []string{"77"}
	r := Response{Status: 200, Header: head.Header()}
	if err := r.Send(head); err != nil || head.Header().Get("Content-Length") != "77" {
		t.Errorf("HEAD: got %v, %v", head.Header(), err)
	}
}

// TestBuffersAreWiped checks that no answer leaves a secret in the pool.
func TestBuffersAreWiped(t *testing.T) {
	b := append(GetBuffer(), "data key"...)
	r := Response{Header: http.Header{}}
	r.SetBody(b)
	r.Release()
	if !bytes.Equal(b, make([]byte, len(b))) || r.Body != nil {
		t.Errorf("got %q", b)
	}
}

func TestStreams(t *testing.T) {
	blob := &Shape{Kind: Blob}
	op := &Operation{
		Input:  &Shape{Payload: "Body", Members: []*Member{{Name: "Body", Shape: blob, Streaming: true}}},
		Output: &Shape{Payload: "Body", Members: []*Member{{Name: "Body", Shape: blob}}},
	}
	if !op.StreamsInput() || op.StreamsOutput() {
		t.Errorf("got %v, %v", op.StreamsInput(), op.StreamsOutput())
	}
}
