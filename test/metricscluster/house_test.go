package metricscluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/amp"
	amptypes "github.com/aws/aws-sdk-go-v2/service/amp/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/prompb"

	"github.com/strongroom/strongroom/test/house"
)

func TestMain(m *testing.M) { house.Main(m) }

var ctx = context.Background()

// soon waits until something holds.
func soon(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within two minutes", what)
		}
	}
}

// backend writes the file for --metrics-backend, and returns its name.
func backend(t testing.TB, c *Certificates, address, overrides, more string) string {
	t.Helper()
	text := fmt.Sprintf("kind: cortex\naddress: %s\nauthorities: [%s]\ncertificate: %s\nkey: %s\noverrides: %s\n%s", address, c.Authority, c.Client, c.ClientKey, overrides, more)
	file := filepath.Join(filepath.Dir(c.Authority), "backend.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func newKey(t testing.TB, a house.Account) string {
	t.Helper()
	out, err := a.KMS().CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

// client asks the data plane of a workspace as somebody who carries an access key.
type client struct {
	t    testing.TB
	http *http.Client
	base string // up to the workspace, with a slash at the end
	who  aws.Credentials
}

func clientOf(t testing.TB, h *house.House, who aws.Credentials, workspace string) *client {
	return &client{t, h.HTTP(), h.Endpoint + "/workspaces/" + workspace + "/", who}
}

func (c *client) do(method, path string, body []byte, header ...string) (int, string) {
	c.t.Helper()
	r, err := http.NewRequest(method, c.base+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.SetBasicAuth(c.who.AccessKeyID, c.who.SecretAccessKey)
	out, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer out.Body.Close()
	text, err := io.ReadAll(out.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return out.StatusCode, string(text)
}

// write sends a sample of a metric, now.
func (c *client) write(metric string, value float64, header ...string) (int, string) {
	c.t.Helper()
	m := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels: []prompb.Label{{Name: "__name__", Value: metric}, {Name: "job", Value: "canary"}}, Samples: []prompb.Sample{{Value: value, Timestamp: time.Now().UnixMilli()}},
	}}}
	body, err := m.Marshal()
	if err != nil {
		c.t.Fatal(err)
	}
	header = append([]string{"Content-Type", "application/x-protobuf", "Content-Encoding", "snappy", "X-Prometheus-Remote-Write-Version", "0.1.0"}, header...)
	return c.do("POST", "api/v1/remote_write", s2.EncodeSnappy(nil, body), header...)
}

func (c *client) query(expression string, header ...string) (int, string) {
	c.t.Helper()
	return c.do("GET", "api/v1/query?query="+url.QueryEscape(expression), nil, header...)
}

func (c *client) want(status int, what string, got int, text string) {
	c.t.Helper()
	if got != status {
		c.t.Errorf("%s: status %d %s, want %d", what, got, text, status)
	}
}

// wantError wants an error as the API of Prometheus has it.
func (c *client) wantError(status int, what string, got int, text string) {
	c.t.Helper()
	var m struct{ Status, ErrorType, Error string }
	if err := json.Unmarshal([]byte(text), &m); err != nil || got != status || m.Status != "error" || m.ErrorType == "" || m.Error == "" {
		c.t.Errorf("%s: status %d %s, want an error with %d", what, got, text, status)
	}
}

const someRules = "groups:\n- name: g\n  rules:\n  - record: a:b\n    expr: vector(1)\n"

const someDefinition = "alertmanager_config: |\n  route: {receiver: r}\n  receivers:\n  - name: r\n    webhook_configs: [{url: https://hooks.example.com/x}]\n"

// keep gives a workspace rules and a definition, and waits until the cluster has them.
func keep(t testing.TB, a house.Account, workspace string) {
	t.Helper()
	if _, err := a.AMP().CreateRuleGroupsNamespace(ctx, &amp.CreateRuleGroupsNamespaceInput{WorkspaceId: &workspace, Name: aws.String("n1"), Data: []byte(someRules)}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.AMP().CreateAlertManagerDefinition(ctx, &amp.CreateAlertManagerDefinitionInput{WorkspaceId: &workspace, Data: []byte(someDefinition)}); err != nil {
		t.Fatal(err)
	}
	soon(t, "rules and definition are active", func() bool {
		rules, err := a.AMP().DescribeRuleGroupsNamespace(ctx, &amp.DescribeRuleGroupsNamespaceInput{WorkspaceId: &workspace, Name: aws.String("n1")})
		if err != nil {
			t.Fatal(err)
		}
		definition, err := a.AMP().DescribeAlertManagerDefinition(ctx, &amp.DescribeAlertManagerDefinitionInput{WorkspaceId: &workspace})
		if err != nil {
			t.Fatal(err)
		}
		return rules.RuleGroupsNamespace.Status.StatusCode == amptypes.RuleGroupsNamespaceStatusCodeActive &&
			definition.AlertManagerDefinition.Status.StatusCode == amptypes.AlertManagerDefinitionStatusCodeActive
	})
}

func create(t testing.TB, a house.Account, key string) string {
	t.Helper()
	out, err := a.AMP().CreateWorkspace(ctx, &amp.CreateWorkspaceInput{KmsKeyArn: &key})
	if err != nil {
		t.Fatal(err)
	}
	return *out.WorkspaceId
}

func status(t testing.TB, a house.Account, workspace string) amptypes.WorkspaceStatusCode {
	t.Helper()
	out, err := a.AMP().DescribeWorkspace(ctx, &amp.DescribeWorkspaceInput{WorkspaceId: &workspace})
	if err != nil {
		t.Fatal(err)
	}
	return out.Workspace.Status.StatusCode
}

// TestHouseWithCluster is a house whose workspaces a cluster keeps: whose they are is said by the house, and everything else
// that holds of a workspace holds of them.
func TestHouseWithCluster(t *testing.T) {
	f := New(t, t.TempDir())
	h := house.Start(t, "--metrics-backend", backend(t, f.Certificates, f.URL, f.Overrides, ""))
	admin := h.AsAdmin()
	key := newKey(t, admin)

	f.Answer("/runtime_config", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("overrides: {}")) })
	sealed := create(t, admin, key)
	c := clientOf(t, h, h.Admin, sealed)
	soon(t, "the cluster is asked", func() bool { return len(f.Asked("/runtime_config")) > 0 })
	if got := status(t, admin, sealed); got != amptypes.WorkspaceStatusCodeCreating {
		t.Errorf("the cluster does not know the key, and the workspace is %s", got)
	}
	code, text := c.write("up", 1)
	c.wantError(503, "a write before that", code, text)
	f.Answer("/runtime_config", nil)
	soon(t, "the workspace is active", func() bool { return status(t, admin, sealed) == amptypes.WorkspaceStatusCodeActive })
	overrides, err := os.ReadFile(f.Overrides)
	if err != nil || !strings.Contains(string(overrides), "s3_sse_kms_key_id: "+key) || !strings.Contains(string(overrides), "workspace/"+sealed) {
		t.Errorf("the overrides are %v\n%s", err, overrides)
	}
	plain := admin.NewWorkspace(t, "")

	// The tenant is the workspace, whatever a client says.
	code, text = c.write("up", 1, "X-Scope-OrgID", plain)
	c.want(200, "a write", code, text)
	code, text = c.query("up", "X-Scope-OrgID", plain)
	c.want(200, "a query", code, text)
	code, text = c.do("GET", "api/v1/label/..%2F..%2F..%2Fpurger/values", nil)
	c.want(200, "the values of a label with a strange name", code, text)
	for _, r := range append(f.Asked("/api/v1/push"), f.Asked("/prometheus")...) {
		if r.Tenant != sealed || r.Header.Get("Authorization") != "" || strings.Contains(r.URI, "..") {
			t.Errorf("%s came for %q with %v", r.URI, r.Tenant, r.Header)
		}
	}
	_, other := h.NewAccount("other")
	before := len(f.Asked("/api/v1/push"))
	for _, who := range []aws.Credentials{other, h.User("nobody", "")} {
		if code, _ := clientOf(t, h, who, sealed).write("up", 1); code != 403 && code != 404 {
			t.Errorf("somebody else's write: status %d", code)
		}
	}
	code, _ = c.do("POST", "api/v1/remote_write", make([]byte, 17<<20))
	c.want(413, "a body that is too large", code, "")
	if n := len(f.Asked("/api/v1/push")) - before; n != 0 {
		t.Errorf("%d writes that were refused went on", n)
	}
	trail := false
	for _, r := range f.Asked("/") {
		trail = trail || r.Tenant == plain
	}
	if trail {
		t.Error("something came for the other workspace")
	}

	keep(t, admin, sealed)
	if got := f.Rules(sealed); !slices.Equal(got, []string{"n1/g"}) || f.Definition(sealed) != someDefinition {
		t.Errorf("the cluster has %v, %q", got, f.Definition(sealed))
	}
	code, text = c.do("GET", "alertmanager/api/v2/alerts", nil)
	c.want(200, "alerts", code, text)
	code, text = clientOf(t, h, h.Admin, plain).do("GET", "alertmanager/api/v2/alerts", nil)
	c.wantError(404, "alerts without a definition", code, text)

	loseKey(t, f, admin, c, key, sealed)
	loseGrant(t, f, admin, c, key, sealed)
	deleteBoth(t, f, admin, sealed, plain)
}

// loseKey disables the key and enables it again.
func loseKey(t *testing.T, f *Fake, admin house.Account, c *client, key, workspace string) {
	if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	refused(t, f, c, 503, "the key is disabled")
	soon(t, "rules and definition are taken back", func() bool { return f.Rules(workspace) == nil && f.Definition(workspace) == "" })
	if _, err := admin.KMS().EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	code, text := c.write("up", 1)
	c.want(200, "a write with the key enabled again", code, text)
	soon(t, "rules and definition are back", func() bool { return f.Rules(workspace) != nil && f.Definition(workspace) != "" })
}

// loseGrant revokes one of the grants, which is for ever.
func loseGrant(t *testing.T, f *Fake, admin house.Account, c *client, key, workspace string) {
	grants, err := admin.KMS().ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key})
	if err != nil || len(grants.Grants) != 3 {
		t.Fatalf("%d grants, %v", len(grants.Grants), err)
	}
	if _, err := admin.KMS().RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &key, GrantId: grants.Grants[1].GrantId}); err != nil {
		t.Fatal(err)
	}
	refused(t, f, c, 403, "a grant is revoked")
	soon(t, "rules and definition are taken back", func() bool { return f.Rules(workspace) == nil && f.Definition(workspace) == "" })
}

// refused makes sure that nothing of a workspace reaches the cluster.
func refused(t *testing.T, f *Fake, c *client, status int, why string) {
	t.Helper()
	count := func() int {
		return len(f.Asked("/api/v1/push")) + len(f.Asked("/prometheus")) + len(f.Asked("/alertmanager"))
	}
	before := count()
	code, text := c.write("up", 1)
	c.wantError(status, "a write while "+why, code, text)
	code, text = c.query("up")
	c.wantError(status, "a query while "+why, code, text)
	code, text = c.do("GET", "alertmanager/api/v2/alerts", nil)
	c.wantError(status, "alerts while "+why, code, text)
	if n := count() - before; n != 0 {
		t.Errorf("%d requests went on while %s", n, why)
	}
}

// deleteBoth deletes the workspaces, one whose key is lost among them.
func deleteBoth(t *testing.T, f *Fake, admin house.Account, list ...string) {
	for _, w := range list {
		f.Finish(w)
		if _, err := admin.AMP().DeleteWorkspace(ctx, &amp.DeleteWorkspaceInput{WorkspaceId: &w}); err != nil {
			t.Fatal(err)
		}
		soon(t, "the workspace is gone", func() bool {
			_, err := admin.AMP().DescribeWorkspace(ctx, &amp.DescribeWorkspaceInput{WorkspaceId: &w})
			return house.ErrorCode(err) == "ResourceNotFoundException"
		})
		asked := f.Asked("/purger/delete_tenant")
		if !slices.ContainsFunc(asked, func(r Request) bool {
			return r.Method == "POST" && r.Tenant == w && r.URI == "/purger/delete_tenant"
		}) {
			t.Errorf("the cluster was not asked to delete %s: %v", w, asked)
		}
	}
	soon(t, "the overrides say nothing of them", func() bool {
		text, err := os.ReadFile(f.Overrides)
		return err == nil && !strings.Contains(string(text), list[0]) && !strings.Contains(string(text), list[1])
	})
}

// TestClusterAway makes sure that a cluster that is not there is told as what it is, and that a house without one does not take
// the workspaces for its own.
func TestClusterAway(t *testing.T) {
	f := New(t, t.TempDir())
	file := backend(t, f.Certificates, f.URL, f.Overrides, "timeout: 20s\n")
	settings := filepath.Join(filepath.Dir(file), "strongroom.yaml")
	configure := func(text string) {
		if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("metrics-backend: " + file + "\n")
	h := house.Start(t, "--config", settings)
	admin := h.AsAdmin()
	workspace := admin.NewWorkspace(t, "")
	c := clientOf(t, h, h.Admin, workspace)
	code, text := c.write("up", 1)
	c.want(200, "a write", code, text)
	if _, err := admin.AMP().CreateScraper(ctx, &amp.CreateScraperInput{
		Destination: &amptypes.DestinationMemberAmpConfiguration{Value: amptypes.AmpConfiguration{
			WorkspaceArn: aws.String("arn:aws:aps:" + house.Region + ":" + h.Account + ":workspace/" + workspace),
		}},
		ScrapeConfiguration: &amptypes.ScrapeConfigurationMemberConfigurationBlob{Value: []byte("scrape_configs: []")},
		Source:              &amptypes.SourceMemberVpcConfiguration{Value: amptypes.VpcConfiguration{SecurityGroupIds: []string{"sg-1"}, SubnetIds: []string{"subnet-1"}}},
	}); house.ErrorCode(err) != "ValidationException" {
		t.Errorf("a scraper into it: %v", err)
	}
	f.CloseClientConnections()
	f.Close()
	code, text = c.write("up", 1)
	c.wantError(503, "a write while the cluster is away", code, text)
	code, text = c.query("up")
	c.wantError(503, "a query while the cluster is away", code, text)

	h.Stop()
	if err := os.WriteFile(file, []byte("kind: cortex\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := h.Run("serve", "--listen", "127.0.0.1:0", "--metrics", "off", "--metrics-backend", file); err == nil || !strings.Contains(text, "address is missing") {
		t.Errorf("a file that says too little: %v\n%s", err, text)
	}
	configure("{}\n")
	h.Restart()
	c = clientOf(t, h, h.Admin, workspace)
	code, text = c.write("up", 1)
	c.wantError(503, "a write without a cluster", code, text)
	if !strings.Contains(text, "metrics-backend") {
		t.Errorf("the answer does not say why: %s", text)
	}
}

// TestA11_BothSidesOfTheTrafficToAClusterAreProven has a house speak to a cluster over TLS in which each proves who it is, and to none that
// does not.
func TestA11_BothSidesOfTheTrafficToAClusterAreProven(t *testing.T) {
	f := New(t, t.TempDir()) // asks for a certificate of its authority
	file := backend(t, f.Certificates, f.URL, f.Overrides, "timeout: 20s\n")
	h := house.Start(t, "--metrics-backend", file)
	workspace := h.AsAdmin().NewWorkspace(t, "")
	write := func() (int, string) { return clientOf(t, h, h.Admin, workspace).write("up", 1) }
	code, text := write()
	if code != 200 || len(f.Asked("/api/v1/push")) != 1 {
		t.Fatalf("a write: status %d %s, and %d reached the cluster", code, text, len(f.Asked("/api/v1/push")))
	}

	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	strangers := NewCertificates(t, t.TempDir())
	for _, c := range []struct{ what, from, to string }{
		{"with a certificate that the cluster does not know", "certificate: " + f.Certificates.Client + "\nkey: " + f.ClientKey, "certificate: " + f.Stranger + "\nkey: " + f.StrangerKey},
		{"to a cluster that the house does not know", "[" + f.Authority + "]", "[" + strangers.Authority + "]"},
		{"to a cluster that asks for no certificate", f.URL, f.Careless(t, f).URL},
	} {
		h.Stop()
		if err := os.WriteFile(file, bytes.ReplaceAll(whole, []byte(c.from), []byte(c.to)), 0o600); err != nil {
			t.Fatal(err)
		}
		h.Restart()
		code, text := write()
		clientOf(t, h, h.Admin, workspace).wantError(503, "a write "+c.what, code, text)
		if n := len(f.Asked("/api/v1/push")); n != 1 {
			t.Errorf("%s: %d writes reached the cluster", c.what, n-1)
		}
	}

	h.Stop()
	plain := bytes.ReplaceAll(whole, []byte("https://"), []byte("http://"))
	if err := os.WriteFile(file, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := h.Run("serve", "--listen", "127.0.0.1:0", "--metrics", "off", "--metrics-backend", file); err == nil || !strings.Contains(text, "is not an address such as https://") {
		t.Errorf("a cluster without TLS: %v\n%s", err, text)
	}
}
