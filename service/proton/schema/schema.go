package schema

import (
	"slices"

	"github.com/strongroom/strongroom/service/proton/document"
)

// MaxBytes is the largest schema.yaml that Parse takes.
const MaxBytes = 50 << 10

// Schema is a parsed schema.yaml. An input type that the file does not name is nil.
type Schema struct {
	Environment *Type // environment_input_type
	Service     *Type // service_input_type
	Pipeline    *Type // pipeline_input_type
}

// Parse reads a schema. Every error is a *document.Error with a place in file.
func Parse(file string, text []byte) (*Schema, error) {
	if len(text) > MaxBytes {
		return nil, &document.Error{File: file, Reason: "larger than 50 KB"}
	}
	root, err := document.Read(file, text)
	if err != nil {
		return nil, err
	}
	head := root.Get("schema")
	if head == nil || head.Kind != document.Map {
		return nil, root.Fail("the key schema is missing")
	}
	format := head.Get("format").Get("openapi")
	if format.Null() {
		return nil, head.Fail("schema.format.openapi is missing")
	}
	if v, _ := format.String(); v != "3.0.0" {
		return nil, format.Fail(`schema.format.openapi must be "3.0.0"`)
	}
	types := head.Get("types")
	if types == nil || types.Kind != document.Map {
		return nil, head.Fail("schema.types is missing")
	}
	b := newBuilder(root, types)
	s := new(Schema)
	inputs := []struct {
		name string
		to   **Type
	}{{"environment_input_type", &s.Environment}, {"service_input_type", &s.Service}, {"pipeline_input_type", &s.Pipeline}}
	for _, in := range inputs {
		if *in.to, err = b.input(head, in.name); err != nil {
			return nil, err
		}
	}
	if err := known(head, "format", "types", "environment_input_type", "service_input_type", "pipeline_input_type"); err != nil {
		return nil, err
	}
	if err := b.rest(); err != nil {
		return nil, err
	}
	return s, nil
}

// known refuses members of a map that are not in the list: a misspelled header would
// otherwise pass for an absent one.
func known(n *document.Node, names ...string) error {
	for _, m := range n.Members {
		if !slices.Contains(names, m.Name) {
			return m.Key.Fail("the key %q is not known here", m.Name)
		}
	}
	return nil
}
