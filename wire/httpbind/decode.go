package httpbind

import (
	"encoding/base64"
	"errors"
	"net/http"
	"reflect"
	"strings"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/plan"
)

var errRepeated = errors.New("given more than once")

// DecodeRequest reads labels, query string and headers of r, which came by route,
// into dst. The errors are *Error.
func (b *Binding) DecodeRequest(route *Route, r *wire.Request, dst reflect.Value) error {
	if err := b.decodeLabels(route, r.Path, dst); err != nil {
		return err
	}
	if err := b.decodeQuery(route, r, dst); err != nil {
		return err
	}
	if err := b.decodeHeaders(r.Header, dst, true); err != nil {
		return err
	}
	// With aws-chunked the header counts the framing too; Length is what the stream yields.
	if f := b.headers["Content-Length"]; f != nil && r.Stream != nil && f.Kind == wire.Long {
		if dst.Field(f.Field).SetZero(); r.Length >= 0 {
			f.SetInt(dst.Field(f.Field), r.Length)
		}
	}
	return nil
}

func (b *Binding) decodeLabels(route *Route, path string, dst reflect.Value) error {
	if len(b.labels) == 0 {
		return nil
	}
	values, err := route.labels(path)
	if err != nil {
		return &Error{"path", err}
	}
	for i, s := range route.segments {
		f := b.labels[s.text]
		if !s.label || f == nil {
			continue
		}
		if err := f.ParseText(dst.Field(f.Field), values[i], plan.ISO8601); err != nil {
			return &Error{f.WireName, err}
		}
	}
	return nil
}

func (b *Binding) decodeQuery(route *Route, r *wire.Request, dst reflect.Value) error {
	if len(b.query) == 0 && b.queryAll == nil {
		return nil
	}
	params, err := r.Query()
	if err != nil {
		return err
	}
	for _, p := range params {
		f := b.query[p.Key]
		if f == nil {
			if err := b.decodeRest(route, p, dst); err != nil {
				return &Error{p.Key, err}
			}
			continue
		}
		field := dst.Field(f.Field)
		switch {
		case f.Kind == wire.List:
			err = f.Elem.ParseText(f.Append(field), p.Value, plan.ISO8601)
		case p.Value == "" && f.Kind != wire.String:
			continue // ?max-keys= says nothing
		case !f.Absent(field):
			err = errRepeated
		default:
			err = f.ParseText(field, p.Value, plan.ISO8601)
		}
		if err != nil {
			return &Error{p.Key, err}
		}
	}
	return nil
}

// decodeRest puts a parameter that no member names into the map of such, less
// those of the path pattern and of the signature.
func (b *Binding) decodeRest(route *Route, p wire.Param, dst reflect.Value) error {
	f := b.queryAll
	if f == nil || strings.HasPrefix(p.Key, "X-Amz-") {
		return nil
	}
	for _, l := range route.literals {
		if l.Key == p.Key {
			return nil
		}
	}
	field := dst.Field(f.Field)
	if field.IsNil() {
		f.Empty(field)
	}
	elem := reflect.New(f.Elem.Type).Elem()
	old := field.MapIndex(reflect.ValueOf(p.Key).Convert(f.Type.Key()))
	if f.Elem.Kind != wire.List {
		if old.IsValid() {
			return errRepeated
		}
		if err := f.Elem.ParseText(elem, p.Value, plan.ISO8601); err != nil {
			return err
		}
	} else {
		if old.IsValid() {
			elem.Set(old)
		}
		if err := f.Elem.Elem.ParseText(f.Elem.Append(elem), p.Value, plan.ISO8601); err != nil {
			return err
		}
	}
	f.Put(field, p.Key, elem)
	return nil
}

// decodeHeaders reads h. A request's prefix headers get lower-case names, since
// Go's canonical spelling is an accident of how they came.
func (b *Binding) decodeHeaders(h http.Header, dst reflect.Value, lower bool) error {
	if len(b.headers) == 0 && len(b.prefixes) == 0 {
		return nil
	}
	for name, values := range h {
		if f := b.headers[name]; f != nil {
			value := values[0]
			if len(values) > 1 {
				value = strings.Join(values, ",") // RFC 9110, section 5.3
			}
			if err := decodeHeader(f, dst.Field(f.Field), value); err != nil && !ignorable(name) {
				return &Error{f.WireName, err}
			}
		}
		for _, p := range b.prefixes {
			if len(name) > len(p.name) && strings.EqualFold(name[:len(p.name)], p.name) {
				rest := name[len(p.name):]
				if lower {
					rest = strings.ToLower(rest)
				}
				m := dst.Field(p.field.Field).Addr().Interface().(*map[string]string)
				if *m == nil {
					*m = map[string]string{}
				}
				(*m)[rest] = strings.Join(values, ",")
			}
		}
	}
	return nil
}

// ignorable names the headers that must be ignored when their date is none (RFC
// 9110, sections 13.1.3 and 13.1.4).
func ignorable(name string) bool {
	return name == "If-Modified-Since" || name == "If-Unmodified-Since"
}

func decodeHeader(f *plan.Field, dst reflect.Value, value string) error {
	if value == "" {
		return nil
	}
	if f.JSONValue && f.Kind == wire.String {
		text, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return errors.New("not valid base64")
		}
		value = string(text)
	}
	if f.Kind != wire.List {
		return f.ParseText(dst, value, plan.RFC822)
	}
	dates := f.Elem.Kind == wire.Timestamp && f.Elem.Format.Or(plan.RFC822) == plan.RFC822
	for _, part := range splitList(value, dates) {
		if err := f.Elem.ParseText(f.Append(dst), part, plan.RFC822); err != nil {
			return err
		}
	}
	return nil
}

// DecodeAnswer reads headers and status of r into dst.
func (b *Binding) DecodeAnswer(r *wire.Response, dst reflect.Value) error {
	if f := b.status; f != nil {
		f.SetInt(dst.Field(f.Field), int64(r.Status))
	}
	return b.decodeHeaders(r.Header, dst, false)
}
