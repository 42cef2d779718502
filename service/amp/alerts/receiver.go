package alerts

import (
	"context"
	"sync/atomic"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/notify/pagerduty"
	"github.com/prometheus/alertmanager/notify/webhook"
	"github.com/prometheus/alertmanager/template"
)

// counted counts what could not be delivered. What went wrong may hold what nobody is to read in a log.
type counted struct {
	notify.Notifier
	receiver, kind string
	failed         *atomic.Int64
	tell           func(receiver, kind string)
}

// Notify delivers, or counts that it did not.
func (c *counted) Notify(ctx context.Context, alerts ...*alert.Alert) notify.NotifyVerdict {
	v := c.Notifier.Notify(ctx, alerts...)
	if v.Err() != nil {
		c.failed.Add(1)
		c.tell(c.receiver, c.kind)
	}
	return v
}

// builder makes integrations.
type builder struct {
	m    *Manager
	tmpl *template.Template
	list []notify.Integration
	name string // of the receiver
}

func (b *builder) add(kind string, i int, rs notify.ResolvedSender, n notify.Notifier, err error) error {
	if err != nil {
		return err
	}
	c := &counted{Notifier: n, receiver: b.name, kind: kind, failed: &b.m.failed, tell: b.m.o.Failed}
	b.list = append(b.list, notify.NewIntegration(c, rs, kind, i, b.name))
	return nil
}

// integrations makes what delivers to a receiver.
func (m *Manager) integrations(d *Definition, r *config.Receiver, tmpl *template.Template) ([]notify.Integration, error) {
	b := &builder{m: m, tmpl: tmpl, name: r.Name}
	out := m.o.Outgoing
	for i, c := range r.WebhookConfigs {
		n, err := webhook.New(c, tmpl, quiet, out.options()...)
		if err := b.add("webhook", i, c, n, err); err != nil {
			return nil, err
		}
	}
	for i, c := range r.PagerdutyConfigs {
		n, err := pagerduty.New(c, tmpl, quiet, out.options()...)
		if err := b.add("pagerduty", i, c, n, err); err != nil {
			return nil, err
		}
	}
	for i, c := range r.SNSConfigs {
		n, err := newTopic(c, out, tmpl)
		if err := b.add("sns", i, c, n, err); err != nil {
			return nil, err
		}
	}
	for i, c := range r.EmailConfigs {
		_ = b.add("email", i, c, &mailer{c, out, tmpl}, nil)
	}
	for i, c := range d.incidents[r.Name] {
		_ = b.add("incident", i, c, &incidents{m.o.Incidents, c, m.o.ARN, tmpl}, nil)
	}
	return b.list, nil
}
