package gateway

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/strongroom/strongroom/durable"
)

// The files of a local authority in its folder.
const (
	CAFile     = "ca.pem"    // its certificate, for clients to trust; public
	caSealFile = "ca.sealed" // its certificate and key, wrapped under the root key
)

const (
	caPurpose    = "gateway local authority"
	caLife       = 10 * 365 * 24 * time.Hour
	serverLife   = 90 * 24 * time.Hour
	backdated    = time.Hour // for clients whose clocks are behind
	caSealFormat = 1
)

// Wrapper seals small secrets under the root key, bound to a purpose; service.Root and
// *rootkey.Key are such.
type Wrapper interface {
	Wrap(purpose string, plaintext []byte) ([]byte, error)
	Unwrap(purpose string, wrapped []byte) ([]byte, error)
}

// Authority is a certificate authority for one house, made at its first start. It signs
// a server certificate whose key never leaves the process: a new one at every start, and
// another when two thirds of its life are over.
//
// Its own certificate and key lie together in one file, sealed under the root key, so
// that a crash leaves both or neither. Unwrapped it is
//
//	format              1 byte, 1
//	certificate length  uint32, big endian
//	certificate         DER
//	key                 PKCS #8 DER
type Authority struct {
	cert  *x509.Certificate
	key   crypto.Signer
	names []string

	mu     sync.Mutex
	server *tls.Certificate
	renew  time.Time
}

// OpenAuthority opens the authority in folder dir, making it when there is none, and writes
// its public certificate beside it as ca.pem. Its server certificates are good for names, which
// are host names, wildcards and addresses; see LocalNames.
func OpenAuthority(dir string, root Wrapper, names []string) (*Authority, error) {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("local certificate authority: %w", err)
	}
	if err := durable.Sweep(dir); err != nil {
		return nil, fmt.Errorf("local certificate authority: %w", err)
	}
	path := filepath.Join(dir, caSealFile)
	wrapped, err := os.ReadFile(path)
	var a *Authority
	switch {
	case err == nil:
		a, err = unsealAuthority(path, root, wrapped)
	case errors.Is(err, fs.ErrNotExist):
		a, err = makeAuthority(path, root)
	}
	if err != nil {
		return nil, fmt.Errorf("local certificate authority: %w", err)
	}
	if now := time.Now(); now.After(a.cert.NotAfter) {
		return nil, fmt.Errorf("local certificate authority: %s expired at %s: remove it to have a new one made, and give clients the new %s",
			path, a.cert.NotAfter.Format(time.RFC3339), CAFile)
	}
	a.names = slices.Clone(names)
	if err := a.export(filepath.Join(dir, CAFile)); err != nil {
		return nil, fmt.Errorf("local certificate authority: %w", err)
	}
	return a, nil
}

// Rewrapper wraps again what was wrapped before a rotation of the root key; *rootkey.Key is one.
type Rewrapper interface {
	Rewrap(purpose string, wrapped []byte) (out []byte, changed bool, err error)
}

// RewrapAuthority wraps the authority in folder dir, if there is one, under the newest root key,
// durably, and reports whether it had to. Nobody may have it open.
func RewrapAuthority(dir string, root Rewrapper) (bool, error) {
	path := filepath.Join(dir, caSealFile)
	wrapped, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("local certificate authority: %w", err)
	}
	wrapped, changed, err := root.Rewrap(caPurpose, wrapped)
	if err != nil {
		return false, fmt.Errorf("local certificate authority: %s: %w", path, err)
	}
	if !changed {
		return false, nil
	}
	return true, durable.WriteFile(path, wrapped, 0o600)
}

func makeAuthority(path string, root Wrapper) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serialNumber(),
		Subject:               pkix.Name{Organization: []string{"Strongroom"}, CommonName: "Strongroom local authority"},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true, // it signs servers, never another authority
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a := &Authority{cert: cert, key: key}
	wrapped, err := a.seal(root)
	if err != nil {
		return nil, err
	}
	return a, durable.WriteFile(path, wrapped, 0o600)
}

// seal returns the sealed form of a.
func (a *Authority) seal(root Wrapper) ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	plain := binary.BigEndian.AppendUint32([]byte{caSealFormat}, uint32(len(a.cert.Raw)))
	plain = append(append(plain, a.cert.Raw...), key...)
	defer clear(plain)
	return root.Wrap(caPurpose, plain)
}

func unsealAuthority(path string, root Wrapper, wrapped []byte) (*Authority, error) {
	plain, err := root.Unwrap(caPurpose, wrapped)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer clear(plain)
	malformed := fmt.Errorf("%s: not an authority of a format this version knows", path)
	if len(plain) < 5 || plain[0] != caSealFormat {
		return nil, malformed
	}
	n, rest := uint64(binary.BigEndian.Uint32(plain[1:])), plain[5:]
	if n > uint64(len(rest)) {
		return nil, malformed
	}
	// The certificate keeps the bytes it was parsed from, and plain is wiped.
	cert, err := x509.ParseCertificate(slices.Clone(rest[:n]))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(rest[n:])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, malformed
	}
	return &Authority{cert: cert, key: key}, nil
}

// PEM returns the authority's certificate, for clients to trust.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// NotAfter returns the time until which the authority's certificates can be trusted.
func (a *Authority) NotAfter() time.Time { return a.cert.NotAfter }

// export writes the public certificate to path unless it is there already.
func (a *Authority) export(path string) error {
	if have, err := os.ReadFile(path); err == nil && string(have) == string(a.PEM()) {
		return nil
	}
	return durable.WriteFile(path, a.PEM(), 0o644)
}

// Certificate is the CertificateSource of the authority. Calls may run together.
func (a *Authority) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); a.server == nil || now.After(a.renew) {
		server, err := a.issue(now)
		if err != nil {
			return nil, fmt.Errorf("issuing a server certificate: %w", err)
		}
		a.server, a.renew = server, now.Add(server.Leaf.NotAfter.Sub(now)*2/3)
	}
	return a.server, nil
}

func (a *Authority) issue(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serialNumber(),
		Subject:               pkix.Name{Organization: []string{"Strongroom"}, CommonName: "Strongroom server"},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(serverLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	for _, name := range a.names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// serialNumber returns a random positive number of 127 bits: unique, and nobody's guess (CA/Browser
// Forum baseline requirements, section 7.1, ask for at least 64).
func serialNumber() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b)
}

// LocalNames returns the names that a house on this machine is reached by: localhost, the
// loopback addresses, the host's own name, and those given. A host name also stands for the
// buckets below it, directly (bucket.localhost) and below s3 (bucket.s3.localhost).
func LocalNames(given ...string) []string {
	names := []string{"127.0.0.1", "::1"}
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	hosts := []string{"localhost"}
	if host, err := os.Hostname(); err == nil {
		hosts = append(hosts, strings.ToLower(host))
	}
	for _, name := range append(hosts, given...) {
		add(name)
		if net.ParseIP(name) == nil && !strings.HasPrefix(name, "*.") {
			add("*." + name)
			add("*.s3." + name)
		}
	}
	return names
}

// recheck is how often the files of a certificate are looked at.
const recheck = 10 * time.Second

// CertificateFiles is a certificate with its key in two PEM files that somebody else renews.
// It is read again when a file has changed; a pair that does not fit, as in the middle of a
// renewal, leaves the one before in use.
type CertificateFiles struct {
	certPath, keyPath string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	stamp   [2]fileStamp
	checked time.Time
}

type fileStamp struct {
	modified time.Time
	size     int64
}

// OpenCertificate reads a certificate and its key, and fails when they do not fit. Later
// failures go to log.
func OpenCertificate(certPath, keyPath string, log *slog.Logger) (*CertificateFiles, error) {
	f := &CertificateFiles{certPath: certPath, keyPath: keyPath, log: log}
	return f, f.load(time.Now())
}

// load reads the files. The caller holds mu, or is the only one to know f.
func (f *CertificateFiles) load(now time.Time) error {
	f.checked = now
	stamp, err := f.stamps()
	if err != nil {
		return fmt.Errorf("server certificate: %w", err)
	}
	if f.current != nil && stamp == f.stamp {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(f.certPath, f.keyPath)
	if err != nil {
		return fmt.Errorf("server certificate %s with key %s: %w", f.certPath, f.keyPath, err)
	}
	f.current, f.stamp = &cert, stamp
	return nil
}

func (f *CertificateFiles) stamps() (stamps [2]fileStamp, err error) {
	for i, path := range [2]string{f.certPath, f.keyPath} {
		info, err := os.Stat(path)
		if err != nil {
			return stamps, err
		}
		stamps[i] = fileStamp{info.ModTime(), info.Size()}
	}
	return stamps, nil
}

// Certificate is the CertificateSource of the files. Calls may run together.
func (f *CertificateFiles) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.checked) > recheck {
		if err := f.load(now); err != nil {
			f.log.Error("the server certificate cannot be renewed; the one before stays in use", "error", err)
		}
	}
	return f.current, nil
}
