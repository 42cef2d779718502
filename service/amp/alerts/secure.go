package alerts

import (
	"net/url"
	"reflect"
	"strings"

	amcommon "github.com/prometheus/alertmanager/config/common"
	"github.com/prometheus/alertmanager/notify/email"
	"github.com/prometheus/alertmanager/notify/pagerduty"
	"github.com/prometheus/alertmanager/notify/sns"
	"github.com/prometheus/alertmanager/notify/webhook"
	promconfig "github.com/prometheus/common/config"
)

// kinds are the receivers that there are.
const kinds = "webhook_configs, email_configs, sns_configs, pagerduty_configs and incident_configs"

// secure refuses what a definition must not ask of the house, and takes out what it need not know. It looks at what
// Alertmanager made of the text, so that no way of writing gets past it.
func secure(d *Definition, reach Reach) error {
	c := d.config
	switch {
	case !reflect.ValueOf(c.TracingConfig).IsZero():
		return about("tracing", "tracing is not supported")
	case !reflect.ValueOf(c.EventRecorder).IsZero():
		return about("event_recorder", "event_recorder is not supported")
	}
	if err := secureHTTP(c.Global.HTTPConfig); err != nil {
		return err
	}
	if err := secureFiles(c.Global); err != nil {
		return err
	}
	for i := range c.Receivers {
		r := &c.Receivers[i]
		if err := onlyKinds(r); err != nil {
			return err
		}
		if err := secureReceiver(r.WebhookConfigs, r.EmailConfigs, r.PagerdutyConfigs, r.SNSConfigs, reach); err != nil {
			return err
		}
	}
	for name, list := range d.incidents {
		if len(list) > 0 && !reach.Incidents {
			return about("incident_configs", "receiver %q: no service of this house takes incidents", short(name))
		}
	}
	return nil
}

// onlyKinds refuses receivers of other kinds.
func onlyKinds(receiver any) error {
	v := reflect.ValueOf(receiver).Elem()
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if strings.HasSuffix(name, "_configs") && !strings.Contains(kinds, name) && v.Field(i).Len() > 0 {
			return about(name, "%s are not supported: there are %s", name, kinds)
		}
	}
	return nil
}

// secureFiles refuses every member of a structure that names a file.
func secureFiles(structure any) error {
	v := reflect.ValueOf(structure)
	if v.IsNil() {
		return nil
	}
	v = v.Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if v.Field(i).Kind() == reflect.String && (strings.HasSuffix(f.Name, "File") || strings.HasSuffix(f.Name, "Ref")) && v.Field(i).Len() > 0 {
			return about(name, "%s is not supported: write the value itself", name)
		}
	}
	return nil
}

func secureReceiver(webhooks []*webhook.WebhookConfig, mails []*email.EmailConfig, pagers []*pagerduty.PagerdutyConfig, topics []*sns.SNSConfig, reach Reach) error {
	for _, w := range webhooks {
		if err := first(secureFiles(w), secureHTTP(w.HTTPConfig), onlyHTTPS("url", string(w.URL))); err != nil {
			return err
		}
	}
	for _, p := range pagers {
		if err := first(secureFiles(p), secureHTTP(p.HTTPConfig), onlyHTTPS("url", p.URL.String())); err != nil {
			return err
		}
	}
	for _, m := range mails {
		if err := first(secureFiles(m), secureTLS(m.TLSConfig)); err != nil {
			return err
		}
	}
	for _, s := range topics {
		switch {
		case s.TopicARN == "":
			return about("sns_configs", "sns_configs must have topic_arn: phone numbers and targets are not supported")
		case reach.Topic == nil || !reach.Topic(s.TopicARN):
			return about(s.TopicARN, "the operator has not said where the topic %q is reached", short(s.TopicARN))
		}
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// onlyHTTPS wants an address that is known before anything happens, and encrypted.
func onlyHTTPS(key, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || strings.Contains(address, "{{") || address == amcommon.SecretToken {
		return about(key, "%s must be an https address, without templates", key)
	}
	return nil
}

// secureHTTP allows the members of an HTTP configuration that have to do with who speaks, and no others.
func secureHTTP(c *promconfig.HTTPClientConfig) error {
	if c == nil {
		return nil
	}
	switch {
	case !reflect.ValueOf(c.ProxyConfig).IsZero():
		return about("http_config", "proxies are not supported in http_config")
	case c.OAuth2 != nil:
		return about("oauth2", "oauth2 is not supported")
	}
	if err := first(secureFiles(c), secureFiles(c.BasicAuth), secureFiles(c.Authorization), secureTLS(&c.TLSConfig)); err != nil {
		return err
	}
	c.FollowRedirects = false
	if c.HTTPHeaders == nil {
		return nil
	}
	for name, h := range c.HTTPHeaders.Headers {
		if len(h.Files) > 0 {
			return about("http_headers", "files in http_headers are not supported: write the value itself")
		}
		for _, v := range h.Values { // may be a credential as well
			h.Secrets = append(h.Secrets, promconfig.Secret(v))
		}
		h.Values = nil
		c.HTTPHeaders.Headers[name] = h
	}
	return nil
}

func secureTLS(c *promconfig.TLSConfig) error {
	if c == nil {
		return nil
	}
	if c.InsecureSkipVerify {
		return about("insecure_skip_verify", "insecure_skip_verify is not supported")
	}
	return secureFiles(c)
}
