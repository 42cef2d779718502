package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// Store is the series of one tenant, for what the house itself does with them: its detectors ask and write, its scrapers write. What its errors say
// may be told to the tenant. Its methods may be called together.
type Store struct {
	cluster *Cluster
	tenant  string
	while   func(context.Context) (context.Context, context.CancelFunc)
}

// Store returns the series of a tenant. Each request ends with the context that while makes of its own: that of an open workspace.
func (c *Cluster) Store(tenant string, while func(context.Context) (context.Context, context.CancelFunc)) *Store {
	return &Store{c, tenant, while}
}

// askTime bounds a query of the house.
const askTime = 2 * time.Minute

// formHeader has the content type of parameters.
var formHeader = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}

// Instant returns what a query gives at a time, of numbers.
func (s *Store) Instant(ctx context.Context, query string, at time.Time) (promql.Vector, error) {
	var found model.Vector
	if err := s.ask(ctx, "query", url.Values{"query": {query}, "time": {seconds3(at)}}, model.ValVector, &found); err != nil {
		return nil, err
	}
	return vectorOf(found), nil
}

func vectorOf(found model.Vector) (out promql.Vector) {
	for _, x := range found {
		if x != nil && x.Histogram == nil {
			out = append(out, promql.Sample{Metric: labelsOf(x.Metric), T: int64(x.Timestamp), F: float64(x.Value)})
		}
	}
	return out
}

// Range returns what a query gives at times with a step between them, of numbers.
func (s *Store) Range(ctx context.Context, query string, from, to time.Time, step time.Duration) (promql.Matrix, error) {
	var found model.Matrix
	form := url.Values{"query": {query}, "start": {seconds3(from)}, "end": {seconds3(to)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', 3, 64)}}
	if err := s.ask(ctx, "query_range", form, model.ValMatrix, &found); err != nil {
		return nil, err
	}
	return matrixOf(found), nil
}

func matrixOf(found model.Matrix) (out promql.Matrix) {
	for _, x := range found {
		if x == nil {
			continue
		}
		one := promql.Series{Metric: labelsOf(x.Metric)}
		for _, p := range x.Values {
			one.Floats = append(one.Floats, promql.FPoint{T: int64(p.Timestamp), F: float64(p.Value)})
		}
		out = append(out, one)
	}
	return out
}

// seconds3 is a time as Prometheus's API takes it.
func seconds3(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

func labelsOf(m model.Metric) labels.Labels {
	b := labels.NewScratchBuilder(len(m))
	for name, value := range m {
		b.Add(string(name), string(value))
	}
	b.Sort()
	return b.Labels()
}

// errAnswer is an answer that is none.
var errAnswer = errors.New("the metrics cluster answers a query in a way that is not understood")

// ask asks for a kind of result.
func (s *Store) ask(ctx context.Context, path string, form url.Values, kind model.ValueType, into any) error {
	out, err := s.send(ctx, askTime, request{method: http.MethodPost, path: prometheusPath + path, header: formHeader, body: []byte(form.Encode())})
	if err != nil {
		return err
	}
	return parse(out.body, kind, into)
}

// parse reads an answer to a query.
func parse(body []byte, kind model.ValueType, into any) error {
	var said struct {
		Data struct {
			Type   string          `json:"resultType"`
			Result json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Data.Type != kind.String() || json.Unmarshal(said.Data.Result, into) != nil {
		return errAnswer
	}
	return nil
}

// send sends a request for the tenant. Errors of connections are told without their causes, which name the cluster.
func (s *Store) send(ctx context.Context, within time.Duration, r request) (*response, error) {
	ctx, cancel := s.while(ctx)
	defer cancel()
	r.tenant = s.tenant
	out, err := s.cluster.want(s.cluster.within(ctx, within, r))
	if errors.Is(err, ErrAway) {
		return nil, ErrAway
	}
	return out, err
}
