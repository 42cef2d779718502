package prom

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// maxAnswer bounds the bytes of an answer. It is kept in memory until the call is recorded.
const maxAnswer = 256 << 20

// Answer is a whole answer.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// keeper keeps what a handler writes.
type keeper struct {
	header http.Header
	status int
	body   bytes.Buffer
	over   bool // more than maxAnswer
}

var (
	_ http.ResponseWriter = (*keeper)(nil)
	_ http.Flusher        = (*keeper)(nil)
)

func (k *keeper) Header() http.Header { return k.header }

func (k *keeper) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

func (k *keeper) Write(b []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	if k.over || k.body.Len()+len(b) > maxAnswer {
		k.over = true
		k.body = bytes.Buffer{}
		return 0, http.ErrContentLength
	}
	return k.body.Write(b)
}

// Flush does nothing: the answer leaves as a whole.
func (k *keeper) Flush() {}

func (k *keeper) answer() *Answer {
	if k.over {
		return failure(http.StatusUnprocessableEntity, "execution", "the answer is larger than "+strconv.Itoa(maxAnswer>>20)+" MiB")
	}
	if k.status == 0 {
		k.status = http.StatusOK
	}
	return &Answer{Status: k.status, Header: k.header, Body: k.body.Bytes()}
}

// failure is an error as the HTTP API of Prometheus says it.
func failure(status int, kind, message string) *Answer {
	body, _ := json.Marshal(struct { // three strings always marshal
		Status    string `json:"status"`
		ErrorType string `json:"errorType"`
		Error     string `json:"error"`
	}{"error", kind, message})
	return &Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

// Failure is an error as the HTTP API of Prometheus says it: a kind, such as "unavailable", and a message.
func Failure(status int, kind, message string) *Answer { return failure(status, kind, message) }

// MaxAnswer bounds the bytes of an answer.
const MaxAnswer = maxAnswer

// success is data as the HTTP API of Prometheus says it.
func success(data any) *Answer {
	body, err := json.Marshal(struct {
		Status string `json:"status"`
		Data   any    `json:"data"`
	}{"success", data})
	if err != nil {
		return failure(http.StatusInternalServerError, "internal", err.Error())
	}
	return &Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

// plain is a refusal of a write in the form of upstream's handler.
func plain(status int, message string) *Answer {
	return &Answer{Status: status, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "X-Content-Type-Options": {"nosniff"}}, Body: append([]byte(message), '\n')}
}

// maxRefusal is how much a refusal of a write says, in bytes: upstream's handler has a line for each sample.
const maxRefusal = 8 << 10

// shorten cuts the lines of a refusal that are too many, and says how many they are.
func (a *Answer) shorten() {
	if len(a.Body) <= maxRefusal {
		return
	}
	kept := a.Body[:maxRefusal]
	if end := bytes.LastIndexByte(kept, '\n'); end > 0 {
		kept = kept[:end]
	}
	more := bytes.Count(bytes.TrimSpace(a.Body[len(kept):]), []byte("\n")) + 1
	a.Body = fmt.Appendf(bytes.Clone(kept), "\n... and %d more\n", more)
}

// later adds when to come again, in seconds.
func (a *Answer) later(seconds int) *Answer {
	a.Header.Set("Retry-After", strconv.Itoa(seconds))
	return a
}

// Ask lets a handler answer a request at a path, and keeps the answer within the bounds of all others.
func Ask(ctx context.Context, h http.Handler, r *Request, path string) *Answer {
	k := &keeper{header: http.Header{}}
	serve(h, k, r.http(ctx, path))
	return k.answer()
}
