package wire

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendParameters appends v, a pointer to a structure of shape s, to dst as the JSON
// that an audit record holds for an input or output, and returns the longer dst.
//
// Members go by their RecordName. Sensitive members, blobs and streams are left out,
// with lists and maps of such; a URL that was refused and may hold a credential is "***". So a secret cannot reach a record unless its shape
// fails to say that it is one. Timestamps are ISO 8601, map keys in order, bytes that
// are not UTF-8 replaced by U+FFFD. A nil v, or one with nothing to print, is null.
//
// It panics when v is not of the shape's type: a record that lost its parameters is
// worse than a call that failed. It allocates nothing but dst's growth, as long as
// maps are of strings and have few keys.
func AppendParameters(dst []byte, s *Shape, v any) []byte {
	rv := reflect.ValueOf(v)
	if !rv.IsValid() || rv.IsNil() {
		return append(dst, "null"...)
	}
	if rv = rv.Elem(); rv.Type() != s.Type {
		panic(fmt.Sprintf("wire: recording a %s as %s", rv.Type(), s.Name))
	}
	start := len(dst)
	dst = appendStructure(dst, s, rv)
	if len(dst) == start+len("{}") {
		return append(dst[:start], "null"...)
	}
	return dst
}

// A line is a member that may be recorded, with its name as it is printed.
type line struct {
	prefix string // `"keyId":`
	field  int
	shape  *Shape
}

// lines are the members of a structure that may be recorded.
func (s *Shape) lines() []line {
	if l := s.record.Load(); l != nil {
		return *l
	}
	var list []line
	for _, m := range s.Members {
		if m.Sensitive || m.Streaming || unrecorded(m.Shape) {
			continue
		}
		name := m.RecordName
		if name == "" {
			name = m.Name
		}
		list = append(list, line{prefix: string(appendText(nil, name)) + ":", field: m.Field, shape: m.Shape})
	}
	s.record.Store(&list)
	return list
}

// unrecorded reports whether values of s stay out of records.
func unrecorded(s *Shape) bool {
	if s.Sensitive || s.Kind == Blob || s.EventStream {
		return true
	}
	return s.Kind == List && (s.Elem.Sensitive || unrecorded(s.Elem.Shape)) ||
		s.Kind == Map && (s.Elem.Sensitive || s.Key.Sensitive || unrecorded(s.Elem.Shape))
}

func appendStructure(dst []byte, s *Shape, v reflect.Value) []byte {
	dst = append(dst, '{')
	first := true
	for _, l := range s.lines() {
		f := v.Field(l.field)
		if absent(f) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, l.prefix...)
		if f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		dst = appendValue(dst, l.shape, f)
	}
	return append(dst, '}')
}

func appendValue(dst []byte, s *Shape, v reflect.Value) []byte {
	switch s.Kind {
	case String:
		if s.leaks(v.String()) {
			return append(dst, `"***"`...)
		}
		return appendText(dst, v.String())
	case Boolean:
		return strconv.AppendBool(dst, v.Bool())
	case Integer, Long:
		return strconv.AppendInt(dst, v.Int(), 10)
	case Float:
		return appendFloat(dst, v.Float(), 32)
	case Double:
		return appendFloat(dst, v.Float(), 64)
	case Timestamp:
		return appendTime(dst, v)
	case Structure:
		return appendStructure(dst, s, v)
	case List:
		dst = append(dst, '[')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, s.Elem.Shape, v.Index(i))
		}
		return append(dst, ']')
	case Map:
		return appendMap(dst, s, v)
	}
	return append(dst, "null"...)
}

func appendTime(dst []byte, v reflect.Value) []byte {
	var t time.Time
	if v.CanAddr() {
		t = *v.Addr().Interface().(*time.Time)
	} else {
		t = v.Interface().(time.Time)
	}
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.999Z")
	return append(dst, '"')
}

// fewKeys is how many keys of a map are sorted without allocating. A grant's
// constraint holds eight pairs at most, and few encryption contexts hold more.
const fewKeys = 16

func appendMap(dst []byte, s *Shape, v reflect.Value) []byte {
	var few [fewKeys]string
	keys := few[:0]
	texts, plain := v.Interface().(map[string]string)
	if plain {
		for k := range texts {
			keys = append(keys, k)
		}
	} else {
		for _, k := range v.MapKeys() {
			keys = append(keys, k.String())
		}
	}
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, k), ':')
		if plain {
			dst = appendText(dst, texts[k])
		} else {
			dst = appendValue(dst, s.Elem.Shape, v.MapIndex(reflect.ValueOf(k)))
		}
	}
	return append(dst, '}')
}

// appendFloat prints as encoding/json does; what JSON cannot say becomes a string, as
// in AWS's protocols.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}

const hexDigits = "0123456789abcdef"

// appendText appends s as a JSON string, copying what needs no escape in one piece.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r != utf8.RuneError || size != 1 {
			i += size
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = append(dst, "\uFFFD"...)
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
