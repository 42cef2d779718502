package schema

import (
	"regexp"
	"slices"

	"github.com/strongroom/strongroom/service/proton/document"
)

// Type is a type of the schema. Its values are those of package document.
type Type struct {
	Name                       string // in types; "" for a type in place
	Kind                       string // object, array, string, number, integer, boolean; "" for any
	Title, Description, Format string
	Nullable                   bool

	Default    any
	HasDefault bool
	Enum       []any

	Properties []Property // of an object, in the order of the file
	Required   []string
	Closed     bool  // additionalProperties: false
	Additional *Type // additionalProperties: a type

	Items       *Type // of an array; nil for any
	UniqueItems bool

	Pattern                                                                string
	Minimum, Maximum, MultipleOf                                           *float64
	ExclusiveMinimum, ExclusiveMaximum                                     bool
	MinLength, MaxLength, MinItems, MaxItems, MinProperties, MaxProperties *int

	pattern *regexp.Regexp
}

// Property is a named part of an object type.
type Property struct {
	Name string
	Type *Type
}

// Property returns the type of the property, or nil. A nil Type has none.
func (t *Type) Property(name string) *Type {
	if t == nil {
		return nil
	}
	for _, p := range t.Properties {
		if p.Name == name {
			return p.Type
		}
	}
	return nil
}

func (t *Type) required(name string) bool { return slices.Contains(t.Required, name) }

// builder builds types from nodes. A named type is built once; one that is asked for
// while it is being built contains itself and is refused, as defaults and comparison
// would otherwise not end.
type builder struct {
	root, types *document.Node
	named       map[*document.Node]*Type
	building    map[*document.Node]bool
	count       int
}

func newBuilder(root, types *document.Node) *builder {
	return &builder{root: root, types: types, named: make(map[*document.Node]*Type), building: make(map[*document.Node]bool)}
}

// maxTypes bounds the types of a schema, counted through references.
const maxTypes = 10_000

func (b *builder) input(head *document.Node, key string) (*Type, error) {
	n := head.Get(key)
	if n == nil {
		return nil, nil
	}
	name, ok := n.String()
	if !ok || name == "" {
		return nil, n.Fail("%s must name a type", key)
	}
	at := b.types.Get(name)
	if at == nil {
		return nil, n.Fail("%s names %q, which is not in schema.types", key, name)
	}
	t, err := b.typ(at, name)
	if err != nil {
		return nil, err
	}
	if t.Kind != "object" {
		return nil, at.Fail("%s must be of type object", name)
	}
	return t, nil
}

// rest builds the named types that no input reaches, so that mistakes in them show.
func (b *builder) rest() error {
	for _, m := range b.types.Members {
		if _, err := b.typ(m.Node, m.Name); err != nil {
			return err
		}
	}
	return nil
}

// typ builds the type at a node; name is "" for one in place.
func (b *builder) typ(n *document.Node, name string) (*Type, error) {
	if t := b.named[n]; t != nil {
		return t, nil
	}
	if b.building[n] {
		return nil, n.Fail("the type contains itself")
	}
	if b.count++; b.count > maxTypes {
		return nil, n.Fail("more than %d types", maxTypes)
	}
	b.building[n] = true
	defer delete(b.building, n)
	if n.Kind != document.Map {
		return nil, n.Fail("a type must be a map")
	}
	t, err := b.build(n, name)
	if err != nil {
		return nil, err
	}
	b.named[n] = t
	return t, nil
}
