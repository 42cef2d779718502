package claims

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/house"
)

// Made for this test, in parts, so that nothing that searches this source takes them for real ones.
const (
	sensitiveCard  = "45395787" + "63621486"
	sensitiveKey   = "hT3vQm9KcXwR2bLz" + "N7pYdG5sJfA8eUiO/1qM4xZk"
	sensitiveToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
	sensitiveMail  = "ada.lovelace@" + "analytical.example.com"
)

// discovered runs `strongroom amp discover` and returns what it prints, and its exit status.
func discovered(t *testing.T, h *house.House, who aws.Credentials, args ...string) (out, said string, status int) {
	t.Helper()
	cmd := exec.Command(house.Binary(t), append([]string{"amp", "discover"}, args...)...)
	cmd.Env = h.Environ(who)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for _, secret := range []string{sensitiveCard, sensitiveKey, sensitiveToken, sensitiveMail, who.SecretAccessKey} {
		if strings.Contains(stdout.String()+stderr.String(), secret) {
			t.Errorf("%q: %q is printed", args, secret)
		}
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// sensitiveWrite is a remote write of labels of all kinds, and of an exemplar that holds a token.
func sensitiveWrite(at time.Time) []byte {
	req := appendSamples(nil, at, map[string]float64{
		"up{job=node,instance=10.0.0.1:9100}":                       1,
		"kube_pod_info{uid=5a1e5c7b-0b3f-4f7b-9f4e-2d1c3b4a5e6f}":   1,
		"payments_total{card=" + sensitiveCard + "}":                1,
		"config_info{aws_secret_access_key=" + sensitiveKey + "}":   1,
		"requests_total{header=Bearer " + sensitiveToken + "}":      1,
		"logins_total{user=" + sensitiveMail + ",card=unknown}":     1,
		"checks_total{of_ssn_536_22_1234=1,digest=" + digest + "}":  1,
		"probe_success{target=https://probe:xxxxx@db.example.com/}": 1,
	})
	pair := func(k, v string) []byte { return message(message(nil, 1, []byte(k)), 2, []byte(v)) }
	stamped := func(b []byte, field byte) []byte {
		return binary.AppendUvarint(append(binary.LittleEndian.AppendUint64(append(b, 2<<3|1), 1), field<<3), uint64(at.UnixMilli()))
	}
	series := message(message(nil, 1, pair("__name__", "latency_seconds_bucket")), 1, pair("le", "+Inf"))
	series = message(series, 2, binary.AppendUvarint(append(binary.LittleEndian.AppendUint64([]byte{1<<3 | 1}, 0), 2<<3), uint64(at.UnixMilli())))
	series = message(series, 3, stamped(message(nil, 1, pair("auth", sensitiveToken)), 3))
	return snappy(message(req, 1, series))
}

const digest = "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"

// TestA6_SensitiveDataIsFound: whoever may read a workspace is warned of sensitive data among its labels and exemplars, of nothing else, and never shown it.
func TestA6_SensitiveDataIsFound(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	_, other := h.NewAccount("other")
	id, clean := admin.NewWorkspace(t, ""), admin.NewWorkspace(t, "")
	at := time.Now().Add(-time.Minute)
	if resp, text := planeOf(t, h, h.Admin, id).do("POST", "api/v1/remote_write", sensitiveWrite(at), "Content-Type", "application/x-protobuf", "Content-Encoding", "snappy"); resp.StatusCode != 204 {
		t.Fatalf("remote write: got %d %s", resp.StatusCode, text)
	}
	planeOf(t, h, h.Admin, clean).mustWrite(at, map[string]float64{"up{job=node,instance=10.0.0.1:9100}": 1})

	reader := h.User("auditor", document(allow(`["aps:GetLabels","aps:GetSeries","aps:GetMetricMetadata","aps:QueryMetrics"]`, workspaceARN(h, id)))) // least privilege
	want := map[string]string{
		"label value card CREDIT_CARD_NUMBER": "payments_total", "label value aws_secret_access_key AWS_CREDENTIALS": "config_info", "label value header JSON_WEB_TOKEN": "requests_total",
		"label value user EmailAddress": "logins_total", "label name of_ssn_5…(11 characters) USA_SOCIAL_SECURITY_NUMBER": "checks_total", "exemplar auth JSON_WEB_TOKEN": "latency_seconds_bucket",
	}
	for _, args := range [][]string{{id}, {id, "--start", at.Add(-time.Hour).Format(time.RFC3339), "--end", time.Now().Add(time.Hour).Format(time.RFC3339)}} {
		out, said, status := discovered(t, h, reader, append(args, "--format", "json")...)
		var report struct {
			Warnings []struct {
				Workspace, Place, Label, Identifier, Metric string
				Count                                       int
			}
			Unread []string
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil || status != 3 || len(report.Unread) > 0 {
			t.Fatalf("%q: got status %d, %v\n%s%s", args, status, err, out, said)
		}
		got := map[string]string{}
		for _, w := range report.Warnings {
			got[w.Place+" "+w.Label+" "+w.Identifier] = w.Metric
			if w.Workspace != id || w.Count != 1 {
				t.Errorf("got %+v", w)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%q: got %v, want %v\n%s", args, got, want, said)
		}
	}
	out, _, status := discovered(t, h, h.Admin) // all workspaces
	if lines := slices.Collect(strings.Lines(out)); status != 3 || len(lines) != len(want) || strings.Contains(out, clean) {
		t.Errorf("all workspaces: got status %d\n%s", status, out)
	}
	for _, args := range [][]string{{clean}, {id, "--end", at.Add(-time.Hour).Format(time.RFC3339)}} {
		if out, said, status := discovered(t, h, h.Admin, args...); status != 0 || out != "" {
			t.Errorf("%q: got status %d\n%s%s", args, status, out, said)
		}
	}

	for name, tc := range map[string]struct {
		who       aws.Credentials
		id, wants string
	}{
		"another account":   {other, id, "404"},
		"another workspace": {reader, clean, "403"},
		"half the rights":   {h.User("half", document(allow(`["aps:GetLabels","aps:GetSeries"]`, "*"))), id, "403"},
	} {
		if out, said, status := discovered(t, h, tc.who, tc.id); status != 1 || !strings.Contains(said, tc.wants) || name != "half the rights" && out != "" {
			t.Errorf("%s: got status %d\n%s%s", name, status, out, said)
		}
	}
	for _, e := range events(t, admin, "") {
		for _, secret := range []string{sensitiveCard, sensitiveKey, sensitiveToken, sensitiveMail} {
			if strings.Contains(e.text, secret) {
				t.Errorf("a record holds what was found: %s", e.text)
			}
		}
	}
}

// TestA6_WithoutTheKey: what lies under a key that is disabled is not looked at, and the command says why; the other workspaces are.
func TestA6_WithoutTheKey(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	locked, open := admin.NewWorkspace(t, key), admin.NewWorkspace(t, "")
	at := time.Now().Add(-time.Minute)
	for _, id := range []string{locked, open} {
		planeOf(t, h, h.Admin, id).mustWrite(at, map[string]float64{"payments_total{card=" + sensitiveCard + "}": 1})
	}
	if out, said, status := discovered(t, h, h.Admin); status != 3 || strings.Count(out, "CREDIT_CARD_NUMBER") != 2 {
		t.Errorf("with the key: got status %d\n%s%s", status, out, said)
	}
	if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	out, said, status := discovered(t, h, h.Admin)
	if status != 1 || strings.Contains(out, locked) || !strings.Contains(out, open) || !strings.Contains(said, locked+": labels: 503") || !strings.Contains(said, "key") {
		t.Errorf("with the key disabled: got status %d\n%s%s", status, out, said)
	}
}
