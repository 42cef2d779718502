// Package remote calls operations of a house over HTTPS, for the commands that are clients of it like any
// other: each call is signed, and the answers are bounded. Only https is spoken, with TLS 1.2 or later.
package remote

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/protocol"
)

const (
	maxAnswer = 64 << 20 // bounds what the house answers: a runner's job with its files
	maxBody   = 64 << 20 // bounds what is sent
)

// Config says which house is called, and as whom.
type Config struct {
	Endpoint    string // https://host:port
	Authorities []byte // PEM of the authorities that the house's certificate may have; nil for the system's
	Region      string
	Credentials sigv4.Credentials
	Agent       string // User-Agent of the calls
}

// House is a house that is called from outside. Its methods may run together.
type House struct {
	cfg  Config
	http *http.Client
}

// Open checks the configuration and returns a house. Nothing is sent yet.
func Open(cfg Config) (*House, error) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("the endpoint %q is not such as https://host:8443", cfg.Endpoint)
	}
	if cfg.Credentials.AccessKeyID == "" || cfg.Credentials.Secret.Len() == 0 || cfg.Region == "" {
		return nil, errors.New("there are no credentials, or no region")
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.Authorities != nil {
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(cfg.Authorities) {
			return nil, errors.New("the file of authorities holds no certificate")
		}
	}
	cfg.Endpoint = strings.TrimSuffix(cfg.Endpoint, "/")
	return &House{cfg: cfg, http: &http.Client{
		Transport:     &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Service returns what makes the calls of one service. A streamed body is read whole before it is sent, and an
// answer whole before it is returned. An error that the house answers is a *wire.Error.
func (h *House) Service(api *wire.Service) (wire.Invoker, error) {
	codec, err := protocol.New(api)
	if err != nil {
		return nil, err
	}
	return &caller{house: h, codec: codec, signer: sigv4.NewSigner(h.cfg.Credentials, h.cfg.Region, api.SigningName)}, nil
}

// caller calls operations of one service.
type caller struct {
	house  *House
	codec  wire.Codec
	signer *sigv4.Signer
}

var _ wire.Invoker = (*caller)(nil)

// Invoke makes one call.
func (c *caller) Invoke(ctx context.Context, op *wire.Operation, in any) (any, error) {
	asked, err := c.codec.EncodeInput(op, in)
	if err != nil {
		return nil, err
	}
	body := asked.Body
	if asked.Stream != nil {
		if body, err = readAll(asked.Stream, maxBody, "the body of the call"); err != nil {
			return nil, err
		}
	}
	address := c.house.cfg.Endpoint + asked.Path
	if asked.RawQuery != "" {
		address += "?" + asked.RawQuery
	}
	req, err := http.NewRequestWithContext(ctx, asked.Method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = asked.Header
	req.Header.Set("User-Agent", c.house.cfg.Agent)
	if err := c.signer.Sign(req, sigv4.HashPayload(body), time.Now()); err != nil {
		return nil, err
	}
	res, err := c.house.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := readAll(res.Body, maxAnswer, "the answer of the house")
	if err != nil {
		return nil, err
	}
	answer := &wire.Response{Status: res.StatusCode, Header: res.Header, Body: text}
	if res.StatusCode >= 300 {
		return nil, c.codec.DecodeError(op, answer)
	}
	out := op.NewOutput()
	return out, c.codec.DecodeOutput(op, answer, out)
}

// Client returns an HTTP client for requests that are not operations of a model. Each is signed for a service, such as
// "aps"; its body is read whole before it is sent, and bounded; redirects are answers.
func (h *House) Client(signingName string) *http.Client {
	return &http.Client{
		Transport:     &signing{h, sigv4.NewSigner(h.cfg.Credentials, h.cfg.Region, signingName)},
		CheckRedirect: h.http.CheckRedirect,
	}
}

// Address returns the address of a path of the house.
func (h *House) Address(path string) string { return h.cfg.Endpoint + path }

type signing struct {
	house  *House
	signer *sigv4.Signer
}

// RoundTrip signs a copy of the request and sends it.
func (s *signing) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = readAll(r.Body, maxBody, "the body of the request")
		if err := errors.Join(err, r.Body.Close()); err != nil {
			return nil, err
		}
	}
	if !strings.HasPrefix(r.URL.String(), s.house.cfg.Endpoint+"/") {
		return nil, fmt.Errorf("%s is not an address of the house", r.URL.Redacted())
	}
	signed, err := http.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range r.Header {
		signed.Header[name] = values
	}
	signed.Header.Set("User-Agent", s.house.cfg.Agent)
	if err := s.signer.Sign(signed, sigv4.HashPayload(body), time.Now()); err != nil {
		return nil, err
	}
	return s.house.http.Transport.RoundTrip(signed)
}

// readAll reads to the end, and refuses what is longer than most bytes.
func readAll(r io.Reader, most int64, what string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s is longer than %d MiB", what, most>>20)
	}
	return text, err
}
