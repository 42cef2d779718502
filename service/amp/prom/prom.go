package prom

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/util/httputil"
	web "github.com/prometheus/prometheus/web/api/v1"

	"github.com/strongroom/strongroom/service/amp/apart"
	"github.com/strongroom/strongroom/service/amp/series"
)

// Version is the release of Prometheus whose code answers here, as status/buildinfo says it.
const Version = "3.16.0"

// Rules knows the rule groups of a workspace and what is alerting. Its methods may be called together.
type Rules = web.RulesRetriever

// Options of an API.
type Options struct {
	DB     *series.DB
	Limits Limits
	// Forward answers from another system that keeps the series, where there is no DB.
	Forward Forward
	// Queried is told of each query that has run, before it is answered; nil for nobody. It must be quick.
	Queried func(Query)
	// Wanted reports whether Queried is to be told of a query that Forward answers, since that has to be asked what it cost; nil for never.
	Wanted func() bool
}

// Query is a query that has run.
type Query struct {
	Text       string
	Start, End time.Time
	Step       time.Duration // 0 for a query at one time
	Samples    int64         // that were processed; UnknownSamples where nobody says how many
	Header     http.Header   // of its request; not to be changed
}

// UnknownSamples is how many samples were processed where another system has answered and does not say.
const UnknownSamples = -1

// API is the HTTP API of a workspace. Its methods may be called together.
type API struct {
	db     *series.DB
	told   func(Query)
	wanted func() bool
	limits atomic.Pointer[Limits]
	router *route.Router
	read   http.Handler // remote read
	// described answers with metadata.
	described http.Handler
	known     *known
	decode    func(d *decoder, body []byte, w *write) bool // ownDecode; tests compare with what upstream decodes

	forward Forward // nil where db is not
	sends   *gate   // what is handed on at one moment, of writes

	ingested bucket                // samples
	asked    [answering + 1]bucket // requests, by kind
	writes   *gate
	queries  *gate
	lane     *turns // of what computes for long, beside other workspaces
}

// New returns the API of a workspace. It takes nothing over: the DB stays the caller's.
func New(o Options) *API {
	a := &API{db: o.DB, told: o.Queried, wanted: o.Wanted, router: route.New(), known: newKnown(), writes: newGate(atOnce(), waitingWrites), queries: newGate(o.Limits.queries()), lane: newLane()}
	a.limits.Store(&o.Limits)
	a.decode = a.ownDecode
	if o.Forward != nil {
		a.forward, a.sends = o.Forward, newGate(maxSends, waitingWrites)
		a.queries = newGate(a.places(&o.Limits))
	}
	up := *template() // every part of it that is not replaced here may be shared
	store := &queryable{a}
	up.Queryable, up.QueryEngine, up.ExemplarQueryable = store, &engine{a}, &exemplars{a}
	up.Register(a.router)
	a.described = httputil.CompressionHandler{Handler: http.HandlerFunc(a.metadata)}
	a.read = remote.NewReadHandler(quiet, nil, store, defaults, maxReadSamples, atOnce(), readFrame)
	return a
}

// SetLimits puts other limits into force, for requests from now on. Queries that wait stay where they are.
func (a *API) SetLimits(l Limits) {
	if *a.limits.Load() != l {
		a.limits.Store(&l)
		a.queries.resize(a.places(&l))
	}
}

const (
	maxReadSamples = 50_000_000 // of one answer to a remote read that does not stream, as upstream has it
	readFrame      = 1 << 20    // bytes
	waitingWrites  = 256
	maxQuery       = 64 << 10 // bytes of a PromQL expression
)

// places is how many queries may run and wait: as many as are asked, where another system answers them.
func (a *API) places(l *Limits) (run, wait int) {
	if a.forward == nil {
		return l.queries()
	}
	n := max(l.ConcurrentQueries, 1)
	return n, n
}

// queries is how many queries may run at one moment, and how many more may wait for them.
func (l *Limits) queries() (run, wait int) {
	if l.ConcurrentQueries <= 0 {
		return atOnce(), 1024
	}
	run = min(atOnce(), l.ConcurrentQueries)
	return run, l.ConcurrentQueries - run
}

var quiet = slog.New(slog.DiscardHandler) // upstream's loggers would tell names and values of labels

func defaults() config.Config { return config.DefaultConfig }

// template is upstream's API, made once: its description of itself takes memory that a thousand workspaces can share.
var template = sync.OnceValue(func() *web.API {
	build := &web.PrometheusVersion{Version: Version, GoVersion: runtime.Version()}
	return web.NewAPI(
		nil, nil, nil, nil,
		func(context.Context) web.ScrapePoolsRetriever { return nothing{} },
		func(context.Context) web.TargetRetriever { return nothing{} },
		func(context.Context) web.AlertmanagerRetriever { return nothing{} },
		defaults, map[string]string{}, web.GlobalURLOptions{},
		func(f http.HandlerFunc) http.HandlerFunc { return f }, // always ready: a workspace is opened before it is used
		nil, "", false, false, 0, quiet,
		func(ctx context.Context) web.RulesRetriever { return requestOf(ctx).rules },
		0, 1, 0, false, nil,
		func() (web.RuntimeInfo, error) { return web.RuntimeInfo{}, errors.ErrUnsupported },
		build, nil, nil, nil, nil, nil,
		false, remoteapi.MessageTypes{}, false, false, false, 0, false, false,
		nil, nil, web.OpenAPIOptions{}, nil, false, queryTime,
	)
})

// nothing is what a workspace that scrapes nothing knows of targets.
type nothing struct{}

func (nothing) ScrapePools() []string                       { return nil }
func (nothing) TargetsActive() map[string][]*scrape.Target  { return nil }
func (nothing) TargetsDropped() map[string][]*scrape.Target { return nil }
func (nothing) TargetsDroppedCounts() map[string]int        { return nil }
func (nothing) ScrapePoolConfig(string) (*config.ScrapeConfig, error) {
	return nil, errors.ErrUnsupported
}
func (nothing) Alertmanagers() []*url.URL        { return nil }
func (nothing) DroppedAlertmanagers() []*url.URL { return nil }

type noRules struct{}

func (noRules) RuleGroups() []*rules.Group           { return nil }
func (noRules) AlertingRules() []*rules.AlertingRule { return nil }

// Request is what is asked of an API.
type Request struct {
	Method   string
	Path     string // below /api/v1/, unescaped: "query_range", "label/job/values"
	RawQuery string
	Header   http.Header // it is not changed
	Body     []byte      // the whole of it; it is not kept
	Rules    Rules       // for rules and alerts; nil for none
	// Then makes another answer of one whose status is 200, of what reads series, within the same bounds of time and of what runs at one
	// moment; nil for the answer itself. What it computes takes turns of its own.
	Then func(context.Context, *Answer) (*Answer, error)
}

// next makes of an answer what the request wants of it.
func (r *Request) next(ctx context.Context, a *Answer) (*Answer, error) {
	if r.Then == nil || a.Status != http.StatusOK {
		return a, nil
	}
	out, err := r.Then(ctx, a)
	if err != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return failure(http.StatusServiceUnavailable, "timeout", promql.ErrQueryTimeout("what follows the query").Error()), nil
	}
	return out, err
}

// http returns the request as upstream's handlers take it, without what proved who sends it.
func (r *Request) http(ctx context.Context, path string) *http.Request {
	h := &http.Request{
		Method: r.Method, URL: &url.URL{Path: path, RawQuery: r.RawQuery}, Header: r.Header.Clone(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(r.Body)), ContentLength: int64(len(r.Body)),
	}
	if h.Header == nil {
		h.Header = http.Header{}
	}
	for _, name := range []string{"Authorization", "X-Amz-Security-Token", "Origin"} {
		h.Header.Del(name)
	}
	return h.WithContext(ctx)
}

// Serve answers a request. An error says that the store failed, and is not for the client's eyes: the caller answers, with a status that
// makes a sender try again.
func (a *API) Serve(ctx context.Context, r *Request) (*Answer, error) {
	kind := kindOf(r.Path)
	if refused := a.often(kind); refused != nil {
		if version, _ := versionOf(r.Header.Get(contentType)); kind == writing && version == remoteapi.WriteV2MessageType {
			refused.counted()
		}
		return refused, nil
	}
	if a.forward != nil {
		return a.pass(ctx, r, kind)
	}
	switch kind {
	case writing:
		return a.write(ctx, r)
	case otlp:
		return a.otlp(ctx, r)
	case asking, querying, answering:
		return a.ask(ctx, r, kind != answering)
	}
	return plain(http.StatusNotFound, "404 page not found"), nil
}

// often refuses what comes more often than the workspace may ask.
func (a *API) often(k kind) *Answer {
	l := a.limits.Load()
	rate, what := l.OtherRate, "requests"
	switch k {
	case writing, otlp:
		rate, what, k = l.WriteRate, "remote writes", writing
	case asking:
		rate, what = l.QueryRate, "queries"
	default:
		k = answering
	}
	if rate <= 0 || a.asked[k].take(time.Now(), 1, rate, max(burstOf*rate, 1)) {
		return nil
	}
	return failure(http.StatusTooManyRequests, "too_many_requests", fmt.Sprintf("more than %g %s a second", rate, what)).later(1)
}

// burstOf is for how many seconds a workspace that was quiet may ask at once: a dashboard opens with all its panels.
const burstOf = 2

// kind is a class of requests.
type kind uint8

const (
	unknown   kind = iota
	writing        // remote write
	otlp           // metrics of OpenTelemetry
	asking         // queries
	querying       // reads series in another way
	answering      // reads none
)

var kinds = map[string]kind{
	"remote_write": writing, "write": writing, "otlp/v1/metrics": otlp,
	"query": asking, "query_range": asking, "query_exemplars": asking, "series": querying, "labels": querying, "read": querying,
	"metadata": answering, "rules": answering, "alerts": answering, "format_query": answering, "parse_query": answering, "status/buildinfo": answering,
}

func kindOf(path string) kind {
	if strings.HasPrefix(path, "label/") && strings.HasSuffix(path, "/values") {
		return querying
	}
	return kinds[path]
}

// request is a read under way.
type request struct {
	api           *API
	limits        *Limits
	rules         Rules
	header        http.Header
	failed        atomic.Pointer[error] // of the store
	meter         series.Meter
	turn          turn
	warnAt, errAt uint64 // samples read; 0 for none
}

// fail notes what the store failed with, the first time.
func (q *request) fail(err error) { q.failed.CompareAndSwap(nil, &err) }

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	q, _ := ctx.Value(requestKey{}).(*request)
	if q == nil {
		q = &request{limits: new(Limits), rules: noRules{}}
	}
	return q
}

// ask lets upstream's handlers answer. What reads series takes its turn.
func (a *API) ask(ctx context.Context, r *Request, reads bool) (*Answer, error) {
	q := &request{api: a, limits: a.limits.Load(), rules: r.Rules, header: r.Header}
	q.meter.MaxChunks = q.limits.QueryChunks
	if q.rules == nil {
		q.rules = noRules{}
	}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, requestKey{}, q), q.limits.queryTime())
	defer cancel()
	h := r.http(ctx, "/"+r.Path)
	if a := q.check(h, r.Path); a != nil {
		return a, nil
	}
	if reads {
		if refused := a.enter(ctx); refused != nil {
			return refused, nil
		}
		defer a.queries.leave()
		a.start(ctx, &q.turn, time.Now())
		defer q.turn.end()
		q.turn.own, q.turn.place = apart.Lowers, a.place
		h = h.WithContext(series.WithPace(h.Context(), q.turn.pass))
	}
	k := &keeper{header: http.Header{}}
	apart.Do(func() { a.serve(r.Path, k, h) })
	if failed := q.failed.Load(); failed != nil {
		return nil, *failed
	}
	q.turn.end()
	return r.next(ctx, k.answer())
}

// serve lets the handler of a path answer.
func (a *API) serve(path string, k *keeper, h *http.Request) {
	switch path {
	case "metadata":
		servePacked(a.described, k, h)
	case "read":
		serve(a.read, k, h)
	default:
		servePacked(a.router, k, h)
	}
}

// serve runs a handler, one that gives an answer up half-way too: the keeper behind w knows why.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) {
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			panic(v)
		}
	}()
	h.ServeHTTP(w, r)
}

const queryTime = 2 * time.Minute

func (l *Limits) queryTime() time.Duration {
	if l.QueryTime <= 0 {
		return queryTime
	}
	return l.QueryTime
}

// enter waits until a query may run, or says why it may not. Who was let in leaves a.queries.
func (a *API) enter(ctx context.Context) *Answer {
	switch err := a.queries.enter(ctx); {
	case errors.Is(err, errTooMany):
		return failure(http.StatusTooManyRequests, "too_many_requests", err.Error()).later(1)
	case err != nil:
		return failure(http.StatusServiceUnavailable, "timeout", promql.ErrQueryTimeout("queue").Error()).later(1)
	}
	return nil
}
