package prom

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestPacked answers clients that take gzip: what is long is compressed, in one part or many, what is short is as it was.
func TestPacked(t *testing.T) {
	short, long := strings.Repeat("a", worthPacking-1), strings.Repeat("0123456789", 100_000)
	for name, c := range map[string]struct {
		accept, body string
		part         int
		want         string
	}{
		"nothing is asked for": {"", long, len(long), ""},
		"short":                {"gzip", short, 100, ""},
		"empty":                {"gzip", "", 1, ""},
		"long":                 {"deflate;q=0.5, gzip", long, len(long), "gzip"},
		"in parts":             {"gzip", long, 1000, "gzip"},
		"deflate first":        {"deflate, gzip", long, len(long), ""}, // left to upstream
		"another":              {"br", long, len(long), ""},
	} {
		for range 2 { // the second writer has been used before
			k := &keeper{header: http.Header{}}
			servePacked(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusTeapot)
				for b := []byte(c.body); len(b) > 0; {
					n := min(c.part, len(b))
					if m, err := w.Write(b[:n]); m != n || err != nil {
						t.Errorf("%s: wrote %d of %d, %v", name, m, n, err)
					}
					b = b[n:]
				}
			}), k, &http.Request{Header: http.Header{"Accept-Encoding": {c.accept}}})
			got := k.answer()
			if enc := got.Header.Get("Content-Encoding"); enc != c.want || got.Status != http.StatusTeapot {
				t.Errorf("%s: encoding %q, status %d; want %q and %d", name, enc, got.Status, c.want, http.StatusTeapot)
			}
			if c.want != "" {
				z, err := gzip.NewReader(bytes.NewReader(got.Body))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if got.Body, err = io.ReadAll(z); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			if string(got.Body) != c.body {
				t.Errorf("%s: got %d bytes, want %d, or they differ", name, len(got.Body), len(c.body))
			}
		}
	}
}
