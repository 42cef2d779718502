// Package place says where in a YAML document something is wrong, as line and column, whatever the reader of the
// document told about it.
package place

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// maxProblems is how many problems of a document are told.
const maxProblems = 10

// Problem is something that is wrong with a document. Line and column count from 1; 0 where no place is known.
type Problem struct {
	Line, Column int
	Message      string
}

// String returns the problem as "3:7: what is wrong".
func (p Problem) String() string {
	if p.Line <= 0 {
		return p.Message
	}
	return fmt.Sprintf("%d:%d: %s", p.Line, max(p.Column, 1), p.Message)
}

// Invalid is an error that consists of problems.
type Invalid struct{ Problems []Problem }

// Error returns the problems, one after the other.
func (e *Invalid) Error() string {
	parts := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		parts = append(parts, p.String())
	}
	return strings.Join(parts, "; ")
}

// At returns an Invalid with one problem.
func At(line, column int, format string, args ...any) *Invalid {
	return &Invalid{[]Problem{{line, column, fmt.Sprintf(format, args...)}}}
}

var (
	placed   = regexp.MustCompile(`^(\d+):(\d+): (?:\d+:\d+: )?`)
	numbered = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)
	field    = regexp.MustCompile(`^(?:field|key) "?([^"\s]+)"? (?:not found|already set)`)
	typeName = regexp.MustCompile(` (?:not found|already set) in (?:type|map) ?\S*$`)
	goType   = regexp.MustCompile(` into (?:\S+\.\S+|\*?struct .*)$`)
)

// Of makes problems of what YAML readers, and those who read rules, say about a document: each error may hold
// several. Those that are said twice are told once.
func Of(document []byte, errs ...error) *Invalid {
	lines := strings.Split(string(document), "\n")
	out := new(Invalid)
	seen := make(map[Problem]bool)
	for _, err := range errs {
		for _, text := range split(err.Error()) {
			p := locate(lines, text)
			if p.Message == "" || seen[p] || len(out.Problems) == maxProblems {
				continue
			}
			seen[p] = true
			out.Problems = append(out.Problems, p)
		}
	}
	return out
}

// split takes apart what YAML readers put into one error.
func split(text string) []string {
	rest, many := strings.CutPrefix(text, "yaml: unmarshal errors:\n")
	if !many {
		return []string{text}
	}
	return strings.Split(rest, "\n")
}

// locate finds the place of which a message speaks, and takes it out of the words.
func locate(lines []string, text string) Problem {
	text = strings.TrimSpace(text)
	if m := placed.FindStringSubmatch(text); m != nil {
		line, _ := strconv.Atoi(m[1])
		column, _ := strconv.Atoi(m[2])
		return Problem{line, column, text[len(m[0]):]}
	}
	m := numbered.FindStringSubmatch(text)
	if m == nil {
		return Problem{Message: strings.TrimPrefix(text, "yaml: ")}
	}
	line, _ := strconv.Atoi(m[1])
	text = text[len(m[0]):]
	text = goType.ReplaceAllString(text, " here")
	line = min(max(line, 1), len(lines))
	return Problem{line, column(lines[line-1], text), typeName.ReplaceAllString(text, unknown(text))}
}

// unknown words what is wrong with a field, without the names of Go's types.
func unknown(text string) string {
	if strings.Contains(text, "already set") {
		return " appears twice"
	}
	return " is not known"
}

// column is where on a line the thing stands of which a message speaks: the field that it names, or else the
// first character.
func column(line, text string) int {
	if m := field.FindStringSubmatch(text); m != nil {
		if at := strings.Index(line, m[1]); at >= 0 {
			return at + 1
		}
	}
	return len(line) - len(strings.TrimLeft(line, " \t")) + 1
}
