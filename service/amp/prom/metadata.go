package prom

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/model/metadata"
)

// metadata answers with what senders said of metrics. Upstream's handler knows that of scraped targets only.
func (a *API) metadata(w http.ResponseWriter, r *http.Request) {
	answer := a.describedAs(r)
	maps.Copy(w.Header(), answer.Header)
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body) // who keeps it knows what is too much
}

func (a *API) describedAs(r *http.Request) *Answer {
	limit, err := number(r, "limit")
	if err == nil {
		var perMetric int
		if perMetric, err = number(r, "limit_per_metric"); err == nil {
			return success(cut(a.db.Metadata(r.FormValue("metric")), limit, perMetric))
		}
	}
	return failure(http.StatusBadRequest, "bad_data", err.Error())
}

// number returns a parameter, or -1 where it is not given.
func number(r *http.Request, name string) (int, error) {
	s := r.FormValue(name)
	if s == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, errors.New(name + " must be a number")
	}
	return n, nil
}

// cut takes away what is more than the limits, which say nothing when they are negative; a limit for each metric says
// nothing either when it is 0.
func cut(all map[string][]metadata.Metadata, limit, perMetric int) map[string][]metadata.Metadata {
	if limit >= 0 && limit < len(all) {
		names := make([]string, 0, len(all))
		for name := range all {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names[limit:] {
			delete(all, name)
		}
	}
	if perMetric > 0 {
		for name, list := range all {
			all[name] = list[:min(perMetric, len(list))]
		}
	}
	return all
}
