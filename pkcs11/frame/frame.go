// Package frame is what the main program and its PKCS#11 helper say to each other over
// the helper's standard input and output.
//
//	frame = length of the JSON, uint32, big endian | one JSON object
//
// The program sends a Request, the helper answers each with one Reply that carries the same
// ID, in any order. The first request of a helper's life is Open; it names the version
// of this protocol, and the helper refuses one that it does not speak. The PIN travels in
// it and nowhere else: not in the arguments or the environment, which others can read.
// The end of the helper's input ends the helper.
package frame

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Version is the version of the protocol.
const Version = 1

// Limits of the protocol. Both sides refuse what goes beyond.
const (
	MaxFrame = 96 << 10 // bytes of JSON
	MaxData  = 16 << 10 // bytes of plaintext, of associated data and of random bytes
	MaxLabel = 255      // bytes of a label
	MaxList  = 256      // labels in one reply
)

// Operations of a Request.
const (
	Open     = "open"     // Version, Module, Token, PIN -> Info
	Find     = "find"     // Label: is there one key that may be used
	Generate = "generate" // Label
	Delete   = "delete"   // Label
	List     = "list"     // Label: the last one seen, or "" -> Labels, ascending, at most MaxList
	Encrypt  = "encrypt"  // Label, AAD, Data -> Data: nonce (12) | ciphertext | tag (16)
	Decrypt  = "decrypt"  // Label, AAD, Data -> Data
	Random   = "random"   // Count -> Data
	Ping     = "ping"     // is the token still there and logged in
)

// Kinds of errors in a Reply.
const (
	Unusable    = "unusable"    // the request makes no sense, or the helper cannot do it at all
	Unavailable = "unavailable" // module or token are not there or do not answer; start over
	WrongPIN    = "pin"
	Locked      = "locked"
	NotFound    = "not-found"
	Exists      = "exists"
	Ambiguous   = "ambiguous"
	Unsupported = "unsupported" // the token lacks what is needed
	Unfit       = "unfit"       // the key is there but must not be used
	Corrupt     = "corrupt"     // the ciphertext does not authenticate
)

// Request is what the program asks.
type Request struct {
	ID      uint64 `json:"id"`
	Op      string `json:"op"`
	Version int    `json:"version,omitempty"`
	Module  string `json:"module,omitempty"`
	Token   string `json:"token,omitempty"`
	PIN     []byte `json:"pin,omitempty"`
	Label   string `json:"label,omitempty"`
	AAD     []byte `json:"aad,omitempty"`
	Data    []byte `json:"data,omitempty"`
	Count   int    `json:"count,omitempty"`
}

// Reply is what the helper answers. Kind is "" where it did what was asked.
type Reply struct {
	ID     uint64   `json:"id"`
	Kind   string   `json:"kind,omitempty"`
	Error  string   `json:"error,omitempty"`
	Info   *Info    `json:"info,omitempty"`
	Labels []string `json:"labels,omitempty"`
	Data   []byte   `json:"data,omitempty"`
}

// Info describes the token that was opened.
type Info struct {
	Label        string `json:"label"`
	Serial       string `json:"serial"`
	Manufacturer string `json:"manufacturer"`
	Model        string `json:"model"`
}

// ErrMalformed says that what came is no frame. The stream cannot be read further.
var ErrMalformed = errors.New("malformed frame")

// Write writes v as one frame, with one call of w.Write. The encoded form, which may hold
// a PIN, is wiped before it returns.
func Write(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	defer clear(text)
	if len(text) > MaxFrame {
		return fmt.Errorf("%w: %d bytes, %d are allowed", ErrMalformed, len(text), MaxFrame)
	}
	buf := append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(text)), uint32(len(text))), text...)
	defer clear(buf)
	_, err = w.Write(buf)
	return err
}

// Read reads one frame into v, a pointer. io.EOF says that the stream ended between two
// frames. An error that is ErrMalformed never quotes the frame.
func Read(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		if err == io.ErrUnexpectedEOF {
			return fmt.Errorf("%w: it is cut off", ErrMalformed)
		}
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > MaxFrame {
		return fmt.Errorf("%w: %d bytes, %d are allowed", ErrMalformed, n, MaxFrame)
	}
	text := make([]byte, n)
	defer clear(text)
	if _, err := io.ReadFull(r, text); err != nil {
		return fmt.Errorf("%w: it is cut off", ErrMalformed)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return fmt.Errorf("%w: it is not the JSON that is spoken here", ErrMalformed)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return fmt.Errorf("%w: something follows the JSON", ErrMalformed)
	}
	return nil
}
