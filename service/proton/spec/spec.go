package spec

import (
	"regexp"
	"unicode/utf8"

	"github.com/strongroom/strongroom/service/proton/document"
)

// The kinds of spec, as the key proton names them.
const (
	Environment = "EnvironmentSpec"
	Service     = "ServiceSpec"
)

// MaxCharacters is the longest text that Parse takes.
const MaxCharacters = 51200

// file is what errors call the text: a spec has no file name of its own.
const file = "spec"

// Spec is a parsed spec.
type Spec struct {
	Kind      string
	Inputs    *document.Object // of an EnvironmentSpec; never nil there
	Pipeline  *document.Object // of a ServiceSpec; nil when there is no such section
	Instances []Instance       // of a ServiceSpec, in order, names unique
}

// Instance is a service instance of a ServiceSpec.
type Instance struct {
	Name, Environment string
	Inputs            *document.Object // never nil after Parse
}

// Parse reads a spec of the kind. Every error is a *document.Error with line and column.
func Parse(kind, text string) (*Spec, error) {
	if utf8.RuneCountInString(text) > MaxCharacters {
		return nil, &document.Error{File: file, Reason: "longer than 51200 characters"}
	}
	root, err := document.Read(file, []byte(text))
	if err != nil {
		return nil, err
	}
	head := root.Get("proton")
	if head == nil {
		return nil, root.Fail("the key proton is missing: it must be %s", kind)
	}
	if found, _ := head.String(); found != kind {
		return nil, head.Fail("proton must be %s", kind)
	}
	s := &Spec{Kind: kind}
	if kind == Environment {
		return s, s.environment(root)
	}
	return s, s.service(root)
}

func (s *Spec) environment(root *document.Node) (err error) {
	for _, m := range root.Members {
		switch m.Name {
		case "proton":
		case "spec":
			s.Inputs, err = inputs(m.Node)
		default:
			err = m.Key.Fail("the key %q is not known in an EnvironmentSpec", m.Name)
		}
		if err != nil {
			return err
		}
	}
	if s.Inputs == nil {
		s.Inputs = new(document.Object)
	}
	return nil
}

func (s *Spec) service(root *document.Node) (err error) {
	for _, m := range root.Members {
		switch m.Name {
		case "proton":
		case "pipeline":
			s.Pipeline, err = inputs(m.Node)
		case "instances":
			err = s.instances(m.Node)
		default:
			err = m.Key.Fail("the key %q is not known in a ServiceSpec", m.Name)
		}
		if err != nil {
			return err
		}
	}
	if len(s.Instances) == 0 {
		return root.Fail("instances must name at least one service instance")
	}
	return nil
}

// inputs reads a section of inputs; an empty one is an object without members.
func inputs(n *document.Node) (*document.Object, error) {
	if n.Null() {
		return new(document.Object), nil
	}
	if n.Kind != document.Map {
		return nil, n.Fail("must be a map of inputs")
	}
	o, _ := n.Value().(*document.Object)
	return o, nil
}

func (s *Spec) instances(n *document.Node) error {
	if n.Kind != document.List {
		return n.Fail("instances must be a list")
	}
	for _, item := range n.Items {
		one, err := instance(item)
		if err != nil {
			return err
		}
		if s.Instance(one.Name) != nil {
			return item.Fail("the instance %q is there twice", one.Name)
		}
		s.Instances = append(s.Instances, one)
	}
	return nil
}

func instance(n *document.Node) (one Instance, err error) {
	if n.Kind != document.Map {
		return one, n.Fail("an instance must be a map with name, environment and spec")
	}
	for _, m := range n.Members {
		switch m.Name {
		case "name":
			one.Name, err = name(m.Node)
		case "environment":
			one.Environment, err = name(m.Node)
		case "spec":
			one.Inputs, err = inputs(m.Node)
		default:
			err = m.Key.Fail("the key %q is not known in an instance", m.Name)
		}
		if err != nil {
			return one, err
		}
	}
	if one.Name == "" {
		return one, n.Fail("an instance must have a name")
	}
	if one.Environment == "" {
		return one, n.Fail("the instance %q must name its environment", one.Name)
	}
	if one.Inputs == nil {
		one.Inputs = new(document.Object)
	}
	return one, nil
}

// names is what the API takes for the names of instances and environments.
var names = regexp.MustCompile(`^[0-9A-Za-z]+[0-9A-Za-z_\-]*$`)

func name(n *document.Node) (string, error) {
	if n.Kind != document.Scalar || n.Null() {
		return "", n.Fail("must be a name")
	}
	text := n.Text() // so that a name such as 2024 needs no quotes
	if len(text) > 100 || !names.MatchString(text) {
		return "", n.Fail("a name has 1 to 100 letters, digits, _ and -, a letter or digit first")
	}
	return text, nil
}
