package gateway

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/sigv4"
)

// noLog takes records and forgets them at once, so that a benchmark measures the road alone.
type noLog struct{}

func (noLog) Append(context.Context, *audit.Entry) (audit.Position, error) { return 1, nil }
func (noLog) Wait(context.Context, audit.Position, audit.Position) error   { return nil }

// nowhere is a ResponseWriter without a connection.
type nowhere struct {
	header http.Header
	status int
}

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) WriteHeader(status int)      { w.status = status }
func (w *nowhere) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkRoad measures the gateway's own part of a call: everything between net/http's
// handler interface and the service, without connection, key lookup in a store, or log.
func BenchmarkRoad(b *testing.B) {
	h := startHouse(b, func(c *Config) { c.Audit, c.Log = noLog{}, slog.New(slog.DiscardHandler) })
	const text = `{"Name":"a name of some length","Note":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}`
	template := h.boxRequest(b, "alice", "Put", text)
	template.RequestURI, template.RemoteAddr = "/", "127.0.0.1:40000"
	template.TLS = connectionState()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		r := *template
		r.Body = io.NopCloser(strings.NewReader(text))
		w := &nowhere{header: make(http.Header, 4)}
		h.ServeHTTP(w, r.WithContext(ctx))
		if w.status != 200 {
			b.Fatal(w.status)
		}
	}
}

// BenchmarkInside measures a call of one service on another.
func BenchmarkInside(b *testing.B) {
	h := startHouse(b, func(c *Config) { c.Audit, c.Log = noLog{}, slog.New(slog.DiscardHandler) })
	door, op := h.Inside(deskName), h.boxAPI.Operation("Who")
	in := &boxInput{Name: new(string)}
	*in.Name = "a name"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := door.Invoke(context.Background(), op, in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkServed and BenchmarkBare measure a call over a TLS connection, client included, through the whole road
// and through a bare net/http server that verifies the signature; their difference is the road's.
func BenchmarkServed(b *testing.B) {
	h := startHouse(b, func(c *Config) { c.Audit, c.Log = noLog{}, slog.New(slog.DiscardHandler) })
	benchmarkOverTLS(b, h, h.addr)
}

func BenchmarkBare(b *testing.B) {
	h := startHouse(b)
	addr := startBare(b, h)
	benchmarkOverTLS(b, h, addr)
}

func benchmarkOverTLS(b *testing.B, h *testHouse, addr string) {
	const text = `{"Name":"a name of some length","Note":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}`
	sign := signer("alice", testRegion, "box")
	hash := sigv4.HashPayload([]byte(text))
	b.ReportAllocs()
	for b.Loop() {
		r, err := http.NewRequest("POST", "https://"+addr+"/", strings.NewReader(text))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", "Box.Put")
		if err := sign.Sign(r, hash, time.Now()); err != nil {
			b.Fatal(err)
		}
		resp, err := h.client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
			b.Fatal(resp.StatusCode, err)
		}
		_ = resp.Body.Close()
	}
}
