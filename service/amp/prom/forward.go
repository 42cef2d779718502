package prom

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/promql"
)

// Forward answers a request from another system that keeps the series. It ends with ctx. The request's Body is not
// kept, and its Header is not changed. An error is not for the client's eyes.
type Forward func(ctx context.Context, r *Request) (*Answer, error)

// maxSends is how many writes of a workspace are handed on at one moment.
const maxSends = 64

// pass hands a request on, after all that can be held against it here was held against it: which paths there are, sizes, rates,
// labels, how deep an expression is, how much is under way.
func (a *API) pass(ctx context.Context, r *Request, k kind) (*Answer, error) {
	switch k {
	case writing:
		return a.write(ctx, r)
	case otlp:
		return a.passOTLP(ctx, r)
	case asking, querying, answering:
		switch r.Path {
		case "format_query", "parse_query", "status/buildinfo": // which take no series
			return a.ask(ctx, r, false)
		}
		return a.passRead(ctx, r, k != answering)
	}
	return plain(http.StatusNotFound, "404 page not found"), nil
}

// passRead hands a query on, within the time that a query may take.
func (a *API) passRead(ctx context.Context, r *Request, reads bool) (*Answer, error) {
	q := &request{api: a, limits: a.limits.Load()}
	ctx, cancel := context.WithTimeout(ctx, q.limits.queryTime())
	defer cancel()
	h := r.http(ctx, "/"+r.Path)
	if refused := q.check(h, r.Path); refused != nil {
		return refused, nil
	}
	if reads {
		if refused := a.enter(ctx); refused != nil {
			return refused, nil
		}
		defer a.queries.leave()
	}
	c := a.costsOf(r, h.Form)
	out, err := a.forward(ctx, c.request(r))
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && (err != nil || out.Status >= http.StatusInternalServerError) {
		return failure(http.StatusServiceUnavailable, "timeout", promql.ErrQueryTimeout("expression evaluation").Error()), nil
	}
	if err != nil {
		return nil, err
	}
	c.tell(a.told, out)
	return r.next(ctx, out)
}

// passWrite hands a remote write on, without the series that break a limit: they are told when all else is kept.
func (a *API) passWrite(ctx context.Context, r *Request, second bool) (*Answer, error) {
	w, refused := a.begin(ctx, len(r.Body))
	if refused != nil {
		return refused, nil
	}
	defer w.leave()
	s, refused := w.screen(r, second)
	if refused != nil {
		return refused, nil
	}
	if s.dropped > 0 {
		w.refused = refusal{status: http.StatusBadRequest, message: s.first, more: s.dropped - 1}
		if s.samples == 0 {
			return plain(http.StatusBadRequest, w.refused.text()), nil
		}
		again := *r
		again.Body = s2.EncodeSnappy(nil, s.kept)
		r = &again
	}
	return a.send(ctx, w, r, s.samples)
}

// screen decompresses a remote write and looks at it.
func (w *write) screen(r *Request, second bool) (*screening, *Answer) {
	size, n := binary.Uvarint(r.Body)
	if limit := w.limits.maxWriteOf(); n > 0 && size > limit {
		return nil, plain(http.StatusRequestEntityTooLarge, fmt.Sprintf("decompressed request is larger than %d bytes", limit))
	}
	body, err := s2.Decode(nil, r.Body)
	if err != nil {
		return nil, plain(http.StatusBadRequest, "snappy: corrupt input")
	}
	field := uint64(seriesV1)
	if second {
		field = seriesV2
	}
	if bomb(body, field) {
		return nil, plain(http.StatusBadRequest, "request holds too many empty messages")
	}
	s, err := screen(body, second, w.limits)
	if err != nil {
		return nil, plain(http.StatusBadRequest, err.Error())
	}
	return s, nil
}

// send hands a write on, and answers for it. Others take their turn meanwhile.
func (a *API) send(ctx context.Context, w *write, r *Request, samples int) (*Answer, error) {
	w.leave()
	rate, burst := w.limits.IngestionRate, float64(w.limits.IngestionBurst)
	limited := rate > 0 && samples > 0
	if limited && !a.ingested.take(time.Now(), samples, rate, burst) {
		return plain(http.StatusTooManyRequests, w.limits.rateMessage(samples)).later(1), nil
	}
	out, err := a.sendOne(ctx, r)
	switch {
	case err != nil || out.Status >= http.StatusInternalServerError || out.Status == http.StatusTooManyRequests:
		if limited {
			a.ingested.give(samples, burst)
		}
		return out, err
	case out.Status >= 300 || w.refused.status == 0:
		return out, nil
	}
	told := plain(w.refused.status, w.refused.text())
	for name, values := range out.Header { // how much was written, of version 2
		if strings.HasPrefix(name, "X-Prometheus-") {
			told.Header[name] = values
		}
	}
	return told, nil
}

func (a *API) sendOne(ctx context.Context, r *Request) (*Answer, error) {
	if err := a.sends.enter(ctx); err != nil {
		return plain(http.StatusServiceUnavailable, err.Error()).later(1), nil
	}
	defer a.sends.leave()
	return a.forward(ctx, r)
}

// passOTLP hands metrics of OpenTelemetry on as they came. Labels are not looked at: what they become is up to whoever
// translates them.
func (a *API) passOTLP(ctx context.Context, r *Request) (*Answer, error) {
	w, refused := a.begin(ctx, len(r.Body))
	if refused != nil {
		return refused, nil
	}
	defer w.leave()
	if _, _, refused := openOTLP(r, w.limits); refused != nil {
		return refused, nil
	}
	return a.send(ctx, w, r, 0)
}
