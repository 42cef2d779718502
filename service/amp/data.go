package amp

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/call"
	pages "github.com/strongroom/strongroom/service/amp/page"
	"github.com/strongroom/strongroom/service/amp/prom"
	"github.com/strongroom/strongroom/service/amp/series"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/service/amp/wal"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/raw"
)

// data is the data plane: Prometheus's HTTP API and Alertmanager's below /workspaces/{workspaceId}.
type data struct {
	s *Service

	mu   sync.Mutex
	apis map[*tenant.Tenant]*prom.API // of the workspaces that are open
}

var _ raw.Handler = (*data)(nil)

// maxWriteBody is how long a remote write may be, compressed.
const maxWriteBody = 16 << 20

// askTime is how long a call may take that reads series: longer than a query, whose own limit says what happened.
var askTime = tenant.DefaultLimits().QueryTime + 15*time.Second

// The paths of the data plane.
const (
	below      = "/workspaces/{workspaceId}/"
	prometheus = "api/v1/"
	managing   = "alertmanager/"
	previewing = "anomalydetectors/preview"
)

// both are the routes of what is asked with GET and with POST, which carries long parameters.
func both(paths ...string) (list []string) {
	for _, p := range paths {
		list = append(list, "GET "+below+prometheus+p, "POST "+below+prometheus+p)
	}
	return list
}

func one(method, path string) []string { return []string{method + " " + below + path} }

// dataAPI describes the data plane. Operations have the names of the IAM actions ("Prometheus-compatible APIs", User Guide).
var dataAPI = raw.Define(wire.Service{
	Name: api.API.Name, ID: api.API.ID, Version: api.API.Version, SigningName: api.API.SigningName, EndpointPrefix: "aps-workspaces", EventSource: api.API.EventSource,
}, "workspaceId", []raw.Operation{
	{Name: "CreateAlertManagerAlerts", Routes: one("POST", managing+"api/v2/alerts")},
	{Name: "DeleteAlertManagerSilence", Routes: one("DELETE", managing+"api/v2/silence/{silenceId}")},
	{Name: "GetAlertManagerSilence", Routes: one("GET", managing+"api/v2/silence/{silenceId}"), ReadOnly: true},
	{Name: "GetAlertManagerStatus", Routes: one("GET", managing+"api/v2/status"), ReadOnly: true},
	{Name: "GetLabels", Routes: append(both("labels"), one("GET", prometheus+"label/{name}/values")...), ReadOnly: true, CallTime: askTime},
	{Name: "GetMetricMetadata", Routes: one("GET", prometheus+"metadata"), ReadOnly: true},
	{Name: "GetSeries", Routes: both("series"), ReadOnly: true, CallTime: askTime},
	{Name: "ListAlertManagerAlertGroups", Routes: one("GET", managing+"api/v2/alerts/groups"), ReadOnly: true},
	{Name: "ListAlertManagerAlerts", Routes: one("GET", managing+"api/v2/alerts"), ReadOnly: true},
	{Name: "ListAlertManagerReceivers", Routes: one("GET", managing+"api/v2/receivers"), ReadOnly: true},
	{Name: "ListAlertManagerSilences", Routes: one("GET", managing+"api/v2/silences"), ReadOnly: true},
	{Name: "ListAlerts", Routes: one("GET", prometheus+"alerts"), ReadOnly: true},
	{Name: "ListRules", Routes: one("GET", prometheus+"rules"), ReadOnly: true},
	{Name: "PreviewAnomalyDetector", Routes: append(one("GET", previewing), one("POST", previewing)...), ReadOnly: true, CallTime: askTime},
	{Name: "PutAlertManagerSilences", Routes: one("POST", managing+"api/v2/silences")},
	{Name: "QueryMetrics", Routes: append(append(both("query", "query_range", "query_exemplars", "format_query", "parse_query"),
		one("POST", prometheus+"read")...), one("GET", prometheus+"status/buildinfo")...), ReadOnly: true, CallTime: askTime},
	{Name: "RemoteWrite", Routes: append(one("POST", prometheus+"remote_write"), one("POST", prometheus+"otlp/v1/metrics")...), MaxBody: maxWriteBody},
})

// writes reports whether an operation only adds to the workspace: its caller needs no right to read what is there.
func writes(operation string) bool {
	return operation == "RemoteWrite" || operation == "CreateAlertManagerAlerts"
}

// Answer answers a request that was allowed.
func (d *data) Answer(ctx context.Context, operation string, in *raw.Input) (out *raw.Output, err error) {
	c := call.From(ctx)
	id := tenant.ID{Region: c.Region, Account: c.Principal.Account, Workspace: *in.Resource}
	if owner := c.Target.Checks[0].Account; owner != "" {
		id.Account = owner
	}
	defer func() {
		if err != nil {
			c.Response = prom.NothingWritten(in.Header)
		}
	}()
	use := d.s.tenants.Read
	if writes(operation) {
		use = d.s.tenants.Use
	}
	t, done, err := use(ctx, id)
	if err != nil {
		d.s.alerting.told(ctx, id, err)
		return nil, dataError(id.Workspace, d.s.beingMade(ctx, id, err))
	}
	defer done()
	ctx, cancel := t.Context(ctx)
	defer cancel()
	out, err = d.answer(ctx, t, id, in)
	if err == nil && out.Status < http.StatusInternalServerError {
		return out, nil
	}
	if closed := t.Closed(); closed != nil && (err != nil || ctx.Err() != nil) {
		return nil, dataError(id.Workspace, closed)
	}
	if errors.Is(err, wal.ErrPoisoned) {
		t.Fail()
	}
	return out, dataError(id.Workspace, err)
}

func (d *data) answer(ctx context.Context, t *tenant.Tenant, id tenant.ID, in *raw.Input) (*raw.Output, error) {
	r := &prom.Request{Method: in.Method, RawQuery: in.RawQuery, Header: in.Header, Body: in.Body}
	var a *prom.Answer
	var err error
	if path, ok := strings.CutPrefix(in.Path, managing); ok {
		a, err = d.manage(ctx, t, id, path, r)
	} else if in.Path == previewing {
		a, err = d.preview(ctx, t, r)
	} else {
		r.Path = strings.TrimPrefix(in.Path, prometheus)
		if t.DB != nil && (r.Path == "rules" || r.Path == "alerts") {
			r.Rules = d.s.Rules(ctx, id)
		}
		a, err = d.open(t).Serve(ctx, r)
	}
	if err != nil {
		return nil, err
	}
	return &raw.Output{Status: a.Status, Header: a.Header, Body: a.Body}, nil
}

// manage answers a request of Alertmanager's API.
func (d *data) manage(ctx context.Context, t *tenant.Tenant, id tenant.ID, path string, r *prom.Request) (*prom.Answer, error) {
	if t.DB == nil {
		return d.s.clusterAlerts(ctx, id, path, r)
	}
	h, err := d.s.AlertManager(ctx, id)
	if errors.Is(err, ErrNoAlertManager) {
		return nil, noAlertManager(err)
	}
	if err != nil {
		return nil, err
	}
	return prom.Ask(ctx, h, r, "/"+path), nil
}

func noAlertManager(cause error) error {
	return wire.Errorf("ResourceNotFoundException", http.StatusNotFound, "The Alertmanager is not configured.").WithCause(cause)
}

// open returns the API of an open workspace, with the limits that are in force.
func (d *data) open(t *tenant.Tenant) *prom.API {
	l := dataLimits(t.Limits())
	d.mu.Lock()
	defer d.mu.Unlock()
	if a := d.apis[t]; a != nil {
		a.SetLimits(l)
		return a
	}
	o := prom.Options{DB: t.DB, Limits: l, Queried: func(q prom.Query) { d.s.queried(t.ID, q) }}
	if t.DB == nil {
		o.Forward, o.Wanted = d.s.forward(t.ID), func() bool { return d.s.wantsQueries(t.ID) }
	}
	a := prom.New(o)
	d.apis[t] = a
	alive, cancel := t.Context(context.Background())
	context.AfterFunc(alive, func() {
		cancel()
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.apis, t)
	})
	return a
}

// dataLimits are the limits of a workspace as package prom takes them.
func dataLimits(l tenant.Limits) prom.Limits {
	return prom.Limits{
		IngestionRate: l.IngestionRate, IngestionBurst: l.IngestionBurst, RequestSize: l.RequestSize,
		LabelsPerSeries: l.LabelsPerSeries, LabelSize: l.LabelSize, LabelNameLength: l.LabelNameLength, LabelValueLength: l.LabelValueLength,
		MetadataLength: l.MetadataLength, QuerySamples: l.QuerySamples, QuerySeries: l.QuerySeries, QueryChunks: l.QueryChunks, QueryBytes: l.QueryBytes, QueryRange: l.QueryRange, QueryTime: l.QueryTime,
		ConcurrentQueries: l.ConcurrentQueries, QueryRate: l.QueryRate, WriteRate: l.WriteRate, OtherRate: l.OtherRate,
	}
}

// dataError turns what package tenant and the store say into what crosses the wire of the data plane. Its status tells a
// sender whether to try again: of a key that cannot be used at present it shall, of one that is gone it need not.
func dataError(id string, err error) error {
	var k *tenant.KeyError
	switch {
	case errors.As(err, &k) && k.Retryable():
		return &wire.Error{Code: "ServiceUnavailableException", Status: http.StatusServiceUnavailable, Message: k.Error(), Cause: err}
	case errors.As(err, &k):
		return &wire.Error{Code: "AccessDeniedException", Status: http.StatusForbidden, Message: k.Error(), Cause: err}
	case errors.Is(err, tenant.ErrNoWorkspace):
		return notFound(kindWorkspace, id)
	case errors.Is(err, series.ErrClosed), errors.Is(err, pages.ErrWiped), errors.Is(err, tenant.ErrClosed):
		return &wire.Error{Code: "ServiceUnavailableException", Status: http.StatusServiceUnavailable, Message: "The workspace was being closed. Please try again.", Cause: err}
	}
	return err
}
