// Package jsonbody reads and writes structures as JSON, for the protocols whose
// bodies are JSON: awsJson and REST-JSON.
//
// The decoder walks the bytes and the plan together, without a tree between. It
// takes RFC 8259 and nothing else: valid UTF-8, no half surrogates, no trailing
// commas, at most plan.MaxDepth levels. Unknown members are read over, null is
// absent, of a repeated key the last counts, numbers must fit their kind, and base64
// must be what an encoder would write. Timestamps are taken as numbers or strings.
package jsonbody

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/plan"
)

// Append appends the body members of src, a structure of s's type, to b as a JSON object.
func Append(b []byte, s *plan.Struct, src reflect.Value) ([]byte, error) {
	b, err := AppendMembers(append(b, '{'), s, src)
	return append(b, '}'), err
}

// AppendMembers is Append without the braces, for objects that hold more than s.
func AppendMembers(b []byte, s *plan.Struct, src reflect.Value) (_ []byte, err error) {
	first := true
	for _, f := range s.Body {
		field := src.Field(f.Field)
		if f.Absent(field) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		if b, err = AppendValue(append(b, f.JSONKey...), &f.Value, field); err != nil {
			return b, fmt.Errorf("%s: %w", f.WireName, err)
		}
	}
	return b, nil
}

// AppendValue appends src, which is present, to b.
func AppendValue(b []byte, v *plan.Value, src reflect.Value) ([]byte, error) {
	switch v.Kind {
	case wire.String:
		return AppendString(b, v.Deref(src).String()), nil
	case wire.Float, wire.Double:
		return appendFloat(b, v, src)
	case wire.Timestamp:
		format := v.Format.Or(plan.Unix)
		if !format.Quoted() {
			return format.Append(b, v.Time(src)), nil
		}
		return append(format.Append(append(b, '"'), v.Time(src)), '"'), nil
	case wire.Blob:
		if v.Stream {
			return b, fmt.Errorf("stream %s inside JSON", v.Shape.Name)
		}
		b = base64.StdEncoding.AppendEncode(append(b, '"'), src.Bytes())
		return append(b, '"'), nil
	case wire.List:
		return appendList(b, v, src)
	case wire.Map:
		return appendMap(b, v, src)
	case wire.Structure:
		return Append(b, v.Struct, v.Deref(src))
	}
	return v.AppendText(b, src, plan.Unix)
}

func appendFloat(b []byte, v *plan.Value, src reflect.Value) ([]byte, error) {
	n := len(b)
	b, err := v.AppendText(b, src, plan.Unix)
	if err == nil && (b[len(b)-1] > '9') { // the words end in a letter
		b = append(slices.Insert(b, n, '"'), '"')
	}
	return b, err
}

func appendList(b []byte, v *plan.Value, src reflect.Value) (_ []byte, err error) {
	b = append(b, '[')
	for i := range src.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = AppendValue(b, &v.Elem.Value, src.Index(i)); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func appendMap(b []byte, v *plan.Value, src reflect.Value) (_ []byte, err error) {
	if m, ok := src.Interface().(map[string]string); ok {
		return appendStringMap(b, m), nil
	}
	b = append(b, '{')
	for i, key := range v.Keys(src) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(AppendString(b, key.String()), ':')
		if b, err = AppendValue(b, &v.Elem.Value, src.MapIndex(key)); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendStringMap(b []byte, m map[string]string) []byte {
	var few [8]string
	keys := few[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendString(append(AppendString(b, k), ':'), m[k])
	}
	return append(b, '}')
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. What is not UTF-8 becomes U+FFFD.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			b = append(append(b, s[start:i]...), "\ufffd"...)
			i++
			start = i
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}
