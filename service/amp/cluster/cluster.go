package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Kind is what runs the cluster.
type Kind string

// The kinds that there are.
const (
	Cortex Kind = "cortex"
	Mimir  Kind = "mimir"
)

// DefaultTimeout bounds a request to the cluster, other than a query, which has a bound of its own.
const DefaultTimeout = 30 * time.Second

// tenantHeader says whose request it is.
const tenantHeader = "X-Scope-OrgID"

// Options of a Cluster.
type Options struct {
	Kind       Kind
	Address    string         // "https://cortex.example.org:9009"
	Roots      *x509.CertPool // authorities that the cluster's certificate may come from
	ServerName string         // in the cluster's certificate; "" for the address's
	// Certificate returns the client certificate. It is asked at each handshake, so that a new one is taken without a restart.
	Certificate func() (*tls.Certificate, error)
	Timeout     time.Duration // 0 for DefaultTimeout
	Log         *slog.Logger
}

// Cluster is a client of a cluster. Its methods may be called together.
type Cluster struct {
	kind    Kind
	base    *url.URL
	http    *http.Client
	timeout time.Duration
	log     *slog.Logger
	away    atomic.Bool  // it did not answer the last time; told once
	lostAt  atomic.Int64 // when that was, in Unix nanoseconds
}

// New returns a client. It connects to nothing yet.
func New(o Options) (*Cluster, error) {
	if o.Kind != Cortex && o.Kind != Mimir {
		return nil, fmt.Errorf("a metrics cluster is %q or %q, not %q", Cortex, Mimir, o.Kind)
	}
	base, err := url.Parse(o.Address)
	if err != nil || base.Scheme != "https" || base.Hostname() == "" || base.RawQuery != "" || base.User != nil || base.Fragment != "" {
		return nil, fmt.Errorf("%q is not an address such as https://cortex.example.org:9009", o.Address)
	}
	if o.Roots == nil || o.Certificate == nil {
		return nil, errors.New("a metrics cluster takes certificates on both sides")
	}
	if o.ServerName == "" {
		o.ServerName = base.Hostname()
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	d := &dialer{o: o}
	return &Cluster{kind: o.Kind, base: base, timeout: o.Timeout, log: o.Log, http: &http.Client{
		Transport: &http.Transport{
			DialTLSContext: d.dial, DisableCompression: true, MaxIdleConnsPerHost: 64, MaxConnsPerHost: 512,
			IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close closes the connections that are not in use.
func (c *Cluster) Close() { c.http.CloseIdleConnections() }

// Kind returns what runs the cluster.
func (c *Cluster) Kind() Kind { return c.kind }

// dialer connects with certificates on both sides.
type dialer struct{ o Options }

// handshakeTime bounds connecting.
const handshakeTime = 10 * time.Second

// errUnasked is that a server does not ask who we are.
var errUnasked = errors.New("the metrics cluster does not ask for a client certificate")

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	plain, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	asked := false
	conn := tls.Client(plain, &tls.Config{ // no session is resumed: its handshake would not ask
		MinVersion: tls.VersionTLS12, RootCAs: d.o.Roots, ServerName: d.o.ServerName,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return d.o.Certificate()
		},
	})
	if err = conn.HandshakeContext(ctx); err == nil && !asked {
		err = errUnasked
	}
	if err != nil {
		_ = plain.Close() // what was wrong is told already
		return nil, err
	}
	return conn, nil
}

// request is one request to the cluster.
type request struct {
	method string
	path   string // escaped, below the cluster's address
	query  string
	tenant string // "" for what is of no tenant
	header http.Header
	body   []byte
	most   int64 // bytes of the answer
}

// response is a whole answer of the cluster.
type response struct {
	status int
	header http.Header
	body   []byte
}

// ErrAway is that the cluster cannot be reached, or does not answer in time.
var ErrAway = errors.New("the metrics cluster can't be reached")

// errLong is that an answer is longer than it may be.
var errLong = errors.New("the answer of the metrics cluster is too long")

// do sends a request and reads the answer. The error is ErrAway, errLong, or the context's.
func (c *Cluster) do(ctx context.Context, r request) (*response, error) {
	u := *c.base
	target := u.String() + r.path
	if r.query != "" {
		target += "?" + r.query
	}
	h, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("request to the metrics cluster: %w", err)
	}
	for name, values := range r.header {
		h.Header[name] = values
	}
	h.Header.Set("User-Agent", "strongroom")
	if r.tenant != "" {
		h.Header.Set(tenantHeader, r.tenant)
	}
	out, err := c.http.Do(h)
	if err != nil {
		return nil, c.lost(ctx, err)
	}
	defer out.Body.Close()
	if r.most <= 0 {
		r.most = maxText
	}
	body, err := io.ReadAll(io.LimitReader(out.Body, r.most+1))
	switch {
	case err != nil:
		return nil, c.lost(ctx, err)
	case int64(len(body)) > r.most:
		return nil, errLong
	}
	if c.away.Swap(false) {
		c.log.Info("the metrics cluster answers again")
	}
	return &response{out.StatusCode, out.Header, body}, nil
}

// maxText bounds what the cluster says beside answers to queries.
const maxText = 16 << 20

// lost says that the cluster is away, unless it was the caller who went. One that does not answer a query in time may only be slow.
func (c *Cluster) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	var in *url.Error // would repeat the query
	if errors.As(err, &in) {
		err = in.Err
	}
	if ctx.Err() == nil {
		c.rest(err)
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// rest notes that the cluster is away, and tells the operator the first time.
func (c *Cluster) rest(err error) {
	c.lostAt.Store(time.Now().UnixNano())
	if !c.away.Swap(true) {
		c.log.Warn("the metrics cluster can't be reached", "error", err)
	}
}

// restTime is how long a cluster that did not answer is left alone by work in the background, of which there may be some for each workspace.
const restTime = 5 * time.Second

// ask is do for the house itself, within the time of a request.
func (c *Cluster) ask(ctx context.Context, r request) (*response, error) {
	return c.within(ctx, c.timeout, r)
}

// within is do for the house itself, within a time. It does not try again what has just failed for all.
func (c *Cluster) within(ctx context.Context, d time.Duration, r request) (*response, error) {
	if c.away.Load() && time.Since(time.Unix(0, c.lostAt.Load())) < restTime {
		return nil, ErrAway
	}
	bound, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	out, err := c.do(bound, r)
	if err != nil && bound.Err() != nil && ctx.Err() == nil {
		c.rest(bound.Err())
	}
	return out, err
}
