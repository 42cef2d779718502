package awsquery

import (
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/plan"
	"github.com/strongroom/strongroom/wire/xmlbody"
)

var (
	errIndex = errors.New("list and map indices must count up from 1")
	errDepth = errors.New("parameters are nested too deeply")
	errMixed = errors.New("a value and parts of it are both given")
)

// find returns the value of key in params, which are sorted, or "".
func find(params []wire.Param, key string) string {
	if i, ok := search(params, key); ok {
		return params[i].Value
	}
	return ""
}

func search(params []wire.Param, key string) (int, bool) {
	return slices.BinarySearchFunc(params, key, func(p wire.Param, key string) int { return strings.Compare(p.Key, key) })
}

// view is the sorted parameters below one name, without building a tree of them: a
// form of dots would make a tree a hundred times its size.
type view struct {
	params []wire.Param // all begin with prefix
	prefix string       // "" or ending in a dot
}

// child returns the parameter prefix+name itself and those below it.
func (v view) child(name string) (value string, set bool, below view) {
	key := v.prefix + name
	i, set := search(v.params, key)
	if set {
		value = v.params[i].Value
	}
	key += "."
	from, _ := search(v.params, key)
	to := from
	for to < len(v.params) && strings.HasPrefix(v.params[to].Key, key) {
		to++
	}
	return value, set, view{v.params[from:to], key}
}

func (v view) empty() bool { return len(v.params) == 0 }

// decodeForm reads params into dst, a structure of s's type. Unknown parameters are read over.
func decodeForm(s *plan.Struct, params []wire.Param, dst reflect.Value) error {
	return structure(s, view{params, ""}, dst, 0)
}

func structure(s *plan.Struct, v view, dst reflect.Value, depth int) error {
	for _, f := range s.Body {
		name := xmlbody.ElementName(f)
		value, set, below := v.child(name)
		if !set && below.empty() {
			continue
		}
		if err := member(f, value, set, below, dst.Field(f.Field), depth+1); err != nil {
			return at(v.prefix+name, err)
		}
	}
	return s.CheckUnion(dst)
}

// paramError says which parameter is at fault.
type paramError struct {
	name string
	err  error
}

func (e *paramError) Error() string { return e.name + ": " + e.err.Error() }
func (e *paramError) Unwrap() error { return e.err }

// at names the parameter of err, unless one further in is named already.
func at(name string, err error) error {
	if e, ok := err.(*paramError); ok {
		return e
	}
	if len(name) > 256 {
		name = name[:256] + "..."
	}
	return &paramError{name, err}
}

// member reads the parameter of f itself, if set, or those below it.
func member(f *plan.Field, value string, set bool, below view, dst reflect.Value, depth int) error {
	if depth > plan.MaxDepth {
		return errDepth
	}
	switch f.Kind {
	case wire.List, wire.Map, wire.Structure:
		if set && value != "" || set && !below.empty() {
			return errMixed
		}
	default:
		if !set || !below.empty() {
			return errMixed
		}
		return f.ParseText(dst, value, plan.ISO8601)
	}
	if f.Kind == wire.Structure {
		return structure(f.Struct, below, f.Open(dst), depth)
	}
	f.Empty(dst) // "Tags=" is an empty list
	if f.Kind == wire.Map {
		if !f.Flattened && !below.empty() {
			_, _, below = below.child("entry")
		}
		return each(below, func(_ string, _ bool, entry view) error { return mapEntry(f, entry, dst, depth) })
	}
	if !f.Flattened && !below.empty() {
		all := len(below.params)
		if _, _, below = below.child(f.Elem.WireName); len(below.params) != all {
			return errIndex
		}
	}
	return each(below, func(value string, set bool, below view) error {
		return member(f.Elem, value, set, below, f.Append(dst), depth+1)
	})
}

// each calls fn for the parameters of 1, 2, 3 ... until one is missing, and reports
// an error when any are left: an index that is left out, is too large, or is no number.
func each(v view, fn func(value string, set bool, below view) error) error {
	seen := 0
	for i := 1; seen < len(v.params); i++ {
		value, set, below := v.child(strconv.Itoa(i))
		if !set && below.empty() {
			return errIndex
		}
		if seen += len(below.params); set {
			seen++
		}
		if err := fn(value, set, below); err != nil {
			return err
		}
	}
	return nil
}

func mapEntry(f *plan.Field, v view, dst reflect.Value, depth int) error {
	key, keyed, _ := v.child(f.Key.WireName)
	value, set, below := v.child(f.Elem.WireName)
	if !keyed || !set && below.empty() {
		return errors.New("map entry without a key or without a value")
	}
	elem := reflect.New(f.Elem.Type).Elem()
	if err := member(f.Elem, value, set, below, elem, depth+1); err != nil {
		return err
	}
	f.Put(dst, key, elem)
	return nil
}

// encodeForm writes the form that asks for action with src.
func encodeForm(action, version string, s *plan.Struct, src reflect.Value) ([]byte, error) {
	e := formEncoder{}
	e.add("Action", action)
	e.add("Version", version)
	err := e.structure("", s, src)
	return e.buf, err
}

type formEncoder struct {
	buf []byte
}

func (e *formEncoder) add(key, value string) {
	if len(e.buf) > 0 {
		e.buf = append(e.buf, '&')
	}
	e.buf = append(append(append(e.buf, url.QueryEscape(key)...), '='), url.QueryEscape(value)...)
}

func (e *formEncoder) structure(prefix string, s *plan.Struct, src reflect.Value) error {
	for _, f := range s.Body {
		field := src.Field(f.Field)
		if f.Absent(field) {
			continue
		}
		if err := e.value(prefix+xmlbody.ElementName(f), f, field); err != nil {
			return err
		}
	}
	return nil
}

func (e *formEncoder) value(key string, f *plan.Field, src reflect.Value) error {
	switch f.Kind {
	case wire.Structure:
		n := len(e.buf)
		err := e.structure(key+".", f.Struct, f.Deref(src))
		if len(e.buf) == n {
			e.add(key, "") // empty, but there
		}
		return err
	case wire.List:
		return e.list(key, f, src)
	case wire.Map:
		return e.mapping(key, f, src)
	}
	text, err := f.AppendText(nil, src, plan.ISO8601)
	if err != nil {
		return err
	}
	e.add(key, string(text))
	return nil
}

func (e *formEncoder) list(key string, f *plan.Field, src reflect.Value) error {
	if src.Len() == 0 {
		e.add(key, "")
		return nil
	}
	if !f.Flattened {
		key += "." + f.Elem.WireName
	}
	for i := range src.Len() {
		if err := e.value(key+"."+strconv.Itoa(i+1), f.Elem, src.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (e *formEncoder) mapping(key string, f *plan.Field, src reflect.Value) error {
	if !f.Flattened {
		key += ".entry"
	}
	for i, k := range f.Keys(src) {
		entry := key + "." + strconv.Itoa(i+1) + "."
		e.add(entry+f.Key.WireName, k.String())
		if err := e.value(entry+f.Elem.WireName, f.Elem, src.MapIndex(k)); err != nil {
			return err
		}
	}
	return nil
}
