package alerts

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/strongroom/strongroom/service/amp/place"
)

// section is a text that stands in a document: its lines and columns are those of the document, less an offset.
type section struct {
	text         string
	line, indent int // of the document before the text; the indentation of each line
	exact        bool
	at           *yaml.Node
}

// newSection says where in a document the text of a scalar stands. Only for literal blocks ("|") is each line known.
func newSection(content []byte, n *yaml.Node) *section {
	if n == nil {
		return new(section)
	}
	s := &section{text: n.Value, at: n}
	lines := strings.Split(string(content), "\n")
	if n.Style&yaml.LiteralStyle == 0 {
		return s
	}
	s.line, s.exact = n.Line, true
	for _, l := range lines[min(n.Line, len(lines)):] {
		if trimmed := strings.TrimLeft(l, " "); strings.TrimSpace(l) != "" {
			s.indent = len(l) - len(trimmed)
			break
		}
	}
	return s
}

// of moves a place of the text into the document.
func (s *section) of(line, column int) (int, int) {
	if !s.exact {
		return s.at.Line, s.at.Column
	}
	return line + s.line, column + s.indent
}

// aboutError is what is wrong with something that has a name: a key or a value in the document.
type aboutError struct {
	name, text string
}

func (e *aboutError) Error() string { return e.text }

func about(name, format string, args ...any) error {
	return &aboutError{name, fmt.Sprintf(format, args...)}
}

var quoted = regexp.MustCompile(`"([^"]+)"`)

// place says where in the document an error about the section belongs.
func (s *section) place(err error) *place.Invalid { return s.placeOf(err, true) }

// placeOf does that too; lines says whether line numbers in the error are those of the section.
func (s *section) placeOf(err error, lines bool) *place.Invalid {
	var named *aboutError
	if errors.As(err, &named) {
		line, column := s.of(s.find([]byte(s.text), named.name))
		return place.At(line, column, "%s", named.text)
	}
	found := place.Of([]byte(s.text), err)
	for i, p := range found.Problems {
		switch {
		case p.Line > 0 && lines:
		case quoted.MatchString(p.Message):
			p.Line, p.Column = s.find([]byte(s.text), quoted.FindStringSubmatch(p.Message)[1])
		default:
			p.Line, p.Column = s.find([]byte(s.text), hint(p.Message))
		}
		p.Line, p.Column = s.of(p.Line, p.Column)
		found.Problems[i] = p
	}
	return found
}

// hint is the key of which a message of Alertmanager speaks that names nothing.
func hint(message string) string {
	for _, key := range []string{"email", "pagerduty", "webhook", "sns"} {
		if strings.Contains(strings.ToLower(message), key) {
			return key + "_configs"
		}
	}
	for _, key := range []string{"smarthost", "SMTP", "receiver", "route"} {
		if strings.Contains(message, key) {
			return map[string]string{"smarthost": "email_configs", "SMTP": "email_configs", "receiver": "receivers", "route": "route"}[key]
		}
	}
	return ""
}

// find returns the place where a key or a value of this name stands last: what refers comes after what is referred to
// as often as before, and a place that is near is better than none.
func (s *section) find(text []byte, name string) (line, column int) {
	line, column = 1, 1
	var doc yaml.Node
	if name == "" || yaml.Unmarshal(text, &doc) != nil {
		return line, column
	}
	seen := make(map[*yaml.Node]bool)
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		if n.Kind == yaml.ScalarNode && n.Value == name {
			line, column = n.Line, n.Column
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(&doc)
	return line, column
}

var templateLine = regexp.MustCompile(`^template: [^:]*:(\d+):(?:(\d+):)? ?`)

// template says where in the document a template is wrong.
func (s *section) template(err error) *place.Invalid {
	text := err.Error()
	line, column := 1, 1
	if m := templateLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		if m[2] != "" {
			column, _ = strconv.Atoi(m[2])
		}
		text = text[len(m[0]):]
	}
	line, column = s.of(line, column)
	return place.At(line, column, "%s", text)
}
