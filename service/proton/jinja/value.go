package jinja

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/strongroom/strongroom/service/proton/document"
)

// truth is what a value is in a condition.
func truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case *list:
		return len(v.items) > 0
	case []any:
		return len(v) > 0
	case *document.Object:
		return v.Len() > 0
	case *undefined:
		return false
	}
	return true
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a boolean"
	case int64:
		return "a whole number"
	case float64:
		return "a number"
	case string:
		return "a string"
	case *list:
		if v.tuple {
			return "a tuple"
		}
		return "a list"
	case []any:
		return "a list"
	case *document.Object:
		return "a map"
	case *undefined:
		return "an undefined value"
	}
	return "a function"
}

// items returns what a loop over the value goes through.
func (r *run) items(v any) ([]any, error) {
	switch v := v.(type) {
	case *list:
		return v.items, nil
	case []any:
		l, _ := own(v).(*list)
		return l.items, nil
	case *document.Object:
		all := make([]any, 0, v.Len())
		for name := range v.All() {
			all = append(all, name)
		}
		return all, r.spend(16 * len(all))
	case string:
		all := make([]any, 0, len(v))
		if err := r.spend(20 * len(v)); err != nil {
			return nil, err
		}
		for _, c := range v {
			all = append(all, string(c))
		}
		return all, nil
	case *undefined:
		return nil, v.err()
	}
	return nil, errors.New(kindOf(v) + " cannot be looped over")
}

// printed is the text of a value in the output, which is Python's str().
func (r *run) printed(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case block:
		return strings.Join(v, "\n"), nil
	case *undefined:
		return "", v.err()
	case *bound, *macro, *loopState, *namespace:
		return "", errors.New("a function or a loop cannot be printed")
	}
	p := printer{r: r}
	if err := p.repr(v, 0); err != nil {
		return "", err
	}
	return p.b.String(), r.spend(p.b.Len())
}

type printer struct {
	r *run
	b strings.Builder
}

// repr writes a value as Python's repr() does.
func (p *printer) repr(v any, depth int) error {
	if err := p.r.step(); err != nil {
		return err
	}
	if depth > maxDepth || p.b.Len() > p.r.limits.Memory {
		return errors.New("the value is too large to print")
	}
	switch v := own(v).(type) {
	case nil:
		p.b.WriteString("None")
	case bool:
		if v {
			p.b.WriteString("True")
		} else {
			p.b.WriteString("False")
		}
	case int64:
		p.b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		p.b.WriteString(floatText(v))
	case string:
		quote(&p.b, v)
	case *list:
		return p.list(v, depth)
	case *document.Object:
		p.b.WriteByte('{')
		first := true
		for name, member := range v.All() {
			if !first {
				p.b.WriteString(", ")
			}
			first = false
			quote(&p.b, name)
			p.b.WriteString(": ")
			if err := p.repr(member, depth+1); err != nil {
				return err
			}
		}
		p.b.WriteByte('}')
	case *undefined:
		return v.err()
	default:
		return errors.New("a function or a loop cannot be printed")
	}
	return nil
}

func (p *printer) list(v *list, depth int) error {
	marks := "[]"
	if v.tuple {
		marks = "()"
	}
	p.b.WriteByte(marks[0])
	for i, one := range v.items {
		if i > 0 {
			p.b.WriteString(", ")
		}
		if err := p.repr(one, depth+1); err != nil {
			return err
		}
	}
	if v.tuple && len(v.items) == 1 {
		p.b.WriteByte(',')
	}
	p.b.WriteByte(marks[1])
	return nil
}

// floatText writes a float as Python does: 1.0, 0.1, 1e+16.
func floatText(f float64) string {
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// quote writes a string as Python's repr() does: in ' unless it has ' and no ".
func quote(b *strings.Builder, s string) {
	mark := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		mark = '"'
	}
	b.WriteRune(mark)
	for _, c := range s {
		switch {
		case c == mark || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c == 0x7f || c > 0x7f && c <= 0xff && !unicode.IsPrint(c):
			b.WriteString(`\x`)
			b.WriteString(hex(c, 2))
		case c > 0xff && !unicode.IsPrint(c) && c < 0x10000:
			b.WriteString(`\u`)
			b.WriteString(hex(c, 4))
		case c == utf8.RuneError:
			b.WriteRune(c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteRune(mark)
}

func hex(c rune, width int) string {
	s := strconv.FormatInt(int64(c), 16)
	return strings.Repeat("0", max(0, width-len(s))) + s
}
