package xmlbody

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/plan"
)

// Side says whose words are read.
type Side bool

// A Request is read strictly: unions hold exactly one member. An Answer may come
// from a newer server, so it is read leniently.
const (
	Request Side = true
	Answer  Side = false
)

// Document is an XML text that is being read.
type Document struct {
	scanner
	side  Side
	depth int
	root  string
}

// Open begins to read data and returns the document, standing on its root element.
func Open(data []byte, side Side) (*Document, error) {
	s, err := newScanner(data)
	if err != nil {
		return nil, err
	}
	d := &Document{scanner: *s, side: side}
	if t, err := d.next(); err != nil {
		return nil, err
	} else if t != start {
		return nil, errSyntax
	}
	d.root = local(d.name)
	return d, nil
}

// Root returns the name of the root element, without a prefix.
func (d *Document) Root() string { return d.root }

// Struct reads the element that d stands on into dst, a structure of s's type.
func (d *Document) Struct(s *plan.Struct, dst reflect.Value) error {
	return d.structure(s, dst)
}

// Value reads the element that d stands on into dst.
func (d *Document) Value(v *plan.Value, dst reflect.Value) error { return d.value(v, dst) }

// Text reads the element that d stands on, which holds only text.
func (d *Document) Text() (string, error) { return d.chardata() }

// Skip reads over the element that d stands on.
func (d *Document) Skip() error {
	for depth := 1; depth > 0; {
		t, err := d.next()
		if err != nil {
			return err
		}
		switch t {
		case start:
			depth++
		case end:
			depth--
		}
	}
	return nil
}

// Child moves from the element that d stands on to its next child, and returns the
// child's name without a prefix, or "" at the element's end. Text between is read over.
func (d *Document) Child() (string, error) {
	for {
		t, err := d.next()
		switch {
		case err != nil:
			return "", err
		case t == start:
			return local(d.name), nil
		case t == end:
			return "", nil
		}
	}
}

// Close checks that nothing follows the root element, which was read.
func (d *Document) Close() error {
	t, err := d.next()
	if err == nil && t != eof {
		err = errSyntax
	}
	return err
}

// local is a name without its prefix.
func local(name string) string {
	if i := strings.IndexByte(name, ':'); i >= 0 {
		return name[i+1:]
	}
	return name
}

func (d *Document) structure(s *plan.Struct, dst reflect.Value) error {
	if err := d.attributes(s, dst); err != nil {
		return err
	}
	for {
		name, err := d.Child()
		if err != nil {
			return err
		}
		if name == "" {
			break
		}
		if f := find(s, name); f == nil {
			err = d.Skip()
		} else if err = d.member(f, dst.Field(f.Field)); err != nil {
			err = at(name, err)
		}
		if err != nil {
			return err
		}
	}
	if d.side == Request {
		return s.CheckUnion(dst)
	}
	return nil
}

// find returns the field of s that element name belongs to.
func find(s *plan.Struct, name string) *plan.Field {
	if f := s.ByName[name]; f != nil && ElementName(f) == name && !f.XMLAttribute {
		return f
	}
	for _, f := range s.Body { // a flattened list travels under its element's name
		if ElementName(f) == name && !f.XMLAttribute {
			return f
		}
	}
	return nil
}

// ElementName returns the name of the elements that hold f: its own, or that of its
// list's element when the list is flattened and the element has a name of its own.
func ElementName(f *plan.Field) string {
	if f.Flattened && f.Kind == wire.List {
		if n := f.Elem.WireName; n != "member" {
			return n
		}
	}
	return f.WireName
}

func (d *Document) attributes(s *plan.Struct, dst reflect.Value) error {
	if len(d.attrs) == 0 {
		return nil
	}
	for _, f := range s.Body {
		if !f.XMLAttribute {
			continue
		}
		for _, a := range d.attrs {
			// The prefix is the sender's choice; that it is bound to the right
			// namespace is not checked, as S3 does not.
			if a.name == f.WireName || strings.Contains(f.WireName, ":") && strings.Contains(a.name, ":") &&
				!strings.HasPrefix(a.name, "xmlns:") && local(a.name) == local(f.WireName) {
				if err := f.ParseText(dst.Field(f.Field), a.value, plan.ISO8601); err != nil {
					return at(f.WireName, err)
				}
			}
		}
	}
	return nil
}

// member reads one element into the field f, of which a flattened list or map has many.
func (d *Document) member(f *plan.Field, dst reflect.Value) error {
	if !f.Flattened {
		return d.value(&f.Value, dst)
	}
	switch f.Kind {
	case wire.List:
		if err := d.value(&f.Elem.Value, f.Append(dst)); err != nil {
			return at(strconv.Itoa(dst.Len()), err)
		}
		return nil
	case wire.Map:
		if dst.IsNil() {
			f.Empty(dst)
		}
		return d.entry(&f.Value, dst)
	}
	return d.value(&f.Value, dst)
}

// value reads the element that d stands on into dst.
func (d *Document) value(v *plan.Value, dst reflect.Value) error {
	switch v.Kind {
	case wire.List, wire.Map, wire.Structure:
	default:
		s, err := d.chardata()
		if err != nil {
			return err
		}
		return v.ParseText(dst, s, plan.ISO8601)
	}
	if d.depth++; d.depth > plan.MaxDepth {
		return errDepth
	}
	defer func() { d.depth-- }()
	if v.Kind == wire.Structure {
		return d.structure(v.Struct, v.Open(dst))
	}
	v.Empty(dst)
	for n := 1; ; n++ {
		name, err := d.Child()
		if err != nil || name == "" {
			return err
		}
		switch {
		case v.Kind == wire.Map && name == "entry":
			err = d.entry(v, dst)
		case v.Kind == wire.List && name == v.Elem.WireName:
			err = d.value(&v.Elem.Value, v.Append(dst))
		default:
			err = d.Skip()
		}
		if err != nil {
			return at(strconv.Itoa(n), err)
		}
	}
}

// entry reads an element that holds a map's key and value.
func (d *Document) entry(v *plan.Value, dst reflect.Value) error {
	var key string
	keyed, valued := false, false
	elem := reflect.New(v.Elem.Type).Elem()
	for {
		name, err := d.Child()
		if err != nil {
			return err
		}
		switch name {
		case "":
			if !keyed || !valued {
				return errors.New("map entry without a key or without a value")
			}
			v.Put(dst, key, elem)
			return nil
		case v.Key.WireName:
			key, err = d.chardata()
			keyed = true
		case v.Elem.WireName:
			err = d.value(&v.Elem.Value, elem)
			valued = true
		default:
			err = d.Skip()
		}
		if err != nil {
			return at(name, err)
		}
	}
}

// chardata reads the text of the element that d stands on, to its end.
func (d *Document) chardata() (string, error) {
	var all string
	for {
		t, err := d.next()
		if err != nil {
			return "", err
		}
		switch t {
		case text:
			if all == "" {
				all = d.text
			} else {
				all += d.text
			}
		case start:
			return "", fmt.Errorf("unexpected element %s in text", clip(d.name))
		case end:
			return all, nil
		}
	}
}

// pathError says where in the document err happened.
type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return e.path + ": " + e.err.Error() }
func (e *pathError) Unwrap() error { return e.err }

// at adds name in front of err's path, which stays short whatever was sent.
func at(name string, err error) error {
	if e, ok := err.(*pathError); ok {
		if len(e.path) < 8*maxName {
			e.path = clip(name) + "." + e.path
		}
		return e
	}
	return &pathError{clip(name), err}
}

const maxName = 64

func clip(name string) string {
	if len(name) > maxName {
		return name[:maxName] + "..."
	}
	return name
}
