package xmlbody

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/strongroom/strongroom/wire/plan"
)

var (
	errSyntax  = errors.New("malformed XML")
	errEnd     = errors.New("unexpected end of XML")
	errDoctype = errors.New("XML with a document type is not taken")
	errCharset = errors.New("XML is not valid UTF-8")
	errDepth   = errors.New("XML is nested too deeply")
	errAttrs   = errors.New("XML element has too many attributes")
)

// maxAttrs bounds the attributes of an element; duplicates are found by comparing all.
const maxAttrs = 32

// token is what the scanner read.
type token uint8

const (
	start token = iota + 1 // name and attrs are set; an empty element is followed by an end
	end                    // name is set
	text                   // text is set, entities replaced
	eof
)

// attr is an attribute of the element that the scanner stands on.
type attr struct {
	name  string
	value string
}

// scanner reads XML 1.0 (fifth edition) less document types, and so less entities
// beyond the five: a document means what it says and is never larger than it looks.
// It checks that tags match and that there is one root. Namespaces stay as written.
type scanner struct {
	data  []byte
	pos   int
	open  []string // names of the open elements
	empty bool     // the element just read was <a/>: its end comes next
	root  bool     // the root has been seen
	name  string
	attrs []attr
	text  string
}

func newScanner(data []byte) (*scanner, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return nil, errCharset
	}
	return &scanner{data: data}, nil
}

// next reads a token. Comments and processing instructions are read over.
func (s *scanner) next() (token, error) {
	if s.empty {
		s.empty = false
		return s.pop(s.name)
	}
	for s.pos < len(s.data) {
		if s.data[s.pos] != '<' || s.has("<![CDATA[") {
			t, err := s.chars()
			if t != 0 || err != nil {
				return t, err
			}
			continue
		}
		switch {
		case s.has("<!--"):
			if err := s.comment(); err != nil {
				return 0, err
			}
		case s.has("<?"):
			if err := s.instruction(); err != nil {
				return 0, err
			}
		case s.has("</"):
			return s.endTag()
		case s.has("<!"):
			return 0, errDoctype
		default:
			return s.element()
		}
	}
	if len(s.open) > 0 || !s.root {
		return 0, errEnd
	}
	return eof, nil
}

// endTag reads an end tag.
func (s *scanner) endTag() (token, error) {
	s.pos += 2
	name, err := s.qname()
	if err != nil {
		return 0, err
	}
	s.space()
	if !s.has(">") {
		return 0, errSyntax
	}
	s.pos++
	return s.pop(name)
}

func (s *scanner) has(prefix string) bool {
	return bytes.HasPrefix(s.data[s.pos:], []byte(prefix))
}

func (s *scanner) space() bool {
	from := s.pos
	for s.pos < len(s.data) && isSpace(s.data[s.pos]) {
		s.pos++
	}
	return s.pos > from
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// pop ends the innermost element, which must have this name.
func (s *scanner) pop(name string) (token, error) {
	n := len(s.open) - 1
	if n < 0 || s.open[n] != name {
		return 0, errSyntax
	}
	s.open, s.name = s.open[:n], name
	return end, nil
}

// qname reads a name. It takes all letters beyond ASCII, more than the standard does.
func (s *scanner) qname() (string, error) {
	from := s.pos
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':' || c >= utf8.RuneSelf ||
			s.pos > from && (c >= '0' && c <= '9' || c == '-' || c == '.') {
			s.pos++
			continue
		}
		break
	}
	if s.pos == from {
		return "", errSyntax
	}
	return string(s.data[from:s.pos]), nil
}

// element reads a start tag.
func (s *scanner) element() (token, error) {
	s.pos++
	name, err := s.qname()
	if err != nil {
		return 0, err
	}
	if len(s.open) == 0 && s.root {
		return 0, errSyntax // a second root
	}
	if len(s.open) >= plan.MaxDepth+2 {
		return 0, errDepth
	}
	s.root, s.name, s.attrs = true, name, s.attrs[:0]
	for {
		spaced := s.space()
		switch {
		case s.has(">"):
			s.pos++
			s.open = append(s.open, name)
			return start, nil
		case s.has("/>"):
			s.pos += 2
			s.open = append(s.open, name)
			s.empty = true
			return start, nil
		case !spaced:
			return 0, errSyntax
		}
		if err := s.attribute(); err != nil {
			return 0, err
		}
	}
}

func (s *scanner) attribute() error {
	name, err := s.qname()
	if err != nil {
		return err
	}
	s.space()
	if !s.has("=") {
		return errSyntax
	}
	s.pos++
	s.space()
	if !s.has(`"`) && !s.has("'") {
		return errSyntax
	}
	quote := s.data[s.pos]
	s.pos++
	n := bytes.IndexByte(s.data[s.pos:], quote)
	if n < 0 {
		return errEnd
	}
	raw := s.data[s.pos : s.pos+n]
	s.pos += n + 1
	if bytes.IndexByte(raw, '<') >= 0 {
		return errSyntax
	}
	value, err := expand(raw, true)
	if err != nil {
		return err
	}
	for _, a := range s.attrs {
		if a.name == name {
			return errSyntax
		}
	}
	if len(s.attrs) == maxAttrs {
		return errAttrs
	}
	s.attrs = append(s.attrs, attr{name, value})
	return nil
}

// chars reads character data or a CDATA section.
func (s *scanner) chars() (token, error) {
	var raw []byte
	cdata := s.has("<![CDATA[")
	if cdata {
		s.pos += len("<![CDATA[")
		n := bytes.Index(s.data[s.pos:], []byte("]]>"))
		if n < 0 {
			return 0, errEnd
		}
		raw = s.data[s.pos : s.pos+n]
		s.pos += n + len("]]>")
	} else {
		n := bytes.IndexByte(s.data[s.pos:], '<')
		if n < 0 {
			n = len(s.data) - s.pos
		}
		raw = s.data[s.pos : s.pos+n]
		s.pos += n
	}
	if len(s.open) == 0 {
		if cdata || len(bytes.TrimLeft(raw, " \t\r\n")) > 0 {
			return 0, errSyntax // text outside the root
		}
		return 0, nil
	}
	var err error
	if cdata {
		s.text, err = plain(raw)
	} else if bytes.Contains(raw, []byte("]]>")) {
		err = errSyntax
	} else {
		s.text, err = expand(raw, false)
	}
	return text, err
}

func (s *scanner) comment() error {
	s.pos += len("<!--")
	n := bytes.Index(s.data[s.pos:], []byte("--"))
	if n < 0 {
		return errEnd
	}
	s.pos += n + 2
	if !s.has(">") {
		return errSyntax
	}
	s.pos++
	return nil
}

// instruction reads over a processing instruction or the XML declaration, which
// must not name another encoding.
func (s *scanner) instruction() error {
	from := s.pos
	n := bytes.Index(s.data[s.pos:], []byte("?>"))
	if n < 0 {
		return errEnd
	}
	s.pos += n + 2
	decl := string(s.data[from : from+n])
	if !strings.HasPrefix(decl, "<?xml") || len(decl) > 5 && !isSpace(decl[5]) {
		return nil
	}
	if s.root || len(bytes.TrimSpace(s.data[:from])) > 0 {
		return errSyntax // the declaration must come first
	}
	_, enc, ok := strings.Cut(decl, "encoding")
	if !ok {
		return nil
	}
	enc = strings.Trim(strings.TrimLeft(enc, " \t\r\n="), " \t\r\n")
	if len(enc) < 2 || !strings.EqualFold(enc[1:len(enc)-1], "utf-8") && !strings.HasPrefix(strings.ToLower(enc[1:]), "utf-8"+enc[:1]) {
		return errCharset
	}
	return nil
}

// expand replaces character references and the five entities in raw, and ends of
// lines as the standard says. In attributes white space becomes a space.
func expand(raw []byte, inAttr bool) (string, error) {
	if bytes.IndexByte(raw, '&') < 0 && !inAttr {
		return plain(raw)
	}
	var b strings.Builder
	b.Grow(len(raw))
	for len(raw) > 0 {
		n := bytes.IndexByte(raw, '&')
		if n < 0 {
			n = len(raw)
		}
		piece, err := plain(raw[:n])
		if err != nil {
			return "", err
		}
		if inAttr {
			piece = strings.NewReplacer("\t", " ", "\n", " ").Replace(piece)
		}
		b.WriteString(piece)
		if raw = raw[n:]; len(raw) == 0 {
			break
		}
		semi := bytes.IndexByte(raw, ';')
		if semi < 0 || semi > 12 {
			return "", errSyntax
		}
		r, err := reference(string(raw[1:semi]))
		if err != nil {
			return "", err
		}
		b.WriteRune(r)
		raw = raw[semi+1:]
	}
	return b.String(), nil
}

// reference returns the character that an entity or character reference stands for.
func reference(name string) (rune, error) {
	switch name {
	case "amp":
		return '&', nil
	case "lt":
		return '<', nil
	case "gt":
		return '>', nil
	case "quot":
		return '"', nil
	case "apos":
		return '\'', nil
	}
	digits, ok := strings.CutPrefix(name, "#")
	if !ok {
		return 0, errSyntax
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	if err != nil || !referable(rune(n)) {
		return 0, errSyntax
	}
	return rune(n), nil
}

// referable reports whether a reference may stand for r. Control characters are
// taken although XML 1.0 forbids them: S3 clients send them for keys that hold
// such, and S3 takes and writes them.
func referable(r rune) bool { return r > 0 && utf8.ValidRune(r) && r != 0xfffe && r != 0xffff }

// plain returns raw, which has no references, with ends of lines made one (section
// 2.11) and forbidden characters refused (section 2.2).
func plain(raw []byte) (string, error) {
	returns := false
	for i, c := range raw {
		switch {
		case c >= 0x20:
			if c == 0xef && i+2 < len(raw) && raw[i+1] == 0xbf && raw[i+2] >= 0xbe { // U+FFFE, U+FFFF
				return "", errSyntax
			}
		case c == '\r':
			returns = true
		case c != '\t' && c != '\n':
			return "", errSyntax
		}
	}
	if !returns {
		return string(raw), nil
	}
	return strings.ReplaceAll(strings.ReplaceAll(string(raw), "\r\n", "\n"), "\r", "\n"), nil
}
