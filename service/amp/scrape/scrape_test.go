package scrape

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

const job = "scrape_configs:\n- job_name: a\n  static_configs:\n  - targets: ['127.0.0.1:9']\n"

func TestParse(t *testing.T) {
	t.Setenv("SECRET_OF_THE_HOUSE", "secret")
	for name, c := range map[string]struct{ text, says string }{
		"plain":             {job, ""},
		"global":            {"global: {scrape_interval: 5s}\n" + job, ""},
		"password":          {job + "  basic_auth: {username: u, password: p}\n", ""},
		"relabel":           {job + "  relabel_configs: [{target_label: b, replacement: c}]\n", ""},
		"empty":             {"", "no scrape_configs"},
		"no YAML":           {"{", "did not find"},
		"unknown":           {job + "  nonsense: 1\n", "line 5: field nonsense not found"},
		"job twice":         {job + "- job_name: a\n", "multiple scrape configs"},
		"rules":             {"rule_files: [/etc/passwd]\n" + job, "rule_files"},
		"other files":       {"\"scrape_config\\u005ffiles\": [/etc/*.yml]\n" + job, "scrape_config_files"},
		"remote write":      {"remote_write: [{url: 'http://127.0.0.1/'}]\n" + job, "remote_write"},
		"alerting":          {"alerting: {alertmanagers: [{static_configs: [{targets: [a]}]}]}\n" + job, "alerting"},
		"environment":       {"global: {external_labels: {a: '${SECRET_OF_THE_HOUSE}'}}\n" + job, "external_labels"},
		"password file":     {job + "  basic_auth: {username: u, password_file: /etc/passwd}\n", "PasswordFile"},
		"bearer token file": {job + "  authorization: {credentials_file: /etc/passwd}\n", "CredentialsFile"},
		"CA file":           {job + "  tls_config: {ca_file: /etc/passwd}\n", "CAFile"},
		"key file":          {job + "  tls_config: {cert_file: /etc/passwd, key_file: /etc/passwd}\n", "File"},
		"token server":      {job + "  oauth2: {client_id: a, client_secret_file: /etc/passwd, token_url: 'http://127.0.0.1/'}\n", "ClientSecretFile"},
		"header file":       {job + "  http_headers: {X-A: {files: [/etc/passwd]}}\n", "Files"},
		"house's proxy":     {job + "  proxy_from_environment: true\n", "proxy_from_environment"},
		"failure log":       {job + "  scrape_failure_log_file: /tmp/x\n", "scrape_failure_log_file"},
		"too often":         {job + "  scrape_interval: 10ms\n  scrape_timeout: 10ms\n", "scrape_interval"},
		"file discovery":    {job + "  file_sd_configs: [{files: [/etc/*.json]}]\n", "file_sd_configs"},
		"http discovery":    {job + "  http_sd_configs: [{url: 'http://169.254.169.254/'}]\n", "http_sd_configs"},
		"kubernetes":        {job + "  kubernetes_sd_configs: [{role: pod}]\n", "kubernetes_sd_configs"},
		"long":              {job + "#" + strings.Repeat("x", MaxSize), "bytes"},
	} {
		_, err := Parse([]byte(c.text))
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (!errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: got %v, want it to say %q", name, err, c.says)
		case err != nil && strings.Contains(err.Error(), "root:"):
			t.Errorf("%s: the error shows a file: %v", name, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	all, err := ParseAddresses([]string{"10.1.0.0/16:9100", "192.0.2.7", "127.0.0.1:80", "2001:db8::/32", "[2001:db9::1]:443"})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"10.1.2.3:9100": true, "10.1.2.3:22": false, "10.2.0.1:9100": false, "192.0.2.7:1": true, "192.0.2.8:1": false, "127.0.0.1:80": true,
		"127.0.0.1:81": false, "[2001:db8::5]:5": true, "[2001:db9::1]:443": true, "[2001:db9::1]:80": false, "[::ffff:10.1.2.3]:9100": true,
		"[::ffff:127.0.0.1]:22": false, "169.254.169.254:80": false, "localhost:80": false, "": false,
	} {
		if err := all.Allow(address); (err == nil) != want || err != nil && !errors.Is(err, ErrAddress) {
			t.Errorf("%s: got %v, want allowed %v", address, err, want)
		}
	}
	for _, bad := range []string{"", "host:80", "10.1.0.1/16", "10.1.0.0/33", "10.0.0.0/8:0", "10.0.0.0/8:x", "10.0.0.1:99999"} {
		if _, err := ParseAddresses([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// sink counts the samples of a metric that are committed.
type sink struct{ samples atomic.Int64 }

type sinkAppender struct {
	to *sink
	n  int64
}

func (s *sink) AppenderV2(context.Context) storage.AppenderV2 { return &sinkAppender{to: s} }

func (a *sinkAppender) Append(_ storage.SeriesRef, l labels.Labels, _, _ int64, v float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AppendV2Options) (storage.SeriesRef, error) {
	if l.Get("__name__") == "scraped_metric" && l.Get("job") == "a" && v == 7 {
		a.n++
	}
	return 0, nil
}

func (a *sinkAppender) Commit() error {
	a.to.samples.Add(a.n)
	return nil
}

func (a *sinkAppender) Rollback() error { return nil }

func TestRunner(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "http://127.0.0.2:9/metrics", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write([]byte("scraped_metric 7\n"))
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	c, err := Parse([]byte(strings.Replace("global: {scrape_interval: 1s, scrape_timeout: 1s}\n"+job, "127.0.0.1:9", address, 1)))
	if err != nil {
		t.Fatal(err)
	}
	none, some := NewRunner(nil), NewRunner(mustAddresses(t, address))
	defer none.Close()
	defer some.Close()
	var kept, stray sink
	if err := errors.Join(none.Start("s", "1", c, &stray, nil), some.Start("s", "1", c, &kept, nil)); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(15 * time.Second); kept.samples.Load() < 2 && time.Now().Before(until); {
		time.Sleep(20 * time.Millisecond)
	}
	if kept.samples.Load() < 2 {
		t.Errorf("%d samples came", kept.samples.Load())
	}
	if stray.samples.Load() != 0 {
		t.Error("a scraper reached an address that is not allowed")
	}
	if some.Revision("s") != "1" || some.Revision("t") != "" {
		t.Errorf("runs %v", some.IDs())
	}
	some.Stop("s")
	before := asked.Load()
	time.Sleep(1200 * time.Millisecond)
	if asked.Load() != before || len(some.IDs()) != 0 {
		t.Error("a scraper that was stopped goes on")
	}
}

func mustAddresses(t *testing.T, list ...string) Addresses {
	t.Helper()
	all, err := ParseAddresses(list)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(job))
	f.Add([]byte("global: {scrape_interval: 5s}\n" + job + "  basic_auth: {username: u, password: p}\n"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(text)
		if err != nil && !errors.Is(err, ErrConfig) {
			t.Errorf("got %v", err)
		}
		if err == nil && len(c.whole.ScrapeConfigs) == 0 {
			t.Error("a configuration without jobs")
		}
	})
}

func FuzzParseAddresses(f *testing.F) {
	f.Add("10.1.0.0/16:9100")
	f.Add("[2001:db8::1]:443")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ParseAddresses([]string{text})
		if err == nil && !all[0].net.IsValid() {
			t.Errorf("%q became %v", text, all)
		}
	})
}
