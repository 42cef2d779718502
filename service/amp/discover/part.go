package discover

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// part is the values of a label that begin with a prefix and then a letter from a range. The zero part is all of them.
type part struct {
	prefix   string
	from, to rune
	kind     uint8
}

const (
	whole   uint8 = iota
	ranged        // the prefix and a letter from the range
	exactly       // the prefix itself
)

// selector selects the series with such values, or "" for all.
func (p part) selector(label string) string {
	switch p.kind {
	case exactly:
		return fmt.Sprintf("{%s=%s}", strconv.Quote(label), strconv.Quote(p.prefix))
	case whole:
		return ""
	}
	return fmt.Sprintf("{%s=~%s}", strconv.Quote(label), strconv.Quote(fmt.Sprintf(`%s[\x{%x}-\x{%x}].*`, regexp.QuoteMeta(p.prefix), p.from, p.to)))
}

// has reports whether a value is in the part.
func (p part) has(value string) bool {
	rest, ok := strings.CutPrefix(value, p.prefix)
	if p.kind != ranged {
		return ok && (p.kind == whole || rest == "")
	}
	r, n := utf8.DecodeRuneInString(rest)
	return ok && n > 0 && r >= p.from && r <= p.to
}

// split returns smaller parts that are the same together, where some says what values there are, not all of them. Each has less in it than the whole.
func (p part) split(some []string) []part {
	if p.kind == whole {
		p = part{kind: ranged, to: unicode.MaxRune}
	}
	if p.from == p.to {
		longer := p.prefix + string(p.from)
		return []part{{prefix: longer, kind: exactly}, {prefix: longer, to: unicode.MaxRune, kind: ranged}}
	}
	next := make([]rune, 0, len(some))
	for _, v := range some {
		if p.has(v) {
			r, _ := utf8.DecodeRuneInString(v[len(p.prefix):])
			next = append(next, r)
		}
	}
	slices.Sort(next)
	cut := p.from + (p.to-p.from)/2 + 1
	if len(next) > 0 {
		least, middle, most := next[0], next[len(next)/2], next[len(next)-1]
		switch {
		case least == most: // all begin alike
			return p.around(least)
		case middle > least:
			cut = middle
		default:
			cut = least + 1
		}
	}
	return []part{{p.prefix, p.from, cut - 1, ranged}, {p.prefix, cut, p.to, ranged}}
}

// around parts what begins with one letter from what is before and behind it.
func (p part) around(r rune) []part {
	parts := []part{{p.prefix, r, r, ranged}}
	if r > p.from {
		parts = append(parts, part{p.prefix, p.from, r - 1, ranged})
	}
	if r < p.to {
		parts = append(parts, part{p.prefix, r + 1, p.to, ranged})
	}
	return parts
}
