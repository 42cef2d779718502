package httpbind

import (
	"errors"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/wire"
)

// ErrNoRoute says that no operation has such a path.
var ErrNoRoute = errors.New("no operation has this path")

// MethodError says that operations have this path, but none with the method or
// query keys of the request.
type MethodError struct {
	Allow []string // methods that operations with this path have
}

// Error says what is allowed.
func (e *MethodError) Error() string {
	return "method not allowed; allowed: " + strings.Join(e.Allow, ", ")
}

// ConflictError says that query keys of the request belong to different operations.
type ConflictError struct {
	Keys []string
}

// Error names the keys.
func (e *ConflictError) Error() string {
	return "Conflicting query string parameters: " + strings.Join(e.Keys, ", ")
}

// Router finds the operation of a request by method, path, query keys and headers.
type Router struct {
	groups []*group // most specific pattern first
	routes map[*wire.Operation]*Route
}

// group is the routes of one pattern.
type group struct {
	pattern string
	methods map[string]*choices
}

// choices are the routes of one method and pattern.
type choices struct {
	plain     []*Route            // without literals
	byLiteral map[string][]*Route // by each of their literal keys
	guards    map[string]bool     // query keys that lead to one operation and not to others
}

// NewRouter makes the table of ops. It depends on them alone, so that it is the same at every start.
func NewRouter(ops []*wire.Operation) (*Router, error) {
	t := &Router{routes: map[*wire.Operation]*Route{}}
	byPattern := map[string]*group{}
	for _, op := range ops {
		r, err := newRoute(op)
		if err != nil {
			return nil, err
		}
		t.routes[op] = r
		p := r.pattern()
		g := byPattern[p]
		if g == nil {
			g = &group{pattern: p, methods: map[string]*choices{}}
			byPattern[p], t.groups = g, append(t.groups, g)
		}
		if g.methods[op.Method] == nil {
			g.methods[op.Method] = &choices{byLiteral: map[string][]*Route{}, guards: map[string]bool{}}
		}
		g.methods[op.Method].add(r)
	}
	for _, g := range t.groups {
		for _, c := range g.methods {
			c.finish()
		}
	}
	slices.SortFunc(t.groups, func(a, b *group) int { return compareSpecific(a.pattern, b.pattern) })
	return t, nil
}

// compareSpecific orders patterns: text before label before greedy label, segment
// by segment, and longer before shorter.
func compareSpecific(a, b string) int {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	rank := func(s string) int {
		switch s {
		case "{}":
			return 1
		case "{+}":
			return 2
		}
		return 0
	}
	for i := range min(len(as), len(bs)) {
		if d := rank(as[i]) - rank(bs[i]); d != 0 {
			return d
		}
		if d := strings.Compare(as[i], bs[i]); d != 0 {
			return d
		}
	}
	return len(bs) - len(as)
}

func (c *choices) add(r *Route) {
	if len(r.literals) == 0 {
		c.plain = append(c.plain, r)
		return
	}
	for _, l := range r.literals {
		c.byLiteral[l.Key] = append(c.byLiteral[l.Key], r)
		c.guards[l.Key] = true
	}
}

// finish works out what routes with the same literals need beyond them.
func (c *choices) finish() {
	same := map[string][]*Route{"": c.plain}
	for _, routes := range c.byLiteral {
		for _, r := range routes {
			if k := r.literalKey(); !slices.Contains(same[k], r) {
				same[k] = append(same[k], r)
			}
		}
	}
	for _, rivals := range same {
		if len(rivals) < 2 {
			continue
		}
		for _, r := range rivals {
			r.needs = required(r.Op.Input)
			for _, k := range r.needs.query {
				c.guards[k] = true
			}
		}
	}
}

// required returns the query keys and headers that an input must have.
func required(s *wire.Shape) (n need) {
	for _, m := range s.Members {
		switch {
		case m.Required && m.Location == wire.QueryString:
			n.query = append(n.query, wireName(m))
		case m.Required && m.Location == wire.Header:
			n.header = append(n.header, textproto.CanonicalMIMEHeaderKey(wireName(m)))
		}
	}
	return n
}

func wireName(m *wire.Member) string {
	if m.WireName != "" {
		return m.WireName
	}
	return m.Name
}

// Of returns the route of op.
func (t *Router) Of(op *wire.Operation) *Route { return t.routes[op] }

// Match finds the route of r: the most specific pattern with r's method, then the
// most literal query keys, then the most required keys and headers. Of two
// that are left the one whose name extends the other's wins, as
// GetBucketLifecycleConfiguration replaced GetBucketLifecycle. The errors are
// ErrNoRoute, *MethodError, *ConflictError or that of Request.Query.
func (t *Router) Match(r *wire.Request) (*Route, error) {
	if !strings.HasPrefix(r.Path, "/") {
		return nil, ErrNoRoute
	}
	params, err := r.Query()
	if err != nil {
		return nil, err
	}
	allow := map[string]bool(nil)
	for _, g := range t.groups {
		if !g.matches(r.Path) {
			continue
		}
		if c := g.methods[r.Method]; c != nil {
			if route := c.pick(params, r.Header); route != nil {
				return route, c.conflict(route, params)
			}
		}
		if allow == nil {
			allow = map[string]bool{}
		}
		for m := range g.methods {
			allow[m] = true
		}
	}
	if allow == nil {
		return nil, ErrNoRoute
	}
	e := &MethodError{}
	for m := range allow {
		e.Allow = append(e.Allow, m)
	}
	slices.Sort(e.Allow)
	return nil, e
}

// matches reports whether path has the form of the group's routes, which all share it.
func (g *group) matches(path string) bool {
	for _, c := range g.methods {
		for _, r := range c.plain {
			return r.match(path)
		}
		for _, rs := range c.byLiteral {
			return rs[0].match(path)
		}
	}
	return false
}

func (c *choices) pick(params []wire.Param, h http.Header) (best *Route) {
	for _, p := range params {
		for _, r := range c.byLiteral[p.Key] {
			best = r.better(best, params, h)
		}
	}
	if best != nil {
		return best
	}
	for _, r := range c.plain {
		best = r.better(best, params, h)
	}
	return best
}

// conflict reports query keys of params that lead to another operation than route.
// Without it a forgotten uploadId would turn the upload of a part into an
// overwritten object.
func (c *choices) conflict(route *Route, params []wire.Param) error {
	var foreign []string
	for _, p := range params {
		if c.guards[p.Key] && !route.knows(p.Key) && !slices.Contains(foreign, p.Key) {
			foreign = append(foreign, p.Key)
		}
	}
	if foreign == nil {
		return nil
	}
	for _, l := range route.literals {
		foreign = append(foreign, l.Key)
	}
	return &ConflictError{Keys: foreign}
}
