// Package filter is the language of filter patterns: what FilterLogEvents looks for in events.
//
// Two forms of it are here ("Filter pattern syntax", CloudWatch Logs User Guide):
//
//	ERROR "not found" -DEBUG                     terms: all of them, in any order; what follows - must not be there
//	?ERROR ?WARN                                 any of them
//	{ ($.status >= 500) && ($.path = "/a*") }    selectors of JSON: comparisons joined by && and ||, in parentheses
//
// Terms and values compare as they are written, with letter case; a term is found anywhere in an event. The patterns between
// brackets, for events of columns, and regular expressions between percent signs are refused.
//
// # Map
//
//	filter.go    Pattern, Parse and Match
//	terms.go     patterns of terms
//	json.go      the grammar of JSON patterns
//	compare.go   what a JSON pattern says of an event
package filter

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxPattern is the longest pattern in characters, and maxDepth how deep parentheses may stand.
const (
	MaxPattern = 1024
	maxDepth   = 64
)

// ErrSyntax is wrapped by what Parse says of a pattern that is malformed, or of a form that is not here.
var ErrSyntax = errors.New("invalid filter pattern")

// Pattern is a pattern that has been understood. It is immutable, and may be used by many goroutines.
type Pattern struct {
	match func(message string) bool
}

// Parse understands a pattern. The empty one matches every event. Every error wraps ErrSyntax.
func Parse(text string) (*Pattern, error) {
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > MaxPattern {
		return nil, syntax("it has more than %d characters, or they are not UTF-8", MaxPattern)
	}
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "":
		return &Pattern{func(string) bool { return true }}, nil
	case trimmed[0] == '{':
		return parseJSON(trimmed)
	case trimmed[0] == '[':
		return nil, syntax("patterns of columns, between brackets, are not supported")
	}
	return parseTerms(trimmed)
}

// Match reports whether an event matches.
func (p *Pattern) Match(message string) bool { return p.match(message) }

func syntax(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSyntax, fmt.Sprintf(format, args...))
}
