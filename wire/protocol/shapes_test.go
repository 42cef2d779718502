package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/strongroom/strongroom/wire"
)

// shapeDef is a shape, or a reference to one, as the vector files write them.
type shapeDef struct {
	Shape            string
	Type             string
	Members          orderedMembers
	Member           *shapeDef
	Key, Value       *shapeDef
	Required         []string
	Enum             []string
	Flattened        bool
	Union            bool
	Payload          string
	Location         string
	LocationName     string
	TimestampFormat  string
	Streaming        bool
	IdempotencyToken bool
	JSONValue        bool
	XMLAttribute     bool
	XMLNamespace     struct{ Prefix, URI string }
	ResultWrapper    string
}

// orderedMembers keeps members in the order of the file.
type orderedMembers struct {
	names []string
	defs  map[string]*shapeDef
}

func (m *orderedMembers) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &m.defs); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		m.names = append(m.names, name.(string))
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return err
		}
	}
	return nil
}

// unrolled is how often a recursive shape contains itself: Go types made at run
// time cannot be recursive, and no vector goes deeper.
const unrolled = 6

// builder makes wire.Shapes, with Go types, of a suite's shapes.
type builder struct {
	t      *testing.T
	shapes map[string]*shapeDef
	inside map[string]int
}

// resolve returns the definition that ref refers to, with what ref adds to it.
func (b *builder) resolve(ref *shapeDef) (merged shapeDef) {
	def := b.shapes[ref.Shape]
	if def == nil {
		b.t.Fatalf("no shape %q", ref.Shape)
	}
	merged = *def
	if ref.Location != "" {
		merged.Location = ref.Location
	}
	if ref.LocationName != "" {
		merged.LocationName = ref.LocationName
	}
	if ref.TimestampFormat != "" {
		merged.TimestampFormat = ref.TimestampFormat
	}
	if ref.Payload != "" {
		merged.Payload = ref.Payload
	}
	if ref.XMLNamespace.URI != "" {
		merged.XMLNamespace = ref.XMLNamespace
	}
	merged.Flattened = merged.Flattened || ref.Flattened
	merged.JSONValue = merged.JSONValue || ref.JSONValue
	merged.IdempotencyToken, merged.XMLAttribute = ref.IdempotencyToken, ref.XMLAttribute
	return merged
}

var kinds = map[string]wire.Kind{
	"string": wire.String, "character": wire.String, "boolean": wire.Boolean, "integer": wire.Integer,
	"long": wire.Long, "float": wire.Float, "double": wire.Double, "timestamp": wire.Timestamp, "blob": wire.Blob,
	"list": wire.List, "map": wire.Map, "structure": wire.Structure,
}

var scalarGoTypes = map[wire.Kind]reflect.Type{
	wire.String: reflect.TypeFor[string](), wire.Boolean: reflect.TypeFor[bool](), wire.Integer: reflect.TypeFor[int32](),
	wire.Long: reflect.TypeFor[int64](), wire.Float: reflect.TypeFor[float32](), wire.Double: reflect.TypeFor[float64](),
	wire.Timestamp: reflect.TypeFor[time.Time](), wire.Blob: reflect.TypeFor[[]byte](),
}

// enumString stands for the named string type of a generated enum.
type enumString string

// shape builds the shape that ref refers to and the Go type of its values in a list.
func (b *builder) shape(ref *shapeDef, top bool) (*wire.Shape, reflect.Type) {
	def := b.resolve(ref)
	s := &wire.Shape{
		Name: ref.Shape, Kind: kinds[def.Type], Enum: def.Enum, Flattened: def.Flattened, Union: def.Union,
		TimestampFormat: b.shapes[ref.Shape].TimestampFormat, XMLNamespace: def.XMLNamespace.URI, XMLPrefix: def.XMLNamespace.Prefix,
		LocationName: b.shapes[ref.Shape].LocationName,
	}
	switch s.Kind {
	case 0:
		b.t.Fatalf("shape %q has type %q", ref.Shape, def.Type)
	case wire.List:
		var elem reflect.Type
		s.Elem, elem = b.element(def.Member, "member")
		return s, reflect.SliceOf(elem)
	case wire.Map:
		var elem reflect.Type
		s.Key, _ = b.element(def.Key, "key")
		s.Elem, elem = b.element(def.Value, "value")
		return s, reflect.MapOf(scalarGoTypes[wire.String], elem)
	case wire.Structure:
		s.Payload = def.Payload
		b.structure(s, &def, ref.Shape, top)
		return s, s.Type
	}
	return s, scalarGoTypes[s.Kind]
}

func (b *builder) element(ref *shapeDef, name string) (*wire.Member, reflect.Type) {
	s, t := b.shape(ref, false)
	def := b.resolve(ref)
	return &wire.Member{Name: name, WireName: ref.LocationName, Shape: s, JSONValue: def.JSONValue, TimestampFormat: def.TimestampFormat}, t
}

func (b *builder) structure(s *wire.Shape, def *shapeDef, name string, top bool) {
	var fields []reflect.StructField
	b.inside[name]++
	defer func() { b.inside[name]-- }()
	if b.inside[name] <= unrolled {
		for i, n := range def.Members.names {
			m, t := b.member(def.Members.defs[n], n, top)
			m.Field = i
			for _, r := range def.Required {
				m.Required = m.Required || r == n
			}
			s.Members = append(s.Members, m)
			fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: t})
		}
	}
	s.Type = reflect.StructOf(fields)
}

var locations = map[string]wire.Location{
	"": wire.Body, "uri": wire.URI, "querystring": wire.QueryString, "header": wire.Header, "headers": wire.HeaderPrefix,
	"statusCode": wire.StatusCode,
}

func (b *builder) member(ref *shapeDef, name string, top bool) (*wire.Member, reflect.Type) {
	s, t := b.shape(ref, false)
	def := b.resolve(ref)
	m := &wire.Member{
		Name: name, Shape: s, Location: locations[def.Location], WireName: ref.LocationName, Flattened: def.Flattened,
		IdempotencyToken: def.IdempotencyToken, JSONValue: def.JSONValue, XMLAttribute: def.XMLAttribute,
		TimestampFormat: def.TimestampFormat, Streaming: top && def.Streaming,
		XMLNamespace: ref.XMLNamespace.URI, XMLPrefix: ref.XMLNamespace.Prefix,
	}
	if m.WireName == "" && def.Location != "" {
		m.WireName = def.LocationName // a shape may carry its place with it
	}
	if m.WireName == "" {
		m.WireName = name
	}
	switch {
	case m.Streaming:
		return m, reflect.TypeFor[io.Reader]()
	case s.Kind == wire.String && len(s.Enum) > 0:
		return m, reflect.TypeFor[enumString]()
	case s.Kind == wire.Blob, s.Kind == wire.List, s.Kind == wire.Map:
		return m, t
	}
	return m, reflect.PointerTo(t)
}

// set makes dst the value that the vector file writes as v.
func (b *builder) set(s *wire.Shape, m *wire.Member, v any, dst reflect.Value) {
	if v == nil {
		return
	}
	if dst.Kind() == reflect.Pointer {
		dst.Set(reflect.New(dst.Type().Elem()))
		dst = dst.Elem()
	}
	if m != nil && m.JSONValue {
		text, err := json.Marshal(v)
		if err != nil {
			b.t.Fatal(err)
		}
		dst.SetString(string(text))
		return
	}
	switch s.Kind {
	case wire.String:
		dst.SetString(v.(string))
	case wire.Boolean:
		dst.SetBool(v.(bool))
	case wire.Integer, wire.Long:
		dst.SetInt(int64(v.(float64)))
	case wire.Float, wire.Double:
		dst.SetFloat(v.(float64))
	case wire.Timestamp:
		sec, frac := math.Modf(v.(float64))
		dst.Set(reflect.ValueOf(time.Unix(int64(sec), int64(frac*1e9)).UTC()))
	case wire.Blob:
		if m != nil && m.Streaming {
			dst.Set(reflect.ValueOf(bytes.NewReader([]byte(v.(string)))))
			return
		}
		dst.SetBytes([]byte(v.(string)))
	case wire.List:
		list := reflect.MakeSlice(dst.Type(), len(v.([]any)), len(v.([]any)))
		for i, e := range v.([]any) {
			b.set(s.Elem.Shape, s.Elem, e, list.Index(i))
		}
		dst.Set(list)
	case wire.Map:
		dst.Set(reflect.MakeMap(dst.Type()))
		for k, e := range v.(map[string]any) {
			elem := reflect.New(dst.Type().Elem()).Elem()
			b.set(s.Elem.Shape, s.Elem, e, elem)
			dst.SetMapIndex(reflect.ValueOf(k), elem)
		}
	case wire.Structure:
		for k, e := range v.(map[string]any) {
			b.setMember(s, k, e, dst)
		}
	}
}

func (b *builder) setMember(s *wire.Shape, name string, v any, dst reflect.Value) {
	for _, m := range s.Members {
		if m.Name == name {
			b.set(m.Shape, m, v, dst.Field(m.Field))
			return
		}
	}
	b.t.Fatalf("%s has no member %s", s.Name, name)
}
