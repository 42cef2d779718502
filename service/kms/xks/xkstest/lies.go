package xkstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"slices"
	"time"
)

// Fails answers with an error of this name, under the status that the specification has for it
// or any other.
func Fails(status int, name string) Lie {
	return func(w http.ResponseWriter, _ *http.Request, _ Answer) { failure(status, name).Write(w) }
}

// Says answers with a text.
func Says(status int, body string) Lie {
	return func(w http.ResponseWriter, _ *http.Request, _ Answer) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// Edits answers with a changed honest answer.
func Edits(change func(m map[string]any)) Lie {
	return func(w http.ResponseWriter, _ *http.Request, honest Answer) {
		change(honest.Body)
		honest.Write(w)
	}
}

// Without leaves a member out.
func Without(name string) Lie { return Edits(func(m map[string]any) { delete(m, name) }) }

// Sets gives a member another value.
func Sets(name string, value any) Lie { return Edits(func(m map[string]any) { m[name] = value }) }

// Flips flips a bit in the bytes of a member and, in an answer to encrypt, vouches for the result.
func Flips(name string) Lie {
	return func(w http.ResponseWriter, r *http.Request, honest Answer) {
		b := bytesOf(honest.Body, name)
		if len(b) > 0 {
			b[len(b)/2] ^= 1
		}
		honest.Body[name] = text(b)
		honest.Write(w)
	}
}

// Vouches fixes the integrity value of a changed answer to encrypt, for the associated data of
// the newest request.
func (p *Proxy) Vouches(change func(m map[string]any)) Lie {
	return Edits(func(m map[string]any) {
		change(m)
		aad := bytesOf(p.Last("encrypt").Body, "additionalAuthenticatedData")
		sum := sha256.Sum256(slices.Concat(aad, bytesOf(m, "ciphertextMetadata"), bytesOf(m, "initializationVector"),
			bytesOf(m, "ciphertext"), bytesOf(m, "authenticationTag")))
		m["ciphertextDataIntegrityValue"] = text(sum[:])
	})
}

// Base64 returns n bytes as a member has them.
func Base64(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }

// Stalls never answers, until the asker or the proxy goes.
func (p *Proxy) Stalls() Lie {
	return func(w http.ResponseWriter, r *http.Request, _ Answer) {
		select {
		case <-r.Context().Done():
		case <-p.stop:
		}
	}
}

// Dribbles sends the beginning of an answer and then stalls.
func (p *Proxy) Dribbles() Lie {
	return func(w http.ResponseWriter, r *http.Request, _ Answer) {
		_, _ = w.Write([]byte(`{"plaintext":"`))
		_ = http.NewResponseController(w).Flush()
		p.Stalls()(w, r, Answer{})
	}
}

// Breaks ends the connection in the midst of the answer.
func Breaks(w http.ResponseWriter, _ *http.Request, _ Answer) {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"plaintext":"`))
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// Floods sends an answer without end.
func Floods(w http.ResponseWriter, _ *http.Request, _ Answer) {
	_, _ = w.Write([]byte(`{"plaintext":"`))
	block := slices.Repeat([]byte("A"), 32<<10)
	for range 1024 {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// certify makes an authority and the proxy's certificate.
func (p *Proxy) certify() *tls.Config {
	ca, caKey, caPEM := p.authority()
	p.CA, p.Roots = caPEM, x509.NewCertPool()
	p.Roots.AddCert(ca)
	return &tls.Config{Certificates: []tls.Certificate{p.leaf(ca, caKey, Host, time.Now().Add(time.Hour))}}
}

// Certificate returns a certificate that Roots trust, for another name or time.
func (p *Proxy) Certificate(name string, expires time.Time) tls.Certificate {
	ca, key, caPEM := p.authority()
	p.CA = caPEM
	p.Roots.AddCert(ca)
	return p.leaf(ca, key, name, expires)
}

// Stranger returns a certificate for the proxy's name from an authority that nobody trusts.
func (p *Proxy) Stranger() tls.Certificate {
	ca, key, _ := p.authority()
	return p.leaf(ca, key, Host, time.Now().Add(time.Hour))
}

func (p *Proxy) authority() (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "plant authority"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		p.t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return ca, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func (p *Proxy) leaf(ca *x509.Certificate, caKey *ecdsa.PrivateKey, name string, expires time.Time) tls.Certificate {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: expires,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		p.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
