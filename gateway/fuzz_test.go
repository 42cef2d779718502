package gateway

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"
)

// FuzzRoad sends requests of any form from strangers down the road. None may be let in, none may
// be the house's fault, and none may end it.
func FuzzRoad(f *testing.F) {
	h := startHouse(f)
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /private/k?versionId=1 HTTP/1.1\r\nHost: photos.localhost:1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: Box.Put\r\nContent-Length: 2\r\n\r\n{}",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 31\r\n\r\nAction=Tell&Version=2011-11-11%",
		"GET /?Action=Tell&Version=2011-11-11 HTTP/1.1\r\nHost: a\r\n\r\n",
		"PUT /b/k HTTP/1.1\r\nHost: a\r\nX-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nX-Amz-Decoded-Content-Length: 1\r\nContent-Length: 11\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		"GET /b/k HTTP/1.1\r\nHost: a\r\nAuthorization: AWS4-HMAC-SHA256 Credential=alice/20260101/eu-test-1/s3/aws4_request, SignedHeaders=host, Signature=00\r\n\r\n",
		"GET /b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=alice%2F20260101%2Feu-test-1%2Fs3%2Faws4_request HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /b?delete HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"OPTIONS /%2e%2e/..//x HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		r.TLS, r.RemoteAddr = connectionState(), "192.0.2.1:1"
		w := &nowhere{header: http.Header{}}
		start := time.Now()
		h.ServeHTTP(w, r)
		if w.status < 400 && !strings.Contains(text, "Hello") || w.status >= 500 && w.status != http.StatusNotImplemented {
			t.Errorf("answered %d after %v: %q", w.status, time.Since(start), text)
		}
	})
}
