package rules

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"

	"github.com/strongroom/strongroom/service/amp/place"
)

// DefaultInterval is how often a group is evaluated that does not say so itself.
const DefaultInterval = time.Minute

// Limits bound a file. 0 is no limit.
type Limits struct {
	FileSize      int64         // bytes
	RulesPerGroup int           // in each group
	MinInterval   time.Duration // between evaluations of a group
}

// File is a file that was found valid.
type File struct {
	groups *rulefmt.RuleGroups
	rules  int
}

// Rules returns how many rules the file has.
func (f *File) Rules() int { return f.rules }

// Groups returns how many groups the file has.
func (f *File) Groups() int { return len(f.groups.Groups) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// NewParser returns the parser of the query language as rules are read with it.
func NewParser() parser.Parser { return parser.NewParser(parser.Options{}) }

// Parse reads a file. The error is a *place.Invalid when the file is wrong.
func Parse(content []byte, p parser.Parser, limits Limits) (*File, error) {
	if limits.FileSize > 0 && int64(len(content)) > limits.FileSize {
		return nil, place.At(0, 0, "the file has %d bytes, which is more than the limit of %d", len(content), limits.FileSize)
	}
	if err := noCounting(content); err != nil { // Prometheus executes templates to prove them
		return nil, err
	}
	groups, errs := rulefmt.Parse(content, false, model.UTF8Validation, p, quiet)
	if len(errs) > 0 {
		return nil, place.Of(content, errs...)
	}
	f := &File{groups: groups}
	if len(bytes.TrimSpace(content)) == 0 {
		return nil, place.At(1, 1, "the file is empty")
	}
	for i, g := range groups.Groups {
		f.rules += len(g.Rules)
		if err := limits.check(g); err != nil {
			line, column := groupPlace(content, i)
			return nil, place.At(line, column, "group %q: %v", g.Name, err)
		}
	}
	return f, nil
}

// check compares a group with the limits.
func (l Limits) check(g rulefmt.RuleGroup) error {
	switch interval := time.Duration(g.Interval); {
	case l.RulesPerGroup > 0 && len(g.Rules) > l.RulesPerGroup:
		return fmt.Errorf("%d rules are more than the limit of %d rules in a group", len(g.Rules), l.RulesPerGroup)
	case interval != 0 && interval < l.MinInterval:
		return fmt.Errorf("an interval of %s is less than the limit of %s", interval, l.MinInterval)
	}
	return nil
}

// groupPlace finds where the i-th group of a valid file stands.
func groupPlace(content []byte, i int) (line, column int) {
	var doc struct {
		Groups []yaml.Node `yaml:"groups"`
	}
	if err := yaml.Unmarshal(content, &doc); err != nil || i >= len(doc.Groups) {
		return 1, 1
	}
	return doc.Groups[i].Line, doc.Groups[i].Column
}

// before is what Prometheus puts before the templates of alerts.
const before = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"

// noCounting refuses templates that loop as often as a number says. A file that is no YAML has none.
func noCounting(content []byte) error {
	var doc yaml.Node
	if yaml.Unmarshal(content, &doc) != nil {
		return nil
	}
	seen := make(map[*yaml.Node]bool)
	var walk func(n *yaml.Node) error
	walk = func(n *yaml.Node) error {
		if n == nil || seen[n] {
			return nil
		}
		seen[n] = true
		if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "{{") {
			if err := place.Counts(before, n.Value); err != nil {
				return place.At(n.Line, n.Column, "%v", err)
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
