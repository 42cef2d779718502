package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// An object is a JSON object that keeps the order of its members, which for the
// members of a structure is the order of the fields.
type object struct {
	names  []string
	values map[string]any // *object, []any, string, json.Number, bool or nil
}

func newObject() *object { return &object{values: map[string]any{}} }

func (o *object) set(name string, v any) {
	if _, ok := o.values[name]; !ok {
		o.names = append(o.names, name)
	}
	o.values[name] = v
}

func (o *object) remove(name string) {
	delete(o.values, name)
	o.names = slices.DeleteFunc(o.names, func(n string) bool { return n == name })
}

// MarshalJSON prints the members in their order.
func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range o.names {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(o.values[name])
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// parseTree reads one JSON object, keeping order and numbers as written. A name that
// comes twice in an object is an error: in a patch it would silently lose the first.
func parseTree(data []byte) (*object, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := parseValue(d)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*object)
	if !ok {
		return nil, fmt.Errorf("not a JSON object")
	}
	return o, nil
}

func parseValue(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		o := newObject()
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			if _, ok := o.values[name.(string)]; ok {
				return nil, fmt.Errorf("name %q twice in one object, before byte %d", name, d.InputOffset())
			}
			v, err := parseValue(d)
			if err != nil {
				return nil, err
			}
			o.set(name.(string), v)
		}
		_, err = d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := parseValue(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	}
	return t, nil
}

// merge lays a patch over a model: objects are merged member by member, null takes a
// member out, a list adds what is not in the model's list yet, and {"remove": [...]}
// over a list takes elements out. Everything else replaces.
func merge(model, patch *object) error {
	for _, name := range patch.names {
		old, exists := model.values[name]
		switch p := patch.values[name].(type) {
		case nil:
			if !exists {
				return fmt.Errorf("%s: nothing to take out", name)
			}
			model.remove(name)
		case *object:
			switch o := old.(type) {
			case *object:
				if err := merge(o, p); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			case []any:
				list, err := without(o, p)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				model.set(name, list)
			default:
				model.set(name, p)
			}
		case []any:
			list, _ := old.([]any)
			for _, v := range p {
				if !contains(list, v) {
					list = append(list, v)
				}
			}
			model.set(name, list)
		default:
			model.set(name, p)
		}
	}
	return nil
}

func without(list []any, patch *object) ([]any, error) {
	gone, ok := patch.values["remove"].([]any)
	if !ok || len(patch.names) != 1 {
		return nil, fmt.Errorf(`over a list goes a list, or {"remove": [...]}`)
	}
	for _, v := range gone {
		if !contains(list, v) {
			return nil, fmt.Errorf("%v: nothing to take out", v)
		}
	}
	return slices.DeleteFunc(slices.Clone(list), func(v any) bool { return contains(gone, v) }), nil
}

func contains(list []any, v any) bool {
	want, err := json.Marshal(v)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(list, func(e any) bool {
		got, err := json.Marshal(e)
		return err == nil && bytes.Equal(got, want)
	})
}
