package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// The limits of a text, all well above what any service accepts, so that nobody makes the
// parser work hard.
const (
	// MaxSize is the longest text in bytes, whatever its kind: the longest policyDocument
	// in the interface models of AWS.
	MaxSize = 131_072
	// MaxKeyPolicySize is the longest policy of a KMS key in bytes (KMS quotas).
	MaxKeyPolicySize = 32_768
	// maxDepth is one more than the deepest policy there is: document, Statement, statement,
	// Condition, operator, values.
	maxDepth = 8
	// maxStatements bounds the statements of one document.
	maxStatements = 1_000
)

// node is a JSON value. Exactly one of its forms is used.
type node struct {
	form    form
	text    string // of a string, number, true or false
	list    []node
	members []member // of an object, in the order of the text
}

type member struct {
	name  string
	value node
}

// form is the type of a JSON value.
type form uint8

const (
	formNull form = iota
	formString
	formNumber
	formBool
	formList
	formObject
)

// readJSON reads one JSON value strictly: nothing after it, valid UTF-8, no name twice in
// one object, no deeper than maxDepth.
func readJSON(text []byte) (node, error) {
	if !utf8.Valid(text) {
		return node{}, errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	n, err := readNode(dec, 0)
	if err != nil {
		return node{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return node{}, errors.New("text after the end of the policy")
	}
	return n, nil
}

// readNode reads the next value of dec.
func readNode(dec *json.Decoder, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errors.New("nested too deeply")
	}
	token, err := dec.Token()
	if err != nil {
		return node{}, err
	}
	switch v := token.(type) {
	case string:
		return node{form: formString, text: v}, nil
	case json.Number:
		return node{form: formNumber, text: v.String()}, nil
	case bool:
		return node{form: formBool, text: fmt.Sprint(v)}, nil
	case json.Delim:
		if v == '[' {
			return readList(dec, depth)
		}
		return readObject(dec, depth)
	}
	return node{form: formNull}, nil
}

// readList reads the rest of a list.
func readList(dec *json.Decoder, depth int) (node, error) {
	n := node{form: formList}
	for dec.More() {
		item, err := readNode(dec, depth+1)
		if err != nil {
			return node{}, err
		}
		n.list = append(n.list, item)
	}
	_, err := dec.Token()
	return n, err
}

// readObject reads the rest of an object.
func readObject(dec *json.Decoder, depth int) (node, error) {
	n := node{form: formObject}
	seen := make(map[string]bool)
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return node{}, err
		}
		name, ok := token.(string)
		if !ok || seen[name] {
			// The grammar forbids a second one; taking either would let two readers of one
			// text see two policies.
			return node{}, fmt.Errorf("%q stands twice in one object", name)
		}
		seen[name] = true
		value, err := readNode(dec, depth+1)
		if err != nil {
			return node{}, err
		}
		n.members = append(n.members, member{name, value})
	}
	_, err := dec.Token()
	return n, err
}

// strings returns the strings of a string or of a list of strings.
func (n node) strings() ([]string, bool) {
	switch n.form {
	case formString:
		return []string{n.text}, true
	case formList:
		out := make([]string, 0, len(n.list))
		for _, item := range n.list {
			if item.form != formString {
				return nil, false
			}
			out = append(out, item.text)
		}
		return out, true
	}
	return nil, false
}

// scalars returns the texts of a string, number or boolean, or of a list of them.
func (n node) scalars() ([]string, bool) {
	items := n.list
	if n.form != formList {
		items = []node{n}
	}
	out := make([]string, 0, len(items))
	for _, item := range items {
		switch item.form {
		case formString, formNumber, formBool:
			out = append(out, item.text)
		default:
			return nil, false
		}
	}
	return out, true
}
