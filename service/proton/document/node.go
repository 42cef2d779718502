package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Kind is what a Node is.
type Kind uint8

// The kinds.
const (
	Scalar Kind = iota
	List
	Map
)

// maxDepth bounds nesting, maxNodes the nodes of a document after its aliases are
// followed. A schema of 50 KB that uses no alias stays far below.
const (
	maxDepth = 100
	maxNodes = 100_000
)

// Node is a part of a document. Line and Column count from 1.
type Node struct {
	File         string
	Line, Column int
	Kind         Kind
	Items        []*Node  // of a List
	Members      []Member // of a Map, in order, names unique
	scalar       any
	text         string
}

// Member is a name in a Map and what it names.
type Member struct {
	Name string
	Key  *Node // for its place
	Node *Node
}

// Read reads one document. An empty text is a scalar node of nil. Every error is an *Error.
func Read(file string, text []byte) (*Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var root yaml.Node
	switch err := dec.Decode(&root); {
	case errors.Is(err, io.EOF):
		return &Node{File: file, Line: 1, Column: 1}, nil
	case err != nil:
		return nil, syntax(file, err)
	}
	var more yaml.Node
	if err := dec.Decode(&more); err == nil {
		return nil, &Error{File: file, Line: more.Line, Reason: "more than one YAML document"}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntax(file, err)
	}
	r := reader{file: file}
	return r.node(&root, 0)
}

// syntax turns an error of the YAML reader, "yaml: line 3: ...", into ours.
func syntax(file string, err error) *Error {
	reason := strings.TrimPrefix(err.Error(), "yaml: ")
	e := &Error{File: file}
	if rest, ok := strings.CutPrefix(reason, "line "); ok {
		number, rest, _ := strings.Cut(rest, ": ")
		if n, err := strconv.Atoi(number); err == nil {
			e.Line, reason = n, rest
		}
	}
	e.Reason = "not valid YAML: " + reason
	return e
}

// reader turns yaml's nodes into ours and counts them.
type reader struct {
	file  string
	nodes int
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) error {
	return &Error{File: r.file, Line: n.Line, Column: n.Column, Reason: fmt.Sprintf(format, args...)}
}

func (r *reader) node(n *yaml.Node, depth int) (*Node, error) {
	if r.nodes++; r.nodes > maxNodes {
		return nil, r.fail(n, "aliases make this document too large")
	}
	if depth > maxDepth {
		return nil, r.fail(n, "nested deeper than %d levels", maxDepth)
	}
	at := &Node{File: r.file, Line: n.Line, Column: n.Column}
	switch n.Kind {
	case yaml.DocumentNode:
		return r.node(n.Content[0], depth)
	case yaml.AliasNode:
		return r.node(n.Alias, depth+1)
	case yaml.ScalarNode:
		return at, r.scalar(n, at)
	case yaml.SequenceNode:
		at.Kind = List
		for _, item := range n.Content {
			child, err := r.node(item, depth+1)
			if err != nil {
				return nil, err
			}
			at.Items = append(at.Items, child)
		}
		return at, nil
	case yaml.MappingNode:
		at.Kind = Map
		return at, r.members(n, at, depth)
	}
	return nil, r.fail(n, "not valid YAML")
}

func (r *reader) scalar(n *yaml.Node, at *Node) error {
	at.text = n.Value
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err != nil {
			return r.fail(n, "not a boolean")
		}
		at.scalar = b
	case "!!int":
		var i int64
		if err := n.Decode(&i); err == nil {
			at.scalar = i
			return nil
		}
		return r.float(n, at) // larger than an int64
	case "!!float":
		return r.float(n, at)
	case "!!str", "!!timestamp":
		at.scalar = n.Value
	default:
		return r.fail(n, "the tag %s is not supported here", n.ShortTag())
	}
	return nil
}

func (r *reader) float(n *yaml.Node, at *Node) error {
	var f float64
	if err := n.Decode(&f); err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return r.fail(n, "not a finite number")
	}
	at.scalar = f
	return nil
}

func (r *reader) members(n *yaml.Node, at *Node, depth int) error {
	seen := make(map[string]bool)
	var merged []*Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return r.fail(key, "a key must be a plain name")
		}
		value, err := r.node(n.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		if key.ShortTag() == "!!merge" {
			merged = append(merged, value)
			continue
		}
		if seen[key.Value] {
			return r.fail(n.Content[i], "the key %q is there twice", key.Value)
		}
		seen[key.Value] = true
		place := &Node{File: r.file, Line: n.Content[i].Line, Column: n.Content[i].Column}
		at.Members = append(at.Members, Member{Name: key.Value, Key: place, Node: value})
	}
	return r.merge(n, at, merged, seen)
}

// merge adds what << names; keys that are written out win.
func (r *reader) merge(n *yaml.Node, at *Node, from []*Node, seen map[string]bool) error {
	for _, node := range from {
		if node.Kind == List {
			if err := r.merge(n, at, node.Items, seen); err != nil {
				return err
			}
			continue
		}
		if node.Kind != Map {
			return r.fail(n, "<< must name a map")
		}
		for _, m := range node.Members {
			if !seen[m.Name] {
				seen[m.Name] = true
				at.Members = append(at.Members, m)
			}
		}
	}
	return nil
}

// Fail returns an *Error at the node.
func (n *Node) Fail(format string, args ...any) error {
	return &Error{File: n.File, Line: n.Line, Column: n.Column, Reason: fmt.Sprintf(format, args...)}
}

// Get returns the member with the name, or nil. On a node that is no Map it returns nil.
func (n *Node) Get(name string) *Node {
	if n == nil {
		return nil
	}
	for _, m := range n.Members {
		if m.Name == name {
			return m.Node
		}
	}
	return nil
}

// Null reports whether the node is absent or a scalar without a value.
func (n *Node) Null() bool { return n == nil || n.Kind == Scalar && n.scalar == nil }

// String returns the text of a string, and whether the node is one.
func (n *Node) String() (string, bool) {
	s, ok := n.Value().(string)
	return s, ok
}

// Text returns a scalar as it is written, so that 1.10 stays "1.10".
func (n *Node) Text() string { return n.text }

// Value returns what the node stands for: nil, bool, int64, float64, string, []any or *Object.
func (n *Node) Value() any {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case List:
		list := make([]any, len(n.Items))
		for i, item := range n.Items {
			list[i] = item.Value()
		}
		return list
	case Map:
		o := new(Object)
		for _, m := range n.Members {
			o.Set(m.Name, m.Node.Value())
		}
		return o
	}
	return n.scalar
}

// Find returns the node at a path of names and indexes such as "instances[0].spec.port",
// or the nearest one above it that is there.
func (n *Node) Find(path string) *Node {
	at := n
	for _, part := range strings.FieldsFunc(path, func(c rune) bool { return c == '.' || c == '[' || c == ']' }) {
		next := at.Get(part)
		if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(at.Items) {
			next = at.Items[i]
		}
		if next == nil {
			return at
		}
		at = next
	}
	return at
}
