package claims

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/amp"
	amptypes "github.com/aws/aws-sdk-go-v2/service/amp/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/house"
)

// inbox is a receiver of alerts on the loopback, over TLS.
type inbox struct {
	*httptest.Server
	mu   sync.Mutex
	said string
}

func newInbox(t testing.TB) *inbox {
	in := new(inbox)
	in.Server = httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		in.mu.Lock()
		defer in.mu.Unlock()
		in.said += r.URL.Path + " " + string(b) + "\n"
	}))
	t.Cleanup(in.Close)
	return in
}

func (in *inbox) count(what string) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return strings.Count(in.said, what)
}

// configuration is a file for a house that may reach the inbox under the name example.com.
func (in *inbox) configuration(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	ca, file := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "house.yaml")
	text := fmt.Sprintf("alert-receivers:\n  authorities: [%s]\n  hosts:\n    example.com: %s\n  topics:\n    %s: https://example.com/topic\n", ca, in.Listener.Addr(), alarmTopic)
	for name, b := range map[string][]byte{ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: in.Certificate().Raw}), file: []byte(text)} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := x509.ParseCertificate(in.Certificate().Raw); err != nil {
		t.Fatal(err)
	}
	return file
}

const alarmTopic = "arn:aws:sns:us-east-1:111122223333:alarms"

// alarm is a rule file with one alert that is always true.
func alarm(name string) []byte {
	return []byte("groups:\n  - name: canarygroup\n    interval: 5s\n    rules:\n      - record: canaryrecord\n        expr: vector(1)\n      - alert: " + name +
		"\n        expr: vector(1)\n        labels: {canarylabel: x}\n        annotations: {summary: canarysummary}\n")
}

// webhook is a definition that delivers to a path of example.com, over and over.
func webhook(path string) []byte {
	return []byte("alertmanager_config: |\n  route: {receiver: canaryreceiver, group_by: [alertname], group_wait: 10ms, group_interval: 1s, repeat_interval: 1s}\n" +
		"  receivers:\n    - name: canaryreceiver\n      webhook_configs:\n        - url: https://example.com/" + path + "\n")
}

func soon(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 600 {
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("not in time: %s", what)
}

func createRules(t testing.TB, a house.Account, workspace, name string, data []byte) {
	t.Helper()
	if _, err := a.AMP().CreateRuleGroupsNamespace(ctx, &amp.CreateRuleGroupsNamespaceInput{WorkspaceId: &workspace, Name: &name, Data: data}); err != nil {
		t.Fatal(err)
	}
}

func createDefinition(t testing.TB, a house.Account, workspace string, data []byte) {
	t.Helper()
	if _, err := a.AMP().CreateAlertManagerDefinition(ctx, &amp.CreateAlertManagerDefinitionInput{WorkspaceId: &workspace, Data: data}); err != nil {
		t.Fatal(err)
	}
}

// TestRules_DeliverUnderTheKey: alerts of a workspace reach its own receiver and no other, also after the house was killed; they stop when
// the key is disabled and come back when it is enabled; nothing of it is readable on the disk.
func TestRules_DeliverUnderTheKey(t *testing.T) {
	in := newInbox(t)
	h := house.Start(t, "--config", in.configuration(t))
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	one, two := admin.NewWorkspace(t, key), admin.NewWorkspace(t, "")
	createDefinition(t, admin, one, webhook("one"))
	createDefinition(t, admin, two, webhook("two"))
	createRules(t, admin, one, "ns", alarm("CanaryOne"))
	createRules(t, admin, two, "ns", alarm("CanaryTwo"))
	soon(t, "alerts of both workspaces", func() bool { return in.count("/one ") > 0 && in.count("/two ") > 0 })
	if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	_, err := admin.AMP().DescribeRuleGroupsNamespace(ctx, &amp.DescribeRuleGroupsNamespaceInput{WorkspaceId: &one, Name: aws.String("ns")})
	want(t, "a rule file without the key", err, "ConflictException")
	n := 0
	soon(t, "no more alerts without the key", func() bool {
		before := n
		n = in.count("/one ")
		time.Sleep(3 * time.Second)
		return n == before
	})
	h.Kill()
	h.Restart()
	admin = h.AsAdmin()
	two0 := in.count("/two ")
	soon(t, "alerts of the other workspace after the restart", func() bool { return in.count("/two ") > two0 })
	if in.count("/one ") != n {
		t.Error("alerts were delivered while the key was disabled")
	}
	noCanary(t, h.Dir)
	if _, err := admin.KMS().EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	soon(t, "alerts with the key", func() bool { return in.count("/one ") > n })
	if in.count("CanaryOne") == 0 || in.count("CanaryTwo") == 0 {
		t.Error("alerts have no names")
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for line := range strings.Lines(in.said) {
		if strings.HasPrefix(line, "/one ") && strings.Contains(line, "CanaryTwo") || strings.HasPrefix(line, "/two ") && strings.Contains(line, "CanaryOne") {
			t.Errorf("an alert was delivered to the other workspace's receiver: %s", line)
		}
	}
}

// TestAlerting_OverHTTP: rules, alerts and silences of a workspace are seen through its own paths and no other's; a silence is there after the
// house was killed, and silent.
func TestAlerting_OverHTTP(t *testing.T) {
	in := newInbox(t)
	h := house.Start(t, "--config", in.configuration(t))
	admin := h.AsAdmin()
	one, two := admin.NewWorkspace(t, newKey(t, admin, "")), admin.NewWorkspace(t, "")
	at := func(id string) plane { return planeOf(t, h, h.Admin, id) }
	if resp, text := at(one).do("GET", "alertmanager/api/v2/alerts", nil); resp.StatusCode != 404 {
		t.Errorf("without a definition: %d %s", resp.StatusCode, text)
	}
	for _, id := range []string{one, two} {
		createDefinition(t, admin, id, webhook(id))
	}
	createRules(t, admin, one, "ns", alarm("CanaryOne"))
	soon(t, "the alert", func() bool { return in.count("CanaryOne") > 0 })
	if status, data := at(one).get("rules"); status != 200 || !strings.Contains(data, `"canarygroup"`) || !strings.Contains(data, `"firing"`) {
		t.Errorf("rules: %d %s", status, data)
	}
	if status, data := at(one).get("alerts"); status != 200 || !strings.Contains(data, "CanaryOne") {
		t.Errorf("alerts: %d %s", status, data)
	}
	if status, data := at(one).get("query", "query", "canaryrecord"); status != 200 || !strings.Contains(data, `"canaryrecord"`) {
		t.Errorf("what a rule has recorded: %d %s", status, data)
	}
	silence := `{"matchers":[{"name":"alertname","value":"CanaryOne","isRegex":false,"isEqual":true}],"startsAt":"2020-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z","createdBy":"canaryuser","comment":"canarycomment"}`
	if resp, text := at(one).do("POST", "alertmanager/api/v2/silences", []byte(silence), "Content-Type", "application/json"); resp.StatusCode != 200 {
		t.Fatalf("a silence: %d %s", resp.StatusCode, text)
	}
	h.Kill()
	h.Restart()
	noCanary(t, h.Dir)
	if resp, text := at(one).do("GET", "alertmanager/api/v2/silences", nil); resp.StatusCode != 200 || !strings.Contains(text, "canarycomment") {
		t.Errorf("silences after the restart: %d %s", resp.StatusCode, text)
	}
	soon(t, "the alert is suppressed", func() bool {
		_, text := at(one).do("GET", "alertmanager/api/v2/alerts", nil)
		return strings.Contains(text, "CanaryOne") && strings.Contains(text, `"suppressed"`)
	})
	for _, path := range []string{"api/v1/rules", "api/v1/alerts", "alertmanager/api/v2/alerts", "alertmanager/api/v2/silences", "alertmanager/api/v2/alerts/groups"} {
		if resp, text := at(two).do("GET", path, nil); resp.StatusCode != 200 || strings.Contains(strings.ToLower(text), "canaryone") || strings.Contains(text, "canarycomment") {
			t.Errorf("%s of the other workspace: %d %s", path, resp.StatusCode, text)
		}
	}
	for _, path := range []string{"alertmanager/api/v2/status", "alertmanager/api/v2/receivers"} {
		if resp, text := at(one).do("GET", path, nil); resp.StatusCode != 200 || strings.Contains(text, "example.com") {
			t.Errorf("%s shows where alerts go: %d %s", path, resp.StatusCode, text)
		}
	}
}

// noCanary searches a directory for what tests write into rules and definitions.
func noCanary(t testing.TB, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if bytes.Contains(bytes.ToLower(b), []byte("canary")) {
			t.Errorf("%s holds rules, alerts or definitions in the clear", path)
		}
		return err
	})
	if err != nil || files < 5 {
		t.Errorf("%d files were searched: %v", files, err)
	}
}

// TestRules_Namespaces: a namespace is made, shown, listed, replaced and deleted as in AWS's API.
func TestRules_Namespaces(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	c, id := admin.AMP(), admin.NewWorkspace(t, "")
	in := &amp.CreateRuleGroupsNamespaceInput{WorkspaceId: &id, Name: aws.String("ns"), Data: alarm("A"), ClientToken: aws.String("t-1"), Tags: map[string]string{"team": "x"}}
	for range 2 { // the second is the same request again
		out, err := c.CreateRuleGroupsNamespace(ctx, in)
		if err != nil || *out.Arn != "arn:aws:aps:"+house.Region+":"+h.Account+":rulegroupsnamespace/"+id+"/ns" || out.Status.StatusCode != amptypes.RuleGroupsNamespaceStatusCodeCreating && out.Status.StatusCode != amptypes.RuleGroupsNamespaceStatusCodeActive || out.Tags["team"] != "x" {
			t.Fatalf("created as %+v, %v", out, err)
		}
	}
	_, err := c.CreateRuleGroupsNamespace(ctx, &amp.CreateRuleGroupsNamespaceInput{WorkspaceId: &id, Name: aws.String("ns"), Data: alarm("A")})
	want(t, "the same name again", err, "ConflictException")
	_, err = c.CreateRuleGroupsNamespace(ctx, &amp.CreateRuleGroupsNamespaceInput{WorkspaceId: &id, Name: aws.String("bad"), Data: bytes.Replace(alarm("A"), []byte("vector(1)"), []byte("vector("), 1)})
	if want(t, "a bad expression", err, "ValidationException"); !strings.Contains(messageOf(err), `6:15: group "canarygroup", rule 1, "canaryrecord"`) {
		t.Errorf("the refusal does not say where: %v", err)
	}
	_, err = c.PutRuleGroupsNamespace(ctx, &amp.PutRuleGroupsNamespaceInput{WorkspaceId: &id, Name: aws.String("other"), Data: alarm("A")})
	want(t, "a namespace that is not there", err, "ResourceNotFoundException")
	put, err := c.PutRuleGroupsNamespace(ctx, &amp.PutRuleGroupsNamespaceInput{WorkspaceId: &id, Name: aws.String("ns"), Data: alarm("B")})
	if err != nil || put.Status.StatusCode != amptypes.RuleGroupsNamespaceStatusCodeUpdating {
		t.Fatalf("replaced as %+v, %v", put, err)
	}
	soon(t, "the namespace is active", func() bool {
		d, err := c.DescribeRuleGroupsNamespace(ctx, &amp.DescribeRuleGroupsNamespaceInput{WorkspaceId: &id, Name: aws.String("ns")})
		return err == nil && d.RuleGroupsNamespace.Status.StatusCode == amptypes.RuleGroupsNamespaceStatusCodeActive
	})
	d, err := c.DescribeRuleGroupsNamespace(ctx, &amp.DescribeRuleGroupsNamespaceInput{WorkspaceId: &id, Name: aws.String("ns")})
	if err != nil || !bytes.Equal(d.RuleGroupsNamespace.Data, alarm("B")) || d.RuleGroupsNamespace.Tags["team"] != "x" {
		t.Errorf("described as %+v, %v", d, err)
	}
	createRules(t, admin, id, "nt", alarm("C"))
	list, err := c.ListRuleGroupsNamespaces(ctx, &amp.ListRuleGroupsNamespacesInput{WorkspaceId: &id, MaxResults: aws.Int32(1)})
	if err != nil || len(list.RuleGroupsNamespaces) != 1 || list.NextToken == nil {
		t.Fatalf("first page %+v, %v", list, err)
	}
	list, err = c.ListRuleGroupsNamespaces(ctx, &amp.ListRuleGroupsNamespacesInput{WorkspaceId: &id, NextToken: list.NextToken})
	if err != nil || len(list.RuleGroupsNamespaces) != 1 || *list.RuleGroupsNamespaces[0].Name != "nt" {
		t.Errorf("second page %+v, %v", list, err)
	}
	if _, err := c.DeleteRuleGroupsNamespace(ctx, &amp.DeleteRuleGroupsNamespaceInput{WorkspaceId: &id, Name: aws.String("ns")}); err != nil {
		t.Fatal(err)
	}
	_, err = c.DescribeRuleGroupsNamespace(ctx, &amp.DescribeRuleGroupsNamespaceInput{WorkspaceId: &id, Name: aws.String("ns")})
	want(t, "a namespace that was deleted", err, "ResourceNotFoundException")
	deleteWorkspace(t, admin, id)
	_, err = c.ListRuleGroupsNamespaces(ctx, &amp.ListRuleGroupsNamespacesInput{WorkspaceId: &id})
	want(t, "a workspace that was deleted", err, "ResourceNotFoundException")
}

// TestAlertManagerDefinition: a definition is made, shown, replaced and deleted as in AWS's API.
func TestAlertManagerDefinition(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	c, id := admin.AMP(), admin.NewWorkspace(t, "")
	_, err := c.DescribeAlertManagerDefinition(ctx, &amp.DescribeAlertManagerDefinitionInput{WorkspaceId: &id})
	want(t, "a definition that is not there", err, "ResourceNotFoundException")
	_, err = c.PutAlertManagerDefinition(ctx, &amp.PutAlertManagerDefinitionInput{WorkspaceId: &id, Data: webhook("x")})
	want(t, "a definition that is not there", err, "ResourceNotFoundException")
	bad := bytes.Replace(webhook("x"), []byte("https://"), []byte("http://"), 1)
	_, err = c.CreateAlertManagerDefinition(ctx, &amp.CreateAlertManagerDefinitionInput{WorkspaceId: &id, Data: bad})
	if want(t, "a receiver without encryption", err, "ValidationException"); !strings.Contains(messageOf(err), "6:11: url must be an https address") {
		t.Errorf("the refusal does not say where: %v", err)
	}
	sns := []byte("alertmanager_config: |\n  route: {receiver: x}\n  receivers: [{name: x, sns_configs: [{topic_arn: '" + alarmTopic + "', sigv4: {region: us-east-1}}]}]\n")
	_, err = c.CreateAlertManagerDefinition(ctx, &amp.CreateAlertManagerDefinitionInput{WorkspaceId: &id, Data: sns})
	want(t, "a topic that nobody has said", err, "ValidationException")
	out, err := c.CreateAlertManagerDefinition(ctx, &amp.CreateAlertManagerDefinitionInput{WorkspaceId: &id, Data: webhook("x")})
	if err != nil || out.Status.StatusCode != amptypes.AlertManagerDefinitionStatusCodeCreating {
		t.Fatalf("created as %+v, %v", out, err)
	}
	_, err = c.CreateAlertManagerDefinition(ctx, &amp.CreateAlertManagerDefinitionInput{WorkspaceId: &id, Data: webhook("x")})
	want(t, "another definition", err, "ConflictException")
	put, err := c.PutAlertManagerDefinition(ctx, &amp.PutAlertManagerDefinitionInput{WorkspaceId: &id, Data: webhook("y")})
	if err != nil || put.Status.StatusCode != amptypes.AlertManagerDefinitionStatusCodeUpdating {
		t.Fatalf("replaced as %+v, %v", put, err)
	}
	soon(t, "the definition is active", func() bool {
		d, err := c.DescribeAlertManagerDefinition(ctx, &amp.DescribeAlertManagerDefinitionInput{WorkspaceId: &id})
		return err == nil && d.AlertManagerDefinition.Status.StatusCode == amptypes.AlertManagerDefinitionStatusCodeActive
	})
	d, err := c.DescribeAlertManagerDefinition(ctx, &amp.DescribeAlertManagerDefinitionInput{WorkspaceId: &id})
	if err != nil || !bytes.Equal(d.AlertManagerDefinition.Data, webhook("y")) || d.AlertManagerDefinition.Status.StatusCode != amptypes.AlertManagerDefinitionStatusCodeActive {
		t.Errorf("described as %+v, %v", d, err)
	}
	if _, err := c.DeleteAlertManagerDefinition(ctx, &amp.DeleteAlertManagerDefinitionInput{WorkspaceId: &id}); err != nil {
		t.Fatal(err)
	}
	_, err = c.DeleteAlertManagerDefinition(ctx, &amp.DeleteAlertManagerDefinitionInput{WorkspaceId: &id})
	want(t, "a definition that was deleted", err, "ResourceNotFoundException")
}
