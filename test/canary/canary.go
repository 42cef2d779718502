// Package canary looks for things that must not be found: what went into a house as names,
// contents or secrets, anywhere in the bytes that came out of it or lie on its disk.
//
// A canary is looked for as it is, in base64 (both alphabets, at every alignment), in
// hexadecimal (both cases) and, where it is text, in UTF-16 (both orders).
package canary

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// shortest is the fewest bytes of a canary; a shorter one would be found by chance.
const shortest = 12

// head is how many bytes of each form are looked up first.
const head = 8

// Hunt is a set of canaries to look for. The zero value has none. It is for one goroutine
// while canaries are added, and for any afterwards.
type Hunt struct {
	forms map[uint64][]form // by their first bytes
	first [1 << 16]bool     // the first two bytes of any form
}

// form is a canary as it may have been written.
type form struct {
	name, encoding string
	bytes          []byte
}

// Add adds a canary, which has 12 bytes or more; it panics for less. A finding is reported
// under the name, never with the value.
func (h *Hunt) Add(name string, value []byte) {
	if len(value) < shortest {
		panic(fmt.Sprintf("canary %s has only %d bytes", name, len(value)))
	}
	h.add(name, "as it is", value)
	h.add(name, "hex", []byte(hex.EncodeToString(value)))
	h.add(name, "HEX", []byte(strings.ToUpper(hex.EncodeToString(value))))
	for shift := range 3 {
		h.add(name, "base64", aligned(base64.RawStdEncoding, value, shift))
		h.add(name, "base64url", aligned(base64.RawURLEncoding, value, shift))
	}
	if utf8.Valid(value) {
		var little, big []byte
		for _, unit := range utf16.Encode([]rune(string(value))) {
			little = binary.LittleEndian.AppendUint16(little, unit)
			big = binary.BigEndian.AppendUint16(big, unit)
		}
		h.add(name, "UTF-16LE", little)
		h.add(name, "UTF-16BE", big)
	}
}

// aligned returns the characters of base64 that the value has whatever stands before and
// after it, when shift bytes of a group of three stand before it.
func aligned(e *base64.Encoding, value []byte, shift int) []byte {
	padded := append(make([]byte, shift), value...)
	text := e.EncodeToString(padded)
	from := (shift*8 + 5) / 6 // the first character that holds only bits of value
	to := len(padded) * 8 / 6 // the last whole one
	return []byte(text[from:to])
}

func (h *Hunt) add(name, encoding string, b []byte) {
	if h.forms == nil {
		h.forms = make(map[uint64][]form)
	}
	key := binary.LittleEndian.Uint64(b)
	if slices.ContainsFunc(h.forms[key], func(f form) bool { return bytes.Equal(f.bytes, b) }) {
		return
	}
	h.forms[key] = append(h.forms[key], form{name, encoding, b})
	h.first[binary.LittleEndian.Uint16(b)] = true
}

// Bytes returns a sentence for each canary that is in b, which came from the place called where.
func (h *Hunt) Bytes(where string, b []byte) (findings []string) {
	for i := 0; i+head <= len(b); i++ {
		if !h.first[binary.LittleEndian.Uint16(b[i:])] {
			continue
		}
		for _, f := range h.forms[binary.LittleEndian.Uint64(b[i:])] {
			if bytes.HasPrefix(b[i:], f.bytes) {
				findings = append(findings, fmt.Sprintf("%s: holds %s (%s) at byte %d", where, f.name, f.encoding, i))
			}
		}
	}
	return findings
}

// Dir returns a sentence for each canary in the names and contents of the files below dir,
// and how many bytes it has read.
func (h *Hunt) Dir(dir string) (findings []string, read int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		findings = append(findings, h.Bytes("the name of "+rel, []byte(rel))...)
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		read += int64(len(b))
		findings = append(findings, h.Bytes(rel, b)...)
		return nil
	})
	return findings, read, err
}
