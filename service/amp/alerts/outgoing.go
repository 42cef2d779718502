package alerts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/strongroom/strongroom/outbound"
)

// defaultTimeout bounds one delivery, connecting included; maxAnswer what a receiver may say to it.
const (
	defaultTimeout = 20 * time.Second
	maxAnswer      = 1 << 20
)

// Outgoing is what the operator says about receivers. The zero value is good for receivers on the public internet.
type Outgoing struct {
	// Roots are the certificate authorities that a receiver's certificate may come from; nil for the system's. A
	// definition may name its own instead.
	Roots *x509.CertPool
	// Addresses say where a host name is reached: "10.1.2.3:8443". Only names in here may lead to addresses that are
	// not public.
	Addresses map[string]string
	// Topics are the https addresses that stand for topics, by the topic's ARN.
	Topics map[string]string
	// Timeout bounds a delivery; 0 for 20 seconds.
	Timeout time.Duration
}

// Check reports what is wrong with what the operator says.
func (o Outgoing) Check() error {
	for name, to := range o.Addresses {
		if _, _, err := net.SplitHostPort(to); err != nil || name == "" {
			return fmt.Errorf("receiver %q: %q is not an address and a port", name, to)
		}
	}
	for arn, to := range o.Topics {
		if u, err := url.Parse(to); err != nil || u.Scheme != "https" || u.Hostname() == "" {
			return fmt.Errorf("topic %q must be an https address", arn)
		}
	}
	return nil
}

// Topic reports whether the operator says where a topic is.
func (o Outgoing) Topic(arn string) bool { return o.Topics[arn] != "" }

func (o Outgoing) timeout() time.Duration { return or(o.Timeout, defaultTimeout) }

func or(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// dial connects to where the operator says that a name is, or else to a public address of the name. The connection
// ends with its time, and after what a receiver may say.
func (o Outgoing) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, errors.New("not an address and a port")
	}
	dialer := &net.Dialer{Timeout: o.timeout()}
	if to := o.Addresses[host]; to != "" {
		address = to
	} else {
		dialer.Control = outbound.PublicOnly
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(o.timeout())); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &bounded{Conn: conn, left: maxAnswer}, nil
}

// bounded is a connection on which the other side may say so much and no more. One goroutine reads at a time.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("the receiver says too much")
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// options are for the HTTP clients of integrations: a connection for each delivery.
func (o Outgoing) options() []promconfig.HTTPClientOption {
	return []promconfig.HTTPClientOption{
		promconfig.WithDialContextFunc(o.dial), promconfig.WithKeepAlivesDisabled(), promconfig.WithHTTP2Disabled(),
		promconfig.WithUserAgent("strongroom-amp"), promconfig.WithNewTLSConfigFunc(o.tls),
	}
}

// tls is the TLS configuration that a definition asks for, with the operator's authorities where it names none.
func (o Outgoing) tls(ctx context.Context, c *promconfig.TLSConfig, opts ...promconfig.TLSConfigOption) (*tls.Config, error) {
	if c == nil {
		c = new(promconfig.TLSConfig)
	}
	out, err := promconfig.NewTLSConfigWithContext(ctx, c, opts...)
	if err != nil {
		return nil, err
	}
	if c.CA == "" {
		out.RootCAs = o.Roots
	}
	out.MinVersion = max(out.MinVersion, tls.VersionTLS12)
	return out, nil
}
