package prom

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
)

// costs is a query that another system answers, of which somebody wants to know what it cost.
type costs struct {
	about Query
	asked bool // the client wants to know, too
}

// costsOf returns a query that is to be told of, or nil. form holds the parameters of the request.
func (a *API) costsOf(r *Request, form url.Values) *costs {
	if a.told == nil || a.wanted == nil || r.Path != "query" && r.Path != "query_range" || !a.wanted() {
		return nil
	}
	q := Query{Text: form.Get("query"), Header: r.Header}
	if r.Path == "query_range" {
		q.Start, q.End, q.Step = timeOf(form.Get("start")), timeOf(form.Get("end")), stepOf(form.Get("step"))
	} else if q.Start = timeOf(form.Get("time")); q.Start.IsZero() {
		q.Start = time.Now()
	}
	if q.End.IsZero() {
		q.End = q.Start
	}
	return &costs{q, form.Get("stats") != ""}
}

// request is the one to hand on.
func (c *costs) request(r *Request) *Request {
	if c == nil || c.asked {
		return r
	}
	more := *r
	if more.RawQuery != "" {
		more.RawQuery += "&"
	}
	more.RawQuery += "stats=true"
	return &more
}

// tell tells of the query, and takes what only we wanted to know out of its answer.
func (c *costs) tell(told func(Query), out *Answer) {
	if c == nil || out.Status != http.StatusOK {
		return
	}
	var said struct {
		Data struct {
			Stats json.RawMessage `json:"stats"`
		} `json:"data"`
	}
	var stats struct {
		Samples struct {
			Total *int64 `json:"totalQueryableSamples"`
		} `json:"samples"`
	}
	c.about.Samples = UnknownSamples
	if json.Unmarshal(out.Body, &said) == nil && json.Unmarshal(said.Data.Stats, &stats) == nil && stats.Samples.Total != nil {
		c.about.Samples = max(*stats.Samples.Total, 0)
	}
	if !c.asked && len(said.Data.Stats) > 0 && said.Data.Stats[0] == '{' {
		out.Body = without(out.Body, said.Data.Stats)
	}
	told(c.about)
}

// without returns an answer without its statistics, an object that stands there as it is given. No string of JSON can look like it: its quotes are
// escaped.
func without(body, stats []byte) []byte {
	const name = `"stats":`
	at := bytes.LastIndex(body, append([]byte(name), stats...))
	if at < 0 {
		return body // there is white space between
	}
	end := at + len(name) + len(stats)
	switch {
	case at > 0 && body[at-1] == ',':
		at--
	case end < len(body) && body[end] == ',':
		end++
	}
	return append(bytes.Clone(body[:at]), body[end:]...)
}

// timeOf reads a time as Prometheus's API takes it; the zero time for none.
func timeOf(s string) time.Time {
	if seconds, err := strconv.ParseFloat(s, 64); err == nil {
		if math.Abs(seconds) > math.MaxInt64/1e9 || math.IsNaN(seconds) {
			return time.Time{}
		}
		return time.UnixMilli(int64(seconds * 1000)).UTC()
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// stepOf reads a step as Prometheus's API takes it; 0 for none.
func stepOf(s string) time.Duration {
	if seconds, err := strconv.ParseFloat(s, 64); err == nil {
		if !(seconds > 0 && seconds < math.MaxInt64/1e9) {
			return 0
		}
		return time.Duration(seconds * float64(time.Second))
	}
	d, err := model.ParseDuration(s)
	if err != nil {
		return 0
	}
	return time.Duration(d)
}
