package object

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/service/s3/checksum"
)

// ETag is an entity tag: 16 bytes, and for an object uploaded in parts how many.
// It is written "0123...ef" or "0123...ef-3", in double quotes.
type ETag struct {
	Sum   [16]byte
	Parts int // 0 for an object that came in one piece
}

// Bare returns the tag without quotes.
func (e ETag) Bare() string {
	if e.Parts == 0 {
		return hex.EncodeToString(e.Sum[:])
	}
	return hex.EncodeToString(e.Sum[:]) + "-" + strconv.Itoa(e.Parts)
}

// String returns the tag as it travels, in double quotes.
func (e ETag) String() string { return `"` + e.Bare() + `"` }

// Unquote returns a tag that a client sent without quotes and white space around it.
func Unquote(tag string) string {
	tag = strings.TrimSpace(tag)
	if len(tag) >= 2 && tag[0] == '"' && tag[len(tag)-1] == '"' {
		return tag[1 : len(tag)-1]
	}
	return tag
}

// ETagOfParts returns the tag of an object made of parts: the MD5 of their tags.
func ETagOfParts(parts [][16]byte) ETag {
	h := checksum.NewMD5()
	for i := range parts {
		h.Write(parts[i][:])
	}
	e := ETag{Parts: len(parts)}
	h.Sum(e.Sum[:0])
	return e
}
