package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/strongroom/strongroom/sensitive"
	"github.com/strongroom/strongroom/service/amp/transfer"
)

// Options of a search.
type Options struct {
	// Start and End bound the time of what is looked at; zero for no bound.
	Start, End time.Time
	// Say tells a person how it goes.
	Say func(format string, args ...any)
}

// Where sensitive data was found.
const (
	InLabelName  = "label name"
	InLabelValue = "label value"
	InMetricName = "metric name"
	InHelp       = "help text"
	InExemplar   = "exemplar"
)

// Warning says that a workspace has sensitive data of a kind in a place. Its texts hold no more of the data than a mask.
type Warning struct {
	Workspace  string             `json:"workspace"`
	Place      string             `json:"place"`
	Label      string             `json:"label,omitempty"`
	Identifier string             `json:"identifier"`
	Category   sensitive.Category `json:"category"`
	Count      int64              `json:"count"`   // different values; of exemplars and help texts, how many
	Example    string             `json:"example"` // masked
	Metric     string             `json:"metric,omitempty"`
}

const (
	page        = 10_000 // values that are asked for at once
	tellAgain   = 10 * time.Second
	fewNumbers  = 20
	byChance    = "CREDIT_CARD_NUMBER_(NO_KEYWORD)"
	allOfMetric = `{__name__=~".+"}`
)

// Search looks through a workspace, and returns what it has found, by place, label and kind, also where it fails.
func Search(ctx context.Context, id string, w *transfer.Workspace, o Options) ([]Warning, error) {
	s := &search{id: id, w: w, o: o, found: map[key]*Warning{}, told: time.Now(), page: page}
	err := s.labels(ctx)
	if err == nil {
		err = errors.Join(s.help(ctx), s.exemplars(ctx))
	}
	list := make([]Warning, 0, len(s.found))
	for _, f := range s.found {
		list = append(list, *f)
	}
	slices.SortFunc(list, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Place, b.Place), cmp.Compare(a.Label, b.Label), cmp.Compare(a.Identifier, b.Identifier))
	})
	o.Say("%s: %d labels with %d values, %d help texts and %d exemplars were looked at", id, s.names, s.values, s.helps, s.seen)
	if err != nil { // the house may say again what it was asked
		err = errors.New(sensitive.New("").Redact(id + ": " + strings.ReplaceAll(err.Error(), "\n", "; ")))
	}
	return list, err
}

// search is a search under way.
type search struct {
	id    string
	w     *transfer.Workspace
	o     Options
	found map[key]*Warning
	told  time.Time
	page  int

	names, values, helps, seen int64
}

type key struct{ place, label, identifier string }

// note tells of what was found in a text, once for each kind. metric says which metric has it, and is asked once for each warning.
func (s *search) note(place, label string, found []sensitive.Finding, metric func() (string, error)) error {
	noted := map[string]bool{}
	for _, f := range found {
		k := key{place, label, f.Identifier}
		if noted[f.Identifier] {
			continue
		}
		noted[f.Identifier] = true
		if known := s.found[k]; known != nil {
			known.Count++
			continue
		}
		name, err := metric()
		s.found[k] = &Warning{s.id, place, sensitive.RedactName(label), f.Identifier, f.Category, 1, f.Masked, sensitive.RedactName(name)}
		if err != nil {
			return err
		}
	}
	return nil
}

// span is the parameters that bound the time.
func (s *search) span() url.Values {
	v := url.Values{}
	for name, t := range map[string]time.Time{"start": s.o.Start, "end": s.o.End} {
		if !t.IsZero() {
			v.Set(name, t.Format(time.RFC3339Nano))
		}
	}
	return v
}

// labels looks at the names of labels and their values, of which names of metrics are some.
func (s *search) labels(ctx context.Context) error {
	var names []string
	if err := s.w.Post(ctx, "labels", s.span(), &names); err != nil {
		return fmt.Errorf("labels: %w", err)
	}
	for i, name := range names {
		s.names++
		has := func() (string, error) { return s.metric(ctx, fmt.Sprintf(`{%s!=""}`, strconv.Quote(name))) }
		if err := s.note(InLabelName, name, sensitive.ScanName(name), has); err != nil {
			return err
		}
		l := &label{name: name, scanner: sensitive.New(name)}
		if err := s.part(ctx, l, part{}); err != nil {
			return fmt.Errorf("values of the label %q: %w", sensitive.RedactName(name), err)
		}
		if k := (key{InLabelValue, name, byChance}); s.found[k] != nil && l.numbers >= fewNumbers && 10*s.found[k].Count <= l.numbers {
			delete(s.found, k)
		}
		s.progress("%d of %d labels, %d values", i+1, len(names), s.values)
	}
	return nil
}

// label is a label whose values are looked at.
type label struct {
	name    string
	scanner *sensitive.Scanner
	numbers int64 // values that are numbers as long as a card's
}

// part looks at a part of the values of a label, in smaller parts where they are more than a page.
func (s *search) part(ctx context.Context, l *label, p part) error {
	params := s.span()
	params.Set("limit", strconv.Itoa(s.page))
	if selector := p.selector(l.name); selector != "" {
		params.Set("match[]", selector)
	}
	var list []string
	path := "label/" + url.PathEscape(model.EscapeName(l.name, model.ValueEncodingEscaping)) + "/values"
	if err := s.w.Get(ctx, path, params, &list); err != nil {
		return err
	}
	if len(list) != s.page || p.kind == exactly { // one that knows no limit has told all
		return s.look(ctx, l, list)
	}
	if slices.ContainsFunc(list, func(v string) bool { return !p.has(v) }) {
		return errors.New("they are more than a page, and the workspace does not select among them")
	}
	for _, smaller := range p.split(list) {
		if err := s.part(ctx, l, smaller); err != nil {
			return err
		}
		s.progress("%d labels, %d values", s.names, s.values)
	}
	return nil
}

func (s *search) look(ctx context.Context, l *label, list []string) error {
	for _, value := range list {
		s.values++
		if n := len(value); (n == 15 || n == 16) && strings.Trim(value, "0123456789") == "" {
			l.numbers++
		}
		var err error
		if l.name == model.MetricNameLabel {
			err = s.note(InMetricName, "", sensitive.ScanName(value), func() (string, error) { return value, nil })
		} else {
			err = s.note(InLabelValue, l.name, l.scanner.Scan(value), func() (string, error) {
				return s.metric(ctx, fmt.Sprintf("{%s=%s}", strconv.Quote(l.name), strconv.Quote(value)))
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// metric returns the name of a metric that a selector selects, or "".
func (s *search) metric(ctx context.Context, selector string) (string, error) {
	params := s.span()
	params.Set("match[]", selector)
	params.Set("limit", "1")
	var list []map[string]string
	if err := s.w.Post(ctx, "series", params, &list); err != nil || len(list) == 0 {
		return "", err
	}
	return list[0][model.MetricNameLabel], nil
}

// help looks at what senders say of their metrics.
func (s *search) help(ctx context.Context) error {
	var all map[string][]struct {
		Help string `json:"help"`
	}
	if err := s.w.Get(ctx, "metadata", nil, &all); err != nil {
		return fmt.Errorf("help texts: %w", err)
	}
	free := sensitive.New("")
	for _, metric := range slices.Sorted(maps.Keys(all)) {
		for _, m := range all[metric] {
			s.helps++
			if err := s.note(InHelp, "", free.Scan(m.Help), func() (string, error) { return metric, nil }); err != nil {
				return err
			}
		}
	}
	return nil
}

// exemplars looks at the labels that exemplars have of their own.
func (s *search) exemplars(ctx context.Context) error {
	params := s.span()
	params.Set("query", allOfMetric)
	var all []struct {
		Series    map[string]string `json:"seriesLabels"`
		Exemplars []struct {
			Labels map[string]string `json:"labels"`
		} `json:"exemplars"`
	}
	if err := s.w.Post(ctx, "query_exemplars", params, &all); err != nil {
		return fmt.Errorf("exemplars: %w", err)
	}
	for _, series := range all {
		has := func() (string, error) { return series.Series[model.MetricNameLabel], nil }
		for _, e := range series.Exemplars {
			s.seen++
			for name, value := range e.Labels {
				found := append(sensitive.ScanName(name), sensitive.New(name).Scan(value)...)
				if err := s.note(InExemplar, name, found, has); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// progress tells how it goes, now and then.
func (s *search) progress(format string, args ...any) {
	if time.Since(s.told) >= tellAgain {
		s.told = time.Now()
		s.o.Say(s.id+": "+format, args...)
	}
}
