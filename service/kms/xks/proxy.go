package xks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/sigv4"
)

// Service is the signing name of the proxies.
const Service = "kms-xks-proxy"

// Address says where a proxy is and with what its requests are signed.
type Address struct {
	Endpoint    string // "https://" and a host name, without a port
	Path        string // ends in "/kms/xks/v1"
	Via         string // the VPC endpoint service it is reached through, or ""
	Region      string // of the key store
	AccessKeyID string
	Secret      secret.Bytes // stays the caller's, and must not change while the Proxy is used
}

// Proxy is one external key store proxy. Its methods may run together. Each of them asks
// once and fails with an *Error, or with another error for a fault that is not the proxy's.
type Proxy struct {
	transport *Transport
	host, via string
	path      string
	signer    *sigv4.Signer
}

// Proxy returns the proxy at an address. It does not connect.
func (t *Transport) Proxy(a Address) (*Proxy, error) {
	u, err := url.Parse(a.Endpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Port() != "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the endpoint of an external key store proxy is not https and a host name")
	}
	return &Proxy{
		transport: t, host: strings.ToLower(u.Host), via: a.Via, path: a.Path,
		signer: sigv4.NewSigner(sigv4.Credentials{AccessKeyID: a.AccessKeyID, Secret: a.Secret}, a.Region, Service),
	}, nil
}

// Health succeeds when the proxy takes our signature and at least one key manager is
// available.
func (p *Proxy) Health(ctx context.Context, why Request) error {
	body, err := p.call(ctx, "/health", &healthRequest{why})
	if err != nil {
		return err
	}
	return parseHealth(body)
}

// KeyMetadata is what KMS wants to know of an external key.
type KeyMetadata struct {
	AES256, Encrypts, Decrypts, Enabled bool
}

// Usable reports whether the key fits a KMS key: AES-256, enabled, for encryption and
// decryption.
func (k *KeyMetadata) Usable() bool { return k.AES256 && k.Encrypts && k.Decrypts && k.Enabled }

// Metadata tells what an external key is.
func (p *Proxy) Metadata(ctx context.Context, keyID string, why Request) (*KeyMetadata, error) {
	body, err := p.call(ctx, keyPath(keyID, "metadata"), &healthRequest{why})
	if err != nil {
		return nil, err
	}
	return parseMetadata(body)
}

// Encrypt encrypts up to MaxPlaintext bytes under an external key, bound to aad. The proxy
// vouches, with its integrity value, that what it returns can be decrypted.
func (p *Proxy) Encrypt(ctx context.Context, keyID string, plaintext, aad []byte, why Request) (*Sealed, error) {
	if len(plaintext) > MaxPlaintext || len(aad) > MaxAAD {
		return nil, failed(UnsupportedOperation)
	}
	body, err := p.call(ctx, keyPath(keyID, "encrypt"), &encryptRequest{
		Metadata: why, AAD: aad, Plaintext: plaintext, Algorithm: aesGCM, Integrity: sumSHA256,
	})
	if err != nil {
		return nil, err
	}
	return parseEncrypt(body, len(plaintext), aad)
}

// Decrypt decrypts what Encrypt returned. That it is the same plaintext is the proxy's word only.
func (p *Proxy) Decrypt(ctx context.Context, keyID string, s *Sealed, aad []byte, why Request) ([]byte, error) {
	body, err := p.call(ctx, keyPath(keyID, "decrypt"), &decryptRequest{
		Metadata: why, AAD: aad, Ciphertext: s.Ciphertext, CiphertextMetadata: s.Metadata, Algorithm: aesGCM, IV: s.IV, Tag: s.Tag,
	})
	if err != nil {
		return nil, err
	}
	return parseDecrypt(body, len(s.Ciphertext))
}

func keyPath(keyID, what string) string { return "/keys/" + keyID + "/" + what }

// ValidKeyID reports whether an id that the API's pattern allows can stand in a path. It may
// not be a dot segment, which means another path.
func ValidKeyID(keyID string) bool { return keyID != "." && keyID != ".." }

// call sends one request and returns the body of an answer with status 200.
func (p *Proxy) call(ctx context.Context, path string, message any) ([]byte, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("external key store request: %w", err)
	}
	ctx, seen, cancel := p.transport.begin(ctx)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+p.host+p.path+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("external key store request: %w", err)
	}
	// Signed are host and x-amz-date alone, as the specification has it (Appendix A).
	if err := p.signer.Sign(r, sigv4.HashPayload(body), time.Now()); err != nil {
		return nil, fmt.Errorf("external key store request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "strongroom-kms")
	answer, err := p.transport.roundTrip(p.via, r)
	if err != nil {
		return nil, seen.explain(ctx, err)
	}
	defer answer.Body.Close()
	text, err := readReply(answer)
	if err == nil {
		err = ctx.Err() // when the time is over, the end of the answer may be the one that we made
	}
	if err != nil {
		return nil, seen.explain(ctx, err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, parseFailure(text)
	}
	return text, nil
}
