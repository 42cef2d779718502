package filter

import (
	"strconv"
	"strings"
	"unicode"
)

// The grammar of JSON patterns:
//
//	pattern    = "{" or "}"
//	or         = and { "||" and }
//	and        = one { "&&" one }
//	one        = "(" or ")" | selector test
//	selector   = "$" { "." name | "[" number "]" | "['" name "']" }      at least one part
//	test       = ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
//	           | "IS" ( "NULL" | "TRUE" | "FALSE" ) | "EXISTS" | "NOT" "EXISTS"
//	value      = string between double quotes | word; * in both stands for any characters
//	name       = letters, digits, _ and -
type parser struct {
	rest  string
	depth int
}

// node is a part of a pattern that has been read.
type node func(root any) bool

func parseJSON(text string) (*Pattern, error) {
	p := &parser{rest: text[1:]}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.take("}") || strings.TrimSpace(p.rest) != "" {
		return nil, syntax("a JSON pattern does not end with its brace")
	}
	return &Pattern{func(message string) bool {
		root, ok := decode(message)
		return ok && n(root)
	}}, nil
}

// space drops white space.
func (p *parser) space() { p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace) }

// take drops what comes next where that is token.
func (p *parser) take(token string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

// keyword takes a word that no letter follows.
func (p *parser) keyword(word string) bool {
	p.space()
	if len(p.rest) < len(word) || !strings.EqualFold(p.rest[:len(word)], word) {
		return false
	}
	if next := p.rest[len(word):]; next != "" && !special(rune(next[0])) {
		return false
	}
	p.rest = p.rest[len(word):]
	return true
}

func (p *parser) or() (node, error) {
	return p.joined("||", p.and, func(list []node) node {
		return func(root any) bool {
			for _, n := range list {
				if n(root) {
					return true
				}
			}
			return false
		}
	})
}

func (p *parser) and() (node, error) {
	return p.joined("&&", p.one, func(list []node) node {
		return func(root any) bool {
			for _, n := range list {
				if !n(root) {
					return false
				}
			}
			return true
		}
	})
}

// joined reads parts with a token between them.
func (p *parser) joined(token string, part func() (node, error), join func([]node) node) (node, error) {
	var list []node
	for {
		n, err := part()
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		if !p.take(token) {
			break
		}
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return join(list), nil
}

func (p *parser) one() (node, error) {
	if !p.take("(") {
		return p.comparison()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, syntax("parentheses stand too deep")
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.take(")") {
		return nil, syntax("a parenthesis is not closed")
	}
	p.depth--
	return n, nil
}

func (p *parser) comparison() (node, error) {
	at, err := p.selector()
	if err != nil {
		return nil, err
	}
	test, err := p.test()
	if err != nil {
		return nil, err
	}
	return func(root any) bool { return test(at.find(root)) }, nil
}

// step is one part of a selector: a member, or where name is "" an element.
type step struct {
	name  string
	index int
}

type selector []step

func (p *parser) selector() (s selector, err error) {
	if !p.take("$") {
		return nil, syntax("a selector begins with $")
	}
	for {
		switch {
		case strings.HasPrefix(p.rest, "."):
			end := 1
			for end < len(p.rest) && nameByte(p.rest[end]) {
				end++
			}
			if end == 1 {
				return nil, syntax("a selector has an empty name, or one of characters that are not supported")
			}
			s, p.rest = append(s, step{name: p.rest[1:end]}), p.rest[end:]
		case strings.HasPrefix(p.rest, "["):
			one, err := p.bracket()
			if err != nil {
				return nil, err
			}
			s = append(s, one)
		case len(s) == 0:
			return nil, syntax("a selector names nothing")
		default:
			return s, nil
		}
	}
}

func nameByte(b byte) bool {
	return b == '_' || b == '-' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// bracket reads a part of a selector that stands in brackets.
func (p *parser) bracket() (step, error) {
	end := strings.IndexByte(p.rest, ']')
	if end < 0 {
		return step{}, syntax("a bracket is not closed")
	}
	inner := strings.TrimSpace(p.rest[1:end])
	p.rest = p.rest[end+1:]
	if len(inner) > 2 && inner[0] == '\'' && inner[len(inner)-1] == '\'' {
		return step{name: inner[1 : len(inner)-1]}, nil
	}
	i, err := strconv.ParseUint(inner, 10, 31)
	if err != nil {
		return step{}, syntax("%q is no index of an array", inner)
	}
	return step{index: int(i)}, nil
}

// test reads what is asked of the value that a selector finds.
func (p *parser) test() (func(v any, found bool) bool, error) {
	switch {
	case p.keyword("IS"):
		switch {
		case p.keyword("NULL"):
			return func(v any, found bool) bool { return found && v == nil }, nil
		case p.keyword("TRUE"):
			return func(v any, _ bool) bool { return v == true }, nil
		case p.keyword("FALSE"):
			return func(v any, _ bool) bool { return v == false }, nil
		}
		return nil, syntax("IS is followed by NULL, TRUE or FALSE")
	case p.keyword("EXISTS"):
		return func(_ any, found bool) bool { return found }, nil
	case p.keyword("NOT"):
		if !p.keyword("EXISTS") {
			return nil, syntax("NOT is followed by EXISTS")
		}
		return func(_ any, found bool) bool { return !found }, nil
	}
	for _, operator := range []string{"!=", "<=", ">=", "=", "<", ">"} {
		if p.take(operator) {
			return p.value(operator)
		}
	}
	return nil, syntax("a selector is followed by no comparison")
}

// value reads the right side of a comparison.
func (p *parser) value(operator string) (func(any, bool) bool, error) {
	p.space()
	if strings.HasPrefix(p.rest, `"`) {
		text, rest, err := cutQuoted(p.rest)
		if err != nil {
			return nil, err
		}
		p.rest = rest
		if operator != "=" && operator != "!=" {
			return nil, syntax("%s compares numbers only", operator)
		}
		return compareText(operator, text), nil
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`(){}|&"=<>!`, r) })
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	number, numeric := parseNumber(word)
	switch {
	case word == "":
		return nil, syntax("a comparison has no value")
	case word[0] == '%':
		return nil, syntax("regular expressions are not supported")
	case numeric:
		return compareNumber(operator, word, number), nil
	case operator != "=" && operator != "!=":
		return nil, syntax("%s compares numbers only", operator)
	}
	return compareText(operator, word), nil
}
