package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// broken lists the constraints that v breaks, in words.
func broken(v reflect.Value, s *Shape) []string {
	var list []string
	add := func(c string) {
		if c != "" {
			list = append(list, c)
		}
	}
	switch s.Kind {
	case String:
		text := v.String()
		add(bounds(s, float64(utf8.RuneCountInString(text)), "length"))
		if r := s.rule(); r.pattern != nil && !r.pattern.MatchString(text) {
			add(patternWords(s))
		}
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
			add(enumWords(s))
		}
	case Blob:
		add(bounds(s, float64(v.Len()), "length"))
	case Integer, Long:
		add(bounds(s, float64(v.Int()), "value"))
	case Float, Double:
		add(bounds(s, v.Float(), "value"))
	}
	return list
}

// all lists every constraint of s, as AWS does for elements and map values.
func (w *walk) all(s *Shape) string {
	if !w.explain {
		return ""
	}
	what := "value"
	if s.Kind == String || s.Kind == Blob {
		what = "length"
	}
	var list []string
	if s.Max != nil {
		list = append(list, maxWords(s, what))
	}
	if s.Min != nil {
		list = append(list, minWords(s, what))
	}
	if s.Pattern != "" {
		list = append(list, patternWords(s))
	}
	if len(s.Enum) > 0 {
		list = append(list, enumWords(s))
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// bounds says which bound n lies beyond, or nothing.
func bounds(s *Shape, n float64, what string) string {
	switch {
	case s.Max != nil && !(n <= *s.Max):
		return maxWords(s, what)
	case s.Min != nil && !(n >= *s.Min):
		return minWords(s, what)
	}
	return ""
}

func maxWords(s *Shape, what string) string {
	return "Member must have " + what + " less than or equal to " + number(*s.Max)
}

func minWords(s *Shape, what string) string {
	return "Member must have " + what + " greater than or equal to " + number(*s.Min)
}

func patternWords(s *Shape) string {
	text := s.PatternText
	if text == "" {
		text = s.Pattern
	}
	return "Member must satisfy regular expression pattern: " + text
}

func enumWords(s *Shape) string {
	return "Member must satisfy enum value set: [" + strings.Join(s.Enum, ", ") + "]"
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// maxShown bounds what a message repeats of a value.
const maxShown = 1024

// show prints a value as Java's toString would, which is what AWS's messages hold;
// nothing for what must not be shown.
func (w *walk) show(v reflect.Value, m *Member) string {
	if !w.explain || m.Sensitive || hidden(m.Shape) {
		return ""
	}
	text := java(v, m.Shape)
	if m.Shape.Kind == String && m.Shape.leaks(text) {
		return ""
	}
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "..."
	}
	return "'" + text + "'"
}

// hidden reports whether values of s must not be repeated in a message.
func hidden(s *Shape) bool {
	switch {
	case s.Sensitive, s.Kind == Blob, s.Kind == Structure:
		return true
	case s.Elem != nil:
		return s.Elem.Sensitive || hidden(s.Elem.Shape) || s.Key != nil && s.Key.Sensitive
	}
	return false
}

func java(v reflect.Value, s *Shape) string {
	var parts []string
	switch s.Kind {
	case List:
		for i := range v.Len() {
			parts = append(parts, java(v.Index(i), s.Elem.Shape))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case Map:
		for _, k := range v.MapKeys() {
			parts = append(parts, k.String()+"="+java(v.MapIndex(k), s.Elem.Shape))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}
