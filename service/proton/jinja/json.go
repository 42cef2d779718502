package jinja

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/strongroom/strongroom/service/proton/document"
)

// toJSON is tojson: JSON with sorted keys in Python's spacing, nothing but ASCII, and <,
// >, & and ' escaped, as Jinja2 writes it.
func toJSON(r *run, v any, a []any) (any, error) {
	w := jsonWriter{r: r, indent: -1}
	if a[0] != nil {
		n, ok := a[0].(int64)
		if !ok || n < 0 || n > 100 {
			return nil, errors.New("the indent of tojson is a number from 0 to 100")
		}
		w.indent = int(n)
	}
	if err := w.value(v, 0); err != nil {
		return nil, err
	}
	return w.b.String(), nil
}

type jsonWriter struct {
	r      *run
	b      strings.Builder
	indent int
}

func (w *jsonWriter) value(v any, depth int) error {
	if err := errors.Join(w.r.step(), w.r.spend(16)); err != nil {
		return err
	}
	if depth > maxDepth {
		return errors.New("the value is nested too deep")
	}
	switch v := own(v).(type) {
	case nil:
		w.b.WriteString("null")
	case bool:
		w.b.WriteString(strconv.FormatBool(v))
	case int64:
		w.b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return errTooLarge
		}
		w.b.WriteString(floatText(v))
	case string:
		return w.text(v)
	case *list:
		return w.group("[]", len(v.items), depth, func(i int) error { return w.value(v.items[i], depth+1) })
	case *document.Object:
		names := v.Names()
		slices.Sort(names)
		return w.group("{}", len(names), depth, func(i int) error {
			if err := w.text(names[i]); err != nil {
				return err
			}
			w.b.WriteString(": ")
			member, _ := v.Get(names[i])
			return w.value(member, depth+1)
		})
	case *undefined:
		return v.err()
	default:
		return errors.New(kindOf(v) + " has no form in JSON")
	}
	return nil
}

// group writes brackets around n parts.
func (w *jsonWriter) group(marks string, n, depth int, part func(i int) error) error {
	w.b.WriteByte(marks[0])
	for i := range n {
		switch {
		case i > 0 && w.indent < 0:
			w.b.WriteString(", ")
		case i > 0:
			w.b.WriteByte(',')
		}
		if err := w.newline(depth + 1); err != nil {
			return err
		}
		if err := part(i); err != nil {
			return err
		}
	}
	if n > 0 {
		if err := w.newline(depth); err != nil {
			return err
		}
	}
	w.b.WriteByte(marks[1])
	return nil
}

func (w *jsonWriter) newline(depth int) error {
	if w.indent < 0 {
		return nil
	}
	w.b.WriteByte('\n')
	w.b.WriteString(strings.Repeat(" ", w.indent*depth))
	return w.r.spend(w.indent * depth)
}

func (w *jsonWriter) text(s string) error {
	w.b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			w.b.WriteByte('\\')
			w.b.WriteRune(c)
		case c == '\n':
			w.b.WriteString(`\n`)
		case c == '\r':
			w.b.WriteString(`\r`)
		case c == '\t':
			w.b.WriteString(`\t`)
		case c == '\b':
			w.b.WriteString(`\b`)
		case c == '\f':
			w.b.WriteString(`\f`)
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(&w.b, `\u%04x\u%04x`, high, low)
		case c < ' ' || c >= 0x7f && c != 0x7f || strings.ContainsRune("<>&'", c):
			fmt.Fprintf(&w.b, `\u%04x`, c)
		default:
			w.b.WriteRune(c)
		}
	}
	w.b.WriteByte('"')
	return w.r.spend(len(s))
}
