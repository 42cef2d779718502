// Package plan joins the description of a shape with the Go type that stands for
// it, once, so that the codecs do not reflect on types while a call waits.
//
// A Struct lists the fields of a structure; a Field is a member with the Value it
// holds; a Value says which of the few Go forms of its kind is meant (see
// wire.Kind). New refuses a type that does not fit its shape, so the setters and
// getters of Value need not check: they are exact for the type they were made for.
// Recursive shapes have recursive plans. A plan never changes and may be read together.
//
// Scalars have a text form, which Query, XML, headers, labels and query strings
// share (text.go), and timestamps have formats (time.go).
package plan

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"time"

	"github.com/strongroom/strongroom/wire"
)

// MaxDepth is how deep values may nest on the wire, counted in structures, lists
// and maps. No shape of AWS's comes near; without a limit a few kilobytes of
// brackets would use up the stack.
const MaxDepth = 100

// Struct is the plan of a structure.
type Struct struct {
	Shape   *wire.Shape
	Type    reflect.Type
	Fields  []*Field          // every member, in the model's order
	Body    []*Field          // those that travel in the body
	ByName  map[string]*Field // those of Body by WireName
	Payload *Field            // the member that is the whole body, or nil
}

// Field is the plan of a member, of a list's element, or of a map's key or value.
type Field struct {
	*wire.Member
	Value
	JSONKey string // `"WireName":`
}

// Value is the plan of what a member holds.
type Value struct {
	Shape   *wire.Shape
	Kind    wire.Kind
	Type    reflect.Type
	Pointer bool // a *string, *T and so on, nil when absent
	Format  Time // of a timestamp; Default where the model gives none
	Stream  bool // a blob that is an io.Reader or io.ReadCloser
	Struct  *Struct
	Key     *Field // map
	Elem    *Field // list element or map value
}

// Plans makes the plans of one service; structures that are shared are planned once.
// It is for one goroutine.
type Plans struct {
	made map[planKey]*Struct
}

type planKey struct {
	shape *wire.Shape
	typ   reflect.Type
	top   bool
}

// New returns an empty set of plans.
func New() *Plans { return &Plans{made: map[planKey]*Struct{}} }

// Top returns the plan of an input or output, whose members may travel outside the body.
func (p *Plans) Top(s *wire.Shape) (*Struct, error) {
	if s == nil || s.Type == nil {
		return nil, fmt.Errorf("plan: a top-level shape without a Go type")
	}
	return p.structure(s, s.Type, true)
}

func (p *Plans) structure(s *wire.Shape, t reflect.Type, top bool) (*Struct, error) {
	key := planKey{s, t, top}
	if made := p.made[key]; made != nil {
		return made, nil
	}
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("plan: structure %s has Go type %s", s.Name, t)
	}
	out := &Struct{Shape: s, Type: t, ByName: make(map[string]*Field, len(s.Members))}
	p.made[key] = out // before its members, which may lead back to it
	for _, m := range s.Members {
		if m.Field < 0 || m.Field >= t.NumField() {
			return nil, fmt.Errorf("plan: %s.%s names field %d of %s", s.Name, m.Name, m.Field, t)
		}
		f, err := p.field(m, t.Field(m.Field).Type, m.WireName)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", s.Name, m.Name, err)
		}
		out.Fields = append(out.Fields, f)
		switch {
		case top && m.Name == s.Payload:
			out.Payload = f
		case !top || m.Location == wire.Body:
			out.Body = append(out.Body, f)
			out.ByName[f.WireName] = f
		}
	}
	if top && s.Payload != "" {
		if out.Payload == nil {
			return nil, fmt.Errorf("plan: %s has no member %q to be its payload", s.Name, s.Payload)
		}
		out.Body, out.ByName = nil, nil
	}
	return out, nil
}

// field plans member m, which travels as name and is held by a Go value of type t.
func (p *Plans) field(m *wire.Member, t reflect.Type, name string) (*Field, error) {
	c := *m
	c.WireName = name
	if c.WireName == "" {
		c.WireName = m.Name
	}
	c.Flattened = m.Flattened || m.Shape.Flattened
	f := &Field{Member: &c, JSONKey: strconv.Quote(c.WireName) + ":"}
	f.Value = Value{Shape: m.Shape, Kind: m.Shape.Kind, Type: t, Pointer: t.Kind() == reflect.Pointer}
	name = m.TimestampFormat
	if name == "" {
		name = m.Shape.TimestampFormat
	}
	var err error
	if f.Format, err = timeFormat(name); err != nil {
		return nil, err
	}
	return f, p.fill(f, m)
}

// fill checks f's Go type against its kind and plans what it contains.
func (p *Plans) fill(f *Field, m *wire.Member) (err error) {
	s, t := m.Shape, f.Type
	if f.Pointer {
		t = t.Elem()
	}
	ok := true
	switch s.Kind {
	case wire.String:
		ok = t.Kind() == reflect.String && (!f.Pointer || t == stringType)
	case wire.Boolean, wire.Integer, wire.Long, wire.Float, wire.Double, wire.Timestamp:
		ok = t == scalarTypes[s.Kind]
	case wire.Blob:
		f.Stream = f.Type == readerType || f.Type == readCloserType
		ok = f.Stream || f.Type == bytesType
	case wire.List:
		if ok = t.Kind() == reflect.Slice && !f.Pointer && s.Elem != nil; ok {
			f.Elem, err = p.field(s.Elem, t.Elem(), elemName(s.Elem, "member"))
		}
	case wire.Map:
		if ok = t.Kind() == reflect.Map && t.Key().Kind() == reflect.String && s.Key != nil && s.Elem != nil; ok {
			if f.Key, err = p.field(s.Key, t.Key(), elemName(s.Key, "key")); err == nil {
				f.Elem, err = p.field(s.Elem, t.Elem(), elemName(s.Elem, "value"))
			}
		}
	case wire.Structure:
		f.Struct, err = p.structure(s, t, false)
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("plan: shape %s of kind %d has Go type %s", s.Name, s.Kind, f.Type)
	}
	return err
}

func elemName(m *wire.Member, otherwise string) string {
	if m.WireName != "" {
		return m.WireName
	}
	return otherwise
}

var (
	stringType     = reflect.TypeFor[string]()
	bytesType      = reflect.TypeFor[[]byte]()
	readerType     = reflect.TypeFor[io.Reader]()
	readCloserType = reflect.TypeFor[io.ReadCloser]()
	scalarTypes    = map[wire.Kind]reflect.Type{
		wire.Boolean:   reflect.TypeFor[bool](),
		wire.Integer:   reflect.TypeFor[int32](),
		wire.Long:      reflect.TypeFor[int64](),
		wire.Float:     reflect.TypeFor[float32](),
		wire.Double:    reflect.TypeFor[float64](),
		wire.Timestamp: reflect.TypeFor[time.Time](),
	}
)
