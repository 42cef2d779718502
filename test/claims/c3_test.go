package claims

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/strongroom/strongroom/test/house"
)

// shake makes a TLS connection to the house and returns what was agreed on.
func shake(h *house.House, change func(*tls.Config)) (tls.ConnectionState, error) {
	config := &tls.Config{RootCAs: h.Roots, MinVersion: tls.VersionTLS10}
	change(config)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(h.Endpoint, "https://"), config)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.ConnectionState(), nil
}

// everySuite is all that crypto/tls can offer for TLS 1.2 and older.
func everySuite() (ids []uint16) {
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		ids = append(ids, s.ID)
	}
	return ids
}

func TestC3_OldTLSIsRefused(t *testing.T) {
	h := house.Start(t)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if _, err := shake(h, func(c *tls.Config) { c.MaxVersion, c.CipherSuites = version, everySuite() }); err == nil {
			t.Errorf("%s was accepted", tls.VersionName(version))
		}
	}
}

func TestC3_TLS12OnlyWithForwardSecrecyAndAEAD(t *testing.T) {
	h := house.Start(t)
	works := 0
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			continue
		}
		_, err := shake(h, func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{suite.ID} })
		good := strings.HasPrefix(suite.Name, "TLS_ECDHE_") && (strings.Contains(suite.Name, "_GCM_") || strings.Contains(suite.Name, "CHACHA20_POLY1305"))
		if err == nil {
			works++
		}
		if err == nil && !good {
			t.Errorf("%s was accepted", suite.Name)
		}
		if err != nil && good && strings.Contains(suite.Name, "ECDSA") { // the local authority's certificates are ECDSA
			t.Errorf("%s: %v", suite.Name, err)
		}
	}
	if works == 0 {
		t.Error("no suite of TLS 1.2 works")
	}
	state, err := shake(h, func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, everySuite() })
	if err != nil || state.Version != tls.VersionTLS12 {
		t.Errorf("a client that offers everything up to TLS 1.2 gets %s, %v", tls.VersionName(state.Version), err)
	}
}

func TestC3_TLS13WithPostQuantumExchange(t *testing.T) {
	h := house.Start(t)
	for _, test := range []struct {
		name   string
		offer  []tls.CurveID // nil for the client's defaults
		wanted tls.CurveID
	}{
		{"a client of today", nil, tls.X25519MLKEM768},
		{"a client that offers the old exchange first", []tls.CurveID{tls.X25519, tls.X25519MLKEM768}, tls.X25519MLKEM768},
		{"a client without the hybrid exchange", []tls.CurveID{tls.X25519, tls.CurveP256}, tls.X25519},
		{"a client with NIST curves only", []tls.CurveID{tls.CurveP256}, tls.CurveP256},
	} {
		state, err := shake(h, func(c *tls.Config) { c.CurvePreferences = test.offer })
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if state.Version != tls.VersionTLS13 || state.CurveID != test.wanted {
			t.Errorf("%s got %s with %s, want TLS 1.3 with %s", test.name, tls.VersionName(state.Version), state.CurveID, test.wanted)
		}
	}
}

// TestC3_ClientMustTrustTheHouse is the other half of a handshake: a client that does not know the
// house's authority does not talk to it, and one that expects another name neither.
func TestC3_ClientMustTrustTheHouse(t *testing.T) {
	h := house.Start(t)
	if _, err := shake(h, func(c *tls.Config) { c.RootCAs = nil }); err == nil {
		t.Error("a client without the house's authority connected")
	}
	if _, err := shake(h, func(c *tls.Config) { c.ServerName = "elsewhere.example" }); err == nil {
		t.Error("a client that wants another name connected")
	}
	for _, protocol := range []string{"h2", "http/1.1"} {
		state, err := shake(h, func(c *tls.Config) { c.NextProtos = []string{protocol} })
		if err != nil || state.NegotiatedProtocol != protocol {
			t.Errorf("asked for %s, got %q, %v", protocol, state.NegotiatedProtocol, err)
		}
	}
}

func TestC3_PlainHTTPIsRefused(t *testing.T) {
	h := house.Start(t)
	answer, err := http.Get("http://" + strings.TrimPrefix(h.Endpoint, "https://") + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "HTTPS only") {
		t.Errorf("got %s, %q, %v; want 400 and a sentence", answer.Status, text, err)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.Endpoint, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("PUT /bucket/key HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\na body in the clear.")); err != nil {
		t.Fatal(err)
	}
	if text, _ := io.ReadAll(conn); !strings.HasPrefix(string(text), "HTTP/1.1 400 ") {
		t.Errorf("an upload in the clear got %q", text)
	}
}

func TestC3_TheTrailSaysHowACallCame(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	if _, err := admin.STS().GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err != nil {
		t.Fatal(err)
	}
	e := latest(t, admin, "GetCallerIdentity", nil)
	if e.TLSDetails.TLSVersion != "TLSv1.3" || !strings.HasPrefix(e.TLSDetails.CipherSuite, "TLS_") {
		t.Errorf("the record says %+v", e.TLSDetails)
	}
}
