package compat

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/klauspost/compress/s2"
	"github.com/prometheus/client_golang/api"
	prom "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/sigv4"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
)

// freeAddress returns a loopback address that nobody listens at, for servers that must come back at the same one.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// carrying puts an access key with its secret into each request.
type carrying struct {
	aws.Credentials
	http.RoundTripper
}

func (c carrying) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.SetBasicAuth(c.AccessKeyID, c.SecretAccessKey)
	return c.RoundTripper.RoundTrip(r)
}

// TestPrometheusSends lets a real Prometheus scrape itself and send what it finds, through two crashes of the house, and looks
// whether each of its samples came. Debian's package is built without signatures: it carries its key.
func TestPrometheusSends(t *testing.T) {
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		outside.Missing(t, "prometheus is not installed")
	}
	h := house.Start(t, "--listen", freeAddress(t))
	base, self := h.Endpoint+"/workspaces/"+h.AsAdmin().NewWorkspace(t, ""), freeAddress(t)
	dir := t.TempDir()
	settings := fmt.Sprintf(`
global: {scrape_interval: 500ms, scrape_timeout: 400ms}
scrape_configs:
- job_name: self
  static_configs: [{targets: [%q]}]
remote_write:
- url: %s/api/v1/remote_write
  basic_auth: {username: %s, password: %q}
  tls_config: {ca_file: %q}
  queue_config: {batch_send_deadline: 200ms, min_backoff: 30ms, max_backoff: 500ms}
  metadata_config: {send_interval: 1s}
`, self, base, h.Admin.AccessKeyID, h.Admin.SecretAccessKey, h.CABundle)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "--config.file", file, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", self, "--log.level", "error")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("prometheus printed:\n%s", out.String())
		}
	})
	local := asker{t, http.DefaultClient, "http://" + self}
	remote := asker{t, &http.Client{Timeout: 30 * time.Second, Transport: carrying{h.Admin, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: h.Roots}}}}, base}
	within(t, 60*time.Second, "the first samples", func() bool { return len(remote.samples("up[1h]")) > 3 })
	for range 2 {
		time.Sleep(long() / 3)
		h.Kill()
		time.Sleep(time.Second)
		h.Restart()
		seen := len(remote.samples("up[1h]"))
		within(t, 60*time.Second, "samples after a crash", func() bool { return len(remote.samples("up[1h]")) > seen+2 })
	}
	time.Sleep(long() / 3)
	queries := []string{"up[1h]", "prometheus_tsdb_head_samples_appended_total[1h]", `prometheus_http_request_duration_seconds_bucket{handler="/metrics"}[1h]`}
	if long() > 0 {
		queries = append(queries, local.everything()...)
	}
	for _, query := range queries {
		want := local.samples(query)
		if len(want) < 8 {
			t.Fatalf("%s: Prometheus itself has %d samples", query, len(want))
		}
		var missing []string
		within(t, 30*time.Second, "all of "+query, func() bool {
			got := remote.samples(query)
			missing = nil
			for s := range want {
				if !got[s] {
					missing = append(missing, s)
				}
			}
			return len(missing) == 0
		})
		if len(missing) > 0 {
			t.Errorf("%s: %d of %d samples are missing, such as %s", query, len(missing), len(want), missing[0])
		}
	}
	within(t, 30*time.Second, "metadata", func() bool {
		return strings.Contains(remote.get("metadata", url.Values{"metric": {"prometheus_build_info"}}), "gauge")
	})
}

// everything returns a query for each metric that there was from the start.
func (a asker) everything() (queries []string) {
	a.t.Helper()
	var names struct{ Data []string }
	if err := json.Unmarshal([]byte(a.get("label/__name__/values", nil)), &names); err != nil {
		a.t.Fatal(err)
	}
	for _, name := range names.Data {
		if query := name + "[1h]"; len(a.samples(query)) >= 8 {
			queries = append(queries, query)
		}
	}
	return queries
}

// longEnv says for how many minutes TestPrometheusSends sends beside what it takes anyway.
const longEnv = "STRONGROOM_PROMETHEUS_MINUTES"

func long() time.Duration {
	n, _ := strconv.Atoi(os.Getenv(longEnv)) // 0 where nobody says
	return time.Duration(n) * time.Minute
}

// within waits until something holds.
func within(t testing.TB, d time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(d); ; time.Sleep(200 * time.Millisecond) {
		if holds() {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%s: not within %v", what, d)
			return
		}
	}
}

// asker asks Prometheus's API.
type asker struct {
	t    testing.TB
	http *http.Client
	base string
}

func (a asker) get(path string, v url.Values) string {
	a.t.Helper()
	resp, err := a.http.Get(a.base + "/api/v1/" + path + "?" + v.Encode())
	if err != nil {
		return "" // it may be starting
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}

// samples returns all samples that a range selector gives, as text.
func (a asker) samples(query string) map[string]bool {
	a.t.Helper()
	var m struct {
		Data struct {
			Result []struct {
				Metric json.RawMessage
				Values [][2]any
			}
		}
	}
	text := a.get("query", url.Values{"query": {query}})
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		a.t.Fatalf("%s: %v\n%s", query, err, text)
	}
	all := map[string]bool{}
	for _, s := range m.Data.Result {
		for _, v := range s.Values {
			all[fmt.Sprintf("%s %.3f %s", s.Metric, v[0], v[1])] = true
		}
	}
	return all
}

// TestPrometheusClients asks with the clients that people have: the Go client of Prometheus, and promtool.
func TestPrometheusClients(t *testing.T) {
	h := house.Start(t)
	base := h.Endpoint + "/workspaces/" + h.AsAdmin().NewWorkspace(t, "")
	transport := carrying{h.Admin, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: h.Roots}}}
	client, err := api.NewClient(api.Config{Address: base, RoundTripper: transport})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-time.Minute).Truncate(time.Second)
	otlp := fmt.Sprintf(`{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeMetrics":[{"metrics":[
		{"name":"orders","description":"orders taken","gauge":{"dataPoints":[{"timeUnixNano":"%d","asDouble":4}]}}]}]}]}`, at.UnixNano())
	resp, err := (&http.Client{Transport: transport}).Post(base+"/api/v1/otlp/v1/metrics", "application/json", strings.NewReader(otlp))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Fatalf("OTLP: got %s", resp.Status)
	}

	signs(t, h, base, at)
	a, ctx := prom.NewAPI(client), context.Background()
	value, _, _, err := a.Query(ctx, "orders", at)
	if v, ok := value.(model.Vector); err != nil || !ok || len(v) != 1 || v[0].Value != 4 || v[0].Metric["job"] != "shop" {
		t.Errorf("Query: got %v, %v", value, err)
	}
	value, _, _, err = a.QueryRange(ctx, "sum(orders)", prom.Range{Start: at, End: at.Add(time.Minute), Step: 30 * time.Second})
	if v, ok := value.(model.Matrix); err != nil || !ok || len(v) != 1 || len(v[0].Values) != 3 {
		t.Errorf("QueryRange: got %v, %v", value, err)
	}
	if v, _, _, err := a.Series(ctx, []string{"orders"}, at.Add(-time.Hour), at.Add(time.Hour)); err != nil || len(v) != 1 {
		t.Errorf("Series: got %v, %v", v, err)
	}
	if v, _, _, err := a.LabelNames(ctx, nil, at.Add(-time.Hour), at.Add(time.Hour)); err != nil || len(v) < 2 {
		t.Errorf("LabelNames: got %v, %v", v, err)
	}
	if v, _, _, err := a.LabelValues(ctx, "job", []string{"orders"}, at.Add(-time.Hour), at.Add(time.Hour)); err != nil || len(v) != 1 || v[0] != "shop" {
		t.Errorf("LabelValues: got %v, %v", v, err)
	}
	if v, err := a.Metadata(ctx, "", ""); err != nil || len(v["orders"]) != 1 || v["orders"][0].Help != "orders taken" {
		t.Errorf("Metadata: got %v, %v", v, err)
	}
	if v, err := a.Rules(ctx, nil); err != nil || len(v.Groups) != 0 {
		t.Errorf("Rules: got %v, %v", v, err)
	}
	if v, err := a.Alerts(ctx); err != nil || len(v.Alerts) != 0 {
		t.Errorf("Alerts: got %v, %v", v, err)
	}
	if v, err := a.Buildinfo(ctx); err != nil || v.Version == "" {
		t.Errorf("Buildinfo: got %v, %v", v, err)
	}
	var failed *prom.Error
	if _, _, _, err := a.Query(ctx, "orders{", at); !errors.As(err, &failed) || failed.Type != prom.ErrBadData {
		t.Errorf("a broken query: got %v", err)
	}

	promtool, err := exec.LookPath("promtool")
	if err != nil {
		outside.Missing(t, "promtool is not installed")
	}
	at1, end := fmt.Sprint(at.Unix()), fmt.Sprint(at.Unix()+60)
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(h.Admin.AccessKeyID, h.Admin.SecretAccessKey)
	for _, args := range [][]string{
		{"instant", "--time", at1, u.String(), "orders"}, {"range", "--start", at1, "--end", end, u.String(), "orders"},
		{"series", "--match", "orders", u.String()}, {"labels", u.String(), "job"},
	} {
		cmd := exec.Command(promtool, append([]string{"query"}, args...)...)
		cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+h.CABundle)
		text, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(text), "shop") {
			t.Errorf("promtool query %s: got %v\n%s", args[0], err, text)
		}
	}
}

// signs sends a sample with Prometheus's own sender and its own signatures.
func signs(t testing.TB, h *house.House, base string, at time.Time) {
	t.Helper()
	u, err := url.Parse(base + "/api/v1/remote_write")
	if err != nil {
		t.Fatal(err)
	}
	w, err := remote.NewWriteClient("house", &remote.ClientConfig{
		URL: &config.URL{URL: u}, Timeout: model.Duration(time.Minute), HTTPClientConfig: config.HTTPClientConfig{TLSConfig: config.TLSConfig{CAFile: h.CABundle}},
		SigV4Config: &sigv4.SigV4Config{Region: house.Region, AccessKey: h.Admin.AccessKeyID, SecretKey: config.Secret(h.Admin.SecretAccessKey)},
	})
	if err != nil {
		t.Fatal(err)
	}
	req := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels: []prompb.Label{{Name: "__name__", Value: "signed"}}, Samples: []prompb.Sample{{Timestamp: at.UnixMilli(), Value: 1}},
	}}}
	body, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store(context.Background(), s2.EncodeSnappy(nil, body), 0); err != nil {
		t.Errorf("a signed remote write: %v", err)
	}
}
