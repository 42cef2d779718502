package amp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/prometheus/common/model"

	"github.com/strongroom/strongroom/service/amp/detect"
	"github.com/strongroom/strongroom/service/amp/prom"
	"github.com/strongroom/strongroom/service/amp/tenant"
)

// maxPreview bounds the answer that a preview is made of: in more bytes than this stand more values than one judges.
const maxPreview = 32 << 20

// preview answers PreviewAnomalyDetector: a query over a range of time, with what a detector would have said of each value. It is one of the
// workspace's queries, under all their limits, and whoever keeps the series answers it.
func (d *data) preview(ctx context.Context, t *tenant.Tenant, r *prom.Request) (*prom.Answer, error) {
	form, err := formOf(r)
	if err != nil {
		return prom.Failure(http.StatusBadRequest, "bad_data", "error parsing form values: "+err.Error()), nil
	}
	c, err := detect.ParseRCF(form.Get("query"))
	if err != nil {
		return prom.Failure(http.StatusBadRequest, "bad_data", fmt.Sprintf("invalid parameter %q: %s", "query", err)), nil
	}
	form.Set("query", c.Query)
	r.Method, r.Path, r.RawQuery, r.Body = http.MethodPost, "query_range", "", []byte(form.Encode())
	r.Header = r.Header.Clone()
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Del("Accept") // what is made of the answer is JSON
	r.Header.Del("Content-Encoding")
	r.Then = func(ctx context.Context, a *prom.Answer) (*prom.Answer, error) { return d.judge(ctx, c, a) }
	return d.open(t).Serve(ctx, r)
}

// formOf returns the parameters of a request.
func formOf(r *prom.Request) (url.Values, error) {
	h := &http.Request{Method: r.Method, URL: &url.URL{RawQuery: r.RawQuery}, Header: r.Header, Body: io.NopCloser(bytes.NewReader(r.Body))}
	err := h.ParseForm()
	return h.Form, err
}

// ranged is the answer to a query over a range of time.
type ranged struct {
	Status string `json:"status"`
	Data   struct {
		Type   string       `json:"resultType"`
		Result model.Matrix `json:"result"`
	} `json:"data"`
	Warnings []string `json:"warnings,omitempty"`
	Infos    []string `json:"infos,omitempty"`
}

// judge adds to an answer what a detector says of it.
func (d *data) judge(ctx context.Context, c *detect.Config, a *prom.Answer) (*prom.Answer, error) {
	if len(a.Body) > maxPreview {
		return prom.Failure(http.StatusUnprocessableEntity, "execution", detect.ErrLong.Error()+". Choose a larger step or a shorter time"), nil
	}
	var out ranged
	if err := json.Unmarshal(a.Body, &out); err != nil {
		return nil, fmt.Errorf("answer to the query of a preview: %w", err)
	}
	out.Data.Result = slices.DeleteFunc(out.Data.Result, func(s *model.SampleStream) bool { return s == nil }) // which no engine gives
	judged, full, err := c.Preview(ctx, out.Data.Result, d.s.alerting.memory, d.s.alerting.turns)
	switch {
	case errors.Is(err, detect.ErrLong):
		return prom.Failure(http.StatusUnprocessableEntity, "execution", err.Error()), nil
	case errors.Is(err, detect.ErrTooMany):
		again := prom.Failure(http.StatusServiceUnavailable, "unavailable", err.Error())
		again.Header.Set("Retry-After", "30")
		return again, nil
	case err != nil:
		return nil, err
	}
	out.Data.Result = append(out.Data.Result, judged...)
	if full != nil {
		out.Warnings = append(out.Warnings, full.Error())
	}
	body, err := json.Marshal(&out)
	if err != nil {
		return nil, err
	}
	return &prom.Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}, nil
}
