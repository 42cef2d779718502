package main

import (
	"fmt"
	"strings"
	"unicode"
)

// exported is the Go spelling of a shape's or member's name: the model's, with its
// first letter raised and what Go does not allow in a name taken out.
func exported(name string) string {
	var b strings.Builder
	up := true
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			up = true
		case up:
			b.WriteRune(unicode.ToUpper(r))
			up = false
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// constant is the Go name of an enum's value: the type's name, then the value's
// words, each with a capital first; words all in capitals are lowered.
// KeySpec and ECC_NIST_P256 make KeySpecEccNistP256.
func constant(typeName, value string) string {
	words := strings.FieldsFunc(value, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	var b strings.Builder
	b.WriteString(typeName)
	for i, w := range words {
		if i > 0 && isDigit(w[0]) && isDigit(words[i-1][len(words[i-1])-1]) {
			b.WriteByte('_') // 1_25 and 12_5 stay two names
		}
		if strings.ToUpper(w) == w {
			w = strings.ToLower(w)
		}
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return b.String()
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// scope hands out the names of a package, each once.
type scope map[string]string

// take reserves name for what, or the first free of the alternatives.
func (s scope) take(what, name string, alternatives ...string) (string, error) {
	for _, n := range append([]string{name}, alternatives...) {
		if _, used := s[n]; !used {
			s[n] = what
			return n, nil
		}
	}
	return "", fmt.Errorf("%s cannot be named %s: that is %s", what, name, s[name])
}
