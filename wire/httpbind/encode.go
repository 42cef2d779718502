package httpbind

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"reflect"
	"strings"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/plan"
)

// EncodeRequest writes method, path, query string and headers of a request for
// route with src into r, whose Header is made.
func (b *Binding) EncodeRequest(route *Route, src reflect.Value, r *wire.Request) error {
	r.Method = route.Op.Method
	path := []byte(nil)
	for _, s := range route.segments {
		path = append(path, '/')
		if !s.label {
			path = append(path, s.text...)
			continue
		}
		f := b.labels[s.text]
		if f == nil || f.Absent(src.Field(f.Field)) {
			return &Error{s.text, errors.New("the path needs it")}
		}
		text, err := f.AppendText(nil, src.Field(f.Field), plan.ISO8601)
		if err != nil {
			return err
		}
		if len(text) == 0 {
			return &Error{s.text, errors.New("the path needs it")}
		}
		path = appendEscaped(path, string(text), s.greedy)
	}
	r.Path = string(path)
	var err error
	if r.RawQuery, err = b.encodeQuery(route, src); err != nil {
		return err
	}
	return b.encodeHeaders(r.Header, src, false)
}

// query is a query string that is being written.
type query []byte

func (q *query) key(key string) {
	if len(*q) > 0 {
		*q = append(*q, '&')
	}
	*q = appendEscaped(*q, key, false)
}

func (q *query) value(value []byte) {
	*q = appendEscaped(append(*q, '='), string(value), false)
}

// add appends src, a scalar or a list of scalars.
func (q *query) add(key string, v *plan.Value, src reflect.Value) error {
	if v.Kind == wire.List {
		for i := range src.Len() {
			if err := q.add(key, &v.Elem.Value, src.Index(i)); err != nil {
				return err
			}
		}
		return nil
	}
	text, err := v.AppendText(nil, src, plan.ISO8601)
	q.key(key)
	q.value(text)
	return err
}

func (b *Binding) encodeQuery(route *Route, src reflect.Value) (string, error) {
	var q query
	for i, l := range route.literals {
		if q.key(l.Key); !route.bare[i] {
			q.value([]byte(l.Value))
		}
	}
	for _, f := range b.ordered {
		field := src.Field(f.Field)
		if f.Location != wire.QueryString || f.Absent(field) {
			continue
		}
		if f.Kind != wire.Map {
			if err := q.add(f.WireName, &f.Value, field); err != nil {
				return "", err
			}
			continue
		}
		for _, k := range f.Keys(field) {
			if b.query[k.String()] != nil {
				continue // the member counts, not the map
			}
			if err := q.add(k.String(), &f.Elem.Value, field.MapIndex(k)); err != nil {
				return "", err
			}
		}
	}
	return string(q), nil
}

// EncodeAnswer writes headers and status of src into w.
func (b *Binding) EncodeAnswer(src reflect.Value, w *wire.Response) error {
	if f := b.status; f != nil && !f.Absent(src.Field(f.Field)) {
		status := f.Deref(src.Field(f.Field)).Int()
		if status < 200 || status > 599 {
			return fmt.Errorf("httpbind: answer with status %d", status)
		}
		w.Status = int(status)
	}
	return b.encodeHeaders(w.Header, src, true)
}

// encodeHeaders writes src's headers into h. Those of an answer's maps get lower-case names,
// because clients take what follows the prefix as it comes.
func (b *Binding) encodeHeaders(h http.Header, src reflect.Value, lower bool) error {
	for name, f := range b.headers {
		field := src.Field(f.Field)
		if f.Absent(field) {
			continue
		}
		value, err := encodeHeader(f, field)
		if err != nil {
			return err
		}
		if value != "" {
			h[name] = []string{value}
		}
	}
	for _, p := range b.prefixes {
		for k, value := range *src.Field(p.field.Field).Addr().Interface().(*map[string]string) {
			name := textproto.CanonicalMIMEHeaderKey(p.name + strings.TrimSpace(k))
			if b.headers[name] != nil {
				continue // the member counts, not the map
			}
			if err := checkHeader(name, value); err != nil {
				return err
			}
			if lower {
				name = strings.ToLower(name)
			}
			h[name] = []string{strings.TrimSpace(value)}
		}
	}
	return nil
}

func encodeHeader(f *plan.Field, src reflect.Value) (string, error) {
	var text string
	if f.Kind == wire.List {
		var parts []string
		for i := range src.Len() {
			part, err := f.Elem.AppendText(nil, src.Index(i), plan.RFC822)
			if err != nil {
				return "", err
			}
			s := string(part)
			if f.Elem.Kind == wire.String {
				s = quoteElement(s)
			}
			parts = append(parts, s)
		}
		text = strings.Join(parts, ", ")
	} else {
		b, err := f.AppendText(nil, src, plan.RFC822)
		if err != nil {
			return "", err
		}
		text = string(b)
	}
	if f.JSONValue && f.Kind == wire.String {
		text = base64.StdEncoding.EncodeToString([]byte(text))
	}
	if err := checkHeader(f.WireName, text); err != nil {
		return "", err
	}
	return strings.TrimSpace(text), nil
}

// checkHeader refuses what would end the header and begin another (RFC 9110, section 5.5).
func checkHeader(name, value string) error {
	if strings.ContainsAny(value, "\r\n\x00") || strings.ContainsAny(name, "\r\n\x00: ") {
		return &Error{name, errors.New("not fit for a header")}
	}
	return nil
}
