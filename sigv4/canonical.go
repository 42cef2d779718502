package sigv4

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// scratch holds the buffers of one signature, so that a verification allocates nothing for its text.
type scratch struct {
	text  []byte // the canonical request, then the string to sign
	query []byte // encoded parameters in the order they came
	pairs []pair
	sum   [32]byte
	hex   [64]byte
}

// pair is one encoded parameter: query[name:value-1] and query[value:end], with the equals sign between them.
type pair struct{ name, value, end int }

var scratches = sync.Pool{New: func() any { return &scratch{text: make([]byte, 0, 2048), query: make([]byte, 0, 512)} }}

// release gives the buffers back, but for those that an unusual request has made large.
func (s *scratch) release() {
	if cap(s.text) <= 64<<10 && cap(s.query) <= 64<<10 && cap(s.pairs) <= 1024 {
		scratches.Put(s)
	}
}

const upperHex = "0123456789ABCDEF"

// unreserved are the bytes that stay as they are (RFC 3986, section 2.3).
var unreserved = func() (t [256]bool) {
	for c := range 256 {
		b := byte(c)
		t[c] = b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || strings.IndexByte("-._~", b) >= 0
	}
	return t
}()

func appendEscaped(dst []byte, c byte) []byte {
	if unreserved[c] {
		return append(dst, c)
	}
	return append(dst, '%', upperHex[c>>4], upperHex[c&15])
}

// unhex returns the byte that the escape at s[i:] stands for. ok is false when it is broken.
func unhex(s string, i int) (c byte, ok bool) {
	if i+2 >= len(s) {
		return 0, false
	}
	hi, ok1 := nibble(s[i+1])
	lo, ok2 := nibble(s[i+2])
	return hi<<4 | lo, ok1 && ok2
}

func nibble(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// unescape decodes a name or value of a query as net/url does.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '+':
			out = append(out, ' ')
		case '%':
			b, ok := unhex(s, i)
			if !ok {
				return "", &Error{Kind: InvalidURI}
			}
			out = append(out, b)
			i += 2
		default:
			out = append(out, c)
		}
	}
	return string(out), nil
}

// target returns path and query as they stand on the request line. A server's request keeps that line; a
// client's makes it of its URL.
func target(r *http.Request) (path, rawQuery string) {
	if strings.HasPrefix(r.RequestURI, "/") {
		path, rawQuery, _ = strings.Cut(r.RequestURI, "?")
		return path, rawQuery
	}
	return r.URL.EscapedPath(), r.URL.RawQuery
}

// appendPathOnce appends S3's form: decoded and encoded again, nothing removed.
func appendPathOnce(dst []byte, path string) ([]byte, error) {
	if path == "" {
		return append(dst, '/'), nil
	}
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '/' {
			dst = append(dst, '/')
			continue
		}
		if c == '%' {
			var ok bool
			if c, ok = unhex(path, i); !ok {
				return dst, &Error{Kind: InvalidURI}
			}
			i += 2
		}
		dst = appendEscaped(dst, c)
	}
	return dst, nil
}

// appendPathTwice appends every other service's form: without dot segments (RFC 3986, section 5.2.4) and empty segments,
// and with the escapes that the client sent escaped again.
func appendPathTwice(dst []byte, path string) []byte {
	start := len(dst)
	dst = append(dst, '/')
	for rest := path; rest != ""; {
		var segment string
		segment, rest, _ = strings.Cut(rest, "/")
		switch segment {
		case "", ".":
			continue
		case "..":
			// Each segment was appended with its slash: take the last one away, but never the root.
			if len(dst) > start+1 {
				dst = dst[:start+bytes.LastIndexByte(dst[start:len(dst)-1], '/')+1]
			}
			continue
		}
		for i := range len(segment) {
			dst = appendEscaped(dst, segment[i])
		}
		dst = append(dst, '/')
	}
	if len(dst) > start+1 && !strings.HasSuffix(path, "/") {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// appendQuery appends the parameters decoded, encoded again and sorted by name, then by value, both in their encoded
// form. without names parameters that are left out: the signature itself, and a token that was added after signing.
func (s *scratch) appendQuery(rawQuery string, without ...string) error {
	s.query, s.pairs = s.query[:0], s.pairs[:0]
	for rest := rawQuery; rest != ""; {
		var param string
		param, rest, _ = strings.Cut(rest, "&")
		if param == "" {
			continue
		}
		name, value, _ := strings.Cut(param, "=")
		p := pair{name: len(s.query)}
		if err := s.encode(name); err != nil {
			return err
		}
		if len(without) > 0 && slices.Contains(without, string(s.query[p.name:])) {
			s.query = s.query[:p.name]
			continue
		}
		s.query = append(s.query, '=')
		p.value = len(s.query)
		if err := s.encode(value); err != nil {
			return err
		}
		p.end = len(s.query)
		s.pairs = append(s.pairs, p)
	}
	slices.SortFunc(s.pairs, s.compare)
	for i, p := range s.pairs {
		if i > 0 {
			s.text = append(s.text, '&')
		}
		s.text = append(s.text, s.query[p.name:p.end]...)
	}
	return nil
}

func (s *scratch) compare(a, b pair) int {
	return cmp.Or(
		bytes.Compare(s.query[a.name:a.value-1], s.query[b.name:b.value-1]),
		bytes.Compare(s.query[a.value:a.end], s.query[b.value:b.end]),
	)
}

// encode appends a name or value to s.query. It refuses what net/url would drop or read otherwise, since the
// service would then act on another query than the one that was signed.
func (s *scratch) encode(part string) error {
	for i := 0; i < len(part); i++ {
		c := part[i]
		switch c {
		case '+':
			c = ' '
		case ';':
			return &Error{Kind: InvalidURI}
		case '%':
			var ok bool
			if c, ok = unhex(part, i); !ok {
				return &Error{Kind: InvalidURI}
			}
			i += 2
		}
		s.query = appendEscaped(s.query, c)
	}
	return nil
}

// appendHeaders appends "name:value" lines. It reports false when a header that was signed is not there.
func (s *scratch) appendHeaders(r *http.Request, names []string) bool {
	for _, name := range names {
		s.text = append(s.text, name...)
		s.text = append(s.text, ':')
		if name == "host" {
			s.text = appendTrimmed(s.text, hostOf(r))
			s.text = append(s.text, '\n')
			continue
		}
		values := headerValues(r, name)
		switch {
		case len(values) > 0:
			for i, v := range values {
				if i > 0 {
					s.text = append(s.text, ',')
				}
				s.text = appendTrimmed(s.text, v)
			}
		case name == "content-length" && r.ContentLength >= 0:
			s.text = strconv.AppendInt(s.text, r.ContentLength, 10)
		case name == "transfer-encoding" && len(r.TransferEncoding) > 0:
			s.text = append(s.text, strings.Join(r.TransferEncoding, ",")...)
		default:
			return false
		}
		s.text = append(s.text, '\n')
	}
	return true
}

func hostOf(r *http.Request) string {
	if r.Host != "" {
		return r.Host
	}
	return r.URL.Host
}

// headerValues looks up a lower-case name without allocating its canonical form.
func headerValues(r *http.Request, name string) []string {
	var buf [64]byte
	if len(name) > len(buf) {
		return r.Header[http.CanonicalHeaderKey(name)]
	}
	key := append(buf[:0], name...)
	upper := true
	for i, c := range key {
		if upper && c >= 'a' && c <= 'z' {
			key[i] = c - 'a' + 'A'
		}
		upper = c == '-'
	}
	return r.Header[string(key)]
}

// appendTrimmed appends v without spaces at its ends and with runs of spaces made one.
func appendTrimmed(dst []byte, v string) []byte {
	v = strings.Trim(v, " \t")
	if !strings.Contains(v, "  ") {
		return append(dst, v...)
	}
	for i := range len(v) {
		if v[i] != ' ' || v[i-1] != ' ' {
			dst = append(dst, v[i])
		}
	}
	return dst
}

// canonical is what of a request goes into its canonical form beside method, path and query.
type canonical struct {
	s3      bool
	names   []string // signed headers, ascending
	list    string   // the same, joined by semicolons
	payload string
	without []string // parameters that are not part of the signed query
}

// appendRequest writes the canonical request into s.text. complete is false when a signed header is missing.
func (s *scratch) appendRequest(r *http.Request, c canonical) (complete bool, err error) {
	path, rawQuery := target(r)
	s.text = append(append(s.text[:0], r.Method...), '\n')
	if c.s3 {
		if s.text, err = appendPathOnce(s.text, path); err != nil {
			return false, err
		}
	} else {
		s.text = appendPathTwice(s.text, path)
	}
	s.text = append(s.text, '\n')
	if err := s.appendQuery(rawQuery, c.without...); err != nil {
		return false, err
	}
	s.text = append(s.text, '\n')
	complete = s.appendHeaders(r, c.names)
	s.text = append(append(s.text, '\n'), c.list...)
	s.text = append(append(s.text, '\n'), c.payload...)
	return complete, nil
}

// appendStringToSign replaces s.text by the string to sign whose last line is the hash sum.
func (s *scratch) appendStringToSign(timestamp, scope string, sum [32]byte) {
	s.text = append(append(s.text[:0], algorithm...), '\n')
	s.text = append(append(s.text, timestamp...), '\n')
	s.text = append(append(s.text, scope...), '\n')
	s.text = hex.AppendEncode(s.text, sum[:])
}
