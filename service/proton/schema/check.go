package schema

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/strongroom/strongroom/service/proton/document"
)

// Problem is one thing that is wrong with a value. Path is where, as
// "spec.instances[0].spec.port"; Reason does not repeat the value, which may be secret.
type Problem struct{ Path, Reason string }

// String returns path and reason.
func (p Problem) String() string {
	if p.Path == "" {
		return p.Reason
	}
	return p.Path + ": " + p.Reason
}

// maxProblems bounds what Check reports.
const maxProblems = 20

// Check holds a value of package document against the type. It returns the value with
// defaults filled in, properties in the order of the type, and the problems, at most 20.
// The value given is not changed. Path is put before the paths of the problems. With a
// nil Type everything is right.
func (t *Type) Check(path string, value any) (any, []Problem) {
	if t == nil {
		return value, nil
	}
	c := checker{}
	out := c.check(t, path, value)
	return out, c.problems
}

type checker struct{ problems []Problem }

func (c *checker) fail(path, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, Problem{Path: path, Reason: fmt.Sprintf(format, args...)})
	}
}

func (c *checker) check(t *Type, path string, value any) any {
	if value == nil && t.Nullable {
		return nil
	}
	if problems := t.shape(path, value); len(problems) > 0 {
		for _, p := range problems {
			c.fail(p.Path, "%s", p.Reason)
		}
		return value
	}
	if t.Enum != nil && !among(value, t.Enum) {
		c.fail(path, "must be one of %s", list(t.Enum))
	}
	switch v := value.(type) {
	case *document.Object:
		return c.object(t, path, v)
	case []any:
		return c.array(t, path, v)
	case string:
		c.text(t, path, v)
	case int64, float64:
		c.number(t, path, v)
	}
	return value
}

// shape reports whether the value is of the type's kind.
func (t *Type) shape(path string, value any) []Problem {
	ok := true
	switch t.Kind {
	case "object":
		_, ok = value.(*document.Object)
	case "array":
		_, ok = value.([]any)
	case "string":
		_, ok = value.(string)
	case "boolean":
		_, ok = value.(bool)
	case "number":
		_, ok = number(value)
	case "integer":
		f, isNumber := number(value)
		ok = isNumber && f == math.Trunc(f)
	}
	if ok {
		return nil
	}
	return []Problem{{Path: path, Reason: "must be of type " + t.Kind + ", found " + kindOf(value)}}
}

func (c *checker) object(t *Type, path string, v *document.Object) any {
	out := new(document.Object)
	for _, p := range t.Properties {
		given, ok := v.Get(p.Name)
		switch {
		case ok:
			out.Set(p.Name, c.check(p.Type, join(path, p.Name), given))
		case p.Type.HasDefault:
			out.Set(p.Name, p.Type.Default)
		case t.required(p.Name):
			c.fail(path, "the required property %q is missing", p.Name)
		}
	}
	for _, name := range t.Required {
		if _, ok := v.Get(name); !ok && t.Property(name) == nil {
			c.fail(path, "the required property %q is missing", name)
		}
	}
	for name, given := range v.All() {
		if t.Property(name) != nil {
			continue
		}
		if t.Closed {
			c.fail(join(path, name), "the schema has no such property")
		}
		if t.Additional != nil {
			given = c.check(t.Additional, join(path, name), given)
		}
		out.Set(name, given)
	}
	c.size(path, "properties", v.Len(), t.MinProperties, t.MaxProperties)
	return out
}

func (c *checker) array(t *Type, path string, v []any) any {
	out := make([]any, len(v))
	for i, item := range v {
		out[i] = item
		if t.Items != nil {
			out[i] = c.check(t.Items, path+"["+strconv.Itoa(i)+"]", item)
		}
	}
	c.size(path, "items", len(v), t.MinItems, t.MaxItems)
	if t.UniqueItems {
		for i := range v {
			if i > 0 && among(v[i], v[:i]) {
				c.fail(path+"["+strconv.Itoa(i)+"]", "is there twice")
				break
			}
		}
	}
	return out
}

func (c *checker) text(t *Type, path, v string) {
	c.size(path, "characters", utf8.RuneCountInString(v), t.MinLength, t.MaxLength)
	if t.pattern != nil && !t.pattern.MatchString(v) {
		c.fail(path, "must match the pattern %s", t.Pattern)
	}
}

func (c *checker) number(t *Type, path string, v any) {
	f, _ := number(v)
	switch {
	case t.Minimum != nil && (f < *t.Minimum || t.ExclusiveMinimum && f == *t.Minimum):
		c.fail(path, "must be %s %s", pick(t.ExclusiveMinimum, "more than", "at least"), plain(*t.Minimum))
	case t.Maximum != nil && (f > *t.Maximum || t.ExclusiveMaximum && f == *t.Maximum):
		c.fail(path, "must be %s %s", pick(t.ExclusiveMaximum, "less than", "at most"), plain(*t.Maximum))
	}
	if t.MultipleOf != nil {
		if q := f / *t.MultipleOf; math.Abs(q-math.Round(q)) > 1e-9 {
			c.fail(path, "must be a multiple of %s", plain(*t.MultipleOf))
		}
	}
}

func (c *checker) size(path, what string, n int, least, most *int) {
	if least != nil && n < *least {
		c.fail(path, "must have at least %d %s", *least, what)
	}
	if most != nil && n > *most {
		c.fail(path, "must have at most %d %s", *most, what)
	}
}

// number returns a number of either kind as a float64.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// equal compares values as JSON does: 1 and 1.0 are one number.
func equal(a, b any) bool {
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case *document.Object:
		b, ok := b.(*document.Object)
		if !ok || a.Len() != b.Len() {
			return false
		}
		for name, v := range a.All() {
			if w, ok := b.Get(name); !ok || !equal(v, w) {
				return false
			}
		}
		return true
	}
	if _, ok := b.([]any); ok {
		return false
	}
	return a == b
}

func among(v any, values []any) bool {
	for _, other := range values {
		if equal(v, other) {
			return true
		}
	}
	return false
}

// list writes the values of an enum for a message.
func list(values []any) string {
	texts := make([]string, 0, len(values))
	for _, v := range values {
		texts = append(texts, fmt.Sprint(v))
	}
	return strings.Join(texts, ", ")
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case int64:
		return "integer"
	case float64:
		if v == math.Trunc(v) {
			return "integer"
		}
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	case *document.Object:
		return "object"
	}
	return fmt.Sprintf("%T", v)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func pick(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}
