package gateway

import (
	"bytes"
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/wire"
)

var (
	noDeadline  time.Time
	errDraining = errors.New("shutting down")
)

// Serve answers HTTPS on l until Shutdown, and then returns nil. It takes l over.
func (g *Gateway) Serve(l net.Listener) error {
	if g.certificate == nil {
		return errors.New("gateway: no certificate to serve with")
	}
	s := &http.Server{
		Handler:           g,
		TLSConfig:         tlsConfig(g.certificate),
		MaxHeaderBytes:    g.limits.Header,
		ReadHeaderTimeout: g.limits.HeaderTime,
		ReadTimeout:       g.limits.BodyTime, // of the whole request; streams move it on
		WriteTimeout:      g.limits.BodyTime + g.limits.CallTime,
		IdleTimeout:       g.limits.IdleTime,
		ErrorLog:          g.serverLog(),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 256},
	}
	limited := newListener(l, g.limits.Connections, g.stats)
	return g.serve(s, &g.servers, limited, func() error { return s.ServeTLS(limited, "", "") })
}

// serve runs a server on l that Shutdown stops, and notes it in list.
func (g *Gateway) serve(s *http.Server, list *[]*http.Server, l net.Listener, run func() error) error {
	g.mu.Lock()
	if g.draining.Load() {
		g.mu.Unlock()
		return l.Close()
	}
	*list = append(*list, s)
	g.mu.Unlock()
	if err := run(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown stops taking connections, waits for the calls under way, and returns; the operator's
// listener goes last. When ctx ends first, it breaks the calls that are left and returns ctx's error.
func (g *Gateway) Shutdown(ctx context.Context) error {
	g.mu.Lock()
	g.draining.Store(true)
	servers := slices.Concat(g.servers, g.operators)
	g.mu.Unlock()
	var first error
	for _, s := range servers {
		err := s.Shutdown(ctx)
		if err != nil {
			err = errors.Join(err, s.Close())
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// serverLog takes what net/http has to say of connections into the operator's log. Most of
// it is handshakes that strangers did not finish: they are counted, and told at debug.
func (g *Gateway) serverLog() *log.Logger {
	return log.New(&serverLog{g}, "", 0)
}

type serverLog struct{ gateway *Gateway }

func (l *serverLog) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line))
	if bytes.Contains(line, []byte("TLS handshake error")) {
		l.gateway.stats.handshakes.Inc()
	}
	l.gateway.log.Debug("connection", "event", text)
	return len(line), nil
}

// report writes the call's line in the operator's log: at debug every call, at error what was the
// house's own fault, with its cause. Callers appear by account and id, never by name.
func (g *Gateway) report(p *passage) {
	c := &p.call
	var failed *wire.Error
	level := slog.LevelDebug
	if c.Err != nil {
		failed = wire.AsError(c.Err)
		if failed.Fault && !errors.Is(failed.Cause, context.Canceled) {
			level = slog.LevelError
		}
	}
	if !g.log.Enabled(context.Background(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs, slog.String("request", c.ID))
	if c.Service != nil {
		attrs = append(attrs, slog.String("service", c.Service.Name))
	}
	if c.Op != nil {
		attrs = append(attrs, slog.String("operation", c.Op.Name), slog.String("region", c.Region))
	}
	attrs = append(attrs, caller(c.Principal)...)
	if c.Via != "" {
		attrs = append(attrs, slog.String("via", c.Via))
	}
	attrs = append(attrs, slog.String("code", p.code()), slog.Duration("took", time.Since(c.Time)))
	if level == slog.LevelError {
		attrs = append(attrs, slog.Any("cause", failed.Cause))
		var fell *panicked
		if errors.As(failed.Cause, &fell) {
			attrs = append(attrs, slog.String("stack", string(fell.stack)))
		}
	}
	g.log.LogAttrs(context.Background(), level, "call", attrs...)
}

func caller(who *identity.Principal) []slog.Attr {
	if who == nil {
		return nil
	}
	return []slog.Attr{slog.String("account", who.Account), slog.String("caller", who.ID)}
}
