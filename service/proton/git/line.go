package git

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxLine is the longest pkt-line there is, with its length (gitprotocol-common, "pkt-line Format").
const maxLine = 65520

// maxRefs bounds how many references a remote may have.
const maxRefs = 200_000

// appendLine appends one pkt-line: four hexadecimal digits of its length, and the text.
func appendLine(b []byte, format string, args ...any) []byte {
	text := fmt.Sprintf(format, args...)
	return fmt.Appendf(b, "%04x%s", len(text)+4, text)
}

// flush is the pkt-line that ends a section.
const flush = "0000"

// readLine reads one pkt-line into buf; the line is nil for a flush. It is valid until the next.
func readLine(r io.Reader, buf []byte) (line []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(string(head[:]), 16, 16)
	if err != nil {
		return nil, errors.New("the remote does not speak Git's protocol")
	}
	switch {
	case n == 0:
		return nil, nil
	case n < 4 || n > maxLine:
		return nil, errors.New("the remote sent a line of an impossible length")
	}
	line = buf[:n-4]
	if _, err := io.ReadFull(r, line); errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, err
	}
	return line, nil
}

// hash is the name of an object.
type hash [20]byte

func (h hash) String() string { return hex.EncodeToString(h[:]) }

// parseHash reads 40 hexadecimal digits.
func parseHash(s string) (h hash, ok bool) {
	if len(s) != 2*len(h) {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(s))
	return h, err == nil
}

// advertisement is what a remote says first: its references, and what it can do.
type advertisement struct {
	refs map[string]hash
	can  map[string]string // capability -> its value, if it has one
}

// able reports whether the remote has a capability.
func (a *advertisement) able(name string) bool {
	_, ok := a.can[name]
	return ok
}

// branch returns the tip of a branch.
func (a *advertisement) branch(name string) (hash, bool) {
	h, ok := a.refs["refs/heads/"+name]
	return h, ok
}

// readAdvertisement reads what upload-pack and receive-pack say first (gitprotocol-pack,
// "Reference Discovery"); overHTTP, a line with the name of the service stands before it.
func readAdvertisement(r io.Reader, overHTTP bool) (*advertisement, error) {
	buf := make([]byte, maxLine)
	if overHTTP {
		for _, begins := range []string{"# service=", ""} { // then a flush
			line, err := readLine(r, buf)
			if err != nil {
				return nil, ended(err)
			}
			if (line == nil) != (begins == "") || !strings.HasPrefix(string(line), begins) {
				return nil, errors.New("the remote does not speak Git's protocol")
			}
		}
	}
	a := &advertisement{refs: make(map[string]hash), can: make(map[string]string)}
	for first := true; ; first = false {
		line, err := readLine(r, buf)
		if first && errors.Is(err, io.EOF) { // its program did not start, whoever asks again
			return nil, errors.New("the remote ended the connection without a word")
		}
		if err != nil {
			return nil, ended(err)
		}
		if line == nil {
			return a, a.check()
		}
		if err := a.add(strings.TrimSuffix(string(line), "\n"), first); err != nil {
			return nil, err
		}
	}
}

// add takes one line of an advertisement.
func (a *advertisement) add(line string, first bool) error {
	if text, ok := strings.CutPrefix(line, "ERR "); ok {
		return fmt.Errorf("the remote says: %s", sentence(text))
	}
	if first {
		var can string
		line, can, _ = strings.Cut(line, "\x00")
		for _, word := range strings.Fields(can) {
			name, value, _ := strings.Cut(word, "=")
			a.can[name] = value
		}
	}
	name, ref, ok := strings.Cut(line, " ")
	if name == "shallow" {
		return nil
	}
	h, good := parseHash(name)
	if !ok || !good {
		return errors.New("the remote sent a reference that cannot be read")
	}
	if ref == "capabilities^{}" {
		return nil
	}
	if len(a.refs) == maxRefs {
		return fmt.Errorf("the remote has more than %d references", maxRefs)
	}
	a.refs[ref] = h
	return nil
}

func (a *advertisement) check() error {
	if format, ok := a.can["object-format"]; ok && format != "sha1" {
		return fmt.Errorf("the repository names objects by %s, and only SHA-1 is supported", sentence(format))
	}
	return nil
}

// ended words an end of a stream that came too early, which may not happen again.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &passingError{errors.New("the remote ended the connection too early")}
	}
	return err
}

// maxSentence bounds what is quoted of a remote.
const maxSentence = 300

// sentence makes what a remote said fit for one line of a status message.
func sentence(s string) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))), " ")
	if len(s) > maxSentence {
		s = strings.ToValidUTF8(s[:maxSentence], "") + "..."
	}
	return s
}
