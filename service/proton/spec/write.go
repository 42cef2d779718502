package spec

import (
	"bytes"
	"strconv"

	"gopkg.in/yaml.v3"

	"github.com/strongroom/strongroom/service/proton/document"
)

// String returns the spec as YAML text that Parse reads back to the same spec.
func (s *Spec) String() string {
	root := mapping()
	put(root, "proton", s.Kind)
	if s.Kind == Environment {
		put(root, "spec", s.Inputs)
		return text(root)
	}
	if s.Pipeline != nil {
		put(root, "pipeline", s.Pipeline)
	}
	all := make([]any, 0, len(s.Instances))
	for _, in := range s.Instances {
		one := new(document.Object).Set("name", in.Name).Set("environment", in.Environment)
		all = append(all, one.Set("spec", in.Inputs))
	}
	put(root, "instances", all)
	return text(root)
}

func text(root *yaml.Node) string {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		panic("spec: " + err.Error()) // the tree is made below, and a buffer takes everything
	}
	enc.Close()
	return b.String()
}

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode} }

func put(to *yaml.Node, name string, value any) {
	to.Content = append(to.Content, node(name), node(value))
}

func node(v any) *yaml.Node {
	scalar := func(tag, value string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
	}
	switch v := v.(type) {
	case nil:
		return scalar("!!null", "null")
	case bool:
		return scalar("!!bool", strconv.FormatBool(v))
	case int64:
		return scalar("!!int", strconv.FormatInt(v, 10))
	case float64:
		return scalar("!!float", float(v))
	case string:
		n := new(yaml.Node)
		n.SetString(v)
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v {
			n.Content = append(n.Content, node(item))
		}
		return n
	case *document.Object:
		n := mapping()
		for name, value := range v.All() {
			put(n, name, value)
		}
		return n
	}
	panic("spec: not a value of a document")
}

// float writes a number so that it is read back as a float and not as an integer.
func float(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		s += ".0"
	}
	return s
}
