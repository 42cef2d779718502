package claims

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/amp"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/house"
)

// TestA1_WhatIsCollected: values, labels and times that a sender chose to send come back as they were sent, by every way that senders and
// readers have, and nothing else is there.
func TestA1_WhatIsCollected(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	id := admin.NewWorkspace(t, "")
	p, at := planeOf(t, h, h.Admin, id), time.Now().Add(-time.Minute).Truncate(time.Second)
	p.mustWrite(at, map[string]float64{"temperature{room=cellar,unit=C}": 17.5, "humidity{room=cellar}": 0.61})
	stamp := fmt.Sprint(at.Unix())
	for _, tc := range []struct {
		path   string
		params []string
		want   string
	}{
		{"query", []string{"query", "temperature", "time", stamp}, `{"resultType":"vector","result":[{"metric":{"__name__":"temperature","room":"cellar","unit":"C"},"value":[` + stamp + `,"17.5"]}]}`},
		{"query_range", []string{"query", "humidity", "start", stamp, "end", stamp, "step", "1"}, `{"resultType":"matrix","result":[{"metric":{"__name__":"humidity","room":"cellar"},"values":[[` + stamp + `,"0.61"]]}]}`},
		{"series", []string{"match[]", "temperature"}, `[{"__name__":"temperature","room":"cellar","unit":"C"}]`},
		{"labels", nil, `["__name__","room","unit"]`},
		{"label/__name__/values", nil, `["humidity","temperature"]`},
		{"metadata", nil, `{}`},
		{"rules", nil, `{"groups":[]}`},
		{"alerts", nil, `{"alerts":[]}`},
	} {
		if status, got := p.get(tc.path, tc.params...); status != 200 || got != tc.want {
			t.Errorf("%s %q: got %d %s, want %s", tc.path, tc.params, status, got, tc.want)
		}
	}
	for _, carry := range []string{"Basic", "Bearer"} { // agents that cannot sign
		p := p
		p.carry = carry
		p.mustWrite(at.Add(time.Second), map[string]float64{"carried{by=" + carry + "}": 1})
		if status, got := p.get("label/by/values"); status != 200 || !strings.Contains(got, carry) {
			t.Errorf("%s: got %d %s", carry, status, got)
		}
		p.who.SecretAccessKey += "x"
		if status, got := p.get("labels"); status != 403 {
			t.Errorf("%s with another secret: got %d %s, want 403", carry, status, got)
		}
	}
	found := false
	for _, e := range events(t, admin, "RemoteWrite") {
		found = found || e.ErrorCode == "" && e.EventCategory == "Data" && e.RequestParameters["workspaceId"] == id && strings.Contains(e.text, `"AuthenticationMethod":"Basic"`)
		if strings.Contains(e.text, "cellar") || strings.Contains(e.text, "temperature") || strings.Contains(e.text, h.Admin.SecretAccessKey) {
			t.Errorf("the record holds what was sent: %s", e.text)
		}
	}
	if !found {
		t.Error("no record of a remote write that says how its key came")
	}

	if resp, text := p.write(time.Now().Add(24*time.Hour), map[string]float64{"x": 1}); resp.StatusCode != 400 {
		t.Errorf("a sample of tomorrow: got %d %s, want 400", resp.StatusCode, text)
	}
	h.Kill() // no goodbye
	h.Restart()
	p = planeOf(t, h, h.Admin, id)
	if status, got := p.get("query", "query", "temperature", "time", stamp); status != 200 || !strings.Contains(got, "17.5") {
		t.Errorf("after a crash: got %d %s", status, got)
	}
}

// TestA2_TenantsAreIsolated: with the same names in both, nobody sees anything of another's workspace, nor that it is there.
func TestA2_TenantsAreIsolated(t *testing.T) {
	h := house.Start(t)
	_, other := h.NewAccount("other")
	mine, theirs := h.AsAdmin().NewWorkspace(t, ""), h.As(other).NewWorkspace(t, "")
	me, they := planeOf(t, h, h.Admin, mine), planeOf(t, h, other, theirs)
	at := time.Now().Add(-time.Minute)
	me.mustWrite(at, map[string]float64{"shared{who=me}": 1})
	they.mustWrite(at, map[string]float64{"shared{who=they}": 2, "secret{canary=yes}": 3})

	stamp := fmt.Sprint(at.Unix() + 1)
	for _, tc := range []struct {
		path   string
		params []string
	}{
		{"query", []string{"query", "{__name__=~\".+\"}", "time", stamp}}, {"query", []string{"query", "count({__name__=~\".+\"})", "time", stamp}},
		{"query_range", []string{"query", "shared", "start", stamp, "end", stamp, "step", "1"}}, {"series", []string{"match[]", "{__name__=~\".+\"}"}},
		{"labels", nil}, {"label/who/values", nil}, {"label/__name__/values", nil}, {"metadata", nil}, {"rules", nil}, {"alerts", nil},
	} {
		status, got := me.get(tc.path, tc.params...)
		if status != 200 || strings.Contains(got, "they") || strings.Contains(got, "canary") || strings.Contains(got, "secret") || strings.Contains(got, `"3"`) {
			t.Errorf("%s %q in my own workspace: got %d %s", tc.path, tc.params, status, got)
		}
		foreign := planeOf(t, h, h.Admin, theirs)
		missing := planeOf(t, h, h.Admin, "ws-00000000-0000-0000-0000-000000000000")
		status, got = foreign.get(tc.path, tc.params...)
		wantStatus, want := missing.get(tc.path, tc.params...)
		if status != wantStatus || strings.ReplaceAll(got, theirs, "") != strings.ReplaceAll(want, "ws-00000000-0000-0000-0000-000000000000", "") || status < 400 {
			t.Errorf("%s: another's workspace answers %d %s, one that is not there %d %s", tc.path, status, got, wantStatus, want)
		}
	}
	foreign := planeOf(t, h, h.Admin, theirs)
	if resp, text := foreign.write(at, map[string]float64{"planted": 1}); resp.StatusCode != 404 {
		t.Errorf("a write to another's workspace: got %d %s, want 404", resp.StatusCode, text)
	}
	if _, got := they.get("label/__name__/values"); strings.Contains(got, "planted") {
		t.Errorf("it is there: %s", got)
	}
	if resp, text := foreign.do("GET", "alertmanager/api/v2/silences", nil); resp.StatusCode < 400 {
		t.Errorf("another's silences: got %d %s", resp.StatusCode, text)
	}
}

// TestA3_TenantsCannotBeChosen: who a request is for follows from the path and the signature, and from nothing else that is sent.
func TestA3_TenantsCannotBeChosen(t *testing.T) {
	h := house.Start(t)
	_, other := h.NewAccount("other")
	mine, theirs := h.AsAdmin().NewWorkspace(t, ""), h.As(other).NewWorkspace(t, "")
	me, they := planeOf(t, h, h.Admin, mine), planeOf(t, h, other, theirs)
	at := time.Now().Add(-time.Minute)
	they.mustWrite(at, map[string]float64{"theirs": 1})
	for _, header := range []string{"X-Scope-OrgID", "X-Scope-Orgid", "X-Prometheus-Tenant", "THANOS-TENANT", "X-Amz-Workspace-Id"} {
		for _, value := range []string{theirs, h.Account, mine + "|" + theirs, "*"} {
			if resp, text := me.write(at, map[string]float64{"mine{header=" + strings.ToLower(header) + "}": 1}, header, value); resp.StatusCode != 204 {
				t.Errorf("%s: %s: got %d %s", header, value, resp.StatusCode, text)
			}
			if resp, text := me.do("GET", "api/v1/label/__name__/values", nil, header, value); resp.StatusCode != 200 || !strings.Contains(text, `["mine"]`) {
				t.Errorf("%s: %s: got %d %s", header, value, resp.StatusCode, text)
			}
		}
	}
	for _, path := range []string{"../" + theirs + "/api/v1/labels", "..%2F" + theirs + "/api/v1/labels", "%2e%2e/" + theirs + "/api/v1/labels", "api/v1/../../../" + theirs + "/api/v1/labels", "api/v1//labels"} {
		if resp, text := me.do("GET", path, nil); resp.StatusCode < 400 {
			t.Errorf("%s: got %d %s", path, resp.StatusCode, text)
		}
	}
	if _, got := they.get("label/__name__/values"); got != `["theirs"]` {
		t.Errorf("the other workspace has %s", got)
	}
	alias := "another"
	if _, err := h.AsAdmin().AMP().UpdateWorkspaceAlias(ctx, &amp.UpdateWorkspaceAliasInput{WorkspaceId: &mine, Alias: &alias}); err != nil {
		t.Fatal(err)
	}
	if _, got := me.get("label/__name__/values"); got != `["mine"]` {
		t.Errorf("after a new alias: got %s", got)
	}
	out, err := h.AsAdmin().AMP().DescribeWorkspace(ctx, &amp.DescribeWorkspaceInput{WorkspaceId: &mine})
	if err != nil || *out.Workspace.WorkspaceId != mine {
		t.Errorf("after a new alias: got %v, %v", out, err)
	}
}

// TestA10_InTransit: what is sent without TLS is refused, not sent on, and no key is taken from it.
func TestA10_InTransit(t *testing.T) {
	h := house.Start(t)
	id := h.AsAdmin().NewWorkspace(t, "")
	p := planeOf(t, h, h.Admin, id)
	p.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p.base = "http" + strings.TrimPrefix(p.base, "https")
	for _, carry := range []string{"", "Basic", "Bearer"} {
		p.carry = carry
		resp, text := p.write(time.Now(), map[string]float64{"x": 1})
		if resp.StatusCode != 400 || resp.Header.Get("Location") != "" || !strings.Contains(text, "HTTPS only") {
			t.Errorf("over plain HTTP %s: got %d %v %s, want to be told to use HTTPS", carry, resp.StatusCode, resp.Header, text)
		}
	}
	if _, got := planeOf(t, h, h.Admin, id).get("labels"); got != `[]` {
		t.Errorf("what was sent is there: %s", got)
	}
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", strings.TrimPrefix(h.Endpoint, "https://"), &tls.Config{RootCAs: h.Roots, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if err == nil {
		c.Close()
		t.Error("TLS 1.1: got a connection")
	}
}

// TestA21_ResourcePolicy: a policy of a workspace opens its Prometheus-compatible operations to others, each by its name; whatever else it says
// opens nothing.
func TestA21_ResourcePolicy(t *testing.T) {
	h := house.Start(t)
	account, other := h.NewAccount("other")
	id := h.AsAdmin().NewWorkspace(t, "")
	me, they := planeOf(t, h, h.Admin, id), planeOf(t, h, other, id)
	at := time.Now().Add(-time.Minute)
	me.mustWrite(at, map[string]float64{"mine": 1})
	if status, got := they.get("labels"); status != 404 {
		t.Errorf("before there is a policy: got %d %s, want 404", status, got)
	}
	put := func(actions string) {
		t.Helper()
		doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":` + actions + `,"Resource":"` + workspaceARN(h, id) + `"}]}`
		if _, err := h.AsAdmin().AMP().PutResourcePolicy(ctx, &amp.PutResourcePolicyInput{WorkspaceId: &id, PolicyDocument: &doc}); err != nil {
			t.Fatal(err)
		}
	}
	put(`["aps:QueryMetrics","aps:GetLabels","aps:DeleteWorkspace","aps:DescribeWorkspace","aps:UpdateWorkspaceAlias","aps:ListRules","aps:PreviewAnomalyDetector"]`)
	if status, got := they.get("label/__name__/values"); status != 200 || got != `["mine"]` {
		t.Errorf("what the policy opens: got %d %s", status, got)
	}
	if status, got := they.get("query", "query", "mine", "time", fmt.Sprint(at.Unix()+1)); status != 200 || !strings.Contains(got, `"1"`) {
		t.Errorf("what the policy opens: got %d %s", status, got)
	}
	if resp, text := they.write(at, map[string]float64{"planted": 1}); resp.StatusCode != 403 {
		t.Errorf("what it does not open: got %d %s, want 403", resp.StatusCode, text)
	}
	if status, got := they.get("series", "match[]", "mine"); status != 403 {
		t.Errorf("what it does not open: got %d %s, want 403", status, got)
	}
	if status, got := they.get("rules"); status != 403 {
		t.Errorf("what no policy opens: got %d %s, want 403", status, got)
	}
	if status, got := they.preview("GET", "RCF(avg(mine))", at, 1, 60); status != 403 {
		t.Errorf("what no policy opens: got %d %s, want 403", status, got)
	}
	foreign := h.As(other).AMP()
	_, err := foreign.DescribeWorkspace(ctx, &amp.DescribeWorkspaceInput{WorkspaceId: &id})
	want(t, "DescribeWorkspace by the policy", err, "ResourceNotFoundException")
	alias := "taken"
	_, err = foreign.UpdateWorkspaceAlias(ctx, &amp.UpdateWorkspaceAliasInput{WorkspaceId: &id, Alias: &alias})
	want(t, "UpdateWorkspaceAlias by the policy", err, "ResourceNotFoundException")
	_, err = foreign.DeleteWorkspace(ctx, &amp.DeleteWorkspaceInput{WorkspaceId: &id})
	want(t, "DeleteWorkspace by the policy", err, "ResourceNotFoundException")
	if _, err := h.AsAdmin().AMP().DeleteResourcePolicy(ctx, &amp.DeleteResourcePolicyInput{WorkspaceId: &id}); err != nil {
		t.Fatal(err)
	}
	if status, got := they.get("labels"); status != 404 {
		t.Errorf("after the policy is gone: got %d %s, want 404", status, got)
	}
}

// TestA17_KeyOfTheDataPlane: while a customer's key cannot be used, a write or a query is told to come again and why; with
// the key everything is back.
func TestA17_KeyOfTheDataPlane(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	id := admin.NewWorkspace(t, key)
	p, at := planeOf(t, h, h.Admin, id), time.Now().Add(-time.Minute)
	p.mustWrite(at, map[string]float64{"kept": 1})
	if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	resp, text := p.write(at, map[string]float64{"later": 1})
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(text, "KMS key") {
		t.Errorf("a write: got %d %s, want 503 and why", resp.StatusCode, text)
	}
	if status, got := p.get("labels"); status != 503 || !strings.Contains(got, "KMS key") {
		t.Errorf("a query: got %d %s, want 503 and why", status, got)
	}
	if _, err := admin.KMS().EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	if status, got := p.get("label/__name__/values"); status != 200 || got != `["kept"]` {
		t.Errorf("with the key again: got %d %s", status, got)
	}
	p.mustWrite(at, map[string]float64{"later": 1})
}
