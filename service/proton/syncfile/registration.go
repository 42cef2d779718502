package syncfile

import (
	"regexp"
	"strings"

	"github.com/strongroom/strongroom/service/proton/document"
)

// The names of files beside a service template's bundle. CompatibleName is the older one, which names environment
// templates alone, one a line; it counts where the other is not there (AWS Proton user guide, "Syncing service templates").
const (
	RegistrationName = ".template-registration.yaml"
	CompatibleName   = ".compatible-envs"
)

// maxListed bounds the lists of a registration, as the API does.
const maxListed = 10

// Registration is what CreateServiceTemplateVersion asks for beside the bundle.
type Registration struct {
	Compatible       []Template // at least one
	ComponentSources []string
}

// Template is an environment template with a major version.
type Template struct {
	Name, Major string
	at          *document.Node
}

// Fail returns an error at the place where the template is named.
func (t Template) Fail(format string, args ...any) error { return t.at.Fail(format, args...) }

var templateName = regexp.MustCompile(`^([0-9A-Za-z][0-9A-Za-z_-]{0,99}):([1-9][0-9]{0,18})$`)

// ParseRegistration reads a .template-registration.yaml. file is what errors call it.
func ParseRegistration(file string, text []byte) (*Registration, error) {
	root, err := document.Read(file, text)
	if err != nil {
		return nil, err
	}
	if root.Kind != document.Map {
		return nil, root.Fail("must be a map with compatible_environments")
	}
	r := new(Registration)
	for _, m := range root.Members {
		switch m.Name {
		case "compatible_environments":
			err = r.compatible(m.Node)
		case "supported_component_sources":
			err = r.components(m.Node)
		default:
			err = m.Key.Fail("the key %q is not known", m.Name)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(r.Compatible) == 0 {
		return nil, root.Fail("compatible_environments must name at least one environment template, such as my-template:1")
	}
	return r, nil
}

// ParseCompatible reads a .compatible-envs. file is what errors call it.
func ParseCompatible(file string, text []byte) (*Registration, error) {
	r, line := new(Registration), 0
	for name := range strings.Lines(string(text)) {
		line++
		at := &document.Node{File: file, Line: line, Column: 1}
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if len(r.Compatible) == maxListed {
			return nil, at.Fail("there are more than %d environment templates", maxListed)
		}
		if err := r.add(name, at); err != nil {
			return nil, err
		}
	}
	if len(r.Compatible) == 0 {
		return nil, (&document.Node{File: file, Line: 1, Column: 1}).Fail("must name at least one environment template, such as my-template:1")
	}
	return r, nil
}

// texts reads a list of strings.
func texts(n *document.Node, what string) ([]*document.Node, error) {
	if n.Kind != document.List {
		return nil, n.Fail("%s must be a list", what)
	}
	if len(n.Items) > maxListed {
		return nil, n.Fail("%s has more than %d entries", what, maxListed)
	}
	for _, item := range n.Items {
		if item.Kind != document.Scalar || item.Null() {
			return nil, item.Fail("%s is a list of names", what)
		}
	}
	return n.Items, nil
}

func (r *Registration) compatible(n *document.Node) error {
	items, err := texts(n, "compatible_environments")
	if err != nil {
		return err
	}
	for _, item := range items {
		if err := r.add(strings.TrimSpace(item.Text()), item); err != nil {
			return err
		}
	}
	return nil
}

// add adds an environment template that is named at a place.
func (r *Registration) add(name string, at *document.Node) error {
	m := templateName.FindStringSubmatch(name)
	if m == nil {
		return at.Fail("an environment template is named with its major version, such as my-template:1")
	}
	r.Compatible = append(r.Compatible, Template{Name: m[1], Major: m[2], at: at})
	return nil
}

func (r *Registration) components(n *document.Node) error {
	items, err := texts(n, "supported_component_sources")
	if err != nil {
		return err
	}
	for _, item := range items {
		if item.Text() != "DIRECTLY_DEFINED" {
			return item.Fail("the only component source is DIRECTLY_DEFINED")
		}
		r.ComponentSources = append(r.ComponentSources, item.Text())
	}
	return nil
}
