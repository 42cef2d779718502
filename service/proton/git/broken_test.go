package git

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strongroom/strongroom/test/outside"
)

// breaker stands before Git's own server and spoils one kind of its answers.
type breaker struct {
	target string
	path   string // what the paths of spoilt answers end with
	spoil  func(w http.ResponseWriter, r *http.Request, body []byte)
	off    atomic.Bool
}

func (b *breaker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to, err := url.JoinPath(b.target, r.URL.Path)
	if err != nil {
		panic(err)
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, to+"?"+r.URL.RawQuery, r.Body)
	if err != nil {
		panic(err)
	}
	req.Header, req.ContentLength = r.Header.Clone(), r.ContentLength
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		http.Error(w, "no", http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", res.Header.Get("Content-Type"))
	if !b.off.Load() && strings.HasSuffix(r.URL.String(), b.path) {
		b.spoil(w, r, body)
		return
	}
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(body)
}

// TestBrokenAnswers: a remote whose answers are cut off, stop or are rubbish makes one clear sentence; what may pass is told from
// what will not, and when it is whole again the same change goes through, once.
func TestBrokenAnswers(t *testing.T) {
	cut := func(w http.ResponseWriter, _ *http.Request, body []byte) {
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	stall := func(w http.ResponseWriter, r *http.Request, body []byte) {
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	short := func(w http.ResponseWriter, _ *http.Request, body []byte) { _, _ = w.Write(body[:len(body)-40]) }
	rubbish := func(w http.ResponseWriter, _ *http.Request, body []byte) {
		for i := len(body) / 2; i < len(body); i++ {
			body[i] ^= 0x55
		}
		_, _ = w.Write(body)
	}
	tests := map[string]struct {
		path  string
		spoil func(http.ResponseWriter, *http.Request, []byte)
		want  string // of the sentence, of what may pass; "" for any
	}{
		"references cut":   {"service=git-upload-pack", cut, "ended the connection too early"},
		"references stall": {"service=git-upload-pack", stall, "did not answer in time"},
		"objects short":    {"/git-upload-pack", short, "ended the connection too early"},
		"objects stall":    {"/git-upload-pack", stall, "did not answer in time"},
		"objects rubbish":  {"/git-upload-pack", rubbish, ""},
		"report cut":       {"/git-receive-pack", cut, "ended the connection too early"},
		"report stall":     {"/git-receive-pack", stall, "did not answer in time"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			c := b.overHTTP()
			front := &breaker{target: c.URL, path: test.path, spoil: test.spoil}
			server := httptest.NewServer(front)
			t.Cleanup(server.Close)
			c.URL = server.URL
			r, change := remote(t, c), testChange("one")
			ctx, end := context.Background(), context.CancelFunc(func() {})
			if strings.HasSuffix(name, "stall") {
				ctx, end = context.WithTimeout(ctx, 2*time.Second)
			}
			defer end()
			_, err := r.Propose(ctx, change)
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(e.Sentence, test.want) || strings.ContainsAny(e.Sentence, "\n\x00") || len(e.Sentence) > 600 || test.want != "" && e.Lasting {
				t.Fatalf("got %v, lasting %v; want a sentence with %q that is not", err, e != nil && e.Lasting, test.want)
			}
			front.off.Store(true)
			p := propose(t, r, change)
			wantState(t, r, p, change, Open)
			if list := outside.Git(t, b.bare(), "branch", "--list", "proton-*"); len(strings.Fields(list)) != 1 {
				t.Errorf("the branches are %s", list)
			}
		})
	}
}
