package alerts

import (
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"

	"github.com/prometheus/alertmanager/template"
	"gopkg.in/yaml.v3"

	"github.com/strongroom/strongroom/service/amp/place"
)

// newTemplates makes the templates of a definition, and shows those of plain text.
func (d *Definition) newTemplates() (t *template.Template, plain *texttemplate.Template, err error) {
	t, err = template.FromGlobs(nil, func(text *texttemplate.Template, _ *htmltemplate.Template) { plain = text })
	if err != nil {
		return nil, nil, err
	}
	for _, text := range d.templates {
		if err := t.Parse(strings.NewReader(text)); err != nil {
			return nil, nil, err
		}
	}
	return t, plain, nil
}

// proveTemplates reads every template that stands among the receivers.
func (d *Definition) proveTemplates(inner *section) error {
	_, plain, err := d.newTemplates()
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(inner.text), &doc); err != nil {
		return inner.place(err)
	}
	seen := make(map[*yaml.Node]bool)
	var walk func(*yaml.Node) error
	walk = func(n *yaml.Node) error {
		if n == nil || seen[n] {
			return nil
		}
		seen[n] = true
		if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "{{") {
			if err := proveTemplate(plain, n.Value); err != nil {
				line, column := inner.of(n.Line, n.Column)
				return place.At(line, column, "%s", templateLine.ReplaceAllString(err.Error(), ""))
			}
		}
		for _, c := range n.Content {
			if err := walk(c); err != nil {
				return err
			}
		}
		return nil
	}
	return walk(&doc)
}

func proveTemplate(plain *texttemplate.Template, text string) error {
	if err := place.Counts("", text); err != nil {
		return err
	}
	t, err := plain.Clone()
	if err != nil {
		return err
	}
	_, err = t.New("").Parse(text)
	return err
}
