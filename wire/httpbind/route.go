package httpbind

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/wire"
)

// Route is where and how an operation is asked for.
type Route struct {
	Op       *wire.Operation
	segments []segment
	literals []wire.Param // query keys that the path pattern names
	bare     []bool       // whether the literal has no value, and so takes any
	needs    need         // what tells it from others with the same path and literals
}

type segment struct {
	text   string // literal text, or name of a label
	label  bool
	greedy bool
}

// need is a set of required query keys and headers.
type need struct {
	query, header []string
}

func (n need) size() int { return len(n.query) + len(n.header) }

// newRoute parses the operation's path: /{Bucket}/{Key+}?uploads.
func newRoute(op *wire.Operation) (*Route, error) {
	path, query, _ := strings.Cut(op.Path, "?")
	r := &Route{Op: op}
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("httpbind: %s has path %q", op.Name, op.Path)
	}
	for part := range strings.SplitSeq(path[1:], "/") {
		s := segment{text: part}
		if inner, ok := strings.CutPrefix(part, "{"); ok {
			if inner, ok = strings.CutSuffix(inner, "}"); !ok {
				return nil, fmt.Errorf("httpbind: %s has path %q", op.Name, op.Path)
			}
			s.label = true
			s.text, s.greedy = strings.CutSuffix(inner, "+")
		}
		if n := len(r.segments); n > 0 && r.segments[n-1].greedy {
			return nil, fmt.Errorf("httpbind: %s has a segment after a greedy label", op.Name)
		}
		r.segments = append(r.segments, s)
	}
	for part := range strings.SplitSeq(query, "&") {
		if part != "" {
			key, value, valued := strings.Cut(part, "=")
			r.literals, r.bare = append(r.literals, wire.Param{Key: key, Value: value}), append(r.bare, !valued)
		}
	}
	return r, nil
}

// pattern is the path with its labels' names taken out: routes with the same
// pattern compete by query and headers.
func (r *Route) pattern() string {
	var b strings.Builder
	for _, s := range r.segments {
		switch {
		case s.greedy:
			b.WriteString("/{+}")
		case s.label:
			b.WriteString("/{}")
		default:
			b.WriteString("/" + s.text)
		}
	}
	return b.String()
}

// literalKey is the same for routes with the same literals.
func (r *Route) literalKey() string { return fmt.Sprint(r.literals, r.bare) }

// match reports whether path, still escaped, has the form of the route. A slash
// after the last label is taken as absent: clients write /bucket/ for the bucket.
func (r *Route) match(path string) bool {
	rest, more := path[1:], true
	for _, s := range r.segments {
		if !more {
			return false
		}
		if s.greedy {
			return rest != ""
		}
		var part string
		part, rest, more = strings.Cut(rest, "/")
		switch {
		case s.label && part == "":
			return false
		case !s.label && part != s.text && unescaped(part) != s.text:
			return false
		}
	}
	return !more || rest == ""
}

func unescaped(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out, err := url.PathUnescape(s)
	if err != nil {
		return s
	}
	return out
}

// labels returns the unescaped values of the labels in path, which the route
// matches, one for each segment and empty where that is no label. What was escaped
// is taken as it was sent: %2F is a slash inside a label, .. is two dots.
func (r *Route) labels(path string) ([]string, error) {
	if !strings.HasPrefix(path, "/") || !r.match(path) {
		return nil, ErrNoRoute
	}
	values, rest := make([]string, len(r.segments)), path[1:]
	for i, s := range r.segments {
		part := rest
		if !s.greedy {
			part, rest, _ = strings.Cut(rest, "/")
		}
		if !s.label {
			continue
		}
		value, err := url.PathUnescape(part)
		if err != nil {
			return nil, err
		}
		values[i] = value
	}
	return values, nil
}

// better returns r when the request has all that r asks for and r asks for more than best.
func (r *Route) better(best *Route, params []wire.Param, h http.Header) *Route {
	if r == best {
		return best
	}
	for i, l := range r.literals {
		if !slices.ContainsFunc(params, func(p wire.Param) bool {
			return p.Key == l.Key && (r.bare[i] || p.Value == l.Value)
		}) {
			return best
		}
	}
	for _, k := range r.needs.query {
		if !slices.ContainsFunc(params, func(p wire.Param) bool { return p.Key == k }) {
			return best
		}
	}
	for _, k := range r.needs.header {
		if h.Get(k) == "" {
			return best
		}
	}
	if best == nil {
		return r
	}
	d := len(r.literals) - len(best.literals)
	if d == 0 {
		d = r.needs.size() - best.needs.size()
	}
	if d > 0 || d == 0 && strings.HasPrefix(r.Op.Name, best.Op.Name) {
		return r
	}
	return best
}

func (r *Route) knows(key string) bool {
	for _, l := range r.literals {
		if l.Key == key {
			return true
		}
	}
	for _, m := range r.Op.Input.Members {
		if m.Location == wire.QueryString && wireName(m) == key {
			return true
		}
	}
	return false
}
