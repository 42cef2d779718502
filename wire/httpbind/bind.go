// Package httpbind puts the members of an input or output that travel outside the
// body into the HTTP message and takes them out again: labels of the path, query
// string, headers, status. It also holds the Router, which goes from a request to
// its operation. REST-JSON and REST-XML share it.
//
// Paths are read as they were sent. Nothing is cleaned: /bucket/a//b/../c is the key
// a//b/../c, and %2F is a slash that does not separate.
package httpbind

import (
	"fmt"
	"net/textproto"
	"reflect"
	"strings"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/plan"
)

// Binding is where the members of one input or output stand.
type Binding struct {
	Struct   *plan.Struct
	labels   map[string]*plan.Field
	query    map[string]*plan.Field
	queryAll *plan.Field            // a map of the keys that no other member has
	headers  map[string]*plan.Field // by canonical name
	prefixes []prefix
	status   *plan.Field
	ordered  []*plan.Field // query and header members, in the model's order
}

type prefix struct {
	name  string // canonical
	field *plan.Field
}

// Error is a member outside the body that could not be read. Its text never
// holds the value.
type Error struct {
	Name string // label, query key or header
	Err  error
}

// Error says which and why.
func (e *Error) Error() string { return e.Name + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Bind makes the binding of s, an input or output.
func Bind(s *plan.Struct) (*Binding, error) {
	b := &Binding{
		Struct: s, labels: map[string]*plan.Field{}, query: map[string]*plan.Field{}, headers: map[string]*plan.Field{},
	}
	for _, f := range s.Fields {
		switch f.Location {
		case wire.URI:
			b.labels[f.WireName] = f
		case wire.QueryString:
			b.ordered = append(b.ordered, f)
			if f.Kind == wire.Map {
				b.queryAll = f
			} else {
				b.query[f.WireName] = f
			}
		case wire.Header:
			b.ordered = append(b.ordered, f)
			b.headers[textproto.CanonicalMIMEHeaderKey(f.WireName)] = f
		case wire.HeaderPrefix:
			if f.Type != stringMapType {
				return nil, fmt.Errorf("httpbind: %s.%s is a %s", s.Shape.Name, f.Name, f.Type)
			}
			name := f.Member.WireName
			if name == f.Name { // the model names none: all headers
				name = ""
			}
			b.prefixes = append(b.prefixes, prefix{textproto.CanonicalMIMEHeaderKey(name), f})
		case wire.StatusCode:
			if f.Kind != wire.Integer {
				return nil, fmt.Errorf("httpbind: %s.%s is no integer", s.Shape.Name, f.Name)
			}
			b.status = f
		}
	}
	return b, nil
}

var stringMapType = reflect.TypeFor[map[string]string]()

// splitList takes a header's value apart at its commas. Quoted elements may hold
// commas; dates do hold one (RFC 9110, section 5.6.1).
func splitList(s string, dates bool) []string {
	var out []string
	start, quoted, commas := 0, false, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if quoted {
				i++
			}
		case '"':
			quoted = !quoted
		case ',':
			if quoted {
				continue
			}
			if commas++; dates && commas%2 == 1 {
				continue
			}
			out = append(out, unquote(s[start:i]))
			start = i + 1
		}
	}
	return append(out, unquote(s[start:]))
}

func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// quoteElement is the inverse of unquote for an element of a list.
func quoteElement(s string) string {
	if !strings.ContainsAny(s, `",`) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// appendEscaped percent-encodes all but RFC 3986's unreserved characters, and
// leaves slashes alone when keepSlash.
func appendEscaped(b []byte, s string, keepSlash bool) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '-', c == '_', c == '.', c == '~', c == '/' && keepSlash:
			b = append(b, c)
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}

// New plans s, an input or output, and binds it.
func New(plans *plan.Plans, s *wire.Shape) (*Binding, error) {
	p, err := plans.Top(s)
	if err != nil {
		return nil, err
	}
	return Bind(p)
}

// Of returns the structure that p, a pointer to the Go type of b's shape, points to.
func (b *Binding) Of(p any) (reflect.Value, error) {
	if b == nil {
		return (*plan.Struct)(nil).Of(p)
	}
	return b.Struct.Of(p)
}
