package main

import (
	"fmt"
	"regexp"
	"strconv"
)

// javaEscape is Java's escape for a UTF-16 unit, or an escaped backslash before a
// plain u, which is none.
var javaEscape = regexp.MustCompile(`\\\\|\\u[0-9A-Fa-f]{4}`)

// goPattern is a shape's pattern for package regexp. Java's \uXXXX is translated;
// what else RE2 does not understand (look-ahead, surrogates) has to be said again in
// the patch, as goPattern.
func (s *shape) goPattern() (string, error) {
	pattern := s.GoPattern
	if pattern == "" {
		var err error
		if pattern, err = translate(s.Pattern); err != nil {
			return "", err
		}
	}
	if _, err := regexp.Compile(`\A(?:` + pattern + `)\z`); err != nil {
		return "", fmt.Errorf("write a goPattern for %s: %w", s.Pattern, err)
	}
	return pattern, nil
}

func translate(pattern string) (string, error) {
	var surrogate error
	out := javaEscape.ReplaceAllStringFunc(pattern, func(e string) string {
		if e == `\\` {
			return e
		}
		if unit, err := strconv.ParseUint(e[2:], 16, 16); err != nil || unit >= 0xD800 && unit < 0xE000 {
			surrogate = fmt.Errorf("write a goPattern for %s: %s is half a character", pattern, e)
		}
		return `\x{` + e[2:] + `}`
	})
	return out, surrogate
}
