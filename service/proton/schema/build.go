package schema

import (
	"regexp"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/service/proton/document"
)

var kinds = []string{"object", "array", "string", "number", "integer", "boolean"}

// build reads the keywords of a type.
func (b *builder) build(n *document.Node, name string) (*Type, error) {
	if ref := n.Get("$ref"); ref != nil {
		return b.reference(n, ref)
	}
	t := &Type{Name: name}
	for _, m := range n.Members {
		if err := b.keyword(t, m); err != nil {
			return nil, err
		}
	}
	if t.Kind == "" && (t.Properties != nil || t.Required != nil) {
		t.Kind = "object"
	}
	if t.Kind == "" && t.Items != nil {
		t.Kind = "array"
	}
	if err := t.sound(n); err != nil {
		return nil, err
	}
	return t, nil
}

// reference follows "#/schema/types/Name", "#/types/Name" and "#/components/schemas/Name".
func (b *builder) reference(n, ref *document.Node) (*Type, error) {
	path, _ := ref.String()
	for _, folder := range []string{"#/schema/types/", "#/types/", "#/components/schemas/"} {
		name, ok := strings.CutPrefix(path, folder)
		if !ok {
			continue
		}
		at := b.types.Get(strings.NewReplacer("~1", "/", "~0", "~").Replace(name))
		if at == nil {
			return nil, ref.Fail("$ref names %q, which is not in schema.types", name)
		}
		t, err := b.typ(at, name)
		if err != nil {
			return nil, err
		}
		return referred(t, n), nil
	}
	return nil, ref.Fail("$ref must name a type of this file as #/schema/types/Name")
}

// referred adds the default and description that stand beside a $ref.
func referred(t *Type, n *document.Node) *Type {
	d, about := n.Get("default"), n.Get("description")
	if d == nil && about == nil {
		return t
	}
	own := *t
	if d != nil {
		own.Default, own.HasDefault = d.Value(), true
	}
	if about != nil {
		own.Description, _ = about.String()
	}
	return &own
}

func (b *builder) keyword(t *Type, m document.Member) (err error) {
	n := m.Node
	switch m.Name {
	case "type":
		t.Kind, _ = n.String()
		if !slices.Contains(kinds, t.Kind) {
			return n.Fail("type must be one of %s", strings.Join(kinds, ", "))
		}
	case "title":
		t.Title, err = text(n)
	case "description":
		t.Description, err = text(n)
	case "format":
		t.Format, err = text(n)
	case "nullable":
		t.Nullable, err = flag(n)
	case "default":
		t.Default, t.HasDefault = n.Value(), true
	case "enum":
		if n.Kind != document.List || len(n.Items) == 0 {
			return n.Fail("enum must be a list of values")
		}
		t.Enum, _ = n.Value().([]any)
	case "pattern":
		err = t.setPattern(n)
	case "properties", "required", "additionalProperties", "items":
		err = b.parts(t, m)
	case "uniqueItems":
		t.UniqueItems, err = flag(n)
	case "example", "examples", "deprecated", "readOnly", "writeOnly", "externalDocs", "xml":
	default:
		if strings.HasPrefix(m.Name, "x-") {
			return nil
		}
		return t.bound(m)
	}
	return err
}

// parts reads the keywords that hold other types.
func (b *builder) parts(t *Type, m document.Member) (err error) {
	n := m.Node
	switch m.Name {
	case "properties":
		return b.properties(t, n)
	case "required":
		if n.Kind != document.List {
			return n.Fail("required must be a list of names")
		}
		t.Required = []string{}
		for _, item := range n.Items {
			name, ok := item.String()
			if !ok {
				return item.Fail("required must be a list of names")
			}
			t.Required = append(t.Required, name)
		}
	case "additionalProperties":
		if allow, ok := n.Value().(bool); ok {
			t.Closed = !allow
			return nil
		}
		t.Additional, err = b.typ(n, "")
	case "items":
		t.Items, err = b.typ(n, "")
	}
	return err
}

// maxName is the longest name of an input.
const maxName = 100

func (b *builder) properties(t *Type, n *document.Node) error {
	if n.Kind != document.Map && !n.Null() {
		return n.Fail("properties must be a map")
	}
	t.Properties = []Property{}
	for _, m := range n.Members {
		if m.Name == "" || len(m.Name) > maxName {
			return m.Key.Fail("the name of a property has 1 to %d characters", maxName)
		}
		p, err := b.typ(m.Node, "")
		if err != nil {
			return err
		}
		t.Properties = append(t.Properties, Property{Name: m.Name, Type: p})
	}
	return nil
}

func (t *Type) setPattern(n *document.Node) error {
	p, err := text(n)
	if err != nil {
		return err
	}
	if len(p) > 2000 {
		return n.Fail("pattern is longer than 2000 characters")
	}
	re, err := regexp.Compile(goPattern(p))
	if err != nil {
		return n.Fail("pattern is not a regular expression that is supported (look-around and back-references are not)")
	}
	t.Pattern, t.pattern = p, re
	return nil
}

var unicodeEscape = regexp.MustCompile(`\\u([0-9a-fA-F]{4})`)

// goPattern writes what ECMA-262 and Go write differently.
func goPattern(p string) string {
	return strings.NewReplacer(`\/`, `/`, `\Z`, `\z`).Replace(unicodeEscape.ReplaceAllString(p, `\x{$1}`))
}

// bound reads the keywords that bound a number or a length.
func (t *Type) bound(m document.Member) error {
	floats := map[string]**float64{"minimum": &t.Minimum, "maximum": &t.Maximum, "multipleOf": &t.MultipleOf}
	ints := map[string]**int{"minLength": &t.MinLength, "maxLength": &t.MaxLength, "minItems": &t.MinItems,
		"maxItems": &t.MaxItems, "minProperties": &t.MinProperties, "maxProperties": &t.MaxProperties}
	flags := map[string]*bool{"exclusiveMinimum": &t.ExclusiveMinimum, "exclusiveMaximum": &t.ExclusiveMaximum}
	if to, ok := floats[m.Name]; ok {
		f, ok := number(m.Node.Value())
		if !ok || m.Name == "multipleOf" && f <= 0 {
			return m.Node.Fail("%s must be a number", m.Name)
		}
		*to = &f
		return nil
	}
	if to, ok := ints[m.Name]; ok {
		i, ok := m.Node.Value().(int64)
		if !ok || i < 0 || i > 1<<31 {
			return m.Node.Fail("%s must be a whole number from 0", m.Name)
		}
		small := int(i)
		*to = &small
		return nil
	}
	if to, ok := flags[m.Name]; ok {
		b, err := flag(m.Node)
		*to = b
		return err
	}
	return m.Key.Fail("the keyword %q is not supported", m.Name)
}

// sound refuses a type that contradicts itself.
func (t *Type) sound(n *document.Node) error {
	for _, name := range t.Required {
		if t.Property(name) == nil && t.Properties != nil && t.Additional == nil && t.Closed {
			return n.Get("required").Fail("required names %q, which is no property", name)
		}
	}
	if t.Kind == "array" && t.Items == nil && n.Get("items") == nil {
		return n.Fail("an array must say the type of its items")
	}
	for _, e := range t.Enum {
		if problems := t.shape("", e); len(problems) > 0 {
			return n.Get("enum").Fail("a value of enum is not of type %s", t.Kind)
		}
	}
	if t.HasDefault && !(t.Default == nil && t.Nullable) {
		v, problems := t.Check("", t.Default)
		if len(problems) > 0 {
			return n.Get("default").Fail("default %s", problems[0].Reason)
		}
		t.Default = v
	}
	return nil
}

func text(n *document.Node) (string, error) {
	s, ok := n.String()
	if !ok && n.Kind == document.Scalar {
		return n.Text(), nil
	}
	if !ok {
		return "", n.Fail("must be a string")
	}
	return s, nil
}

func flag(n *document.Node) (bool, error) {
	b, ok := n.Value().(bool)
	if !ok {
		return false, n.Fail("must be true or false")
	}
	return b, nil
}
