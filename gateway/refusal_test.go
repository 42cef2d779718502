package gateway

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/sigv4"
)

// raw sends text over a TLS connection and returns the first answer.
func (h *testHouse) raw(t *testing.T, text string) reply {
	t.Helper()
	c, err := tls.Dial("tcp", h.addr, h.tls())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	go func() { _, _ = io.WriteString(c, text) }()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(body)}
}

func TestBadInput(t *testing.T) {
	h := startHouse(t, func(c *Config) { c.Limits.Body = 4 << 10; c.Limits.XMLBody = 4 << 10; c.Limits.Header = 8 << 10 })
	deep := strings.Repeat(`{"Inner":`, 5000) + "{}" + strings.Repeat("}", 5000)
	signed := func(change func(*http.Request)) func(t *testing.T) *http.Request {
		return func(t *testing.T) *http.Request {
			r := h.boxRequest(t, "alice", "Put", `{"Name":"a"}`)
			change(r)
			return r
		}
	}
	box := func(body string) func(t *testing.T) *http.Request {
		return func(t *testing.T) *http.Request { return h.boxRequest(t, "alice", "Put", body) }
	}
	shelf := func(method, path, body string) func(t *testing.T) *http.Request {
		return func(t *testing.T) *http.Request { return h.shelfRequest(t, "alice", method, path, body) }
	}
	resign := func(region, service string, at time.Duration) func(r *http.Request) {
		return func(r *http.Request) {
			r.Header.Del("Authorization")
			if err := signer("alice", region, service).Sign(r, sigv4.HashPayload([]byte(`{"Name":"a"}`)), time.Now().Add(at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name    string
		request func(t *testing.T) *http.Request
		status  int
		want    []string
	}{
		{"wrong signature", signed(func(r *http.Request) {
			a := r.Header.Get("Authorization")
			r.Header.Set("Authorization", a[:len(a)-64]+strings.Repeat("0", 64))
		}), 400, []string{`"InvalidSignatureException"`}},
		{"changed body", signed(func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"Name":"b"}`)) }), 400, []string{`"InvalidSignatureException"`}},
		{"changed target", signed(func(r *http.Request) { r.Header.Set("X-Amz-Target", "Box.Get") }), 400, []string{`"InvalidSignatureException"`}},
		{"expired", signed(resign(testRegion, "box", -time.Hour)), 400, []string{`"InvalidSignatureException"`, "Signature expired"}},
		{"early", signed(resign(testRegion, "box", time.Hour)), 400, []string{`"InvalidSignatureException"`, "not yet current"}},
		{"other region", signed(resign("ap-no-1", "box", 0)), 400, []string{"Credential should be scoped to a valid region"}},
		{"other service", signed(resign(testRegion, "names", 0)), 400, []string{"Credential should be scoped to correct service: 'box'."}},
		{"unknown service", func(t *testing.T) *http.Request {
			r, _ := http.NewRequest("POST", "https://"+h.addr+"/", strings.NewReader(""))
			if err := signer("alice", testRegion, "teapots").Sign(r, sigv4.HashPayload(nil), time.Now()); err != nil {
				t.Fatal(err)
			}
			return r
		}, 400, []string{"UnknownServiceException", "not &apos;teapots&apos;"}},
		{"oversize", box(`{"Name":"` + strings.Repeat("x", 5000) + `"}`), 413, []string{"RequestEntityTooLargeException"}},
		{"oversize, length unknown", signed(func(r *http.Request) {
			r.ContentLength, r.Body = -1, io.NopCloser(strings.NewReader(strings.Repeat("x", 1<<16)))
		}), 413, []string{"RequestEntityTooLargeException"}},
		{"oversize XML", shelf("POST", "/b?delete", "<Delete><Key>"+strings.Repeat("x", 5000)+"</Key></Delete>"), 400, []string{"MaxMessageLengthExceeded"}},
		{"not JSON", box(`name=a`), 400, []string{"SerializationException"}},
		{"deeply nested", func(t *testing.T) *http.Request { return h.boxRequest(t, "alice", "Put", deep[:4000]) }, 400, []string{"SerializationException"}},
		{"invalid UTF-8", box("{\"Name\":\"\xff\xfe\"}"), 400, []string{"SerializationException"}},
		{"no body", box(""), 400, []string{"Value null at 'name'"}},
		{"malformed XML", shelf("POST", "/b?delete", "<Delete><Key>"), 400, []string{"MalformedXML"}},
		{"S3, unknown key", func(t *testing.T) *http.Request { return h.shelfRequest(t, "mallory", "GET", "/b/k", "") }, 403, []string{"<Code>InvalidAccessKeyId</Code>", "<AWSAccessKeyId>mallory</AWSAccessKeyId>"}},
		{"S3, other region", func(t *testing.T) *http.Request {
			r := h.shelfRequest(t, "", "GET", "/b/k", "")
			if err := signer("alice", "ap-no-1", "s3").Sign(r, sigv4.HashPayload(nil), time.Now()); err != nil {
				t.Fatal(err)
			}
			return r
		}, 400, []string{"<Code>AuthorizationHeaderMalformed</Code>", "<Region>" + testRegion + "</Region>", "<RequestId>"}},
		{"S3, skewed", func(t *testing.T) *http.Request {
			r := h.shelfRequest(t, "", "GET", "/b/k", "")
			if err := signer("alice", testRegion, "s3").Sign(r, sigv4.HashPayload(nil), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			return r
		}, 403, []string{"<Code>RequestTimeTooSkewed</Code>"}},
		{"S3, no such operation", shelf("PATCH", "/b/k", ""), 405, []string{"MethodNotAllowed"}},
		{"S3, not XML", shelf("POST", "/b?delete", "keys"), 400, []string{"MalformedXML"}},
		{"CORS", func(t *testing.T) *http.Request {
			r, _ := http.NewRequest("OPTIONS", "https://"+h.addr+"/b/k", nil)
			r.Header.Set("Origin", "https://example.org")
			return r
		}, 403, []string{"AccessForbidden"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { h.do(t, tt.request(t)).want(t, tt.status, tt.want...) })
	}
	if records := h.audit.records(t, testAccount); len(records) == 0 {
		t.Error("what known callers sent was not recorded")
	}
	h.call(t, "alice", "Put", `{"Name":"a"}`).want(t, 200)
}

func TestRawInput(t *testing.T) {
	h := startHouse(t, func(c *Config) { c.Limits.Header = 8 << 10 })
	tests := []struct {
		name, text string
		status     int
	}{
		{"not HTTP", "\x00\x01\x02\r\n\r\n", 400},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"header too long", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", 431},
		{"length twice", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		{"length and chunks", "POST /b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n", 405},
		{"bad escape", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"absolute form", "GET https://a/private/k HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 403},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200},
		{"connect", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nConnection: close\r\n\r\n", 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { h.raw(t, tt.text).want(t, tt.status) })
	}
	h.call(t, "alice", "Get", `{"Name":"a"}`).want(t, 200)
}

func TestSlowClientsAreCut(t *testing.T) {
	h := startHouse(t, func(c *Config) { c.Limits.HeaderTime, c.Limits.BodyTime = 100*time.Millisecond, 100*time.Millisecond })
	t.Run("in the handshake", func(t *testing.T) {
		c, err := net.Dial("tcp", h.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("the connection was not closed: %v", err)
		}
	})
	t.Run("in the headers", func(t *testing.T) {
		c, err := tls.Dial("tcp", h.addr, h.tls())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n")
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("the connection was not closed: %v", err)
		}
	})
	t.Run("in the body", func(t *testing.T) {
		r := h.boxRequest(t, "alice", "Put", `{"Name":"a"}`)
		var text strings.Builder
		text.WriteString("POST / HTTP/1.1\r\nHost: " + h.addr + "\r\nContent-Length: 100\r\n")
		_ = r.Header.Write(&text)
		h.raw(t, text.String()+"\r\n{").want(t, 400, "RequestTimeoutException")
	})
}
