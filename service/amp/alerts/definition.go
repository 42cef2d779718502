package alerts

import (
	"errors"
	"slices"
	"strings"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/template"
	"gopkg.in/yaml.v3"

	"github.com/strongroom/strongroom/service/amp/place"
)

// Limits bound a definition and what comes of it. 0 is no limit.
type Limits struct {
	FileSize          int64 // bytes of a definition
	Routes            int   // nodes of the routing tree
	Templates         int   // template files
	InhibitionRules   int
	Alerts            int   // active at the same time
	AlertBytes        int64 // of all active alerts together
	AggregationGroups int
}

// Definition is a definition that was found valid.
type Definition struct {
	config    *config.Config
	templates []string
	incidents map[string][]IncidentConfig // by receiver
}

// Receivers returns the names of the receivers.
func (d *Definition) Receivers() []string {
	var names []string
	for i := range d.config.Receivers {
		names = append(names, d.config.Receivers[i].Name)
	}
	return names
}

// Reach is what receivers of a definition may be: which topics there are, and whether somebody takes incidents.
type Reach struct {
	Topic     func(arn string) bool
	Incidents bool
}

// Parse reads a definition. The error is a *place.Invalid when it is wrong.
func Parse(content []byte, limits Limits, reach Reach) (*Definition, error) {
	if limits.FileSize > 0 && int64(len(content)) > limits.FileSize {
		return nil, place.At(0, 0, "the definition has %d bytes, which is more than the limit of %d", len(content), limits.FileSize)
	}
	outer, err := sections(content)
	if err != nil {
		return nil, err
	}
	inner := newSection(content, outer.config)
	d, err := inner.read()
	if err != nil {
		return nil, err
	}
	if err := secure(d, reach); err != nil {
		return nil, inner.place(err)
	}
	if err := d.bounded(limits, len(outer.templates)); err != nil {
		return nil, inner.place(err)
	}
	if err := d.takeTemplates(content, outer.templates); err != nil {
		return nil, err
	}
	if err := d.proveTemplates(inner); err != nil {
		return nil, err
	}
	return d, nil
}

// parts are the sections of a definition.
type parts struct {
	config    *yaml.Node
	templates []templateFile
}

type templateFile struct {
	name string
	text *yaml.Node
}

// sections takes a definition apart.
func sections(content []byte) (p parts, err error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(content, &doc); err != nil {
		return p, place.Of(content, err)
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return p, place.At(1, 1, "the definition must have the section alertmanager_config")
	}
	root := doc.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		switch {
		case key.Value == "alertmanager_config" && p.config == nil && value.Kind == yaml.ScalarNode && value.Tag == "!!str":
			p.config = value
		case key.Value == "template_files" && p.templates == nil && (value.Kind == yaml.MappingNode || value.Tag == "!!null"):
			if p.templates, err = templateFiles(value); err != nil {
				return p, err
			}
		case key.Value == "alertmanager_config":
			return p, place.At(key.Line, key.Column, "alertmanager_config must be there once, and be a text: \"alertmanager_config: |\"")
		case key.Value == "template_files":
			return p, place.At(key.Line, key.Column, "template_files must be there once, and have texts by name")
		default:
			return p, place.At(key.Line, key.Column, "section %q is not known: there are alertmanager_config and template_files", short(key.Value))
		}
	}
	if p.config == nil {
		return p, place.At(root.Line, root.Column, "the definition must have the section alertmanager_config")
	}
	return p, nil
}

func templateFiles(node *yaml.Node) (files []templateFile, err error) {
	files = []templateFile{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		again := slices.ContainsFunc(files, func(f templateFile) bool { return f.name == key.Value })
		if value.Kind != yaml.ScalarNode || key.Value == "" || strings.ContainsAny(key.Value, `/\`) || again {
			return nil, place.At(key.Line, key.Column, "template file %q must be there once, be a text, and have a name without a folder", short(key.Value))
		}
		files = append(files, templateFile{key.Value, value})
	}
	return files, nil
}

// short bounds what is repeated of a document.
func short(s string) string {
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "..."
	}
	return s
}

// read loads the configuration as Alertmanager does, after incidents, which it does not know, were taken out.
func (s *section) read() (*Definition, error) {
	d := &Definition{incidents: make(map[string][]IncidentConfig)}
	var err error
	if d.config, err = config.Load(s.text); err == nil {
		return d, nil
	}
	rest, cut, incidentErr := s.takeIncidents(d.incidents)
	if incidentErr != nil {
		return nil, s.place(incidentErr)
	}
	if !cut {
		return nil, s.place(err)
	}
	if others := withoutIncidents(err); others != nil {
		return nil, s.place(others)
	}
	if d.config, err = config.Load(rest); err != nil {
		return nil, s.placeOf(err, false) // its line numbers are of the rest
	}
	return d, nil
}

// withoutIncidents returns what else is wrong in a configuration than that it speaks of incidents.
func withoutIncidents(err error) error {
	var left []string
	for _, text := range strings.Split(err.Error(), "\n") {
		if !strings.Contains(text, "field incident_configs not found") {
			left = append(left, text)
		}
	}
	if len(left) <= 1 { // the heading of the list
		return nil
	}
	return errors.New(strings.Join(left, "\n"))
}

// bounded compares a definition with the limits.
func (d *Definition) bounded(l Limits, templates int) error {
	var count func(r *config.Route) int
	count = func(r *config.Route) int {
		n := 1
		for _, sub := range r.Routes {
			n += count(sub)
		}
		return n
	}
	switch routes := count(d.config.Route); {
	case l.Routes > 0 && routes > l.Routes:
		return about("routes", "%d nodes in the routing tree are more than the limit of %d", routes, l.Routes)
	case l.Templates > 0 && templates > l.Templates:
		return about("templates", "%d template files are more than the limit of %d", templates, l.Templates)
	case l.InhibitionRules > 0 && len(d.config.InhibitRules) > l.InhibitionRules:
		return about("inhibit_rules", "%d inhibition rules are more than the limit of %d", len(d.config.InhibitRules), l.InhibitionRules)
	}
	return nil
}

// takeTemplates gathers the template files that the configuration names, and proves that they can be read.
func (d *Definition) takeTemplates(content []byte, files []templateFile) error {
	probe, err := template.FromGlobs(nil)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := probe.Parse(strings.NewReader(f.text.Value)); err != nil {
			return newSection(content, f.text).template(err)
		}
		if err := place.Counts("", f.text.Value); err != nil {
			return newSection(content, f.text).template(err)
		}
		d.templates = append(d.templates, f.text.Value)
	}
	for _, name := range d.config.Templates {
		if !slices.ContainsFunc(files, func(f templateFile) bool { return f.name == name }) {
			line, column := newSection(content, nil).find(content, name)
			return place.At(line, column, "template %q is not one of the template_files", short(name))
		}
	}
	return nil
}
