package jinja

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/strongroom/strongroom/service/proton/document"
)

// kind is the kind of a token.
type kind uint8

const (
	end kind = iota // of the template
	data
	outputBegin // {{
	outputEnd   // }}
	blockBegin  // {%
	blockEnd    // %}
	name
	text
	integer
	float
	operator
)

type token struct {
	kind kind
	text string // of a string: its value
	at   place
}

// place is where something stands in the template.
type place struct{ line, column int }

// lexer cuts a template into tokens.
type lexer struct {
	file   string
	src    string
	pos    int
	line   int
	start  int // of the line
	seen   int // up to where column counts
	column int
	tokens []token
	strip  bool // the last tag ended with -
}

// maxTemplate bounds a template.
const maxTemplate = 1 << 20

// here counts on from where it counted last: a line can be the whole template.
func (l *lexer) here() place {
	if l.seen < l.start {
		l.seen, l.column = l.start, 0
	}
	l.column += utf8.RuneCountInString(l.src[l.seen:l.pos])
	l.seen = l.pos
	return place{l.line, l.column + 1}
}

func (l *lexer) fail(at place, reason string) error {
	return &document.Error{File: l.file, Line: at.line, Column: at.column, Reason: reason}
}

// advance moves over n bytes and counts lines.
func (l *lexer) advance(n int) {
	part := l.src[l.pos : l.pos+n]
	if lines := strings.Count(part, "\n"); lines > 0 {
		l.line += lines
		l.start = l.pos + strings.LastIndexByte(part, '\n') + 1
	}
	l.pos += n
}

func (l *lexer) emit(k kind, s string, at place) {
	l.tokens = append(l.tokens, token{k, s, at})
}

// lex returns the tokens of a template; the last one is of kind end.
func lex(file, src string) ([]token, error) {
	src = strings.ReplaceAll(src, "\r\n", "\n")
	src = strings.TrimSuffix(src, "\n")
	l := &lexer{file: file, src: src, line: 1}
	if len(src) > maxTemplate {
		return nil, l.fail(place{1, 1}, "the template is larger than 1 MB")
	}
	if !utf8.ValidString(src) {
		return nil, l.fail(place{1, 1}, "the template is not UTF-8 text")
	}
	for l.pos < len(l.src) {
		if err := l.next(); err != nil {
			return nil, err
		}
	}
	l.emit(end, "", l.here())
	return l.tokens, nil
}

// next lexes text up to a tag, and the tag.
func (l *lexer) next() error {
	rest := l.src[l.pos:]
	at := 0
	for {
		i := strings.IndexByte(rest[at:], '{')
		if i < 0 || at+i+1 >= len(rest) {
			at = len(rest)
			break
		}
		at += i
		if c := rest[at+1]; c == '{' || c == '%' || c == '#' {
			break
		}
		at++
	}
	l.data(at)
	if l.pos >= len(l.src) {
		return nil
	}
	switch l.src[l.pos+1] {
	case '#':
		return l.comment()
	case '%':
		if done, err := l.raw(); done || err != nil {
			return err
		}
		return l.tag(blockBegin, blockEnd, "%}")
	}
	return l.tag(outputBegin, outputEnd, "}}")
}

// data emits n bytes of text, less the white space that tags on either side strip.
func (l *lexer) data(n int) {
	at, s := l.here(), l.src[l.pos:l.pos+n]
	l.advance(n)
	if l.strip {
		s = strings.TrimLeftFunc(s, unicode.IsSpace)
	}
	l.strip = false
	if l.pos+2 < len(l.src) && l.src[l.pos+2] == '-' {
		s = strings.TrimRightFunc(s, unicode.IsSpace)
	}
	if s != "" {
		l.emit(data, s, at)
	}
}

func (l *lexer) comment() error {
	at := l.here()
	i := strings.Index(l.src[l.pos+2:], "#}")
	if i < 0 {
		return l.fail(at, "the comment has no end")
	}
	l.strip = i > 0 && l.src[l.pos+2+i-1] == '-'
	l.advance(i + 4)
	return nil
}

// raw emits what stands between {% raw %} and {% endraw %}, if that is what comes.
func (l *lexer) raw() (bool, error) {
	length, left := tagNamed(l.src[l.pos:], "raw")
	if length == 0 {
		return false, nil
	}
	at := l.here()
	l.advance(length)
	l.strip = left
	for i := 0; ; {
		j := strings.Index(l.src[l.pos+i:], "{%")
		if j < 0 {
			return true, l.fail(at, "raw has no endraw")
		}
		i += j
		if length, left := tagNamed(l.src[l.pos+i:], "endraw"); length > 0 {
			l.data(i)
			l.advance(length)
			l.strip = left
			return true, nil
		}
		i += 2
	}
}

// tagNamed returns the length of a tag that holds nothing but the word, 0 for another
// one, and whether it ends with -.
func tagNamed(s, word string) (int, bool) {
	rest := strings.TrimPrefix(s, "{%")
	rest = strings.TrimLeft(rest, "-+")
	if len(s)-len(rest) > 3 {
		return 0, false
	}
	rest, ok := strings.CutPrefix(strings.TrimLeft(rest, " \t\n"), word)
	if !ok {
		return 0, false
	}
	rest = strings.TrimLeft(rest, " \t\n")
	strip := strings.HasPrefix(rest, "-")
	rest, ok = strings.CutPrefix(strings.TrimPrefix(strings.TrimPrefix(rest, "-"), "+"), "%}")
	if !ok {
		return 0, false
	}
	return len(s) - len(rest), strip
}

// tag lexes from {{ or {% to its end.
func (l *lexer) tag(begin, stop kind, closing string) error {
	opened := l.here()
	l.emit(begin, "", opened)
	l.advance(2)
	if l.pos < len(l.src) && (l.src[l.pos] == '-' || l.src[l.pos] == '+') {
		l.advance(1)
	}
	var open []byte // brackets
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		if len(open) == 0 {
			for _, mark := range []string{"-", "+", ""} {
				if strings.HasPrefix(rest, mark+closing) {
					l.emit(stop, "", l.here())
					l.advance(len(mark) + 2)
					l.strip = mark == "-"
					return nil
				}
			}
		}
		if c := rest[0]; c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v' {
			l.advance(1)
			continue
		}
		if err := l.word(rest, &open); err != nil {
			return err
		}
	}
	return l.fail(opened, "the tag has no end")
}

// operators, longest first.
var operators = []string{"**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ".", ":", "|", ";"}

var closers = map[byte]byte{')': '(', ']': '[', '}': '{'}

// maxBrackets bounds nesting, so that neither parser nor evaluator can run out of stack.
const maxBrackets = 100

func (l *lexer) word(rest string, open *[]byte) error {
	at := l.here()
	c := rest[0]
	switch {
	case c == '"' || c == '\'':
		return l.text(rest, at)
	case c >= '0' && c <= '9':
		return l.number(rest, at)
	}
	if first, _ := utf8.DecodeRuneInString(rest); first == '_' || unicode.IsLetter(first) {
		i := strings.IndexFunc(rest, func(c rune) bool { return c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c) })
		if i < 0 {
			i = len(rest)
		}
		l.emit(name, rest[:i], at)
		l.advance(i)
		return nil
	}
	for _, op := range operators {
		if !strings.HasPrefix(rest, op) {
			continue
		}
		switch c {
		case '(', '[', '{':
			if len(*open) >= maxBrackets {
				return l.fail(at, "brackets are nested too deep")
			}
			*open = append(*open, c)
		case ')', ']', '}':
			if n := len(*open); n == 0 || (*open)[n-1] != closers[c] {
				return l.fail(at, "unexpected '"+op+"'")
			}
			*open = (*open)[:len(*open)-1]
		}
		l.emit(operator, op, at)
		l.advance(len(op))
		return nil
	}
	return l.fail(at, "unexpected character "+strconv.QuoteRune([]rune(rest)[0]))
}

func (l *lexer) number(rest string, at place) error {
	i := 0
	digits := func() {
		for i < len(rest) && (rest[i] >= '0' && rest[i] <= '9' || rest[i] == '_') {
			i++
		}
	}
	k := integer
	digits()
	if i+1 < len(rest) && rest[i] == '.' && rest[i+1] >= '0' && rest[i+1] <= '9' {
		k = float
		i++
		digits()
	}
	if i < len(rest) && (rest[i] == 'e' || rest[i] == 'E') {
		j := i
		if i++; i < len(rest) && (rest[i] == '-' || rest[i] == '+') {
			i++
		}
		if i < len(rest) && rest[i] >= '0' && rest[i] <= '9' {
			k = float
			digits()
		} else {
			i = j
		}
	}
	l.emit(k, strings.ReplaceAll(rest[:i], "_", ""), at)
	l.advance(i)
	return nil
}

// text lexes a string with Python's escapes.
func (l *lexer) text(rest string, at place) error {
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; c {
		case rest[0]:
			l.emit(text, b.String(), at)
			l.advance(i + 1)
			return nil
		case '\\':
			n, err := escape(&b, rest[i+1:])
			if err != nil {
				return l.fail(at, "the string has an escape that is not valid")
			}
			i += n
		default:
			b.WriteByte(c)
		}
	}
	return l.fail(at, "the string has no end")
}

var simple = map[byte]string{'\n': "", '\\': `\`, '\'': `'`, '"': `"`, 'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v"}

// escape writes what stands after a backslash and returns how many bytes it is.
func escape(b *strings.Builder, s string) (int, error) {
	if s == "" {
		return 0, strconv.ErrSyntax
	}
	if out, ok := simple[s[0]]; ok {
		b.WriteString(out)
		return 1, nil
	}
	lengths := map[byte]int{'x': 2, 'u': 4, 'U': 8}
	n, ok := lengths[s[0]]
	if !ok {
		b.WriteByte('\\') // an unknown escape stays as it is
		return 0, nil
	}
	if len(s) < n+1 {
		return 0, strconv.ErrSyntax
	}
	code, err := strconv.ParseUint(s[1:n+1], 16, 32)
	if err != nil || !utf8.ValidRune(rune(code)) {
		return 0, strconv.ErrSyntax
	}
	b.WriteRune(rune(code))
	return n + 1, nil
}
