// Package metricscluster has what tests need of a metrics cluster: certificates for both sides, and a small server that behaves
// at its doors as a Cortex does, and writes down what it is asked.
package metricscluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificates are PEM files for the two sides of a connection. The server's certificate is good for 127.0.0.1 and ServerName.
type Certificates struct {
	Authority, Server, ServerKey, Client, ClientKey string
	// Stranger is a client certificate of another authority.
	Stranger, StrangerKey string
}

// ServerName is the name in the server's certificate.
const ServerName = "metrics.cluster.test"

// NewCertificates writes certificates into a folder.
func NewCertificates(t testing.TB, dir string) *Certificates {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	c := &Certificates{
		Authority: at("ca.pem"), Server: at("server.pem"), ServerKey: at("server.key"), Client: at("client.pem"), ClientKey: at("client.key"),
		Stranger: at("stranger.pem"), StrangerKey: at("stranger.key"),
	}
	ours, theirs := newAuthority(t), newAuthority(t)
	write(t, c.Authority, "CERTIFICATE", ours.cert.Raw)
	ours.issue(t, c.Server, c.ServerKey, x509.ExtKeyUsageServerAuth)
	ours.issue(t, c.Client, c.ClientKey, x509.ExtKeyUsageClientAuth)
	theirs.issue(t, c.Stranger, c.StrangerKey, x509.ExtKeyUsageClientAuth)
	return c
}

type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newSigner(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{key: newSigner(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) issue(t testing.TB, certFile, keyFile string, usage x509.ExtKeyUsage) {
	t.Helper()
	key := newSigner(t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: filepath.Base(certFile)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, DNSNames: []string{ServerName}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, "CERTIFICATE", der)
	write(t, keyFile, "EC PRIVATE KEY", secret)
}

func write(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
