package xks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/strongroom/strongroom/outbound"
)

// Timeout is how long KMS waits for a proxy's answer, connecting included (specification).
const Timeout = 250 * time.Millisecond

// Options are what the operator says about proxies. The zero value is good for proxies on
// the public internet.
type Options struct {
	// Roots are the certificate authorities that a proxy's certificate may come from; nil for
	// the system's.
	Roots *x509.CertPool
	// Addresses say where a host name, or a VPC endpoint service, is reached: "10.1.2.3:8443".
	// Only names in here may lead to addresses that are not public.
	Addresses map[string]string
	// Timeout bounds a call; 0 for the 250 ms of the specification.
	Timeout time.Duration
}

// Transport holds the connections to all proxies. It may be used by any number of goroutines.
type Transport struct {
	options Options
	pools   map[string]*http.Transport // by the endpoint service that they lead through; "" for none
}

// NewTransport returns a Transport without connections.
func NewTransport(o Options) *Transport {
	if o.Timeout <= 0 {
		o.Timeout = Timeout
	}
	t := &Transport{options: o, pools: make(map[string]*http.Transport)}
	t.pools[""] = t.pool("")
	for name := range o.Addresses {
		t.pools[name] = t.pool(name) // no way that one store may take is open to another
	}
	return t
}

// pool returns connections that all go through one endpoint service, or through none.
func (t *Transport) pool(via string) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) { return t.dial(ctx, via, address) },
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("external key store proxies speak HTTPS")
		},
		Protocols: protocols, DisableCompression: true, MaxResponseHeaderBytes: 16 << 10,
		MaxIdleConnsPerHost: 64, MaxConnsPerHost: 256, IdleConnTimeout: time.Minute,
	}
}

// Close closes the idle connections.
func (t *Transport) Close() {
	for _, pool := range t.pools {
		pool.CloseIdleConnections()
	}
}

// Reaches reports whether the operator says where a VPC endpoint service is.
func (t *Transport) Reaches(service string) bool { return t.options.Addresses[service] != "" }

// roundTrip sends one request through an endpoint service, or none, and follows no redirect.
func (t *Transport) roundTrip(via string, r *http.Request) (*http.Response, error) {
	pool := t.pools[via]
	if pool == nil {
		return nil, failed(Unreachable)
	}
	return pool.RoundTrip(r)
}

// progress is how far a request has come, as far as it is known.
type progress struct {
	connected atomic.Bool // a TCP connection was made
}

type progressKey struct{}

// begin starts the time of one request.
func (t *Transport) begin(ctx context.Context) (context.Context, *progress, context.CancelFunc) {
	seen := new(progress)
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, progressKey{}, seen), t.options.Timeout)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { seen.connected.Store(true) },
	})
	return ctx, seen, cancel
}

// explain turns what went wrong with a request into the kind that it is.
func (p *progress) explain(ctx context.Context, err error) error {
	var known *Error
	var slow net.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err() // the caller has gone; the proxy has no part in that
	case ctx.Err() != nil, errors.As(err, &slow) && slow.Timeout():
		if p.connected.Load() {
			return failed(TimedOut)
		}
		return failed(Unreachable)
	}
	return failed(Malformed) // the connection broke in the midst of the answer, or it is no HTTP
}

// dial connects to a proxy and proves that it is who it should be.
func (t *Transport) dial(ctx context.Context, via, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, failed(Unreachable)
	}
	seen, _ := ctx.Value(progressKey{}).(*progress)
	if seen == nil {
		seen = new(progress)
	}
	raw, err := t.connect(ctx, via, host, address)
	if err != nil {
		return nil, failed(Unreachable)
	}
	seen.connected.Store(true)
	conn := tls.Client(raw, &tls.Config{
		ServerName: host, RootCAs: t.options.Roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		CipherSuites: []uint16{ // with TLS 1.2
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		},
	})
	// net/http may give up on a dial and let it go on for the next request, so it needs an end of its own.
	ctx, cancel := context.WithTimeout(ctx, t.options.Timeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		if ctx.Err() != nil {
			return nil, failed(TimedOut)
		}
		return nil, failed(BadTLS)
	}
	return conn, nil
}

// connect makes the TCP connection: to where the operator says, or else to a public address
// of the name.
func (t *Transport) connect(ctx context.Context, via, host, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: t.options.Timeout}
	name := host
	if via != "" {
		name = via
	}
	if to := t.options.Addresses[name]; to != "" {
		return dialer.DialContext(ctx, "tcp", to)
	}
	if via != "" {
		return nil, errors.New("the operator has not said where the endpoint service is")
	}
	dialer.Control = outbound.PublicOnly
	return dialer.DialContext(ctx, "tcp", address)
}
