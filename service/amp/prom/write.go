package prom

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/s2"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	promdata "github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage/remote"

	"github.com/strongroom/strongroom/service/amp/series"
)

// Bounds that hold also where a workspace has no limit.
const (
	maxWrite = 32 << 20 // decompressed; upstream takes no more
	maxOTLP  = 8 << 20  // a message of OpenTelemetry unfolds to many times its size
	maxKept  = 4 << 20  // of buffers for the next request
	maxLight = 16 << 10 // compressed; a longer write waits for its turn before it is looked at

	// mostUnfolds is to how many times its bytes a message that is compressed with snappy may unfold, and as much longer than its bytes one is taken for
	// whose compression knows no such bound.
	mostUnfolds = 22
)

var accepted = remoteapi.MessageTypes{remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType}

// write takes a remote write of either version.
func (a *API) write(ctx context.Context, r *Request) (*Answer, error) {
	r, version, refused := negotiate(r)
	if refused != nil {
		return refused, nil
	}
	second := version == remoteapi.WriteV2MessageType
	take := a.keep
	if a.forward != nil {
		take = a.passWrite
	}
	answer, err := take(ctx, r, second)
	if answer == nil || answer.Status < 300 {
		return answer, err
	}
	if answer.shorten(); second {
		answer.counted()
	}
	return answer, err
}

// keep takes a remote write into the store.
func (a *API) keep(ctx context.Context, r *Request, second bool) (*Answer, error) {
	w, refused := a.begin(ctx, len(r.Body))
	if refused != nil {
		return refused, nil
	}
	defer w.leave()
	if len(r.Body) > maxLight {
		ctx = series.WithPace(ctx, rest)
	}
	w.whole = !second
	if a, err := a.quick(ctx, r, w); a != nil || err != nil {
		return a, err
	}
	return a.upstream(ctx, r, w)
}

// upstream lets upstream's handler take a remote write.
func (a *API) upstream(ctx context.Context, r *Request, w *write) (*Answer, error) {
	bad := new(counters)
	k := &keeper{header: http.Header{}}
	remote.NewWriteHandler(quiet, bad, w, accepted, false, true).ServeHTTP(k, r.http(ctx, "/write"))
	if n := bad.invalid(); n > 0 && w.whole {
		// Upstream leaves these out in silence; the specification asks for a 400 ("Invalid Samples").
		w.refused.add(http.StatusBadRequest, fmt.Sprintf("%d series with invalid metric names or labels, or with a label twice, were left out", n))
	}
	return w.answer(k.answer().exact(w.exemplars))
}

// maxWriteOf is how long a remote write may be, decompressed.
func (l *Limits) maxWriteOf() uint64 {
	if l.RequestSize > 0 {
		return min(maxWrite, uint64(l.RequestSize))
	}
	return maxWrite
}

// begin gives a write of so many bytes its turn, where the workspace may send anything at all now.
func (a *API) begin(ctx context.Context, size int) (*write, *Answer) {
	l := a.limits.Load()
	if l.IngestionRate > 0 && a.ingested.empty(time.Now(), l.IngestionRate, float64(l.IngestionBurst)) {
		return nil, plain(http.StatusTooManyRequests, l.rateMessage(0)).later(1)
	}
	if err := a.writes.enter(ctx); err != nil {
		return nil, plain(http.StatusServiceUnavailable, err.Error()).later(1)
	}
	place := a.place(time.Now())
	w := &write{api: a, limits: l}
	w.leave = sync.OnceFunc(func() { w.turn.end(); a.writes.leave() })
	if size <= maxLight {
		w.turn.later(ctx, processors())
		return w, nil
	}
	w.turn.begin(ctx, place)
	return w, nil
}

// buffers hold decompressed requests while they are looked at.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// quick decodes a request by itself and appends what it holds. It refuses what would cost more than it is worth. What it
// does not know how to decode it leaves to upstream, for which it returns nothing.
func (a *API) quick(ctx context.Context, r *Request, w *write) (*Answer, error) {
	size, n := binary.Uvarint(r.Body)
	if n <= 0 {
		return nil, nil
	}
	limit := w.limits.maxWriteOf()
	if size > limit {
		return plain(http.StatusRequestEntityTooLarge, fmt.Sprintf("decompressed request is larger than %d bytes", limit)), nil
	}
	buf := buffers.Get().(*[]byte)
	defer func() {
		clear(*buf)
		buffers.Put(buf)
	}()
	body, err := s2.Decode((*buf)[:cap(*buf)], r.Body)
	if err != nil {
		return nil, nil
	}
	if cap(body) <= maxKept {
		*buf = body
	}
	d := decoders.Get().(*decoder)
	defer d.done()
	w.turn.pass()
	decoded := a.decode(d, body, w)
	w.turn.pass()
	if decoded && d.bomb(body) || !decoded && bomb(body, w.seriesField()) {
		return plain(http.StatusBadRequest, "request holds too many empty messages"), nil
	}
	if w.whole && (d.describes || !decoded) {
		if err := a.describe(ctx, w, body); err != nil {
			return nil, err
		}
	}
	if !decoded || r.Method != http.MethodPost {
		w.exemplars = w.exemplarsIn(body)
		return nil, nil
	}
	return w.take(ctx, d)
}

// ownDecode decodes the body of a request, and reports whether it could.
func (a *API) ownDecode(d *decoder, body []byte, w *write) bool {
	w.epoch = a.db.Forgotten()
	a.known.mu.RLock()
	defer a.known.mu.RUnlock()
	k := a.known
	if !k.holds(w.limits, w.epoch) {
		k = nil
	}
	if w.whole {
		return d.first(body, k)
	}
	return d.second(body, k)
}

// seriesField is the number of the field that holds the series.
func (w *write) seriesField() uint64 {
	if w.whole {
		return seriesV1
	}
	return seriesV2
}

// describe keeps the metadata that a request of version 1 carries.
func (a *API) describe(ctx context.Context, w *write, body []byte) error {
	all := func(yield func(string, promdata.Metadata)) {
		for name, m := range described(body) {
			if !w.limits.describes(&m) {
				yield(name, m)
			}
		}
	}
	for range described(body) {
		return a.db.Describe(ctx, "", promdata.Metadata{}, all)
	}
	return nil
}

// counters catches the counters of upstream's handler, which is made anew for each request.
type counters struct{ list []prometheus.Collector }

var _ prometheus.Registerer = (*counters)(nil)

func (c *counters) Register(x prometheus.Collector) error {
	c.list = append(c.list, x)
	return nil
}

func (c *counters) MustRegister(list ...prometheus.Collector) { c.list = append(c.list, list...) }
func (c *counters) Unregister(prometheus.Collector) bool      { return false }

// otlp takes metrics of OpenTelemetry.
func (a *API) otlp(ctx context.Context, r *Request) (*Answer, error) {
	size := len(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		size *= mostUnfolds
	}
	w, refused := a.begin(ctx, size)
	if refused != nil {
		return refused, nil
	}
	defer w.leave()
	w.whole = true
	kind, body, refused := openOTLP(r, w.limits)
	if refused != nil {
		return refused, nil
	}
	h := r.http(ctx, "/otlp/v1/metrics")
	h.Header.Set("Content-Type", kind)
	h.Header.Del("Content-Encoding")
	h.Body, h.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	k := &keeper{header: http.Header{}}
	remote.NewOTLPWriteHandler(quiet, nil, w, defaults, remote.OTLPOptions{LookbackDelta: 5 * time.Minute}).ServeHTTP(k, h)
	return w.answer(k.answer())
}

// openOTLP returns the message of a request of OpenTelemetry, decompressed, and its content type.
func openOTLP(r *Request, l *Limits) (kind string, body []byte, refused *Answer) {
	kind, _, _ = strings.Cut(r.Header.Get("Content-Type"), ";")
	if kind != "application/x-protobuf" && kind != "application/json" {
		return "", nil, plain(http.StatusUnsupportedMediaType, "unsupported content type, supported: [application/json, application/x-protobuf]")
	}
	limit := int64(maxOTLP)
	if l.RequestSize > 0 {
		limit = min(limit, l.RequestSize)
	}
	body, err := unzipped(r, limit)
	switch {
	case errors.Is(err, errLong):
		return "", nil, plain(http.StatusRequestEntityTooLarge, fmt.Sprintf("decompressed request is larger than %d bytes", limit))
	case err != nil:
		return "", nil, plain(http.StatusBadRequest, err.Error())
	}
	return kind, body, nil
}

var errLong = errors.New("request is too long")

// unzipped returns the body of a request of OpenTelemetry.
func unzipped(r *Request, limit int64) ([]byte, error) {
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		if int64(len(r.Body)) > limit {
			return nil, errLong
		}
		return r.Body, nil
	case "gzip":
		z, err := gzip.NewReader(bytes.NewReader(r.Body))
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(io.LimitReader(z, limit+1))
		if err == nil && int64(len(body)) > limit {
			err = errLong
		}
		return body, err
	default:
		return nil, errors.New("unsupported compression: only gzip or none")
	}
}

// answer is upstream's, or as upstream's, unless the limits had something to say, or the store failed.
func (w *write) answer(from *Answer) (*Answer, error) {
	switch {
	case w.failed != nil:
		return nil, w.failed
	case w.refused.status == 0:
		return from, nil
	}
	a := plain(w.refused.status, w.refused.text())
	for name, values := range from.Header { // how much was written, of version 2
		if strings.HasPrefix(name, "X-Prometheus-") {
			a.Header[name] = values
		}
	}
	if a.Status == http.StatusTooManyRequests {
		a.later(1)
	}
	return a, nil
}

// invalid returns how many series upstream's handler has left out because of their labels.
func (c *counters) invalid() int {
	n := 0.0
	for _, x := range c.list {
		counter, ok := x.(prometheus.Counter)
		if !ok || !strings.Contains(counter.Desc().String(), "remote_write_invalid_labels") {
			continue
		}
		var m dto.Metric
		if counter.Write(&m) == nil {
			n += m.GetCounter().GetValue()
		}
	}
	return int(n)
}
