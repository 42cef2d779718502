package gateway

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/strongroom/strongroom/wire"
)

// metrics are what the operator can watch. Labels hold names from the API models only, never
// anything that a client chose.
type metrics struct {
	registry    *prometheus.Registry
	calls       *prometheus.CounterVec
	latency     *prometheus.HistogramVec
	refused     *prometheus.CounterVec
	auditWait   prometheus.Histogram
	connections prometheus.Gauge
	plainHTTP   prometheus.Counter
	handshakes  prometheus.Counter
	panics      prometheus.Counter
}

func newMetrics(registry *prometheus.Registry, underWay *gate) *metrics {
	if registry == nil {
		registry = prometheus.NewRegistry()
	}
	m := &metrics{
		registry: registry,
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strongroom_calls_total", Help: "Calls answered, by service, operation and error code (OK for none).",
		}, []string{"service", "operation", "code"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "strongroom_call_seconds", Help: "Time from a call's arrival to the end of its answer.",
			Buckets: []float64{.0002, .0005, .001, .002, .005, .01, .02, .05, .1, .25, 1, 5, 30},
		}, []string{"service", "operation"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strongroom_refused_total", Help: "Requests refused before a caller was known, by error code.",
		}, []string{"code"}),
		auditWait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "strongroom_audit_wait_seconds", Help: "Time that calls waited for their audit record to be durable.",
			Buckets: []float64{.0001, .0002, .0005, .001, .002, .005, .01, .05, .25, 1, 5},
		}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{Name: "strongroom_connections", Help: "Open connections."}),
		plainHTTP: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "strongroom_plain_http_total", Help: "Connections refused because the client spoke HTTP without TLS.",
		}),
		handshakes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "strongroom_handshakes_refused_total", Help: "TLS handshakes that failed.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "strongroom_panics_total", Help: "Calls that ended in a panic; each is in the operator's log.",
		}),
	}
	registry.MustRegister(m.calls, m.latency, m.refused, m.auditWait, m.connections, m.plainHTTP, m.handshakes, m.panics,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "strongroom_calls_under_way", Help: "Calls that are being served.",
		}, func() float64 { return float64(underWay.now.Load()) }))
	return m
}

// opMetrics are the metrics of one operation, with their labels resolved, since every call counts.
type opMetrics struct {
	ok      prometheus.Counter
	latency prometheus.Observer
}

// lazyMetrics resolves the metrics of an operation at its first call, so that operations
// nobody calls do not crowd the answer to /metrics.
type lazyMetrics struct{ resolved atomic.Pointer[opMetrics] }

func (l *lazyMetrics) get(m *metrics, op *wire.Operation) *opMetrics {
	if found := l.resolved.Load(); found != nil {
		return found
	}
	made := &opMetrics{
		ok:      m.calls.WithLabelValues(op.Service.Name, op.Name, "OK"),
		latency: m.latency.WithLabelValues(op.Service.Name, op.Name),
	}
	l.resolved.Store(made)
	return made
}

// count notes the end of a call.
func (m *metrics) count(p *passage) {
	c := &p.call
	switch {
	case p.door != nil:
		o := p.door.metrics.get(m, p.door.op)
		if c.Err == nil {
			o.ok.Inc()
		} else {
			m.calls.WithLabelValues(c.Service.Name, c.Op.Name, p.code()).Inc()
		}
		o.latency.Observe(time.Since(c.Time).Seconds())
	case c.Principal != nil && c.Service != nil:
		m.calls.WithLabelValues(c.Service.Name, "", p.code()).Inc()
	default:
		m.refused.WithLabelValues(p.code()).Inc()
	}
}

// OperatorHandler answers /healthz and /metrics. It is meant for a loopback listener: it
// asks nobody who they are.
func (g *Gateway) OperatorHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.stats.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if err := g.health(r.Context()); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(err.Error() + "\n"))
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	return mux
}

// ServeOperator answers /healthz and /metrics on l, until Shutdown.
func (g *Gateway) ServeOperator(l net.Listener) error {
	s := &http.Server{
		Handler:           g.OperatorHandler(),
		ReadHeaderTimeout: g.limits.HeaderTime,
		ReadTimeout:       g.limits.HeaderTime,
		WriteTimeout:      time.Minute,
		IdleTimeout:       g.limits.IdleTime,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          g.serverLog(),
	}
	return g.serve(s, &g.operators, l, func() error { return s.Serve(l) })
}

func (g *Gateway) health(ctx context.Context) error {
	if g.draining.Load() {
		return errDraining
	}
	if g.healthy != nil {
		return g.healthy(ctx)
	}
	return nil
}
