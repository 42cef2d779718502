// Package xmlbody reads and writes structures as XML elements, for the protocols
// whose bodies are XML: REST-XML, and the answers of Query.
//
// The reader is a scanner of its own, because what comes from outside must stay
// small and mean one thing: no document types, hence no entities but the five; UTF-8
// only; at most plan.MaxDepth levels; tags must match. Elements are found by their
// local names, whatever their namespace, as S3's own clients need. Unknown elements are
// read over.
package xmlbody

import (
	"fmt"
	"reflect"
	"unicode/utf8"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/plan"
)

// Encoder appends elements to a buffer. Buf may be read and replaced at any time.
type Encoder struct {
	Buf  []byte
	Time plan.Time // of timestamps without a format of their own
}

// Start appends a start tag; the namespace may be empty.
func (e *Encoder) Start(name, namespace string) {
	e.Buf = append(append(e.Buf, '<'), name...)
	if namespace != "" {
		e.attr("xmlns", namespace)
	}
	e.Buf = append(e.Buf, '>')
}

// End appends an end tag.
func (e *Encoder) End(name string) {
	e.Buf = append(append(append(e.Buf, '<', '/'), name...), '>')
}

// Text appends an element that holds text.
func (e *Encoder) Text(name, s string) {
	e.Start(name, "")
	e.Buf = AppendEscaped(e.Buf, s)
	e.End(name)
}

func (e *Encoder) attr(name, value string) {
	e.Buf = append(append(append(e.Buf, ' '), name...), '=', '"')
	e.Buf = append(AppendEscaped(e.Buf, value), '"')
}

// Struct appends src, a structure of s's type, as an element. The namespace is the
// default one of the element; it may be empty.
func (e *Encoder) Struct(name, namespace string, s *plan.Struct, src reflect.Value) error {
	e.Buf = append(append(e.Buf, '<'), name...)
	if namespace != "" {
		e.attr("xmlns", namespace)
	}
	if err := e.attributes(s, src); err != nil {
		return err
	}
	e.Buf = append(e.Buf, '>')
	if err := e.Members(s, src); err != nil {
		return err
	}
	e.End(name)
	return nil
}

func (e *Encoder) attributes(s *plan.Struct, src reflect.Value) error {
	if s.Shape.XMLPrefix != "" && s.Shape.XMLNamespace != "" {
		e.attr("xmlns:"+s.Shape.XMLPrefix, s.Shape.XMLNamespace)
	}
	for _, f := range s.Body {
		if field := src.Field(f.Field); f.XMLAttribute && !f.Absent(field) {
			text, err := f.AppendText(nil, field, e.Time)
			if err != nil {
				return err
			}
			e.attr(f.WireName, string(text))
		}
	}
	return nil
}

// Members appends the elements of the body members of src, a structure of s's type.
func (e *Encoder) Members(s *plan.Struct, src reflect.Value) error {
	for _, f := range s.Body {
		field := src.Field(f.Field)
		if f.XMLAttribute || f.Absent(field) {
			continue
		}
		if err := e.member(f, field); err != nil {
			return fmt.Errorf("%s: %w", f.WireName, err)
		}
	}
	return nil
}

func (e *Encoder) member(f *plan.Field, src reflect.Value) error {
	name := ElementName(f)
	if f.Flattened && f.Kind == wire.List {
		for i := range src.Len() {
			if err := e.value(name, "", f.Elem, src.Index(i)); err != nil {
				return err
			}
		}
		return nil
	}
	if f.Flattened && f.Kind == wire.Map {
		return e.entries(name, f, src)
	}
	namespace := f.XMLNamespace
	if f.XMLPrefix != "" {
		namespace = ""
	}
	return e.value(name, namespace, f, src)
}

// value appends src, which is present, as an element.
func (e *Encoder) value(name, namespace string, f *plan.Field, src reflect.Value) error {
	if f.Kind == wire.Structure {
		return e.Struct(name, namespace, f.Struct, f.Deref(src))
	}
	e.Start(name, namespace)
	switch f.Kind {
	case wire.List:
		for i := range src.Len() {
			if err := e.value(f.Elem.WireName, "", f.Elem, src.Index(i)); err != nil {
				return err
			}
		}
	case wire.Map:
		if err := e.entries("entry", f, src); err != nil {
			return err
		}
	case wire.String:
		e.Buf = AppendEscaped(e.Buf, f.Deref(src).String())
	default: // nothing in these needs escaping
		var err error
		if e.Buf, err = f.AppendText(e.Buf, src, e.Time); err != nil {
			return err
		}
	}
	e.End(name)
	return nil
}

func (e *Encoder) entries(name string, f *plan.Field, src reflect.Value) error {
	for _, k := range f.Keys(src) {
		e.Start(name, "")
		e.Text(f.Key.WireName, k.String())
		if err := e.value(f.Elem.WireName, "", f.Elem, src.MapIndex(k)); err != nil {
			return err
		}
		e.End(name)
	}
	return nil
}

// AppendEscaped appends s so that a parser reads s again, in text and attributes.
// Control characters, which XML 1.0 has no way to write, become references as in
// S3's answers: a parser stops there, and does not take another key for this one.
// What is not UTF-8 becomes U+FFFD.
func AppendEscaped(b []byte, s string) []byte {
	last := 0
	for i := 0; i < len(s); {
		c := s[i]
		if safe[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(append(b, s[last:i]...), escapes[c]...)
			i++
			last = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r == 0xfffe || r == 0xffff {
			b = append(append(b, s[last:i]...), "\ufffd"...)
			last = i + n
		}
		i += n
	}
	return append(b, s[last:]...)
}

// escapes holds what stands for each ASCII character that must not stand for itself.
var escapes = func() (t [utf8.RuneSelf]string) {
	for c := range 0x20 {
		t[c] = fmt.Sprintf("&#x%X;", c)
	}
	t['&'], t['<'], t['>'], t['"'], t['\''] = "&amp;", "&lt;", "&gt;", "&quot;", "&apos;"
	return t
}()

// safe holds the ASCII characters that stand for themselves.
var safe = func() (t [256]bool) {
	for c := range utf8.RuneSelf {
		t[c] = escapes[c] == ""
	}
	return t
}()
