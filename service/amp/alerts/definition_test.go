package alerts

import (
	"errors"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/service/amp/place"
)

const topicARN = "arn:aws:sns:us-east-1:111122223333:alarms"

const good = `alertmanager_config: |
  global:
    resolve_timeout: 5m
    smtp_smarthost: mail.example:587
    smtp_from: house@example.com
  templates:
    - own
  route:
    receiver: all
    group_by: [alertname]
    routes:
      - receiver: pager
        matchers: ['severity="page"']
  inhibit_rules:
    - source_matchers: ['severity="page"']
      target_matchers: ['severity="warn"']
      equal: [alertname]
  receivers:
    - name: all
      webhook_configs:
        - url: https://example.com/hook?token=topsecret
          http_config:
            authorization: {credentials: topsecret}
            http_headers:
              X-Key: {values: [topsecret]}
      sns_configs:
        - topic_arn: arn:aws:sns:us-east-1:111122223333:alarms
          sigv4: {region: us-east-1}
          subject: '{{ template "own.subject" . }}'
      email_configs:
        - to: ops@example.com
          auth_username: house
          auth_password: topsecret
    - name: pager
      pagerduty_configs:
        - routing_key: topsecret
template_files:
  own: |
    {{ define "own.subject" }}{{ range .Alerts }}{{ .Labels.alertname }}{{ end }}{{ end }}
`

var reach = Reach{Topic: func(arn string) bool { return arn == topicARN }}

func TestParse(t *testing.T) {
	d, err := Parse([]byte(good), Limits{Routes: 2, Templates: 1, InhibitionRules: 1, FileSize: 4 << 10}, reach)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(d.Receivers(), " "); got != "all pager" {
		t.Errorf("receivers: %q", got)
	}
	if shown := d.config.String(); strings.Contains(shown, "topsecret") {
		t.Errorf("a secret is shown:\n%s", shown)
	}
}

func TestParse_wrong(t *testing.T) {
	edit := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not there", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	receiver := func(lines ...string) string {
		return "alertmanager_config: |\n  route:\n    receiver: x\n  receivers:\n    - name: x\n      " + strings.Join(lines, "\n      ") + "\n"
	}
	for name, tt := range map[string]struct{ file, want string }{
		"empty":               {"", "1:1: the definition must have the section alertmanager_config"},
		"no section":          {"template_files: {a: b}\n", "1:1: the definition must have"},
		"plain config":        {"route:\n  receiver: x\n", `1:1: section "route" is not known`},
		"config is a map":     {"alertmanager_config:\n  route: {receiver: x}\n", "1:1: alertmanager_config must be there once, and be a text"},
		"syntax outside":      {"alertmanager_config: [\n", ":1: "},
		"syntax inside":       {edit("    receiver: all\n", "    receiver: [all\n"), ": "},
		"unknown field":       {edit("group_by:", "groop_by:"), "10:5: field groop_by is not known"},
		"undefined receiver":  {edit("- receiver: pager", "- receiver: nobody"), `12:19: undefined receiver "nobody" used in route`},
		"no route":            {"alertmanager_config: |\n  receivers: []\n", "2:3: no routes provided"},
		"bad matcher":         {edit(`['severity="page"']`, `['severity=~"("']`), "error parsing regexp"},
		"template missing":    {edit("    - own\n", "    - other\n"), `: template "other" is not one of the template_files`},
		"template broken":     {edit("{{ range .Alerts }}", "{{ rang .Alerts }}"), `39:5: function "rang" not defined`},
		"template counts":     {edit("{{ range .Alerts }}", "{{ range 1000000000000 }}"), "a template must not count"},
		"inline broken":       {edit(`'{{ template "own.subject" . }}'`, `'{{ nothing }}'`), `function "nothing" not defined`},
		"inline counts":       {edit(`'{{ template "own.subject" . }}'`, `'{{ range $i := 1000000000000 }}{{ end }}'`), "a template must not count"},
		"slack":               {receiver("slack_configs:", "  - api_url: https://example.com"), "slack_configs are not supported"},
		"http":                {receiver("webhook_configs:", "  - url: http://example.com"), `7:11: url must be an https address`},
		"templated address":   {receiver("webhook_configs:", `  - url: 'https://{{ .GroupLabels.x }}.example.com'`), "url must be an https address"},
		"file":                {receiver("webhook_configs:", "  - url_file: /etc/passwd"), "url_file is not supported"},
		"password file":       {receiver("email_configs:", "  - {to: a@b.c, from: a@b.c, smarthost: 'x:1', auth_password_file: /etc/passwd}"), "auth_password_file is not supported"},
		"global file":         {edit("    smtp_from:", "    smtp_auth_password_file: /etc/passwd\n    smtp_from:"), "5:5: smtp_auth_password_file is not supported"},
		"basic auth file":     {receiver("webhook_configs:", "  - url: https://example.com", "    http_config: {basic_auth: {username: x, password_file: /etc/passwd}}"), "password_file is not supported"},
		"credentials file":    {receiver("webhook_configs:", "  - url: https://example.com", "    http_config: {authorization: {credentials_file: /etc/passwd}}"), "credentials_file is not supported"},
		"header file":         {receiver("webhook_configs:", "  - url: https://example.com", "    http_config: {http_headers: {X: {files: [/etc/passwd]}}}"), "files in http_headers are not supported"},
		"authority file":      {receiver("webhook_configs:", "  - url: https://example.com", "    http_config: {tls_config: {ca_file: /etc/passwd}}"), "ca_file is not supported"},
		"no verification":     {receiver("webhook_configs:", "  - url: https://example.com", "    http_config: {tls_config: {insecure_skip_verify: yes}}"), "insecure_skip_verify is not supported"},
		"proxy":               {receiver("webhook_configs:", "  - url: https://example.com", "    http_config: {proxy_url: 'http://10.0.0.1'}"), "proxies are not supported"},
		"oauth2":              {receiver("webhook_configs:", "  - url: https://example.com", "    http_config: {oauth2: {client_id: a, client_secret: b, token_url: 'https://x'}}"), "oauth2 is not supported"},
		"unknown topic":       {edit("topic_arn: "+topicARN, "topic_arn: "+topicARN+"2"), "the operator has not said where the topic"},
		"phone":               {receiver("sns_configs:", "  - phone_number: '+123'"), "sns_configs must have topic_arn"},
		"incident":            {receiver("incident_configs:", "  - response_plan_arn: arn:aws:ssm-incidents::111122223333:response-plan/x"), "no service of this house takes incidents"},
		"incident's mistakes": {receiver("incident_configs:", "  - response_plan: x"), "field response_plan not found"},
		"tracing":             {edit("  route:\n", "  tracing: {endpoint: 'x:1'}\n  route:\n"), "tracing is not supported"},
		"duplicate receiver":  {edit("- name: pager", "- name: all"), `notification config name "all" is not unique`},
		"too many routes":     {edit("      - receiver: pager\n", "      - receiver: pager\n      - receiver: all\n"), "3 nodes in the routing tree are more than the limit of 2"},
		"too long":            {good + strings.Repeat("#", 8<<10), "more than the limit of 8192"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(tt.file), Limits{Routes: 2, FileSize: 8 << 10}, reach)
			var invalid *place.Invalid
			if !errors.As(err, &invalid) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if p := invalid.Problems[0]; name != "too long" && (p.Line == 0 || p.Column == 0) {
				t.Errorf("no place: %v", err)
			}
		})
	}
}

func TestParse_incidents(t *testing.T) {
	const file = `alertmanager_config: |
  route: {receiver: x}
  receivers:
    - name: x
      incident_configs:
        - response_plan_arn: arn:aws:ssm-incidents::111122223333:response-plan/x
          impact: 2
          title: '{{ .GroupLabels.alertname }}'
`
	d, err := Parse([]byte(file), Limits{}, Reach{Incidents: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := d.incidents["x"]; len(got) != 1 || got[0].Impact != 2 || !got[0].SendResolved() {
		t.Errorf("got %+v", got)
	}
	if _, err := Parse([]byte(strings.Replace(file, "{receiver: x}", "{receiver: y}", 1)), Limits{}, Reach{Incidents: true}); err == nil || !strings.Contains(err.Error(), `2:21: undefined receiver "y"`) {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("alertmanager_config: \"route: {receiver: x}\\nreceivers: [{name: x}]\"")
	f.Add("alertmanager_config: |\n  route: &r {receiver: x, routes: [*r]}\n  receivers: [{name: x}]\n")
	f.Add("alertmanager_config: |\n  route: {receiver: x}\n  receivers: [{name: x, incident_configs: [{response_plan_arn: 'arn:x'}]}]\n")
	f.Fuzz(func(t *testing.T, content string) {
		d, err := Parse([]byte(content), Limits{FileSize: 1 << 16, Routes: 100, Templates: 100, InhibitionRules: 100}, Reach{Incidents: true})
		if (d == nil) == (err == nil) {
			t.Fatalf("definition %v, error %v", d, err)
		}
		var invalid *place.Invalid
		if err != nil && (!errors.As(err, &invalid) || len(invalid.Problems) == 0) {
			t.Errorf("an error without a problem: %v", err)
		}
	})
}
