package jinja

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// onText makes a filter of a function on the text of a value.
func onText(params []param, f func(r *run, s string, a []any) (any, error)) filterDef {
	return filterDef{params, false, func(r *run, v any, a []any) (any, error) {
		s, err := r.printed(v)
		if err != nil {
			return nil, err
		}
		if err := r.spend(len(s)); err != nil {
			return nil, err
		}
		return f(r, s, a)
	}}
}

// onlyText is onText for a function that needs nothing else.
func onlyText(f func(string) string) filterDef {
	return onText(nil, func(r *run, s string, _ []any) (any, error) { return f(s), r.spend(2 * len(s)) })
}

func textFilters() map[string]filterDef {
	return map[string]filterDef{
		"upper": onlyText(strings.ToUpper), "lower": onlyText(strings.ToLower),
		"capitalize": onlyText(capitalize), "title": onlyText(title),
		"escape":      onlyText(strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", `"`, "&#34;").Replace),
		"forceescape": onlyText(strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", `"`, "&#34;").Replace),
		"trim":        onText([]param{with("chars", nil)}, strips(true, true).run),
		"truncate":    onText([]param{with("length", int64(255)), with("killwords", false), with("end", "..."), with("leeway", nil)}, truncate),
		"replace": onText([]param{need("old"), need("new"), with("count", nil)}, func(r *run, s string, a []any) (any, error) {
			if a[2] == nil {
				a[2] = int64(-1)
			}
			return r.replaced(s, a[0], a[1], a[2])
		}),
		"indent":    onText([]param{with("width", int64(4)), with("first", false), with("blank", false)}, indent),
		"center":    onText([]param{with("width", int64(80))}, center),
		"wordcount": onText(nil, func(_ *run, s string, _ []any) (any, error) { return int64(len(strings.Fields(s))), nil }),
		"format":    {variadic, false, format},
		"urlencode": onText(nil, func(_ *run, s string, _ []any) (any, error) {
			return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), "%2F", "/"), nil
		}),
	}
}

func capitalize(s string) string {
	for i, c := range s {
		n := i + len(string(c))
		return strings.ToUpper(s[:n]) + strings.ToLower(s[n:])
	}
	return s
}

// title writes the first letter of each word large, words being what stands between white
// space, - and brackets, as Jinja2 has it.
func title(s string) string {
	return titled(s, func(before rune) bool { return unicode.IsSpace(before) || strings.ContainsRune("-({[<", before) })
}

// pythonTitle is the method of strings: every letter after one that is none is large.
func pythonTitle(s string) string {
	return titled(s, func(before rune) bool { return !unicode.IsLetter(before) })
}

func titled(s string, starts func(before rune) bool) string {
	var b strings.Builder
	before := ' '
	for _, c := range s {
		if starts(before) {
			b.WriteRune(unicode.ToUpper(c))
		} else {
			b.WriteRune(unicode.ToLower(c))
		}
		before = c
	}
	return b.String()
}

func swapcase(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsUpper(c) {
			return unicode.ToLower(c)
		}
		return unicode.ToUpper(c)
	}, s)
}

// truncate is Jinja2's: with leeway that much more is let through; end counts.
func truncate(_ *run, s string, a []any) (any, error) {
	if a[3] == nil {
		a[3] = int64(5)
	}
	length, ok := a[0].(int64)
	leeway, also := a[3].(int64)
	tail, text := a[2].(string)
	if !ok || !also || !text {
		return nil, errors.New("truncate takes a length, killwords, an end and a leeway")
	}
	runes, end := []rune(s), int64(len([]rune(tail)))
	switch {
	case length < end:
		return nil, errors.New("the length of truncate is shorter than its end")
	case leeway < 0:
		return nil, errors.New("the leeway of truncate is negative")
	case int64(len(runes))-length <= leeway:
		return s, nil
	}
	kept := string(runes[:length-end])
	if truth(a[1]) {
		return kept + tail, nil
	}
	if i := strings.LastIndexByte(kept, ' '); i >= 0 {
		kept = kept[:i]
	}
	return kept + tail, nil
}

// replaced replaces at most count times, all for a negative count.
func (r *run) replaced(s string, from, to, count any) (any, error) {
	both, err := stringsOf([]any{from, to})
	if err != nil {
		return nil, err
	}
	n, ok := count.(int64)
	if !ok {
		return nil, errors.New("the count of replace must be a whole number")
	}
	found := int64(strings.Count(s, both[0]))
	if n < 0 || n > found {
		n = found
	}
	if err := r.spendTimes(len(both[1]), n); err != nil {
		return nil, err
	}
	return strings.Replace(s, both[0], both[1], int(n)), r.spend(len(s))
}

func indent(r *run, s string, a []any) (any, error) {
	prefix, ok := a[0].(string)
	if n, isNumber := a[0].(int64); isNumber {
		if n < 0 || n > 1000 {
			return nil, errors.New("the width of indent is from 0 to 1000")
		}
		prefix, ok = strings.Repeat(" ", int(n)), true
	}
	if !ok {
		return nil, errors.New("the width of indent is a number or a string")
	}
	lines := strings.Split(s, "\n")
	if err := r.spendTimes(len(prefix)+16, int64(len(lines))); err != nil {
		return nil, err
	}
	for i := range lines {
		if (i > 0 || truth(a[1])) && (lines[i] != "" || truth(a[2])) {
			lines[i] = prefix + lines[i]
		}
	}
	return strings.Join(lines, "\n"), nil
}

func center(r *run, s string, a []any) (any, error) {
	width, ok := a[0].(int64)
	if !ok {
		return nil, errors.New("the width of center must be a whole number")
	}
	missing := width - int64(len([]rune(s)))
	if missing <= 0 {
		return s, nil
	}
	if err := r.spendTimes(1, missing); err != nil {
		return nil, err
	}
	left := missing/2 + missing&width&1 // as Python does it
	return strings.Repeat(" ", int(left)) + s + strings.Repeat(" ", int(missing-left)), nil
}

func format(r *run, v any, a []any) (any, error) {
	s, ok := v.(string)
	args, _ := a[0].(given)
	if !ok || len(args.named) > 0 {
		return nil, errors.New("format needs a string and plain values")
	}
	return r.formatted(s, &list{items: args.list, tuple: true})
}

// formatted does Python's "%s %d %.2f" % values, without widths.
func (r *run) formatted(s string, v any) (any, error) {
	values := []any{v}
	if l, ok := v.(*list); ok && l.tuple {
		values = l.items
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i < len(s) && s[i] == '%' {
			b.WriteByte('%')
			continue
		}
		if len(values) == 0 {
			return nil, errors.New("there are not enough values for the format")
		}
		n, err := r.verb(&b, s[i:], values[0])
		if err != nil {
			return nil, err
		}
		i, values = i+n-1, values[1:]
	}
	if len(values) > 0 {
		return nil, errors.New("there are more values than the format has places")
	}
	return b.String(), r.spend(b.Len())
}

// verb writes one value and returns the length of the verb.
func (r *run) verb(b *strings.Builder, s string, v any) (int, error) {
	places, n := -1, 0
	if strings.HasPrefix(s, ".") && len(s) > 2 && s[1] >= '0' && s[1] <= '9' {
		places, n = int(s[1]-'0'), 2
	}
	if n >= len(s) {
		return 0, errors.New("the format ends in the middle")
	}
	f, isNumber := float64Of(v)
	switch s[n] {
	case 's':
		text, err := r.printed(v)
		b.WriteString(text)
		return n + 1, errors.Join(err, r.spend(len(text)))
	case 'd', 'i':
		if isNumber {
			b.WriteString(strconv.FormatFloat(f, 'f', 0, 64))
			return n + 1, nil
		}
	case 'f':
		if isNumber {
			if places < 0 {
				places = 6
			}
			b.WriteString(strconv.FormatFloat(f, 'f', places, 64))
			return n + 1, nil
		}
	default:
		return 0, errors.New("the format has a verb that is not supported")
	}
	return 0, errors.New("the format needs a number")
}
