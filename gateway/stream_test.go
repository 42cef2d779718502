package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/sigv4"
)

func TestStreamBothWays(t *testing.T) {
	h := startHouse(t)
	bytes_ := make([]byte, 3<<20)
	_, _ = rand.Read(bytes_)
	h.do(t, h.shelfRequest(t, "alice", "PUT", "/b/k", string(bytes_))).want(t, 200)
	got := h.do(t, h.shelfRequest(t, "alice", "GET", "/b/k", ""))
	if got.status != 200 || got.body != string(bytes_) {
		t.Errorf("status %d, %d bytes, want what was put", got.status, len(got.body))
	}
	if !strings.Contains(got.header.Get("X-Amz-Id-2"), "") || got.header.Get("X-Amz-Request-Id") == "" {
		t.Errorf("headers %v", got.header)
	}
}

func TestStreamWithTrailer(t *testing.T) {
	h := startHouse(t)
	for _, unsigned := range []bool{true, false} {
		r, _ := http.NewRequest("PUT", "https://"+h.addr+"/b/k", strings.NewReader("chunked bytes"))
		err := signer("alice", testRegion, "s3").SignStream(r, sigv4.Stream{Length: 13, Unsigned: unsigned, Trailer: []sigv4.Trailer{
			{Name: "x-amz-checksum-crc32c", Size: 8, Value: func() string { return "AAAAAA==" }},
		}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		h.do(t, r).want(t, 200)
		if got := h.shelf.seen.Get("X-Amz-Checksum-Crc32c"); got != "AAAAAA==" {
			t.Errorf("unsigned %t: the trailer is %q", unsigned, got)
		}
		if got := string(h.shelf.objects["b/k"]); got != "chunked bytes" {
			t.Errorf("stored %q", got)
		}
	}
}

// A body that is not what was signed is S3's error, though it is the handler that meets it.
func TestStreamOfOtherBytes(t *testing.T) {
	h := startHouse(t)
	r := h.shelfRequest(t, "alice", "PUT", "/b/k", "signed")
	r.Body = io.NopCloser(strings.NewReader("forged"))
	h.do(t, r).want(t, 400, "<Code>XAmzContentSHA256Mismatch</Code>")
	if h.shelf.objects["b/k"] != nil {
		t.Error("the bytes were stored")
	}
	rs := h.audit.records(t, testAccount)
	if len(rs) != 1 || rs[0].ErrorCode != "XAmzContentSHA256Mismatch" {
		t.Errorf("records %+v", rs)
	}
}

// A caller who may not write is told so before a byte of the body is asked for.
func TestExpectContinue(t *testing.T) {
	h := startHouse(t)
	for _, tt := range []struct {
		key   string
		first string
	}{{"alice", "HTTP/1.1 100 Continue"}, {"bob", "HTTP/1.1 403 Forbidden"}} {
		c, err := tls.Dial("tcp", h.addr, h.tls())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		r := h.shelfRequest(t, tt.key, "PUT", "/b/k", "bytes")
		var text bytes.Buffer
		text.WriteString("PUT /b/k HTTP/1.1\r\nHost: " + h.addr + "\r\nContent-Length: 5\r\nExpect: 100-continue\r\n")
		_ = r.Header.Write(&text)
		text.WriteString("\r\n")
		_, _ = c.Write(text.Bytes())
		in := bufio.NewReader(c)
		line, err := in.ReadString('\n')
		if err != nil || strings.TrimSpace(line) != tt.first {
			t.Errorf("%s is told %q first, want %q (%v)", tt.key, line, tt.first, err)
		}
		if tt.key == "alice" {
			_, _ = in.ReadString('\n')
			_, _ = io.WriteString(c, "bytes")
			resp, err := http.ReadResponse(in, nil)
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("after the body: %v, %v", resp, err)
			}
		}
		_ = c.Close()
	}
}

// The record is in the log, durable, before the first byte leaves.
func TestStreamIsRecordedFirst(t *testing.T) {
	h := startHouse(t)
	h.shelf.objects["b/k"] = []byte("bytes")
	h.shelf.onGet = func(_ context.Context, body []byte) (io.ReadCloser, error) {
		return &closeable{Reader: readFunc(func(b []byte) (int, error) {
			h.audit.mu.Lock()
			defer h.audit.mu.Unlock()
			if h.audit.waited != audit.Position(len(h.audit.entries)) || h.audit.waited == 0 {
				return 0, errors.New("read before the record was durable")
			}
			n := copy(b, body)
			body = body[n:]
			if n == 0 {
				return 0, io.EOF
			}
			return n, nil
		})}, nil
	}
	h.do(t, h.shelfRequest(t, "alice", "GET", "/b/k", "")).want(t, 200, "bytes")
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

// A stream that fails half-way breaks the connection: the client never takes the half for the whole.
func TestStreamBreaks(t *testing.T) {
	h := startHouse(t)
	h.shelf.objects["b/k"] = nil
	h.shelf.onGet = func(context.Context, []byte) (io.ReadCloser, error) {
		failing := io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), readFunc(func([]byte) (int, error) { return 0, errors.New("frame 17 is corrupt") }))
		return &closeable{Reader: failing}, nil
	}
	for _, version := range []int{1, 2} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: h.tls(), ForceAttemptHTTP2: version == 2}}
		resp, err := client.Do(h.shelfRequest(t, "alice", "GET", "/b/k", ""))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("HTTP/%d: the broken stream was read to its end", version)
		}
		_ = resp.Body.Close()
		client.CloseIdleConnections()
	}
	deadline := time.Now().Add(5 * time.Second)
	for strings.Count(h.log.String(), "frame 17 is corrupt") < 2 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if log := h.log.String(); strings.Count(log, "frame 17 is corrupt") != 2 {
		t.Errorf("want the cause of both in the log:\n%s", log)
	}
}

// A stream may last longer than any limit as long as it moves, and no longer when it does not.
func TestStreamPace(t *testing.T) {
	h := startHouse(t, func(c *Config) {
		c.Limits.BodyTime, c.Limits.CallTime, c.Limits.StallTime = 150*time.Millisecond, 10*time.Millisecond, 600*time.Millisecond
	})
	pace := func(n int, wait time.Duration) io.Reader {
		return readFunc(func(b []byte) (int, error) {
			if n == 0 {
				return 0, io.EOF
			}
			n--
			time.Sleep(wait)
			b[0] = 'x'
			return 1, nil
		})
	}
	put := func(body io.Reader, length int64) *http.Request {
		r, _ := http.NewRequest("PUT", "https://"+h.addr+"/b/k", body)
		r.ContentLength = length
		if err := signer("alice", testRegion, "s3").Sign(r, sigv4.UnsignedPayload, time.Now()); err != nil {
			t.Fatal(err)
		}
		return r
	}
	h.do(t, put(pace(10, 40*time.Millisecond), 10)).want(t, 200)
	h.shelf.onGet = func(context.Context, []byte) (io.ReadCloser, error) {
		return &closeable{Reader: pace(10, 40*time.Millisecond)}, nil
	}
	h.do(t, h.shelfRequest(t, "alice", "GET", "/b/k", "")).want(t, 200, "xxxxxxxxxx")

	r := h.shelfRequest(t, "alice", "PUT", "/b/stalled", "x")
	var text strings.Builder
	text.WriteString("PUT /b/stalled HTTP/1.1\r\nHost: " + h.addr + "\r\nContent-Length: 1\r\n")
	_ = r.Header.Write(&text)
	got := h.raw(t, text.String()+"\r\n")
	if got.status != 400 || !strings.Contains(got.body, "RequestTimeout") {
		t.Errorf("a stalled body is answered %d %s", got.status, got.body)
	}
}
