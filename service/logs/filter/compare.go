package filter

import (
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"
)

// decode reads an event that is one JSON object or array. ok is false for what is not: no JSON pattern matches it.
func decode(message string) (root any, ok bool) {
	trimmed := strings.TrimLeft(message, " \t\r\n")
	if trimmed == "" || trimmed[0] != '{' && trimmed[0] != '[' {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(trimmed))
	d.UseNumber()
	if d.Decode(&root) != nil {
		return nil, false
	}
	_, err := d.Token()
	return root, err == io.EOF
}

// find returns what the selector leads to.
func (s selector) find(root any) (v any, found bool) {
	v = root
	for _, part := range s {
		switch at := v.(type) {
		case map[string]any:
			if v, found = at[part.name]; !found || part.name == "" {
				return nil, false
			}
		case []any:
			if part.name != "" || part.index >= len(at) {
				return nil, false
			}
			v = at[part.index]
		default:
			return nil, false
		}
	}
	return v, true
}

// parseNumber reads a number as JSON writes it, and as patterns do: 1e-3.
func parseNumber(text string) (float64, bool) {
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) && !strings.ContainsAny(text, "xXpP_")
}

// compareNumber compares with a number: JSON numbers by value, and text by how it is written.
func compareNumber(operator, word string, number float64) func(any, bool) bool {
	return func(v any, found bool) bool {
		switch at := v.(type) {
		case json.Number:
			f, err := at.Float64()
			return err == nil && holds(operator, f, number)
		case string:
			switch operator {
			case "=":
				return at == word
			case "!=":
				return at != word
			}
			return false
		}
		return found && operator == "!=" && v != nil
	}
}

func holds(operator string, a, b float64) bool {
	switch operator {
	case "=":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}

// compareText compares with a text, in which * stands for any characters. A member that is not there is neither equal nor
// different.
func compareText(operator, text string) func(any, bool) bool {
	pieces := strings.Split(text, "*")
	return func(v any, found bool) bool {
		var at string
		switch value := v.(type) {
		case string:
			at = value
		case json.Number:
			at = value.String()
		case bool:
			at = strconv.FormatBool(value)
		default:
			return found && v != nil && operator == "!="
		}
		return like(at, pieces) == (operator == "=")
	}
}

// like reports whether text is the pieces with anything between them.
func like(text string, pieces []string) bool {
	if len(pieces) == 1 {
		return text == pieces[0]
	}
	first, last := pieces[0], pieces[len(pieces)-1]
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, piece := range pieces[1 : len(pieces)-1] {
		i := strings.Index(text, piece)
		if i < 0 {
			return false
		}
		text = text[i+len(piece):]
	}
	return true
}
