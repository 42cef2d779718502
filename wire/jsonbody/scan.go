package jsonbody

import (
	"bytes"
	"errors"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/strongroom/strongroom/wire/plan"
)

var (
	errSyntax = errors.New("malformed JSON")
	errEnd    = errors.New("unexpected end of JSON")
	errUTF8   = errors.New("JSON is not valid UTF-8")
	errDepth  = errors.New("JSON is nested too deeply")
)

// scanner reads the tokens of RFC 8259, and nothing that is not in it.
type scanner struct {
	data    []byte
	pos     int
	depth   int
	scratch []byte // holds a string that had escapes
}

// wipe clears what a secret may have passed through.
func (s *scanner) wipe() { clear(s.scratch[:cap(s.scratch)]) }

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// peek returns the first byte of the next token, or 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos == len(s.data) {
		return 0
	}
	return s.data[s.pos]
}

// found names the next token as AWS's messages do.
func (s *scanner) found() string {
	switch c := s.peek(); {
	case c == '"':
		return "STRING_VALUE"
	case c == 't':
		return "TRUE_VALUE"
	case c == 'f':
		return "FALSE_VALUE"
	case c == '{':
		return "START_OBJECT"
	case c == '[':
		return "START_ARRAY"
	case c == '-' || c >= '0' && c <= '9':
		return "NUMBER_VALUE"
	}
	return "this"
}

// next moves to the n-th element (from 0) of an object or list that ends in end,
// and reports whether there is one.
func (s *scanner) next(n int, end byte) (bool, error) {
	switch c := s.peek(); {
	case c == end:
		s.pos++
		return false, nil
	case s.pos == len(s.data):
		return false, errEnd
	case n == 0:
		return true, nil
	case c != ',':
		return false, errSyntax
	}
	s.pos++
	if s.peek() == end {
		return false, errSyntax // a comma with nothing after it
	}
	return true, nil
}

// key reads a member's name and the colon. The name is valid until the next token.
func (s *scanner) key() ([]byte, error) {
	if s.peek() != '"' {
		return nil, errSyntax
	}
	k, err := s.str()
	if err != nil {
		return nil, err
	}
	if s.peek() != ':' {
		return nil, errSyntax
	}
	s.pos++
	return k, nil
}

// literal reads word, if it is next.
func (s *scanner) literal(word string) bool {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		return false
	}
	s.pos += len(word)
	return true
}

func (s *scanner) null() bool { return s.peek() == 'n' && s.literal("null") }

func (s *scanner) boolean() (bool, error) {
	switch s.peek() {
	case 't':
		if s.literal("true") {
			return true, nil
		}
	case 'f':
		if s.literal("false") {
			return false, nil
		}
	}
	return false, s.unfit("Boolean")
}

// unfit is the error for a token that does not fit kind.
func (s *scanner) unfit(kind string) error {
	switch s.peek() {
	case 0:
		if s.pos == len(s.data) {
			return errEnd
		}
	case '"', 't', 'f', '{', '[', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return errors.New(s.found() + " can not be converted to a " + kind)
	}
	return errSyntax
}

// str reads a string. What it returns is valid until the next token.
func (s *scanner) str() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.unfit("String")
	}
	s.pos++
	start, ascii := s.pos, true
	for i := start; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.pos = i + 1
			if !ascii && !utf8.Valid(s.data[start:i]) {
				return nil, errUTF8
			}
			return s.data[start:i], nil
		case c == '\\':
			return s.escaped(start, i)
		case c < 0x20:
			return nil, errSyntax
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, errEnd
}

// escaped reads on in a string that began at start and has its first escape at i.
func (s *scanner) escaped(start, i int) ([]byte, error) {
	out := append(s.scratch[:0], s.data[start:i]...)
	for i < len(s.data) {
		switch c := s.data[i]; {
		case c == '"':
			s.pos, s.scratch = i+1, out
			if !utf8.Valid(out) {
				return nil, errUTF8
			}
			return out, nil
		case c == '\\':
			var err error
			if out, i, err = s.escape(out, i+1); err != nil {
				return nil, err
			}
		case c < 0x20:
			return nil, errSyntax
		default:
			out = append(out, c)
			i++
		}
	}
	return nil, errEnd
}

// escape appends what the escape whose letter stands at i means, and returns where it ends.
func (s *scanner) escape(out []byte, i int) ([]byte, int, error) {
	if i >= len(s.data) {
		return nil, 0, errEnd
	}
	switch c := s.data[i]; c {
	case '"', '\\', '/':
		return append(out, c), i + 1, nil
	case 'b':
		return append(out, '\b'), i + 1, nil
	case 'f':
		return append(out, '\f'), i + 1, nil
	case 'n':
		return append(out, '\n'), i + 1, nil
	case 'r':
		return append(out, '\r'), i + 1, nil
	case 't':
		return append(out, '\t'), i + 1, nil
	case 'u':
		r, ok := s.hex4(i + 1)
		if !ok {
			return nil, 0, errSyntax
		}
		i += 5
		if utf16.IsSurrogate(r) {
			low, ok := s.hex4(i + 2)
			if !ok || s.data[i] != '\\' || s.data[i+1] != 'u' {
				return nil, 0, errUTF8 // half a pair is no character
			}
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return nil, 0, errUTF8
			}
			i += 6
		}
		return utf8.AppendRune(out, r), i, nil
	}
	return nil, 0, errSyntax
}

// hex4 reads four hexadecimal digits at i.
func (s *scanner) hex4(i int) (rune, bool) {
	if i+4 > len(s.data) {
		return 0, false
	}
	var r rune
	for _, c := range s.data[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number reads a number and returns its text.
func (s *scanner) number() ([]byte, error) {
	c := s.peek()
	if c != '-' && (c < '0' || c > '9') {
		return nil, s.unfit("number")
	}
	start := s.pos
	if c == '-' {
		s.pos++
	}
	if s.pos < len(s.data) && s.data[s.pos] == '0' {
		s.pos++
	} else if s.digits() == 0 {
		return nil, errSyntax
	}
	if s.pos < len(s.data) && s.data[s.pos] == '.' {
		s.pos++
		if s.digits() == 0 {
			return nil, errSyntax
		}
	}
	if s.pos < len(s.data) && s.data[s.pos]|0x20 == 'e' {
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		if s.digits() == 0 {
			return nil, errSyntax
		}
	}
	return s.data[start:s.pos], nil
}

func (s *scanner) digits() (n int) {
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
		n++
	}
	return n
}

// skip reads over a value of an unknown member; it must be well-formed all the same.
func (s *scanner) skip() error {
	switch c := s.peek(); c {
	case '"':
		_, err := s.str()
		return err
	case 't', 'f':
		_, err := s.boolean()
		return err
	case 'n':
		if !s.null() {
			return errSyntax
		}
		return nil
	case '{', '[':
		return s.skipNested(c)
	}
	_, err := s.number()
	return err
}

func (s *scanner) skipNested(open byte) error {
	if s.depth++; s.depth > plan.MaxDepth {
		return errDepth
	}
	defer func() { s.depth-- }()
	s.pos++
	end := byte(']')
	if open == '{' {
		end = '}'
	}
	for n := 0; ; n++ {
		more, err := s.next(n, end)
		if err != nil || !more {
			return err
		}
		if open == '{' {
			if _, err := s.key(); err != nil {
				return err
			}
		}
		if err := s.skip(); err != nil {
			return err
		}
	}
}
