package kms

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// prettyPolicy prints a policy the way AWS does: the members of an object on lines of their own,
// a space before and after each colon, lists on one line. Nothing but white space changes, and
// the principals, which are called what names says.
func prettyPolicy(text []byte, names map[string]string) (string, error) {
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber() // so that numbers stay as they were written
	p := printer{in: in, names: names}
	if err := p.value(false); err != nil {
		return "", internal("text of a policy: %w", err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return "", internal("text of a policy goes on after its end")
	}
	return p.out.String(), nil
}

// printer copies JSON from in to out.
type printer struct {
	in    *json.Decoder
	out   strings.Builder
	depth int
	names map[string]string
}

// value copies one value. principal says that it stands in a Principal or NotPrincipal element.
func (p *printer) value(principal bool) error {
	token, err := p.in.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		return p.object(principal)
	case json.Delim('['):
		return p.list(principal)
	}
	if name, ok := token.(string); ok && principal && p.names[name] != "" {
		token = p.names[name]
	}
	return p.scalar(token)
}

func (p *printer) object(principal bool) error {
	p.depth++
	p.out.WriteByte('{')
	comma := ""
	for ; p.in.More(); comma = "," {
		p.out.WriteString(comma)
		p.line()
		name, err := p.in.Token()
		if err != nil {
			return err
		}
		if err := p.scalar(name); err != nil {
			return err
		}
		p.out.WriteString(" : ")
		// Only statements, which lie in the list or object below the outermost one, have principals.
		if err := p.value(principal || p.depth == 2 && (name == "Principal" || name == "NotPrincipal")); err != nil {
			return err
		}
	}
	p.depth--
	if comma == "" {
		p.out.WriteByte(' ')
	} else {
		p.line()
	}
	p.out.WriteByte('}')
	_, err := p.in.Token()
	return err
}

func (p *printer) list(principal bool) error {
	p.out.WriteString("[ ")
	for comma := ""; p.in.More(); comma = ", " {
		p.out.WriteString(comma)
		if err := p.value(principal); err != nil {
			return err
		}
	}
	if s := p.out.String(); !strings.HasSuffix(s, "[ ") {
		p.out.WriteByte(' ')
	}
	p.out.WriteByte(']')
	_, err := p.in.Token()
	return err
}

// line begins a new line at the depth.
func (p *printer) line() {
	p.out.WriteByte('\n')
	for range p.depth {
		p.out.WriteString("  ")
	}
}

// scalar prints a string, number, boolean or null.
func (p *printer) scalar(token json.Token) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(token); err != nil {
		return err
	}
	p.out.Write(bytes.TrimSuffix(b.Bytes(), []byte{'\n'}))
	return nil
}
