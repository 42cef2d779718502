package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/service/amp/prom"
	"github.com/strongroom/strongroom/test/metricscluster"
)

var ctx = context.Background()

func options(t testing.TB, c *metricscluster.Certificates, address string) Options {
	t.Helper()
	return Options{Kind: Cortex, Address: address, Roots: c.Roots(t), Certificate: func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.Client, c.ClientKey)
		return &pair, err
	}}
}

func open(t testing.TB, o Options) *Cluster {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newCluster(t testing.TB) (*Cluster, *metricscluster.Fake) {
	t.Helper()
	f := metricscluster.New(t, t.TempDir())
	return open(t, options(t, f.Certificates, f.URL)), f
}

func ask(t testing.TB, c *Cluster, r *prom.Request) *prom.Answer {
	t.Helper()
	a, err := c.Prometheus(ctx, "ws-1", r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestTenant makes sure that the tenant is ours to say, and that nothing of a client's request goes on that need not.
func TestTenant(t *testing.T) {
	c, f := newCluster(t)
	header := http.Header{
		"X-Scope-Orgid": {"ws-2"}, "Authorization": {"Basic c2VjcmV0"}, "X-Amz-Security-Token": {"secret"}, "Cookie": {"a=b"}, "X-Forwarded-For": {"192.0.2.1"},
		"Content-Type": {"application/x-protobuf"}, "Content-Encoding": {"snappy"}, "X-Prometheus-Remote-Write-Version": {"0.1.0"},
	}
	ask(t, c, &prom.Request{Method: "POST", Path: "remote_write", Header: header, Body: []byte("body")})
	ask(t, c, &prom.Request{Method: "GET", Path: "query", RawQuery: "query=up&X-Scope-OrgID=ws-2", Header: header})
	want := []string{"POST /api/v1/push", "GET /prometheus/api/v1/query?query=up&X-Scope-OrgID=ws-2"}
	for i, r := range f.Asked("/") {
		if got := r.Method + " " + r.URI; got != want[i] || r.Tenant != "ws-1" || len(r.Header.Values("X-Scope-OrgID")) != 1 {
			t.Errorf("got %s for %q, %v; want %s for ws-1", got, r.Tenant, r.Header, want[i])
		}
		for _, name := range []string{"Authorization", "X-Amz-Security-Token", "Cookie", "X-Forwarded-For"} {
			if r.Header.Get(name) != "" {
				t.Errorf("%s: %s was handed on", r.URI, name)
			}
		}
	}
	if r := f.Asked("/api/v1/push")[0]; r.Body != "body" || r.Header.Get("Content-Encoding") != "snappy" || r.Header.Get("X-Prometheus-Remote-Write-Version") != "0.1.0" {
		t.Errorf("the write came as %+v", r)
	}
}

func TestPaths(t *testing.T) {
	c, f := newCluster(t)
	mimir := &Cluster{kind: Mimir}
	for path, want := range map[string]string{
		"label/job/values": "/prometheus/api/v1/label/job/values", "label/U__a_2e_b/values": "/prometheus/api/v1/label/U__a_2e_b/values",
		"label/a.b/values": "/prometheus/api/v1/label/U__a_2e_b/values", "label/../values": "/prometheus/api/v1/label/U___2e__2e_/values",
		"label/a/../../x/values": "/prometheus/api/v1/label/U__a_2f__2e__2e__2f__2e__2e__2f_x/values", "label//values": "", "label/\xff/values": "",
		"otlp/v1/metrics": "/api/v1/otlp/v1/metrics", "admin/tsdb/delete_series": "", "../../purger/delete_tenant": "", "": "",
	} {
		if got := c.prometheusAPI(path); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
	if got := mimir.prometheusAPI("otlp/v1/metrics"); got != "/otlp/v1/metrics" {
		t.Errorf("of Mimir: %q", got)
	}
	for path, want := range map[string]int{"api/v2/silence/../../../purger/delete_tenant": 404, "api/v2/silence/": 404, "api/v1/alerts": 404, "api/v2/silence/0a-1": 200, "api/v2/alerts/groups": 200} {
		a, err := c.Alertmanager(ctx, "ws-1", path, &prom.Request{Method: "GET"})
		if err != nil || a.Status != want {
			t.Errorf("%s: %+v, %v; want %d", path, a, err, want)
		}
	}
	if got := len(f.Asked("/")); got != 2 {
		t.Errorf("%d requests went on, want 2", got)
	}
}

// TestBothSides makes sure that both sides of a connection prove who they are.
func TestBothSides(t *testing.T) {
	f := metricscluster.New(t, t.TempDir())
	careless := f.Careless(t, f)
	stranger := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(f.Stranger, f.StrangerKey)
		return &pair, err
	}
	other := metricscluster.NewCertificates(t, t.TempDir())
	for name, change := range map[string]func(*Options){
		"a server that asks for no certificate": func(o *Options) { o.Address = careless.URL },
		"a certificate of another authority":    func(o *Options) { o.Certificate = stranger },
		"no certificate": func(o *Options) {
			o.Certificate = func() (*tls.Certificate, error) { return nil, errors.New("the file is not there") }
		},
		"a server of another authority": func(o *Options) { o.Roots = other.Roots(t) },
		"a server of another name":      func(o *Options) { o.ServerName = "other.test" },
	} {
		o := options(t, f.Certificates, f.URL)
		change(&o)
		if a := ask(t, open(t, o), &prom.Request{Method: "GET", Path: "query"}); a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: status %d", name, a.Status)
		}
	}
	if got := f.Asked("/"); len(got) != 0 {
		t.Errorf("requests were taken: %v", got)
	}
	o := options(t, f.Certificates, f.URL)
	o.ServerName = metricscluster.ServerName
	if a := ask(t, open(t, o), &prom.Request{Method: "GET", Path: "query"}); a.Status != http.StatusOK {
		t.Errorf("the name in the certificate: status %d", a.Status)
	}
	for _, bad := range []string{"http://127.0.0.1:1", "https://", "https://user@host", "https://host?x=1", "cortex:9009"} {
		o.Address = bad
		if _, err := New(o); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestAnswers makes sure that a status says what a sender is to do, and that no fault of the cluster is repeated.
func TestAnswers(t *testing.T) {
	c, f := newCluster(t)
	for _, x := range []struct {
		status   int
		body     string
		path     string
		want     int
		says     string // what the answer holds
		says2    string
		mustHide string
	}{
		{200, "data", "query", 200, "data", "", ""},
		{400, `{"status":"error","errorType":"bad_data","error":"parse error"}`, "query", 400, `"bad_data"`, "parse error", ""},
		{400, "out of order sample", "remote_write", 400, "out of order sample", "", ""},
		{422, "too many series\n", "query_range", 422, `"errorType":"execution"`, "too many series", ""},
		{429, "ingestion rate limit", "remote_write", 429, "ingestion rate limit", "", ""},
		{413, "too large", "remote_write", 413, "too large", "", ""},
		{500, "10.0.0.1 said no", "remote_write", 500, `"errorType":"internal"`, "", "10.0.0.1"},
		{502, "bad gateway of 10.0.0.1", "query", 503, `"errorType":"unavailable"`, "", "10.0.0.1"},
		{503, "empty ring", "query", 503, `"errorType":"unavailable"`, "", "ring"},
		{401, "no org id", "query", 503, `"errorType":"unavailable"`, "", "org"},
		{403, "forbidden", "remote_write", 503, `"errorType":"unavailable"`, "", "forbidden"},
		{404, "not found", "query", 503, `"errorType":"unavailable"`, "", "not found"},
		{302, "elsewhere", "query", 503, `"errorType":"unavailable"`, "", ""},
	} {
		answer := func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Internal", "1")
			w.Header().Set("Location", "https://192.0.2.1/")
			w.WriteHeader(x.status)
			_, _ = w.Write([]byte(x.body))
		}
		f.Answer(c.prometheusAPI(x.path), answer)
		a := ask(t, c, &prom.Request{Method: "POST", Path: x.path})
		body := string(a.Body)
		if a.Status != x.want || !strings.Contains(body, x.says) || !strings.Contains(body, x.says2) || x.mustHide != "" && strings.Contains(body, x.mustHide) {
			t.Errorf("%s, %d %s: got %d %s", x.path, x.status, x.body, a.Status, body)
		}
		if a.Header.Get("X-Internal") != "" || a.Header.Get("Location") != "" {
			t.Errorf("%s, %d: headers %v", x.path, x.status, a.Header)
		}
		if (a.Status == 429 || a.Status == 503) && a.Header.Get("Retry-After") == "" {
			t.Errorf("%s, %d: no Retry-After", x.path, x.status)
		}
	}
}

func TestBounds(t *testing.T) {
	f := metricscluster.New(t, t.TempDir())
	o := options(t, f.Certificates, f.URL)
	o.Timeout = 50 * time.Millisecond
	c := open(t, o)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	f.Answer(pushPath, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	if a := ask(t, c, &prom.Request{Method: "POST", Path: "remote_write"}); a.Status != http.StatusServiceUnavailable {
		t.Errorf("a cluster that is silent: status %d", a.Status)
	}
	f.Answer(settingsPath, func(w http.ResponseWriter, _ *http.Request) {
		for chunk := make([]byte, 1<<20); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	c.timeout = time.Minute
	if _, err := c.Sealings(ctx); err == nil || !strings.Contains(err.Error(), "long") {
		t.Errorf("an answer without end: %v", err)
	}
	f.Close()
	if a := ask(t, c, &prom.Request{Method: "POST", Path: "remote_write"}); a.Status != http.StatusServiceUnavailable || !strings.Contains(string(a.Body), `"errorType":"unavailable"`) {
		t.Errorf("a cluster that is not there: %d %s", a.Status, a.Body)
	}
}

const ruleFile = `
x: &common {severity: "1e3"}
groups:
- name: a/../b
  interval: 1m
  rules: [{record: "job:up:sum", expr: sum(up)}]
- name: alerts
  rules:
  - {alert: Down, expr: up == 0, for: 5m, labels: *common}
`

func TestRules(t *testing.T) {
	c, f := newCluster(t)
	have := func() map[string][]string {
		t.Helper()
		all, err := c.Namespaces(ctx, "ws-1")
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if got := have(); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if err := c.PutNamespace(ctx, "ws-1", "node rules", []byte(ruleFile), nil); err != nil {
		t.Fatal(err)
	}
	if got := f.Rules("ws-1"); !slices.Equal(got, []string{"node rules/a/../b", "node rules/alerts"}) {
		t.Errorf("got %v", got)
	}
	posts := f.Asked("/api/v1/rules/node%20rules")
	if len(posts) != 2 || !strings.Contains(posts[1].Body, `"1e3"`) || strings.Contains(posts[1].Body, "*common") {
		t.Errorf("got %+v", posts)
	}
	fewer := "groups: [{name: alerts, rules: [{record: x, expr: up}]}]"
	if err := c.PutNamespace(ctx, "ws-1", "node rules", []byte(fewer), have()["node rules"]); err != nil {
		t.Fatal(err)
	}
	if got := f.Rules("ws-1"); !slices.Equal(got, []string{"node rules/alerts"}) {
		t.Errorf("got %v", got)
	}
	if err := errors.Join(c.PutDefinition(ctx, "ws-1", []byte("alertmanager_config: x")), c.Withdraw(ctx, "ws-1", []string{"node rules", "not there"})); err != nil {
		t.Fatal(err)
	}
	if f.Rules("ws-1") != nil || f.Definition("ws-1") != "" {
		t.Errorf("left: %v %q", f.Rules("ws-1"), f.Definition("ws-1"))
	}
	var refused *Refused
	f.Answer("/api/v1/rules/bad", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret words", http.StatusBadRequest) })
	if err := c.PutNamespace(ctx, "ws-1", "bad", []byte(fewer), nil); !errors.As(err, &refused) || strings.Contains(err.Error(), "secret") {
		t.Errorf("a group that is not taken: %v", err)
	}
	bomb := "a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\n" +
		"e: &e [*d,*d,*d,*d,*d,*d,*d,*d]\ngroups: [{name: x, rules: [*e,*e,*e,*e,*e,*e,*e,*e]}]"
	if err := c.PutNamespace(ctx, "ws-1", "bomb", []byte(bomb), nil); err == nil {
		t.Error("a file that unfolds without bound was handed on")
	}
}

func TestDelete(t *testing.T) {
	c, f := newCluster(t)
	if err := c.Delete(ctx, "ws-1"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{false, true} {
		if gone, err := c.Deleted(ctx, "ws-1"); err != nil || gone != want {
			t.Errorf("gone: %v, %v; want %v", gone, err, want)
		}
		f.Finish("ws-1")
	}
	f.Answer("/purger/delete_tenant_status", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"tenant_id":"ws-2","blocks_deleted":true}`))
	})
	if gone, err := c.Deleted(ctx, "ws-1"); gone || err == nil {
		t.Errorf("the answer for another tenant counts: %v, %v", gone, err)
	}
}

const wantOverrides = `# Written by Strongroom, which replaces it when a workspace changes. What is said of other tenants comes from metrics-backend's base.
ingester_limits:
  max_tenants: 10
overrides:
  theirs:
    ingestion_rate: 5
  ws-1:
    s3_sse_type: SSE-KMS
    s3_sse_kms_key_id: arn:aws:kms:eu-central-1:111122223333:key/1
    s3_sse_kms_encryption_context: '{"aws:aps:arn":"arn:aws:aps:eu-central-1:111122223333:workspace/ws-1"}'
    compactor_blocks_retention_period: 86400s
    out_of_order_time_window: 60s
    ruler_query_offset: 5s
    limits_per_label_set:
      - label_set:
          job: a
        limits:
          max_series: 7
  ws-2:
    s3_sse_type: SSE-S3
    compactor_blocks_retention_period: 3600s
    out_of_order_time_window: 0s
`

func TestOverrides(t *testing.T) {
	c, f := newCluster(t)
	tenants := []Tenant{
		{ID: "ws-2", Retention: time.Hour},
		{
			ID: "ws-1", ARN: "arn:aws:aps:eu-central-1:111122223333:workspace/ws-1", Key: "arn:aws:kms:eu-central-1:111122223333:key/1", Going: true,
			Retention: 24 * time.Hour, OutOfOrder: time.Minute, RuleOffset: 5 * time.Second, LabelSets: []LabelSetLimit{{map[string]string{"job": "a"}, 7}},
		},
	}
	base := "overrides:\n  theirs: {ingestion_rate: 5}\n  ws-1: {s3_sse_type: SSE-S3}\ningester_limits: {max_tenants: 10}\n"
	text, err := Cortex.Overrides([]byte(base), tenants)
	if err != nil || string(text) != wantOverrides {
		t.Fatalf("%v\ngot:\n%s\nwant:\n%s", err, text, wantOverrides)
	}
	if err := os.WriteFile(f.Overrides, text, 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := c.Sealings(ctx)
	if err != nil || all["ws-1"] != tenants[1].Sealing(Cortex) || all["ws-2"] != tenants[0].Sealing(Cortex) || all["theirs"] != (Sealing{}) {
		t.Errorf("read back: %v, %v", all, err)
	}
	if got := tenants[1].Sealing(Mimir); got.Type != "SSE-S3" {
		t.Errorf("a tenant that goes, of Mimir: %v", got)
	}
	if text, err := Mimir.Overrides(nil, tenants); err != nil || strings.Contains(string(text), "label_set") || strings.Contains(string(text), "offset") {
		t.Errorf("of Mimir: %v\n%s", err, text)
	}
	for _, bad := range []string{"overrides: [1]", "a: [", "- 1"} {
		if _, err := Cortex.Overrides([]byte(bad), nil); err == nil {
			t.Errorf("base %q is taken", bad)
		}
	}
}

func FuzzPaths(f *testing.F) {
	for _, seed := range []string{"label/job/values", "label/../values", "query", "label/%2e%2e/values", "api/v2/silence/.."} {
		f.Add(seed)
	}
	c := &Cluster{kind: Cortex}
	f.Fuzz(func(t *testing.T, path string) {
		for _, got := range []string{c.prometheusAPI(path), c.alertmanagerAPI(path)} {
			if strings.Contains(got, "..") || strings.ContainsAny(got, "?#%\\ ") || strings.Contains(got, "//") {
				t.Errorf("%q leads to %q", path, got)
			}
		}
	})
}

func FuzzOverrides(f *testing.F) {
	f.Add([]byte("overrides: {a: {b: 1}}"))
	f.Add([]byte(wantOverrides))
	f.Add([]byte("~"))
	f.Fuzz(func(t *testing.T, base []byte) {
		text, err := Cortex.Overrides(base, []Tenant{{ID: "ws-1"}})
		if err == nil && !strings.Contains(string(text), "ws-1:") {
			t.Errorf("the tenant is missing from:\n%s", text)
		}
	})
}
