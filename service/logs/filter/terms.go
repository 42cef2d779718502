package filter

import (
	"strings"
	"unicode"
)

// terms are the terms of a pattern, by what stands before them.
type terms struct {
	all, none, any []string
}

// parseTerms reads terms between white space, each a word or a phrase between double quotes.
func parseTerms(text string) (*Pattern, error) {
	var t terms
	for rest := text; rest != ""; rest = strings.TrimLeftFunc(rest, unicode.IsSpace) {
		list := &t.all
		switch rest[0] {
		case '-':
			list, rest = &t.none, rest[1:]
		case '?':
			list, rest = &t.any, rest[1:]
		}
		term, after, err := cutTerm(rest)
		if err != nil {
			return nil, err
		}
		*list, rest = append(*list, term), after
	}
	if len(t.all)+len(t.none) > 0 {
		t.any = nil // beside other terms, those with a question mark do not count (User Guide)
	}
	return &Pattern{t.match}, nil
}

// cutTerm cuts the first term off.
func cutTerm(text string) (term, rest string, err error) {
	if strings.HasPrefix(text, `"`) {
		if term, rest, err = cutQuoted(text); err != nil {
			return "", "", err
		}
		if rest != "" && strings.IndexFunc(rest, unicode.IsSpace) != 0 {
			return "", "", syntax("something stands directly behind a phrase")
		}
		if term == "" {
			return "", "", syntax("a phrase is empty")
		}
		return term, rest, nil
	}
	end := strings.IndexFunc(text, unicode.IsSpace)
	if end < 0 {
		end = len(text)
	}
	term, rest = text[:end], text[end:]
	switch {
	case term == "":
		return "", "", syntax("a term is missing")
	case strings.HasPrefix(term, "%"):
		return "", "", syntax("regular expressions are not supported")
	case strings.IndexFunc(term, special) >= 0:
		return "", "", syntax("the term '%s' has characters that must stand between double quotes", term)
	}
	return term, rest, nil
}

// special reports whether a term that holds r must stand between quotes.
func special(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// cutQuoted reads a string between double quotes, in which a backslash takes the next character as it is.
func cutQuoted(text string) (value, rest string, err error) {
	var b strings.Builder
	escaped := false
	for i, r := range text[1:] {
		switch {
		case escaped:
			b.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == '"':
			return b.String(), text[i+2:], nil
		default:
			b.WriteRune(r)
		}
	}
	return "", "", syntax("a double quote is not closed")
}

func (t *terms) match(message string) bool {
	for _, term := range t.all {
		if !strings.Contains(message, term) {
			return false
		}
	}
	for _, term := range t.none {
		if strings.Contains(message, term) {
			return false
		}
	}
	if len(t.any) == 0 {
		return true
	}
	for _, term := range t.any {
		if strings.Contains(message, term) {
			return true
		}
	}
	return false
}
