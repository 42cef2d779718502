package schema

import (
	"errors"
	"fmt"
)

// CompatibleWith reports whether every spec that the older schema takes is taken by s as
// well, which is what a new minor version must keep. The error names the first property
// that breaks it. What may change: new properties that are optional or have a default, new
// values in an enum, wider bounds, a pattern taken away, descriptions and defaults. What
// may not: a property taken out or given another type, one newly required without a
// default, a new or another pattern, narrower bounds, an enum that is new or lost a value.
func (s *Schema) CompatibleWith(older *Schema) error {
	pairs := []struct {
		name     string
		now, was *Type
	}{{"environment_input_type", s.Environment, older.Environment}, {"service_input_type", s.Service, older.Service}, {"pipeline_input_type", s.Pipeline, older.Pipeline}}
	for _, p := range pairs {
		switch {
		case p.was == nil && p.now == nil:
		case p.now == nil:
			return fmt.Errorf("%s was taken out", p.name)
		case p.was == nil:
			// An existing spec has no such part: an empty one must do.
			if name := firstMissing(p.now, &Type{Kind: "object"}); name != "" {
				return fmt.Errorf("%s: the new property %q is required and has no default", p.name, name)
			}
		default:
			if err := follows(p.now, p.was, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// follows returns an error unless everything that was takes is taken by now.
func follows(now, was *Type, path string) error {
	breaks := func(format string, args ...any) error {
		reason := fmt.Sprintf(format, args...)
		if path == "" {
			return errors.New(reason)
		}
		return fmt.Errorf("%s: %s", path, reason)
	}
	if now == was {
		return nil
	}
	if now.Kind != was.Kind && now.Kind != "" && !(now.Kind == "number" && was.Kind == "integer") {
		return breaks("the type changed from %s to %s", orAny(was.Kind), orAny(now.Kind))
	}
	if was.Nullable && !now.Nullable {
		return breaks("it may no longer be null")
	}
	if now.Pattern != "" && now.Pattern != was.Pattern {
		return breaks("the pattern changed")
	}
	if now.Enum != nil {
		if was.Enum == nil {
			return breaks("enum is new")
		}
		for _, v := range was.Enum {
			if !among(v, now.Enum) {
				return breaks("enum lost the value %v", v)
			}
		}
	}
	if what := narrower(now, was); what != "" {
		return breaks("%s is narrower", what)
	}
	if err := parts(now, was, path); err != nil {
		return err
	}
	if name := firstMissing(now, was); name != "" {
		return breaks("the property %q is newly required and has no default", name)
	}
	if now.Closed && !was.Closed && was.Kind == "object" {
		return breaks("additionalProperties was closed")
	}
	return nil
}

// parts compares properties and items.
func parts(now, was *Type, path string) error {
	for _, p := range was.Properties {
		next := now.Property(p.Name)
		if next == nil {
			return fmt.Errorf("%s: the property was taken out", join(path, p.Name))
		}
		if err := follows(next, p.Type, join(path, p.Name)); err != nil {
			return err
		}
	}
	if now.Items != nil && was.Items != nil {
		if err := follows(now.Items, was.Items, path+"[]"); err != nil {
			return err
		}
	}
	if now.Items != nil && was.Items == nil && was.Kind == "array" && now.Items.Kind != "" {
		return fmt.Errorf("%s: the type of its items is new", path)
	}
	if now.Additional != nil {
		if was.Additional != nil {
			return follows(now.Additional, was.Additional, join(path, "*"))
		}
		if !was.Closed {
			return fmt.Errorf("%s: the type of additional properties is new", path)
		}
	}
	return nil
}

// firstMissing returns a property that now requires, that a value of was may lack, and
// that no default fills.
func firstMissing(now, was *Type) string {
	for _, name := range now.Required {
		if p := now.Property(name); p != nil && p.HasDefault {
			continue
		}
		if before := was.Property(name); was.required(name) && (before == nil || !before.HasDefault) {
			continue
		}
		return name
	}
	return ""
}

// narrower names the bound that lets less through than before, or "".
func narrower(now, was *Type) string {
	floor := func(a, b *float64, aEx, bEx bool) bool {
		return a != nil && (b == nil || *a > *b || *a == *b && aEx && !bEx)
	}
	ceiling := func(a, b *float64, aEx, bEx bool) bool {
		return a != nil && (b == nil || *a < *b || *a == *b && aEx && !bEx)
	}
	least := func(a, b *int) bool { return a != nil && *a > 0 && (b == nil || *a > *b) }
	most := func(a, b *int) bool { return a != nil && (b == nil || *a < *b) }
	switch {
	case floor(now.Minimum, was.Minimum, now.ExclusiveMinimum, was.ExclusiveMinimum):
		return "minimum"
	case ceiling(now.Maximum, was.Maximum, now.ExclusiveMaximum, was.ExclusiveMaximum):
		return "maximum"
	case now.MultipleOf != nil && (was.MultipleOf == nil || *now.MultipleOf != *was.MultipleOf):
		return "multipleOf"
	case least(now.MinLength, was.MinLength):
		return "minLength"
	case most(now.MaxLength, was.MaxLength):
		return "maxLength"
	case least(now.MinItems, was.MinItems):
		return "minItems"
	case most(now.MaxItems, was.MaxItems):
		return "maxItems"
	case least(now.MinProperties, was.MinProperties):
		return "minProperties"
	case most(now.MaxProperties, was.MaxProperties):
		return "maxProperties"
	case now.UniqueItems && !was.UniqueItems:
		return "uniqueItems"
	}
	return ""
}

func orAny(kind string) string {
	if kind == "" {
		return "any"
	}
	return kind
}
