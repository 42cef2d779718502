package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/test/capture"
	"github.com/strongroom/strongroom/wire"
)

// A house of three rooms, made by hand: box speaks awsJson1.1, shelf is S3's protocol with streams,
// and names speaks Query. Each has a file of its own, and so do people, who call.

const (
	testRegion  = "eu-test-1"
	testAccount = "111122223333"
	boxName     = "box.amazonaws.com"
)

type testHouse struct {
	*Gateway
	box   *box
	shelf *shelf
	audit *memoryLog
	log   *capture.Text
	addr  string
	roots *x509.CertPool

	boxAPI, shelfAPI, namesAPI *wire.Service

	client *http.Client
}

// startHouse serves a house of three rooms on a loopback port until the test ends.
func startHouse(t testing.TB, adjust ...func(*Config)) *testHouse {
	t.Helper()
	h := &testHouse{
		box: &box{}, shelf: &shelf{objects: map[string][]byte{}}, audit: &memoryLog{}, log: &capture.Text{}, roots: x509.NewCertPool(),
		boxAPI: boxDefinition(), shelfAPI: shelfDefinition(), namesAPI: namesDefinition(),
	}
	authority, err := OpenAuthority(t.TempDir(), plainRoot{}, LocalNames())
	if err != nil {
		t.Fatal(err)
	}
	h.roots.AppendCertsFromPEM(authority.PEM())
	known := newPeople()
	config := Config{
		Regions: []string{testRegion, "us-test-2"}, Audit: h.audit, Certificate: authority.Certificate, Hosts: []string{"localhost"},
		Directory: Directory{Keys: known, Principals: known, Policies: known},
		Services: []*service.Service{
			{API: h.boxAPI, Impl: h.box, Target: boxTarget},
			{API: h.shelfAPI, Impl: h.shelf, Target: shelfTarget},
			{API: h.namesAPI, Impl: names{}, Target: namesTarget},
		},
		Log: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, fn := range adjust {
		fn(&config)
	}
	if h.Gateway, err = New(config); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- h.Serve(l) }()
	h.client = &http.Client{Transport: &http.Transport{TLSClientConfig: h.tls(), MaxIdleConnsPerHost: 64, DisableCompression: true}}
	t.Cleanup(func() {
		h.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return h
}

func (h *testHouse) tls() *tls.Config { return &tls.Config{RootCAs: h.roots} }

func signer(key, region, service string) *sigv4.Signer {
	c := sigv4.Credentials{AccessKeyID: key, Secret: secret.FromString("secret-" + key)}
	if strings.HasPrefix(key, "ASIA") {
		c.SessionToken = "token-" + key
	}
	return sigv4.NewSigner(c, region, service)
}

// boxRequest is a signed request for an operation of box.
func (h *testHouse) boxRequest(t testing.TB, key, op, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest("POST", "https://"+h.addr+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "Box."+op)
	r.Header.Set("User-Agent", "test/1")
	if key != "" {
		if err := signer(key, testRegion, "box").Sign(r, sigv4.HashPayload([]byte(body)), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (h *testHouse) shelfRequest(t testing.TB, key, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, "https://"+h.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		if err := signer(key, testRegion, "s3").Sign(r, sigv4.HashPayload([]byte(body)), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (h *testHouse) do(t testing.TB, r *http.Request) reply {
	t.Helper()
	resp, err := h.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// call makes a signed call of box and returns the answer.
func (h *testHouse) call(t testing.TB, key, op, body string) reply {
	t.Helper()
	return h.do(t, h.boxRequest(t, key, op, body))
}

// want checks an answer's status and that its body holds all texts.
func (r reply) want(t testing.TB, status int, texts ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("status %d, want %d; body %s", r.status, status, r.body)
	}
	for _, text := range texts {
		if !strings.Contains(r.body, text) {
			t.Errorf("body %q does not hold %q", r.body, text)
		}
	}
}

// connectionState is what a TLS 1.3 connection shows a handler.
func connectionState() *tls.ConnectionState {
	return &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, HandshakeComplete: true}
}

// startBare serves what a call costs at the least: TLS, and the proof of the signature over the body.
func startBare(t testing.TB, h *testHouse) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	verifier := sigv4.NewVerifier(newPeople())
	s := &http.Server{TLSConfig: tlsConfig(h.certificate), ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := sigv4.Parse(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verifier.Verify(r.Context(), q, sigv4.Endpoint{Service: "box", Regions: []string{testRegion}}, body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = w.Write(body)
	})}
	go func() { _ = s.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String()
}
