package wire

import (
	"context"
	"fmt"
	"reflect"
)

// Flag is a trait of a shape or member in a definition.
type Flag uint16

// The traits. Those that only a shape, or only a member, can have say so.
const (
	Required         Flag = 1 << iota // member
	Sensitive                         // member or shape
	Streaming                         // member
	IdempotencyToken                  // member
	Flattened                         // member or shape
	XMLAttribute                      // member
	JSONValue                         // member
	HostLabel                         // member
	Union                             // shape
	EventStream                       // shape
	HasMin                            // shape: Min counts
	HasMax                            // shape: Max counts
)

// Definition is a service as the generated packages write it down: static data
// without pointers among its parts, which Define links into a Service. Shapes are
// named, because a table that refers to itself cannot be a Go literal.
type Definition struct {
	Service    Service // Operations and Errors are filled in by Define
	Shapes     []ShapeDef
	Errors     []ErrorDef
	Operations []OperationDef // sorted by name
}

// ShapeDef defines a Shape. Its fields mean what the fields of Shape mean.
type ShapeDef struct {
	Name            string
	Kind            Kind
	Zero            any // a nil pointer to the Go type of a structure
	Members         []MemberDef
	Key, Elem       *MemberDef
	Enum            []string
	Pattern         string
	PatternText     string // where it differs from Pattern
	Min, Max        float64
	Flags           Flag
	TimestampFormat string
	Payload         string
	XMLNamespace    string
	XMLPrefix       string
	LocationName    string
}

// MemberDef defines a Member. Members of a structure stand in the order of the
// fields of its Go type.
type MemberDef struct {
	Name            string
	Shape           string
	Location        Location
	WireName        string // where it differs from Name
	QueryName       string
	RecordName      string // where it is not Name with its first letter lowered, or the name of the header or query key
	Flags           Flag
	XMLNamespace    string
	XMLPrefix       string
	TimestampFormat string
}

// ErrorDef defines an ErrorShape.
type ErrorDef struct {
	Name   string
	Code   string // where it differs from Name
	Status int
	Fault  bool
	Shape  string // name of the structure of its members beyond the message
}

// OperationDef defines an Operation.
type OperationDef struct {
	Operation Operation // without Service, Input, Output and Errors
	Input     string
	Output    string
	Errors    []string
}

// Define links a definition into the service it describes. It panics when the
// definition names a shape or error that it does not hold, which is a fault of the
// generator and shows as soon as the package is loaded.
func Define(d *Definition) *Service {
	l := newLinker(d)
	s := d.Service
	l.addShapes(d.Shapes)
	for i := range d.Shapes {
		l.linkShape(&l.all[i], &d.Shapes[i])
	}
	s.Errors = l.addErrors(d.Errors)
	s.Operations = make([]*Operation, len(d.Operations))
	ops := make([]Operation, len(d.Operations))
	for i := range d.Operations {
		def, op := &d.Operations[i], &ops[i]
		*op = def.Operation
		op.Service, op.Input, op.Output = &s, l.shape(def.Input), l.shape(def.Output)
		op.Errors = make([]*ErrorShape, len(def.Errors))
		for j, name := range def.Errors {
			if op.Errors[j] = l.errors[name]; op.Errors[j] == nil {
				panic(fmt.Sprintf("wire: %s of %s names no error %q", op.Name, s.Name, name))
			}
		}
		s.Operations[i] = op
	}
	return &s
}

// A linker finds shapes and errors by name. Members are cut from one piece of
// memory: they are thousands, and every start of the program makes them all.
type linker struct {
	all      []Shape
	shapes   map[string]*Shape
	errors   map[string]*ErrorShape
	members  []Member
	pointers []*Member
}

func newLinker(d *Definition) *linker {
	fields, others := 0, 0
	for i := range d.Shapes {
		fields += len(d.Shapes[i].Members)
		if d.Shapes[i].Key != nil {
			others++
		}
		if d.Shapes[i].Elem != nil {
			others++
		}
	}
	return &linker{
		all:      make([]Shape, len(d.Shapes)),
		shapes:   make(map[string]*Shape, len(d.Shapes)),
		errors:   make(map[string]*ErrorShape, len(d.Errors)),
		members:  make([]Member, fields+others),
		pointers: make([]*Member, fields),
	}
}

func (l *linker) shape(name string) *Shape {
	s := l.shapes[name]
	if s == nil {
		panic(fmt.Sprintf("wire: no shape %q", name))
	}
	return s
}

func (l *linker) addShapes(defs []ShapeDef) {
	for i := range defs {
		d, s := &defs[i], &l.all[i]
		*s = Shape{
			Name: d.Name, Kind: d.Kind, Enum: d.Enum, Pattern: d.Pattern, PatternText: d.PatternText,
			Sensitive: d.Flags&Sensitive != 0, Flattened: d.Flags&Flattened != 0, Union: d.Flags&Union != 0,
			EventStream: d.Flags&EventStream != 0, TimestampFormat: d.TimestampFormat, Payload: d.Payload,
			XMLNamespace: d.XMLNamespace, XMLPrefix: d.XMLPrefix, LocationName: d.LocationName,
		}
		if d.PatternText == "" {
			s.PatternText = d.Pattern
		}
		if d.Flags&HasMin != 0 {
			s.Min = &d.Min
		}
		if d.Flags&HasMax != 0 {
			s.Max = &d.Max
		}
		if d.Zero != nil {
			s.Type = reflect.TypeOf(d.Zero).Elem()
		}
		l.shapes[d.Name] = s
	}
}

func (l *linker) linkShape(s *Shape, d *ShapeDef) {
	if d.Key != nil {
		s.Key = l.member(d.Key)
	}
	if d.Elem != nil {
		s.Elem = l.member(d.Elem)
	}
	n := len(d.Members)
	s.Members, l.pointers = l.pointers[:n:n], l.pointers[n:]
	for i := range d.Members {
		m := l.member(&d.Members[i])
		m.Field = i
		s.Members[i] = m
	}
}

func (l *linker) member(d *MemberDef) *Member {
	m := &l.members[0]
	l.members = l.members[1:]
	shape := l.shape(d.Shape)
	m.Name, m.Shape, m.Location, m.WireName, m.QueryName = d.Name, shape, d.Location, d.WireName, d.QueryName
	m.XMLNamespace, m.XMLPrefix, m.TimestampFormat = d.XMLNamespace, d.XMLPrefix, d.TimestampFormat
	m.Required = d.Flags&Required != 0
	m.Sensitive = d.Flags&Sensitive != 0 || shape.Sensitive
	m.Streaming = d.Flags&Streaming != 0
	m.IdempotencyToken = d.Flags&IdempotencyToken != 0
	m.Flattened = d.Flags&Flattened != 0 || shape.Flattened
	m.XMLAttribute = d.Flags&XMLAttribute != 0
	m.JSONValue = d.Flags&JSONValue != 0
	m.HostLabel = d.Flags&HostLabel != 0
	if m.WireName == "" {
		m.WireName = d.Name
	}
	m.RecordName = recordName(m, d)
	if m.TimestampFormat == "" {
		m.TimestampFormat = shape.TimestampFormat
	}
	return m
}

// recordName is the member's name in an audit record. CloudTrail names what came in
// headers and query strings as it came, and lowers the first letter of the rest.
func recordName(m *Member, d *MemberDef) string {
	switch {
	case d.RecordName != "":
		return d.RecordName
	case d.Location == Header || d.Location == QueryString:
		return m.WireName
	case d.Name[0] < 'A' || d.Name[0] > 'Z':
		return d.Name
	}
	return string(d.Name[0]+'a'-'A') + d.Name[1:]
}

func (l *linker) addErrors(defs []ErrorDef) []*ErrorShape {
	all := make([]ErrorShape, len(defs))
	out := make([]*ErrorShape, len(defs))
	for i := range defs {
		d := &defs[i]
		all[i] = ErrorShape{Name: d.Name, Code: d.Code, Status: d.Status, Fault: d.Fault}
		if d.Code == "" {
			all[i].Code = d.Name
		}
		if d.Shape != "" {
			all[i].Shape = l.shape(d.Shape)
		}
		l.errors[d.Name] = &all[i]
		out[i] = &all[i]
	}
	return out
}

// Answer turns what a handler returned into what Operation.Invoke returns: no typed
// nil beside an error, and an empty output where the handler had nothing to say.
func Answer[O any](out *O, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if out == nil {
		out = new(O)
	}
	return out, nil
}

// Do calls op through v for a generated client. A nil in is an empty input.
func Do[I, O any](ctx context.Context, v Invoker, op *Operation, in *I) (*O, error) {
	if in == nil {
		in = new(I)
	}
	out, err := v.Invoke(ctx, op, in)
	if err != nil {
		return nil, err
	}
	typed, ok := out.(*O)
	if !ok {
		return nil, fmt.Errorf("wire: %s answered a %T", op.Name, out)
	}
	return typed, nil
}
