package gateway

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strongroom/strongroom/test/capture"
)

func open(t *testing.T, dir string) *Authority {
	t.Helper()
	a, err := OpenAuthority(dir, plainRoot{}, LocalNames("house.example"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func leaf(t *testing.T, a *Authority) *x509.Certificate {
	t.Helper()
	c, err := a.Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

// TestAuthoritySweeps opens a folder in which a write was killed in the middle.
func TestAuthoritySweeps(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	path := filepath.Join(dir, "."+caSealFile+".tmp-1")
	if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", path, err)
	}
}

func TestAuthority(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir)
	exported, err := os.ReadFile(filepath.Join(dir, CAFile))
	if err != nil || !bytes.Equal(exported, a.PEM()) {
		t.Fatalf("%s: %v", CAFile, err)
	}
	if info, err := os.Stat(filepath.Join(dir, caSealFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", caSealFile, info.Mode(), err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(exported)
	cert := leaf(t, a)
	host, _ := os.Hostname()
	for _, name := range []string{"localhost", "127.0.0.1", "::1", host, "house.example", "photos.house.example", "photos.s3.localhost", "photos.localhost"} {
		if err := verify(cert, roots, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := verify(cert, roots, "elsewhere.example"); err == nil {
		t.Error("the certificate is good for any name")
	}

	again := open(t, dir)
	if !bytes.Equal(again.PEM(), a.PEM()) {
		t.Error("a second start made another authority")
	}
	if second := leaf(t, again); verify(second, roots, "localhost") != nil || second.SerialNumber.Cmp(cert.SerialNumber) == 0 {
		t.Error("a second start must issue a new certificate under the same authority")
	}
	if err := os.Remove(filepath.Join(dir, CAFile)); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if got, err := os.ReadFile(filepath.Join(dir, CAFile)); err != nil || !bytes.Equal(got, exported) {
		t.Errorf("%s was not written again: %v", CAFile, err)
	}
}

func verify(cert *x509.Certificate, roots *x509.CertPool, name string) error {
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: name})
	return err
}

func TestAuthorityDamaged(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	path := filepath.Join(dir, caSealFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head := len(caPurpose) + 1
	for n := 0; n < len(whole); n += 7 {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAuthority(dir, plainRoot{}, nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Fatalf("cut to %d bytes: %v, want an error that names the file", n, err)
		}
	}
	for i := head; i < head+9; i++ {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 0x80
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAuthority(dir, plainRoot{}, nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("byte %d flipped: %v, want an error that names the file", i, err)
		}
	}
}

func TestAuthorityUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(filepath.Join(file, "below"), plainRoot{}, nil); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

func TestAuthorityRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, t.TempDir())
		first := leaf(t, a)
		time.Sleep(serverLife / 2)
		if leaf(t, a) != first {
			t.Error("renewed at half of its life")
		}
		time.Sleep(serverLife / 4)
		second := leaf(t, a)
		if second == first || !second.NotAfter.After(first.NotAfter) {
			t.Error("not renewed at three quarters of its life")
		}
		time.Sleep(time.Until(a.NotAfter()) - time.Hour)
		if last := leaf(t, a); last.NotAfter.After(a.NotAfter()) {
			t.Error("a certificate outlives its authority")
		}
	})
}

func TestAuthorityExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		open(t, dir)
		time.Sleep(caLife + time.Second)
		if _, err := OpenAuthority(dir, plainRoot{}, nil); err == nil || !strings.Contains(err.Error(), "expired") {
			t.Errorf("got %v", err)
		}
	})
}

// writePair writes a certificate of a new authority and its key as PEM files.
func writePair(t *testing.T, certPath, keyPath string) *x509.Certificate {
	t.Helper()
	dir := t.TempDir()
	a := open(t, dir)
	c, err := a.Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		certPath: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, keyPath: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c.Leaf
}

func TestCertificateFiles(t *testing.T) {
	dir := t.TempDir()
	certPath, keyPath := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	if _, err := OpenCertificate(certPath, keyPath, slog.Default()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without files: %v", err)
	}
	first := writePair(t, certPath, keyPath)
	var log capture.Text
	f, err := OpenCertificate(certPath, keyPath, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	shown := func() *tls.Certificate {
		f.mu.Lock()
		f.checked = time.Time{} // as if the last look were long ago
		f.mu.Unlock()
		c, err := f.Certificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if got := shown(); !got.Leaf.Equal(first) {
		t.Error("not the certificate of the file")
	}
	if err := os.WriteFile(certPath, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := shown(); !got.Leaf.Equal(first) || !strings.Contains(log.String(), certPath) {
		t.Errorf("a broken file was taken, or not told of: %s", log.String())
	}
	second := writePair(t, certPath, keyPath)
	if got := shown(); !got.Leaf.Equal(second) {
		t.Error("the new certificate was not taken")
	}
}

func TestRewrapAuthority(t *testing.T) {
	dir := t.TempDir()
	if changed, err := RewrapAuthority(dir, movedRoot{}); err != nil || changed {
		t.Errorf("no authority: got %v, %v", changed, err)
	}
	a := open(t, dir)
	if changed, err := RewrapAuthority(dir, movedRoot{}); err != nil || !changed {
		t.Errorf("got %v, %v", changed, err)
	}
	if changed, err := RewrapAuthority(dir, movedRoot{}); err != nil || changed {
		t.Errorf("a second time: got %v, %v", changed, err)
	}
	if _, err := OpenAuthority(dir, plainRoot{}, nil); err == nil {
		t.Error("the old root key opens it")
	}
	again, err := OpenAuthority(dir, movedRoot{}, nil)
	if err != nil || !again.cert.Equal(a.cert) {
		t.Errorf("it is another authority: %v", err)
	}
}

// movedRoot opens what plainRoot wrapped, and wraps in another way.
type movedRoot struct{}

func (movedRoot) Wrap(purpose string, plaintext []byte) ([]byte, error) {
	return plainRoot{}.Wrap("moved "+purpose, plaintext)
}

func (movedRoot) Unwrap(purpose string, wrapped []byte) ([]byte, error) {
	return plainRoot{}.Unwrap("moved "+purpose, wrapped)
}

func (r movedRoot) Rewrap(purpose string, wrapped []byte) ([]byte, bool, error) {
	plain, err := plainRoot{}.Unwrap(purpose, wrapped)
	if err != nil {
		return wrapped, false, nil
	}
	out, err := r.Wrap(purpose, plain)
	return out, true, err
}
