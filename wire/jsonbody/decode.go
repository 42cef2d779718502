package jsonbody

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/plan"
)

// Side says whose words are read.
type Side bool

// A Request is read strictly: no null inside lists and maps, unions hold exactly
// one member. An Answer may come from a newer server, so it is read leniently.
const (
	Request Side = true
	Answer  Side = false
)

var base64Strict = base64.StdEncoding.Strict()

// Decode reads data, one JSON object, into the body members of dst, a structure of
// s's type. Empty data is an empty object. What dst holds afterwards shares no
// memory with data. Errors say where and what was wrong, never the value.
func Decode(s *plan.Struct, data []byte, dst reflect.Value, side Side) error {
	d := decoder{scanner: scanner{data: data}, side: side}
	defer d.wipe()
	switch c := d.peek(); {
	case c == 0 && d.pos == len(data):
		return nil
	case c != '{':
		return d.unfit("structure")
	}
	if err := d.structure(s, dst); err != nil {
		return err
	}
	return d.finish()
}

// DecodeValue reads data, one JSON value, into dst, the field of a payload member.
func DecodeValue(v *plan.Value, data []byte, dst reflect.Value, side Side) error {
	d := decoder{scanner: scanner{data: data}, side: side}
	defer d.wipe()
	if err := d.value(v, dst); err != nil {
		return err
	}
	return d.finish()
}

// finish checks that nothing follows.
func (d *decoder) finish() error {
	d.space()
	if d.pos != len(d.data) {
		return errors.New("unexpected data after the JSON object")
	}
	return nil
}

// decoder walks a JSON text and a plan together.
type decoder struct {
	scanner
	side Side
}

// value reads the next value into dst. Null leaves dst absent.
func (d *decoder) value(v *plan.Value, dst reflect.Value) error {
	if d.null() {
		dst.SetZero() // of a repeated key the last counts
		return nil
	}
	switch v.Kind {
	case wire.String:
		s, err := d.str()
		if err != nil {
			return err
		}
		v.SetString(dst, intern(v, s))
		return nil
	case wire.Boolean:
		b, err := d.boolean()
		if err != nil {
			return err
		}
		v.SetBool(dst, b)
		return nil
	case wire.Integer, wire.Long:
		return d.integer(v, dst)
	case wire.Float, wire.Double:
		return d.float(v, dst)
	case wire.Timestamp:
		return d.time(v, dst)
	case wire.Blob:
		return d.blob(v, dst)
	}
	if d.depth++; d.depth > plan.MaxDepth {
		return errDepth
	}
	err := d.aggregate(v, dst)
	d.depth--
	return err
}

// aggregate reads the next value, of a kind that holds others, into dst.
func (d *decoder) aggregate(v *plan.Value, dst reflect.Value) error {
	switch v.Kind {
	case wire.List:
		return d.list(v, dst)
	case wire.Map:
		return d.mapping(v, dst)
	}
	if d.peek() != '{' {
		return d.unfit("structure")
	}
	return d.structure(v.Struct, v.Open(dst))
}

// intern returns b as a string, without a copy when it is one of a short enum.
func intern(v *plan.Value, b []byte) string {
	if len(v.Shape.Enum) <= 16 {
		for _, e := range v.Shape.Enum {
			if e == string(b) {
				return e
			}
		}
	}
	return string(b)
}

func (d *decoder) structure(s *plan.Struct, dst reflect.Value) error {
	d.pos++ // the brace
	for n := 0; ; n++ {
		more, err := d.next(n, '}')
		if err != nil {
			return err
		}
		if !more {
			break
		}
		key, err := d.key()
		if err != nil {
			return err
		}
		f := s.ByName[string(key)]
		if f == nil {
			if err := d.skip(); err != nil {
				return err
			}
			continue
		}
		if err := d.value(&f.Value, dst.Field(f.Field)); err != nil {
			return at(f.WireName, err)
		}
	}
	if d.side == Request {
		return s.CheckUnion(dst)
	}
	return nil
}

func (d *decoder) list(v *plan.Value, dst reflect.Value) error {
	if d.peek() != '[' {
		return d.unfit("list")
	}
	d.pos++
	v.Empty(dst)
	for n := 0; ; n++ {
		more, err := d.next(n, ']')
		if err != nil || !more {
			return err
		}
		if limit := v.Shape.Max; limit != nil && float64(n) > *limit {
			err = d.skip() // too long already, which Validate will say: no need to hold the rest
		} else {
			err = d.element(&v.Elem.Value, v.Append(dst))
		}
		if err != nil {
			return at(strconv.Itoa(n+1), err)
		}
	}
}

// element reads an element of a list or map. None of the API's lists and maps is
// sparse, so null has no meaning there; a request that holds one is refused rather
// than guessed at: a null in an encryption context must not become "".
func (d *decoder) element(v *plan.Value, dst reflect.Value) error {
	if d.side == Request && d.peek() == 'n' {
		return errors.New("null value found in a list or map")
	}
	return d.value(v, dst)
}

func (d *decoder) mapping(v *plan.Value, dst reflect.Value) error {
	if d.peek() != '{' {
		return d.unfit("map")
	}
	d.pos++
	if p, ok := dst.Addr().Interface().(*map[string]string); ok {
		*p = make(map[string]string)
		return d.stringMap(*p)
	}
	v.Empty(dst)
	for n := 0; ; n++ {
		more, err := d.next(n, '}')
		if err != nil || !more {
			return err
		}
		key, err := d.key()
		if err != nil {
			return err
		}
		name := string(key)
		elem := reflect.New(v.Elem.Type).Elem()
		if err := d.element(&v.Elem.Value, elem); err != nil {
			return at(name, err)
		}
		v.Put(dst, name, elem)
	}
}

// stringMap is mapping for the commonest kind, encryption contexts and tags,
// without reflection.
func (d *decoder) stringMap(m map[string]string) error {
	for n := 0; ; n++ {
		more, err := d.next(n, '}')
		if err != nil || !more {
			return err
		}
		key, err := d.key()
		if err != nil {
			return err
		}
		name := string(key)
		if d.side == Answer && d.null() {
			m[name] = ""
			continue
		}
		s, err := d.str()
		if err != nil {
			return at(name, err)
		}
		m[name] = string(s)
	}
}

func (d *decoder) integer(v *plan.Value, dst reflect.Value) error {
	text, err := d.number()
	if err != nil {
		return err
	}
	bits := 64
	if v.Kind == wire.Integer {
		bits = 32
	}
	n, err := strconv.ParseInt(string(text), 10, bits)
	if err != nil {
		return fmt.Errorf("NUMBER_VALUE is not an integer of %d bits", bits)
	}
	v.SetInt(dst, n)
	return nil
}

func (d *decoder) float(v *plan.Value, dst reflect.Value) error {
	bits := 64
	if v.Kind == wire.Float {
		bits = 32
	}
	var text []byte
	var err error
	if d.peek() == '"' {
		if text, err = d.str(); err == nil && !isWord(text) {
			err = errors.New("STRING_VALUE can not be converted to a number")
		}
	} else {
		text, err = d.number()
	}
	if err != nil {
		return err
	}
	f, err := plan.ParseFloat(string(text), bits)
	if err != nil {
		return errors.New("NUMBER_VALUE is out of range")
	}
	v.SetFloat(dst, f)
	return nil
}

func isWord(text []byte) bool {
	switch string(text) {
	case "NaN", "Infinity", "-Infinity":
		return true
	}
	return false
}

func (d *decoder) time(v *plan.Value, dst reflect.Value) error {
	format := v.Format.Or(plan.Unix)
	if d.peek() == '"' {
		s, err := d.str()
		if err != nil {
			return err
		}
		t, err := format.Parse(string(s))
		if err != nil {
			return errors.New("STRING_VALUE can not be converted to a timestamp")
		}
		v.SetTime(dst, t)
		return nil
	}
	text, err := d.number()
	if err != nil {
		return err
	}
	t, err := format.ParseNumber(string(text))
	if err != nil {
		return errors.New("NUMBER_VALUE is no timestamp")
	}
	v.SetTime(dst, t)
	return nil
}

func (d *decoder) blob(v *plan.Value, dst reflect.Value) error {
	text, err := d.str()
	if err != nil {
		return err
	}
	if v.Stream {
		return errors.New("a stream can not travel inside JSON")
	}
	if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 { // Go's decoder would skip them
		return errors.New("blob is not valid base64")
	}
	out := make([]byte, base64Strict.DecodedLen(len(text)))
	n, err := base64Strict.Decode(out, text)
	if err != nil {
		clear(out)
		return errors.New("blob is not valid base64")
	}
	dst.SetBytes(out[:n])
	return nil
}

// pathError says where in the body err happened.
type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return e.path + ": " + e.err.Error() }
func (e *pathError) Unwrap() error { return e.err }

// at adds name in front of err's path. A hostile body has long keys, deeply nested;
// the message stays short.
func at(name string, err error) error {
	if len(name) > maxName {
		name = name[:maxName] + "..."
	}
	if e, ok := err.(*pathError); ok {
		if len(e.path) < 8*maxName {
			e.path = name + "." + e.path
		}
		return e
	}
	return &pathError{name, err}
}

const maxName = 64
