package policy

import (
	"errors"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/strongroom/strongroom/arn"
)

// pattern is a text of a policy, compiled: with its wildcards and variables found. One
// without variables, by far the most frequent, is a single string.
//
// Where wildcards count, what must not be taken for one is marked with arn.Escape.
type pattern struct {
	fixed string // the whole of it, without variables
	parts []part // with variables, and then fixed is not used
}

// part is a piece of fixed text, or a variable.
type part struct {
	text     string // fixed text; of a variable, its default
	key      string // of a variable: the condition key in lower case
	variable bool
	fallback bool // the variable has a default
}

// How a text is to be read.
const (
	wildcards = 1 << iota // * and ? are wildcards
	variables             // ${...} are variables
)

var errVariable = errors.New("a variable is not closed or has no name")

// compile reads s. In version 2008-10-17 of the language, which has no variables, how is
// without them and ${...} is text like any other.
func compile(s string, how int) (pattern, error) {
	var p pattern
	var fixed strings.Builder
	rest := s
	for how&variables != 0 {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			break
		}
		inside, next, closed := strings.Cut(after, "}")
		if !closed {
			return pattern{}, errVariable
		}
		fixed.WriteString(plain(before, how))
		rest = next
		if inside == "*" || inside == "?" || inside == "$" {
			fixed.WriteString(quote(inside, how))
			continue
		}
		v, err := compileVariable(inside, how)
		if err != nil {
			return pattern{}, err
		}
		p.parts = append(p.parts, part{text: fixed.String()}, v)
		fixed.Reset()
	}
	fixed.WriteString(plain(rest, how))
	if p.parts == nil {
		return pattern{fixed: fixed.String()}, nil
	}
	p.parts = append(p.parts, part{text: fixed.String()})
	return p, nil
}

// compileVariable reads what stands between ${ and }: a key, or a key, a comma and a default
// in single quotes.
func compileVariable(s string, how int) (part, error) {
	key, fallback, has := strings.Cut(s, ",")
	p := part{key: strings.ToLower(strings.TrimSpace(key)), variable: true, fallback: has}
	if p.key == "" || strings.ContainsAny(p.key, "'\"${") {
		return part{}, errVariable
	}
	if !has {
		return p, nil
	}
	fallback = strings.TrimSpace(fallback)
	if len(fallback) < 2 || fallback[0] != '\'' || fallback[len(fallback)-1] != '\'' {
		return part{}, errors.New("the default of a variable is not in single quotes")
	}
	p.text = fallback[1 : len(fallback)-1]
	return p, nil
}

// plain returns s as it stands in a pattern in which wildcards may count.
func plain(s string, how int) string {
	if how&wildcards != 0 && strings.IndexByte(s, arn.Escape) >= 0 {
		return strings.ReplaceAll(s, "\x00", "\x00\x00")
	}
	return s
}

// quote returns s as it stands in a pattern when nothing in it is a wildcard.
func quote(s string, how int) string {
	if how&wildcards == 0 {
		return s
	}
	return string(appendQuoted(nil, s))
}

// appendQuoted appends s so that nothing in it is a wildcard or ends a part of a resource name.
// Without that the owner of a tag or a session name could write himself a wider pattern.
func appendQuoted(buf []byte, s string) []byte {
	for i := range len(s) {
		switch s[i] {
		case '*', '?', ':', arn.Escape:
			buf = append(buf, arn.Escape)
		}
		buf = append(buf, s[i])
	}
	return buf
}

// value returns what a variable stands for in a request. Without a value and a default it
// stands for nothing, and what it is part of equals nothing. A key that may have several
// values cannot be a variable.
func (p *part) value(ctx Context) (string, bool) {
	if v := lookup(ctx, p.key); v.kind == single {
		return v.one, true
	}
	return p.text, p.fallback
}

// expand appends the pattern with its variables replaced, their values quoted if asked. It
// reports false when a variable has no value.
func (p *pattern) expand(buf []byte, ctx Context, quoted bool) ([]byte, bool) {
	for i := range p.parts {
		part := &p.parts[i]
		if !part.variable {
			buf = append(buf, part.text...)
			continue
		}
		v, ok := part.value(ctx)
		if !ok {
			return nil, false
		}
		if quoted {
			buf = appendQuoted(buf, v)
		} else {
			buf = append(buf, v...)
		}
	}
	return buf, true
}

// equal reports whether s is exactly the text.
func (p *pattern) equal(s string, ctx Context) bool {
	if p.parts == nil {
		return p.fixed == s
	}
	var space [256]byte
	b, ok := p.expand(space[:0], ctx, false)
	return ok && string(b) == s
}

// equalFold reports whether s is the text but for letter case.
func (p *pattern) equalFold(s string, ctx Context) bool {
	if p.parts == nil {
		return strings.EqualFold(p.fixed, s)
	}
	var space [256]byte
	b, ok := p.expand(space[:0], ctx, false)
	return ok && strings.EqualFold(view(b), s)
}

// like reports whether s matches the text with its wildcards.
func (p *pattern) like(s string, ctx Context) bool {
	if p.parts == nil {
		return arn.Glob(p.fixed, s)
	}
	var space [256]byte
	b, ok := p.expand(space[:0], ctx, true)
	return ok && arn.Glob(view(b), s)
}

// names reports whether the resource name s matches the text part by part.
func (p *pattern) names(s string, ctx Context) bool {
	if p.parts == nil {
		return arn.Match(p.fixed, s)
	}
	var space [256]byte
	b, ok := p.expand(space[:0], ctx, true)
	return ok && arn.Match(view(b), s)
}

// view returns b as a string that shares its memory, which saves an allocation. It is for
// comparing only: whoever gets it must not keep it, and b must not change meanwhile.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// plainText reports whether the text has neither wildcards nor variables.
func (p *pattern) plainText() bool {
	return p.parts == nil && !strings.ContainsAny(p.fixed, "*?\x00")
}

// lookup asks a Context that may be missing.
func lookup(ctx Context, key string) Values {
	if ctx == nil {
		return Values{}
	}
	return ctx.Value(key)
}

// foldEqual reports whether s, with its ASCII letters in lower case, is want.
func foldEqual(want, s string) bool {
	return len(want) == len(s) && foldPrefix(want, s)
}

// foldPrefix reports whether s, with its ASCII letters in lower case, begins with want.
func foldPrefix(want, s string) bool {
	if len(s) < len(want) {
		return false
	}
	for i := range len(want) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != want[i] {
			return false
		}
	}
	return true
}

// countCharacters returns how many characters of text are not JSON white space.
func countCharacters(text []byte) int {
	n := utf8.RuneCount(text)
	for _, c := range text {
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			n--
		}
	}
	return n
}

// fixedText returns the text of a part that is no variable.
func (p *part) fixedText() string {
	if p.variable {
		return ""
	}
	return p.text
}
