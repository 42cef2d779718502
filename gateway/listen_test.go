package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTLS(t *testing.T) {
	h := startHouse(t)
	tests := []struct {
		name    string
		config  *tls.Config
		refused bool
		version uint16
		curve   tls.CurveID
		proto   string
	}{
		{name: "modern", version: tls.VersionTLS13, curve: tls.X25519MLKEM768},
		{name: "1.3 without post-quantum", config: &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519}}, version: tls.VersionTLS13, curve: tls.X25519},
		{name: "1.2", config: &tls.Config{MaxVersion: tls.VersionTLS12}, version: tls.VersionTLS12, curve: tls.X25519},
		{name: "1.1", config: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, refused: true},
		{name: "1.0", config: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, refused: true},
		{name: "CBC", config: &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}, refused: true},
		{name: "no forward secrecy", config: &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}, refused: true},
		{name: "HTTP/2", config: &tls.Config{NextProtos: []string{"h2", "http/1.1"}}, version: tls.VersionTLS13, curve: tls.X25519MLKEM768, proto: "h2"},
		{name: "unknown protocol", config: &tls.Config{NextProtos: []string{"spdy/1"}}, refused: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.config == nil {
				tt.config = new(tls.Config)
			}
			tt.config.RootCAs = h.roots
			c, err := tls.Dial("tcp", h.addr, tt.config)
			if tt.refused {
				if err == nil {
					_ = c.Close()
					t.Fatal("the handshake was accepted")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			got := c.ConnectionState()
			if got.Version != tt.version || got.CurveID != tt.curve || got.NegotiatedProtocol != tt.proto {
				t.Errorf("got %s, %s, %q", tls.VersionName(got.Version), got.CurveID, got.NegotiatedProtocol)
			}
		})
	}
}

func TestHTTP2(t *testing.T) {
	h := startHouse(t)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: h.tls(), ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	h.client = client
	h.call(t, "alice", "Put", `{"Name":"a"}`).want(t, 200, `"a"`)
	h.do(t, h.shelfRequest(t, "alice", "PUT", "/b/k", "bytes")).want(t, 200)
	r := h.shelfRequest(t, "alice", "GET", "/b/k", "")
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "bytes" || resp.ProtoMajor != 2 {
		t.Errorf("%q over HTTP/%d: %v", body, resp.ProtoMajor, err)
	}
}

func TestPlainHTTPIsRefused(t *testing.T) {
	h := startHouse(t)
	for _, method := range []string{"GET", "POST", "DELETE", "PATCH"} {
		c, err := net.Dial("tcp", h.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, method+" /secret HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n"+strings.Repeat("x", 70000))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 400 || !resp.Close || !strings.Contains(string(body), "HTTPS only") {
			t.Errorf("%s: %d %q, close %t, %v", method, resp.StatusCode, body, resp.Close, err)
		}
		_ = c.Close()
	}
}

func TestHandlerWithoutTLSIsClosed(t *testing.T) {
	h := startHouse(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h.Gateway, ReadHeaderTimeout: time.Second}
	go func() { _ = s.Serve(l) }()
	defer func() { _ = s.Close() }()
	r := h.boxRequest(t, "alice", "Get", `{"Name":"a"}`)
	r.URL.Scheme, r.URL.Host = "http", l.Addr().String()
	h.do(t, r).want(t, 403, "HTTPS only")
}

// block makes box wait until release is called; entered tells of each call that waits.
func block(h *testHouse) (entered chan struct{}, release func()) {
	entered, done := make(chan struct{}, 16), make(chan struct{})
	h.box.set(func(ctx context.Context, _ string, in *boxInput) (*boxOutput, error) {
		entered <- struct{}{}
		select {
		case <-done:
			return &boxOutput{Name: in.Name}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	return entered, sync.OnceFunc(func() { close(done) })
}

func TestTooManyCalls(t *testing.T) {
	h := startHouse(t, func(c *Config) { c.Limits.Calls = 2 })
	entered, release := block(h)
	defer release()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { h.call(t, "alice", "Get", `{"Name":"a"}`).want(t, 200) })
	}
	<-entered
	<-entered
	r := h.call(t, "alice", "Get", `{"Name":"a"}`)
	r.want(t, 503, "ThrottlingException")
	if r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	h.do(t, h.shelfRequest(t, "alice", "GET", "/b/k", "")).want(t, 503, "<Code>SlowDown</Code>")
	release()
	wg.Wait()
	h.call(t, "alice", "Get", `{"Name":"a"}`).want(t, 200)
}

func TestTooManyConnections(t *testing.T) {
	h := startHouse(t, func(c *Config) { c.Limits.Connections = 1 })
	first, err := tls.Dial("tcp", h.addr, h.tls())
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() {
		c, err := tls.Dial("tcp", h.addr, h.tls())
		if err == nil {
			err = c.Close()
		}
		second <- err
	}()
	select {
	case err := <-second:
		t.Fatalf("a second connection was served: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	_ = first.Close()
	if err := <-second; err != nil {
		t.Errorf("the second connection, after the first: %v", err)
	}
}

func TestCallTime(t *testing.T) {
	h := startHouse(t, func(c *Config) { c.Limits.CallTime = 30 * time.Millisecond })
	_, release := block(h)
	defer release()
	h.call(t, "alice", "Get", `{"Name":"a"}`).want(t, 503, "ServiceUnavailableException")
	if rs := h.audit.records(t, testAccount); len(rs) != 1 || rs[0].ErrorCode != "ServiceUnavailableException" {
		t.Errorf("records %+v", rs)
	}
}

func TestShutdownDrains(t *testing.T) {
	h := startHouse(t)
	entered, release := block(h)
	answered := make(chan reply, 1)
	go func() { answered <- h.call(t, "alice", "Get", `{"Name":"a"}`) }()
	<-entered
	down := make(chan error, 1)
	go func() { down <- h.Shutdown(context.Background()) }()
	for h.health(context.Background()) == nil {
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-down:
		t.Fatalf("Shutdown returned with a call under way: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	release()
	(<-answered).want(t, 200, `"a"`)
	if err := <-down; err != nil {
		t.Error(err)
	}
	if _, err := tls.Dial("tcp", h.addr, h.tls()); err == nil {
		t.Error("the port is still open")
	}
}

func TestShutdownGivesUp(t *testing.T) {
	h := startHouse(t)
	entered, release := block(h)
	defer release()
	failed := make(chan error, 1)
	go func() {
		_, err := h.client.Do(h.boxRequest(t, "alice", "Get", `{"Name":"a"}`))
		failed <- err
	}()
	<-entered
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := h.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v, want its context's error", err)
	}
	if err := <-failed; err == nil {
		t.Error("the call under way was not broken")
	}
}

func TestOperatorListener(t *testing.T) {
	sick := errors.New("the log is full")
	var mu sync.Mutex
	var health error
	h := startHouse(t, func(c *Config) {
		c.Healthy = func(context.Context) error { mu.Lock(); defer mu.Unlock(); return health }
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.ServeOperator(l) }()
	get := func(path string) reply {
		r, _ := http.NewRequest("GET", "http://"+l.Addr().String()+path, nil)
		return h.do(t, r)
	}
	get("/healthz").want(t, 200, "ok")
	h.call(t, "alice", "Put", `{"Name":"a"}`).want(t, 200)
	h.call(t, "bob", "Put", `{"Name":"a"}`).want(t, 400)
	h.call(t, "", "Put", `{"Name":"a"}`).want(t, 400)
	if c, err := net.Dial("tcp", h.addr); err == nil {
		_, _ = io.WriteString(c, "\x16\x03\x01\x00\x05hello")
		_, _ = io.ReadAll(c)
		_ = c.Close()
	}
	get("/metrics").want(t, 200,
		`strongroom_calls_total{code="OK",operation="Put",service="box"} 1`,
		`strongroom_calls_total{code="AccessDeniedException",operation="Put",service="box"} 1`,
		`strongroom_refused_total{code="MissingAuthenticationTokenException"} 1`,
		`strongroom_call_seconds_count{operation="Put",service="box"} 2`,
		`strongroom_audit_wait_seconds_count 2`, `strongroom_calls_under_way 0`, `strongroom_handshakes_refused_total 1`, `strongroom_connections `)
	mu.Lock()
	health = sick
	mu.Unlock()
	get("/healthz").want(t, 503, sick.Error())
	h.client.CloseIdleConnections()
	if err := h.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
