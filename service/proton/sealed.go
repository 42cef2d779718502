package proton

import (
	"reflect"
	"sync"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/wire"
)

// Which members of a record are sealed is not written down a second time: it is what the API's
// model marks as sensitive, however deep, and what a field of ours says with the tag `sealed:"yes"`.

// sealedFields returns the index paths of the fields of a record type that are sealed.
func sealedFields(t reflect.Type) [][]int {
	if found, ok := sealedOf.Load(t); ok {
		return found.([][]int)
	}
	fields := findSealed(t, nil)
	sealedOf.Store(t, fields)
	return fields
}

var sealedOf sync.Map // reflect.Type to [][]int

func findSealed(t reflect.Type, at []int) (paths [][]int) {
	sensitive := sensitiveMembers()[t]
	for i := range t.NumField() {
		f := t.Field(i)
		path := append(append([]int(nil), at...), i)
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			paths = append(paths, findSealed(f.Type, path)...)
		case sensitive[i], f.Tag.Get("sealed") == "yes", sensitiveType(f.Type):
			paths = append(paths, path)
		}
	}
	return paths
}

// sensitiveType reports whether t is, or holds, a structure of the API that has something to hide.
func sensitiveType(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && len(sensitiveMembers()[t]) > 0
}

// sensitiveMembers are the fields, by the API's structures, that are sensitive or hold what is.
var sensitiveMembers = sync.OnceValue(func() map[reflect.Type]map[int]bool {
	found := make(map[reflect.Type]map[int]bool)
	seen := make(map[*wire.Shape]bool)
	var walk func(*wire.Shape) bool
	walk = func(s *wire.Shape) (hides bool) {
		switch {
		case s == nil:
			return false
		case s.Elem != nil:
			inner := walk(s.Elem.Shape) // also where the list is sensitive itself: the structure stands elsewhere too
			return inner || s.Elem.Sensitive
		case s.Kind != wire.Structure:
			return s.Sensitive
		case seen[s]:
			return s.Sensitive || len(found[s.Type]) > 0
		}
		seen[s] = true
		fields := make(map[int]bool)
		for _, m := range s.Members {
			if inner := walk(m.Shape); inner || m.Sensitive || s.Sensitive {
				fields[m.Field] = true
			}
		}
		found[s.Type] = fields
		return len(fields) > 0
	}
	for _, op := range api.API.Operations {
		walk(op.Input)
		walk(op.Output)
	}
	return found
})

// split moves the sealed fields of v into a value of their own. hides reports whether there was
// anything to move.
func split[T any](v T) (plain, secret T, hides bool) {
	plain = v
	from, to := reflect.ValueOf(&plain).Elem(), reflect.ValueOf(&secret).Elem()
	for _, path := range sealedFields(from.Type()) {
		f := from.FieldByIndex(path)
		if !f.IsZero() {
			hides = true
			to.FieldByIndex(path).Set(f)
			f.SetZero()
		}
	}
	return plain, secret, hides
}

// join gives plain the sealed fields of secret.
func join[T any](plain, secret T) T {
	from, to := reflect.ValueOf(&secret).Elem(), reflect.ValueOf(&plain).Elem()
	for _, path := range sealedFields(to.Type()) {
		to.FieldByIndex(path).Set(from.FieldByIndex(path))
	}
	return plain
}

// as makes a T of the fields of v that have the same names: a summary of a description.
func as[T any](v any) (out T) {
	from, to := reflect.ValueOf(v), reflect.ValueOf(&out).Elem()
	if from.Kind() == reflect.Pointer {
		from = from.Elem()
	}
	for i := range to.NumField() {
		f := from.FieldByName(to.Type().Field(i).Name)
		if f.IsValid() && f.Type().AssignableTo(to.Field(i).Type()) {
			to.Field(i).Set(f)
		}
	}
	return out
}
