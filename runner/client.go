package runner

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

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/protocol"
)

// maxAnswer bounds what the house answers: a job with its files.
const maxAnswer = 64 << 20

// caller calls operations of the house over HTTPS.
type caller struct {
	endpoint string
	codec    wire.Codec
	signer   *sigv4.Signer
	http     *http.Client
}

var _ wire.Invoker = (*caller)(nil)

// dial makes a caller. Nothing is sent yet.
func dial(cfg *Config) (*caller, error) {
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
	codec, err := protocol.New(api.API)
	if err != nil {
		return nil, err
	}
	return &caller{
		endpoint: strings.TrimSuffix(cfg.Endpoint, "/"), codec: codec, signer: sigv4.NewSigner(cfg.Credentials, cfg.Region, api.API.SigningName),
		http: &http.Client{
			Transport:     &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Invoke makes one call. An error that the house answers is a *wire.Error.
func (c *caller) Invoke(ctx context.Context, op *wire.Operation, in any) (any, error) {
	asked, err := c.codec.EncodeInput(op, in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, asked.Method, c.endpoint+asked.Path, bytes.NewReader(asked.Body))
	if err != nil {
		return nil, err
	}
	req.Header = asked.Header
	req.Header.Set("User-Agent", "strongroom-runner")
	if err := c.signer.Sign(req, sigv4.HashPayload(asked.Body), time.Now()); err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxAnswer {
		return nil, errors.New("the answer of the house is too long")
	}
	answer := &wire.Response{Status: res.StatusCode, Header: res.Header, Body: body}
	if res.StatusCode >= 300 {
		return nil, c.codec.DecodeError(op, answer)
	}
	out := op.NewOutput()
	return out, c.codec.DecodeOutput(op, answer, out)
}
