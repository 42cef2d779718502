package kms

import (
	"reflect"
	"testing"
	"time"
)

// TestCloneSharesNothing fills every field of a record: a clone has the same in it, and no map, slice or pointer of the
// original, whose readers must not see what its caller changes.
func TestCloneSharesNothing(t *testing.T) {
	var r record
	fillIn(reflect.ValueOf(&r).Elem())
	c := r.clone()
	if !reflect.DeepEqual(c, r) {
		t.Fatalf("got %+v, want %+v", c, r)
	}
	disjoint(t, "record", reflect.ValueOf(c), reflect.ValueOf(r))
}

// fillIn gives a value, and all that is in it, something that is not zero.
func fillIn(v reflect.Value) {
	if _, ok := v.Interface().(time.Time); ok {
		v.Set(reflect.ValueOf(time.Unix(1, 0).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fillIn(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillIn(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillIn(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fillIn(key)
		fillIn(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.Set(reflect.ValueOf(1).Convert(v.Type()))
	}
}

// disjoint fails where two equal values share what can change.
func disjoint(t *testing.T, name string, a, b reflect.Value) {
	switch a.Kind() {
	case reflect.Struct:
		if _, ok := a.Interface().(time.Time); ok {
			return
		}
		for i := range a.NumField() {
			disjoint(t, name+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if a.UnsafePointer() == b.UnsafePointer() {
			t.Errorf("%s is shared", name)
		}
		switch a.Kind() {
		case reflect.Pointer:
			disjoint(t, name, a.Elem(), b.Elem())
		case reflect.Slice:
			disjoint(t, name+"[0]", a.Index(0), b.Index(0))
		}
	}
}
