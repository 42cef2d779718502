package alerts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"gopkg.in/yaml.v3"
)

// Incidents takes alerts as incidents: another service of the house that is not here yet.
type Incidents interface {
	// Alert opens an incident, or says of one that is open what has become of its alerts. It is called again with the
	// same Group until it returns nil, or an error that wraps ErrRefused, and may be called from many goroutines.
	Alert(ctx context.Context, a Incident) error
}

// ErrRefused is for errors of Incidents that will not go away by themselves.
var ErrRefused = errors.New("incident refused")

// Incident is what alerts of one group say about an incident.
type Incident struct {
	Workspace    string // ARN
	ResponsePlan string // ARN
	Group        string // the same for all that is said about a group of alerts
	Title        string
	Impact       int // 1 (critical) to 5 (none); 0 as the response plan says
	Resolved     bool
	Labels       map[string]string // that all alerts have
	Annotations  map[string]string // that all alerts have
	Since        time.Time         // the oldest alert began
}

// IncidentConfig is an entry of incident_configs.
type IncidentConfig struct {
	ResponsePlan string `yaml:"response_plan_arn"`
	Title        string `yaml:"title"`
	Impact       int    `yaml:"impact"`
	Resolved     *bool  `yaml:"send_resolved"`
}

// SendResolved reports whether the end of alerts is told too.
func (c IncidentConfig) SendResolved() bool { return c.Resolved == nil || *c.Resolved }

// takeIncidents takes incident_configs out of the text of a configuration. cut is false when there are none.
func (s *section) takeIncidents(into map[string][]IncidentConfig) (rest string, cut bool, err error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(s.text), &doc); err != nil || len(doc.Content) == 0 {
		return "", false, nil // Alertmanager's reader has said what is wrong
	}
	receivers := member(doc.Content[0], "receivers")
	if receivers == nil || receivers.Kind != yaml.SequenceNode {
		return "", false, nil
	}
	for _, r := range receivers.Content {
		list := takeMember(r, "incident_configs")
		if list == nil {
			continue
		}
		cut = true
		name := ""
		if n := member(r, "name"); n != nil {
			name = n.Value
		}
		if into[name], err = readIncidents(list); err != nil {
			return "", false, err
		}
	}
	b, err := yaml.Marshal(&doc)
	return string(b), cut, err
}

func member(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func takeMember(n *yaml.Node, key string) *yaml.Node {
	value := member(n, key)
	for i := 0; value != nil && i+1 < len(n.Content); i += 2 {
		if n.Content[i+1] == value {
			n.Content = append(n.Content[:i:i], n.Content[i+2:]...)
			break
		}
	}
	return value
}

func readIncidents(n *yaml.Node) (list []IncidentConfig, err error) {
	b, err := yaml.Marshal(n)
	if err != nil {
		return nil, err
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&list); err != nil {
		return nil, about("incident_configs", "incident_configs: %s", strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "\n", " "))
	}
	for _, c := range list {
		switch {
		case !strings.HasPrefix(c.ResponsePlan, "arn:"):
			return nil, about("incident_configs", "incident_configs must have response_plan_arn")
		case c.Impact < 0 || c.Impact > 5:
			return nil, about("incident_configs", "impact must be 1 to 5")
		}
	}
	return list, nil
}

// incidents hands alerts over.
type incidents struct {
	to        Incidents
	c         IncidentConfig
	workspace string
	tmpl      *template.Template
}

// Notify hands a group of alerts over.
func (n *incidents) Notify(ctx context.Context, alerts ...*alert.Alert) notify.NotifyVerdict {
	key, err := notify.ExtractGroupKey(ctx)
	if err != nil {
		return notify.Unrecoverable(err, notify.DefaultReason)
	}
	data := notify.GetTemplateData(ctx, n.tmpl, alerts, quiet)
	title := n.c.Title
	if title == "" {
		title = `{{ template "sns.default.subject" . }}`
	}
	text, err := n.tmpl.ExecuteTextString(title, data)
	if err != nil {
		return notify.Unrecoverable(fmt.Errorf("title of an incident: %w", err), notify.DefaultReason)
	}
	in := Incident{
		Workspace: n.workspace, ResponsePlan: n.c.ResponsePlan, Group: key.Hash(), Title: text, Impact: n.c.Impact,
		Resolved: len(data.Alerts.Firing()) == 0, Labels: data.CommonLabels, Annotations: data.CommonAnnotations,
	}
	for _, a := range alerts {
		if in.Since.IsZero() || a.StartsAt.Before(in.Since) {
			in.Since = a.StartsAt
		}
	}
	switch err := n.to.Alert(ctx, in); {
	case err == nil:
		return notify.Success()
	case errors.Is(err, ErrRefused):
		return notify.Unrecoverable(err, notify.DefaultReason)
	default:
		return notify.Retry(0, err, notify.DefaultReason)
	}
}
