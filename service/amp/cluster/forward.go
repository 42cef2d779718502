package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/strongroom/strongroom/service/amp/prom"
)

// handed are the headers of a client's request that the cluster gets: what says how the body is to be read. Whatever else a client
// sends, X-Scope-OrgID above all, ends here.
var handed = []string{"Content-Type", "Content-Encoding", "Accept", "X-Prometheus-Remote-Write-Version", "X-Prometheus-Remote-Read-Version"}

// returned are the headers of the cluster's answer that the client gets, beside those that begin with writtenHeader.
var returned = []string{"Content-Type", "Content-Encoding", "Retry-After"}

const writtenHeader = "X-Prometheus-Remote-Write-"

// Prometheus lets the cluster answer a request of Prometheus's API for a tenant. It ends with ctx.
func (c *Cluster) Prometheus(ctx context.Context, tenant string, r *prom.Request) (*prom.Answer, error) {
	path := c.prometheusAPI(r.Path)
	if path == "" {
		return prom.Failure(http.StatusBadRequest, "bad_data", "the path or the label name is not valid"), nil
	}
	write := r.Path == "remote_write" || r.Path == "write" || r.Path == "otlp/v1/metrics"
	if write {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	return c.forward(ctx, tenant, path, r, write)
}

// Alertmanager lets the cluster answer a request of Alertmanager's API, at a path that begins with api/v2/, for a tenant.
func (c *Cluster) Alertmanager(ctx context.Context, tenant, path string, r *prom.Request) (*prom.Answer, error) {
	at := c.alertmanagerAPI(path)
	if at == "" {
		return prom.Failure(http.StatusNotFound, "not_found", "404 page not found"), nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.forward(ctx, tenant, at, r, true)
}

func (c *Cluster) forward(ctx context.Context, tenant, path string, r *prom.Request, text bool) (*prom.Answer, error) {
	in := request{method: r.Method, path: path, query: r.RawQuery, tenant: tenant, header: http.Header{}, body: r.Body, most: prom.MaxAnswer}
	for _, name := range handed {
		if v := r.Header.Values(name); len(v) > 0 {
			in.header[http.CanonicalHeaderKey(name)] = v
		}
	}
	out, err := c.do(ctx, in)
	switch {
	case errors.Is(err, errLong):
		return prom.Failure(http.StatusUnprocessableEntity, "execution", errLong.Error()), nil
	case errors.Is(err, ErrAway):
		return unavailable(), nil
	case err != nil:
		return nil, err
	}
	return c.translate(out, text), nil
}

// unavailable is the answer where the cluster gives none.
func unavailable() *prom.Answer {
	a := prom.Failure(http.StatusServiceUnavailable, "unavailable", ErrAway.Error()+". Please try again.")
	a.Header.Set("Retry-After", "5")
	return a
}

// translate makes an answer of the cluster's. text is whether its refusals may be plain text, as those of writes are.
func (c *Cluster) translate(r *response, text bool) *prom.Answer {
	switch {
	case r.status >= 200 && r.status < 300:
		return &prom.Answer{Status: r.status, Header: chosen(r.header), Body: r.body}
	case r.status >= 500:
		return c.failed(r)
	}
	switch r.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusTooManyRequests:
	case http.StatusNotFound:
		if !text { // no path of the API is one that is not there
			return c.misled(r.status)
		}
	default:
		return c.misled(r.status)
	}
	a := &prom.Answer{Status: r.status, Header: chosen(r.header), Body: r.body}
	if !text && !saysWhy(r.body) {
		a = prom.Failure(r.status, kindOf(r.status), strings.ToValidUTF8(string(bytes.TrimSpace(r.body[:min(len(r.body), 4096)])), "?"))
	}
	if r.status == http.StatusTooManyRequests && a.Header.Get("Retry-After") == "" {
		a.Header.Set("Retry-After", "1")
	}
	return a
}

// failed is the answer for a fault of the cluster, which may say what is not for clients: only that it may be tried again is.
func (c *Cluster) failed(r *response) *prom.Answer {
	c.log.Warn("the metrics cluster failed", "status", r.status)
	switch r.status {
	case http.StatusInternalServerError:
		return prom.Failure(r.status, "internal", "The metrics cluster failed. Please try again.")
	}
	a := prom.Failure(http.StatusServiceUnavailable, "unavailable", "The metrics cluster can't answer now. Please try again.")
	a.Header.Set("Retry-After", "5")
	return a
}

// misled is the answer where the cluster does not know us, or not what we ask for: the client can do nothing about that, and what
// he sends is not to be lost meanwhile.
func (c *Cluster) misled(status int) *prom.Answer {
	c.log.Error("the metrics cluster does not take requests of this house: its configuration, or metrics-backend, is wrong", "status", status)
	a := prom.Failure(http.StatusServiceUnavailable, "unavailable", "The metrics cluster of this house is not set up for this request.")
	a.Header.Set("Retry-After", "30")
	return a
}

func chosen(from http.Header) http.Header {
	to := http.Header{}
	for name, values := range from {
		if strings.HasPrefix(name, writtenHeader) {
			to[name] = values
		}
	}
	for _, name := range returned {
		if v := from.Values(name); len(v) > 0 {
			to[name] = v
		}
	}
	return to
}

// saysWhy reports whether a refusal is in the form of Prometheus's API.
func saysWhy(body []byte) bool {
	var said struct {
		Status string `json:"status"`
		Error  string `json:"error"`
	}
	return json.Unmarshal(body, &said) == nil && said.Status == "error"
}

// kindOf is the kind of error that Prometheus's API has for a status.
func kindOf(status int) string {
	switch status {
	case http.StatusUnprocessableEntity:
		return "execution"
	case http.StatusTooManyRequests:
		return "too_many_requests"
	case http.StatusNotFound:
		return "not_found"
	}
	return "bad_data"
}
