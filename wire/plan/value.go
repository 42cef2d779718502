package plan

import (
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/strongroom/strongroom/wire"
)

// Absent reports whether src, the field of a structure, holds no value. An empty
// list or map is a value; an empty enum is none.
func (v *Value) Absent(src reflect.Value) bool {
	switch src.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return src.IsNil()
	case reflect.String:
		return src.Len() == 0
	}
	return false
}

// SetString sets dst, of kind String, to s.
func (v *Value) SetString(dst reflect.Value, s string) {
	if v.Pointer {
		*dst.Addr().Interface().(**string) = &s
		return
	}
	dst.SetString(s)
}

// SetBool sets dst, of kind Boolean.
func (v *Value) SetBool(dst reflect.Value, b bool) {
	if v.Pointer {
		*dst.Addr().Interface().(**bool) = &b
		return
	}
	dst.SetBool(b)
}

// SetInt sets dst, of kind Integer or Long; n is in range.
func (v *Value) SetInt(dst reflect.Value, n int64) {
	switch {
	case !v.Pointer:
		dst.SetInt(n)
	case v.Kind == wire.Integer:
		n32 := int32(n)
		*dst.Addr().Interface().(**int32) = &n32
	default:
		*dst.Addr().Interface().(**int64) = &n
	}
}

// SetFloat sets dst, of kind Float or Double; f is in range.
func (v *Value) SetFloat(dst reflect.Value, f float64) {
	switch {
	case !v.Pointer:
		dst.SetFloat(f)
	case v.Kind == wire.Float:
		f32 := float32(f)
		*dst.Addr().Interface().(**float32) = &f32
	default:
		*dst.Addr().Interface().(**float64) = &f
	}
}

// SetTime sets dst, of kind Timestamp.
func (v *Value) SetTime(dst reflect.Value, t time.Time) {
	if v.Pointer {
		*dst.Addr().Interface().(**time.Time) = &t
		return
	}
	*dst.Addr().Interface().(*time.Time) = t
}

// Deref returns what src points to when v is held by a pointer, else src.
func (v *Value) Deref(src reflect.Value) reflect.Value {
	if v.Pointer {
		return src.Elem()
	}
	return src
}

// Time returns src, of kind Timestamp and present.
func (v *Value) Time(src reflect.Value) time.Time {
	if v.Pointer {
		return *src.Interface().(*time.Time)
	}
	return src.Interface().(time.Time)
}

// Open makes dst, of kind Structure, present and returns the structure to fill.
func (v *Value) Open(dst reflect.Value) reflect.Value {
	if !v.Pointer {
		return dst
	}
	dst.Set(reflect.New(v.Type.Elem()))
	return dst.Elem()
}

// Append makes the list dst one zero element longer and returns the element.
func (v *Value) Append(dst reflect.Value) reflect.Value {
	n := dst.Len()
	if n == dst.Cap() {
		dst.Grow(1)
	}
	dst.SetLen(n + 1)
	e := dst.Index(n)
	e.SetZero() // a list that was set twice leaves values behind its end
	return e
}

// Empty makes dst, of kind List or Map, present without elements.
func (v *Value) Empty(dst reflect.Value) {
	if v.Kind == wire.Map {
		dst.Set(reflect.MakeMap(v.Type))
		return
	}
	dst.Set(reflect.MakeSlice(v.Type, 0, 0))
}

// Put sets dst, of kind Map and not nil, at key to elem.
func (v *Value) Put(dst reflect.Value, key string, elem reflect.Value) {
	k := reflect.ValueOf(key)
	if t := v.Type.Key(); t != stringType {
		k = k.Convert(t)
	}
	dst.SetMapIndex(k, elem)
}

// Keys returns the keys of src, of kind Map, sorted, so that answers are the same each time.
func (v *Value) Keys(src reflect.Value) []reflect.Value {
	keys := src.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		switch a, b := a.String(), b.String(); {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	return keys
}

// FillTokens gives every absent idempotency token of in a random value.
func (s *Struct) FillTokens(in reflect.Value) {
	for _, f := range s.Fields {
		if f.IdempotencyToken && f.Kind == wire.String && f.Absent(in.Field(f.Field)) {
			f.SetString(in.Field(f.Field), token())
		}
	}
}

// token returns a random UUID (RFC 9562, version 4), the form that SDKs send.
func token() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand stops the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Of returns the structure that p, a pointer to s's Go type, points to.
func (s *Struct) Of(p any) (reflect.Value, error) {
	if s == nil {
		return reflect.Value{}, errors.New("plan: an operation of another service")
	}
	v := reflect.ValueOf(p)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem() != s.Type {
		return reflect.Value{}, fmt.Errorf("plan: got a %T for a *%s", p, s.Type)
	}
	return v.Elem(), nil
}

// CheckUnion reports an error unless s is no union or src holds exactly one member.
func (s *Struct) CheckUnion(src reflect.Value) error {
	if !s.Shape.Union {
		return nil
	}
	n := 0
	for _, f := range s.Fields {
		if !f.Absent(src.Field(f.Field)) {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("union %s holds %d members where exactly one must be", s.Shape.Name, n)
	}
	return nil
}
