package document

import (
	"bytes"
	"encoding/json"
	"iter"
	"maps"
	"math"
	"slices"
)

// Object is a map from names to values that keeps the order in which names were first
// set. The zero Object is empty and ready. Values are nil, bool, int64, float64, string,
// []any and *Object. It is not safe for use by several goroutines while one of them sets.
type Object struct {
	names  []string
	values map[string]any
}

// NewObject returns an object that holds the members of m in the order of their names;
// maps and lists inside are converted likewise.
func NewObject(m map[string]any) *Object {
	o := new(Object)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		o.Set(name, Value(m[name]))
	}
	return o
}

// Value converts what Go code or encoding/json made to the values of this package. JSON
// knows one kind of number: one without a fraction becomes an int64, as it is printed.
func Value(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return NewObject(v)
	case map[string]string:
		o := new(Object)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			o.Set(name, v[name])
		}
		return o
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = Value(v[i])
		}
		return list
	case []string:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list
	case int:
		return int64(v)
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v)
		}
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String()
	}
	return v
}

// Set gives name the value; a name that is there keeps its place. It returns o.
func (o *Object) Set(name string, value any) *Object {
	if o.values == nil {
		o.values = make(map[string]any)
	}
	if _, ok := o.values[name]; !ok {
		o.names = append(o.names, name)
	}
	o.values[name] = value
	return o
}

// Delete takes name out, if it is there.
func (o *Object) Delete(name string) {
	if _, ok := o.values[name]; !ok {
		return
	}
	delete(o.values, name)
	o.names = slices.DeleteFunc(o.names, func(n string) bool { return n == name })
}

// Get returns the value of name and whether there is one. A nil Object is empty.
func (o *Object) Get(name string) (any, bool) {
	if o == nil {
		return nil, false
	}
	v, ok := o.values[name]
	return v, ok
}

// Len returns how many members there are.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.names)
}

// Names returns the names in order. The slice is the caller's.
func (o *Object) Names() []string {
	if o == nil {
		return nil
	}
	return slices.Clone(o.names)
}

// All yields the members in order.
func (o *Object) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		if o == nil {
			return
		}
		for _, name := range o.names {
			if !yield(name, o.values[name]) {
				return
			}
		}
	}
}

// MarshalJSON writes the members in order, without escaping <, > and &.
func (o *Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range o.Names() {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := plain(&b, name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := plain(&b, o.values[name]); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// plain writes v as JSON as it is, which json.Marshal would not: it escapes for HTML.
func plain(b *bytes.Buffer, v any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the newline of Encode
	return nil
}
