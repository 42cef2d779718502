// Package xkstest is an external key store proxy for tests: on the loopback, over TLS, with real
// AES-GCM, verifying every signature. It is honest until it is told to lie.
package xkstest

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service/kms/xks"
	"github.com/strongroom/strongroom/sigv4"
)

// What every Proxy of this package is called and takes.
const (
	Host        = "xks.plant.example"
	Endpoint    = "https://" + Host
	Path        = "/line-1/kms/xks/v1"
	AccessKeyID = "AKIAXKSTESTPROXY234567"
	Secret      = "c2VjcmV0LW9mLXRoZS10ZXN0LXByb3h5LTEyMzQ1Njc4OQ=="
	Region      = "eu-west-1"
)

// Proxy is a running proxy. Its methods may run together.
type Proxy struct {
	Addr  string // where it listens
	CA    []byte // PEM of the authority that its certificate is from
	Roots *x509.CertPool

	t       testing.TB
	server  *http.Server
	serving sync.WaitGroup

	mu     sync.Mutex
	keys   map[string]*Key
	lies   map[string]Lie
	seen   []Seen
	secret string
	region string
	stop   chan struct{}
}

// Key is an external key.
type Key struct {
	Spec, Status string
	Usage        []string
	aead         cipher.AEAD
}

// Seen is a request that came with a good signature.
type Seen struct {
	What string         // "health", "metadata", "encrypt" or "decrypt"
	Key  string         // id; "" for health
	Body map[string]any // as sent
}

// Metadata returns a member of the request's requestMetadata, or "".
func (s *Seen) Metadata(name string) string {
	m, _ := s.Body["requestMetadata"].(map[string]any)
	v, _ := m[name].(string)
	return v
}

// Answer is what an honest proxy would say.
type Answer struct {
	Status int
	Body   map[string]any
}

// Lie answers in the place of the honest answer.
type Lie func(w http.ResponseWriter, r *http.Request, honest Answer)

// Start starts a proxy with one enabled key, "key-1". It ends with the test.
func Start(t testing.TB) *Proxy { return StartTLS(t, nil) }

// StartTLS is Start with another TLS configuration, which change is given to spoil; with a nil
// Certificates it speaks plain HTTP.
func StartTLS(t testing.TB, change func(p *Proxy, c *tls.Config)) *Proxy {
	t.Helper()
	p := &Proxy{t: t, keys: make(map[string]*Key), lies: make(map[string]Lie), secret: Secret, region: Region, stop: make(chan struct{})}
	config := p.certify()
	if change != nil {
		change(p, config)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.Addr = listener.Addr().String()
	if config.Certificates != nil {
		config.NextProtos = []string{"h2", "http/1.1"}
		listener = tls.NewListener(listener, config)
	}
	p.AddKey("key-1")
	p.server = &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)}
	p.serving.Go(func() { _ = p.server.Serve(listener) })
	t.Cleanup(p.Stop)
	return p
}

// Stop ends the proxy: afterwards nobody listens.
func (p *Proxy) Stop() {
	p.mu.Lock()
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.mu.Unlock()
	_ = p.server.Close()
	p.serving.Wait()
}

// AddKey makes an external key that fits a KMS key, or replaces one.
func (p *Proxy) AddKey(id string) *Key {
	raw := make([]byte, 32)
	rand.Read(raw)
	block, err := aes.NewCipher(raw)
	if err != nil {
		p.t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		p.t.Fatal(err)
	}
	k := &Key{Spec: "AES_256", Status: "ENABLED", Usage: []string{"ENCRYPT", "DECRYPT", "WRAP"}, aead: aead}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys[id] = k
	return k
}

// Change changes a key.
func (p *Proxy) Change(id string, fn func(*Key)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn(p.keys[id])
}

// Lies has all requests for what ("health", "metadata", "encrypt" or "decrypt") answered by a lie,
// or honestly again for nil.
func (p *Proxy) Lies(what string, lie Lie) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lies[what] = lie
}

// SetSecret changes the secret that requests must be signed with.
func (p *Proxy) SetSecret(secret string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secret = secret
}

// SetRegion says from which region requests are expected; Region is the default.
func (p *Proxy) SetRegion(region string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.region = region
}

// Seen returns the requests so far that came with a good signature.
func (p *Proxy) Seen() []Seen {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

// Last returns the newest request for what, and fails the test when there is none.
func (p *Proxy) Last(what string) Seen {
	p.t.Helper()
	for _, s := range slices.Backward(p.Seen()) {
		if s.What == what {
			return s
		}
	}
	p.t.Fatalf("the proxy was never asked for %s", what)
	return Seen{}
}

// SecretKey is the proxy's side of the credential.
func (p *Proxy) SecretKey(_ context.Context, id, _ string) (secret.Bytes, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id != AccessKeyID {
		return secret.Bytes{}, sigv4.ErrUnknownKey
	}
	return secret.FromString(p.secret), nil
}

// ServeHTTP answers a request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	what, keyID, ok := split(r.URL.Path)
	answer := failure(http.StatusNotFound, "InvalidUriPathException")
	if ok {
		answer = p.answer(r, what, keyID, body)
	}
	p.mu.Lock()
	lie := p.lies[what]
	p.mu.Unlock()
	if lie != nil {
		lie(w, r, answer)
		return
	}
	answer.Write(w)
}

// split takes a path apart.
func split(path string) (what, keyID string, ok bool) {
	rest, ok := strings.CutPrefix(path, Path+"/")
	if !ok {
		return "", "", false
	}
	if rest == "health" {
		return rest, "", true
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 || parts[0] != "keys" {
		return "", "", false
	}
	return parts[2], parts[1], slices.Contains([]string{"metadata", "encrypt", "decrypt"}, parts[2])
}

func failure(status int, name string) Answer {
	return Answer{status, map[string]any{"errorName": name, "errorMessage": "said by the proxy: " + name}}
}

// Write sends the answer as it is.
func (a Answer) Write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.Status)
	_ = json.NewEncoder(w).Encode(a.Body)
}

// answer is the honest answer to a request.
func (p *Proxy) answer(r *http.Request, what, keyID string, body []byte) Answer {
	if r.ProtoMajor != 1 || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Host != Host {
		p.t.Errorf("the proxy was asked with %s %s, %q, of %q", r.Proto, r.Method, r.Header.Get("Content-Type"), r.Host)
		return failure(http.StatusBadRequest, "ValidationException")
	}
	q, err := sigv4.Parse(r)
	if err == nil {
		p.mu.Lock()
		at := sigv4.Endpoint{Regions: []string{p.region}, Service: xks.Service}
		p.mu.Unlock()
		err = sigv4.NewVerifier(p).Verify(r.Context(), q, at, body)
	}
	if err != nil {
		return failure(http.StatusUnauthorized, "AuthenticationFailedException")
	}
	var m map[string]any
	if json.Unmarshal(body, &m) != nil {
		return failure(http.StatusBadRequest, "ValidationException")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, Seen{what, keyID, m})
	if what == "health" {
		return Answer{http.StatusOK, map[string]any{
			"xksProxyFleetSize": 1, "xksProxyVendor": "Plant", "xksProxyModel": "Test 1", "ekmVendor": "Plant",
			"ekmFleetDetails": []map[string]any{{"id": "hsm-1", "model": "T", "healthStatus": "ACTIVE"}},
		}}
	}
	k := p.keys[keyID]
	switch {
	case k == nil:
		return failure(http.StatusNotFound, "KeyNotFoundException")
	case what == "metadata":
		return Answer{http.StatusOK, map[string]any{"keySpec": k.Spec, "keyUsage": k.Usage, "keyStatus": k.Status}}
	case k.Status != "ENABLED":
		return failure(http.StatusBadRequest, "InvalidStateException")
	case !slices.Contains(k.Usage, strings.ToUpper(what)):
		return failure(http.StatusBadRequest, "InvalidKeyUsageException")
	case what == "encrypt":
		return k.encrypt(m)
	}
	return k.decrypt(m)
}

func bytesOf(m map[string]any, name string) []byte {
	text, _ := m[name].(string)
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return b
}

func text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// bind joins the associated data and the metadata as the specification says.
func bind(aad, metadata []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(aad)))
	b = append(b, aad...)
	return append(append(b, byte(len(metadata))), metadata...)
}

func (k *Key) encrypt(m map[string]any) Answer {
	plaintext, aad, metadata := bytesOf(m, "plaintext"), bytesOf(m, "additionalAuthenticatedData"), []byte("key_version=1")
	if len(plaintext) == 0 || m["encryptionAlgorithm"] != "AES_GCM" || m["ciphertextDataIntegrityValueAlgorithm"] != "SHA_256" {
		return failure(http.StatusBadRequest, "ValidationException")
	}
	iv := make([]byte, 12)
	rand.Read(iv)
	sealed := k.aead.Seal(nil, iv, plaintext, bind(aad, metadata))
	ciphertext, tag := sealed[:len(plaintext)], sealed[len(plaintext):]
	sum := sha256.Sum256(slices.Concat(aad, metadata, iv, ciphertext, tag))
	return Answer{http.StatusOK, map[string]any{
		"ciphertext": text(ciphertext), "ciphertextMetadata": text(metadata), "initializationVector": text(iv),
		"authenticationTag": text(tag), "ciphertextDataIntegrityValue": text(sum[:]),
	}}
}

func (k *Key) decrypt(m map[string]any) Answer {
	iv := bytesOf(m, "initializationVector")
	if len(iv) != 12 || m["encryptionAlgorithm"] != "AES_GCM" {
		return failure(http.StatusBadRequest, "ValidationException")
	}
	sealed := slices.Concat(bytesOf(m, "ciphertext"), bytesOf(m, "authenticationTag"))
	plaintext, err := k.aead.Open(nil, iv, sealed, bind(bytesOf(m, "additionalAuthenticatedData"), bytesOf(m, "ciphertextMetadata")))
	if err != nil {
		return failure(http.StatusBadRequest, "InvalidCiphertextException")
	}
	return Answer{http.StatusOK, map[string]any{"plaintext": text(plaintext)}}
}
