// Bare is what Strongroom is measured against: net/http with TLS 1.3 that does the one
// thing a request cannot do without, and keeps nothing.
//
//	POST /         verify the request's SigV4 signature, seal its body once with AES-256-GCM
//	PUT /<name>    receive the body into a file and sync it; nothing is verified or sealed
//	GET /<name>    send the file
//	PUT /log/<name>   append the body to one log that all share, and answer after a group sync
//	GET /log/<name>   append a record of 900 bytes to it, answer after a group sync, from memory
//
// It prints its address and the PEM of its certificate, and serves until it is killed.
package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/sigv4"
)

// The one access key that the server knows.
const (
	accessKeyID = "AKIABAREBAREBAREBARE"
	secretKey   = "bare/bare/bare/bare/bare/bare/bare/bare/"
	region      = "eu-central-1"
)

type oneKey struct{}

func (oneKey) SecretKey(_ context.Context, id, token string) (secret.Bytes, error) {
	if id != accessKeyID || token != "" {
		return secret.Bytes{}, sigv4.ErrUnknownKey
	}
	return secret.FromString(secretKey), nil
}

func main() {
	dir := flag.String("dir", ".", "where files are kept")
	flag.Parse()
	if err := serve(*dir); err != nil {
		log.Fatal(err)
	}
}

func serve(dir string) error {
	certificate, text, err := selfSigned()
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})
	if err != nil {
		return err
	}
	handler, err := newHandler(dir)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n%s\n", listener.Addr(), text)
	return (&http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}).Serve(listener)
}

type handler struct {
	verifier *sigv4.Verifier
	aead     cipher.AEAD
	dir      string
	log      *groupLog
	bodies   sync.Map // of what was put in the log, by path
}

func newHandler(dir string) (*handler, error) {
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	log, err := openGroupLog(filepath.Join(dir, ".log"))
	return &handler{verifier: sigv4.NewVerifier(oneKey{}), aead: aead, dir: dir, log: log}, err
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	if strings.HasPrefix(r.URL.Path, "/log/") {
		if err := h.logged(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
		return
	}
	switch r.Method {
	case http.MethodPost:
		err = h.seal(w, r)
	case http.MethodPut:
		err = h.put(r)
	case http.MethodGet:
		http.ServeFile(w, r, filepath.Join(h.dir, filepath.Base(r.URL.Path)))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (h *handler) seal(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return err
	}
	q, err := sigv4.Parse(r)
	if err != nil {
		return err
	}
	if err := h.verifier.Verify(r.Context(), q, sigv4.Endpoint{Service: "kms", Regions: []string{region}}, body); err != nil {
		return err
	}
	nonce := make([]byte, h.aead.NonceSize(), h.aead.NonceSize()+len(body)+h.aead.Overhead())
	rand.Read(nonce)
	sealed := h.aead.Seal(nonce, nonce, body, nil)
	answer := append([]byte(`{"CiphertextBlob":"`), base64.StdEncoding.EncodeToString(sealed)...)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_, err = w.Write(append(answer, `"}`...))
	return err
}

// logged answers after a group sync: a PUT of its body, a GET of a record of it.
func (h *handler) logged(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPut {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			return err
		}
		h.bodies.Store(r.URL.Path, body)
		return h.log.append(body)
	}
	body, ok := h.bodies.Load(r.URL.Path)
	if !ok {
		return os.ErrNotExist
	}
	if err := h.log.append(make([]byte, 900)); err != nil {
		return err
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body.([]byte))))
	_, err := w.Write(body.([]byte))
	return err
}

func (h *handler) put(r *http.Request) error {
	f, err := os.OpenFile(filepath.Join(h.dir, filepath.Base(r.URL.Path)), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, r.Body); err != nil {
		return err
	}
	return f.Sync()
}

func selfSigned() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
