//go:build linux

package runner

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/runner/sandbox"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/wire"
)

func TestMain(m *testing.M) {
	sandbox.Init()
	os.Exit(m.Run())
}

// house is a double of the house: it hands out one job and takes the reports.
type house struct {
	mu      sync.Mutex
	job     map[string]any
	log     []byte
	end     map[string]any
	cancel  bool
	refuse  bool
	reports int
}

func (h *house) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var in struct {
		Log    []byte
		Status string
	}
	text, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(text, &in)
	var out any = map[string]any{}
	switch {
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDRUNNER/"):
		w.WriteHeader(http.StatusForbidden)
	case r.Header.Get("X-Amz-Target") == "AwsProton20200720.AcquireRunnerJob":
		out = map[string]any{"job": h.job}
		h.job = nil
	case h.refuse:
		w.WriteHeader(http.StatusBadRequest)
		out = map[string]string{"__type": "ConflictException", "message": "The lease is over."}
	default:
		h.reports++
		h.log = append(h.log, in.Log...)
		if in.Status != "" {
			_ = json.Unmarshal(text, &h.end)
		}
		out = map[string]bool{"cancel": h.cancel}
	}
	_ = json.NewEncoder(w).Encode(out)
}

// try runs one job and returns what the house was told.
func try(t *testing.T, h *house, commands []string, files ...map[string]any) {
	t.Helper()
	h.job = map[string]any{
		"deploymentId": "11111111-2222-3333-4444-555555555555", "lease": "lease", "leaseSeconds": 30, "timeoutSeconds": 20,
		"targetArn": "arn:aws:proton:eu-central-1:111122223333:environment/shop", "commands": commands, "files": files,
		"variables":   []map[string]string{{"name": "COLOUR", "value": "blue"}, {"name": "AWS_ENDPOINT_URL", "value": "https://elsewhere"}, {"name": "LD_PRELOAD", "value": "x"}},
		"credentials": map[string]any{"accessKeyId": "ASIAJOB", "secretAccessKey": "job-secret", "sessionToken": "job-token", "expiration": 2e9},
	}
	server := httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	work, err := os.MkdirTemp("", "strongroom-runner-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	if err := os.Chmod(work, 0o711); err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), Config{
		Endpoint: server.URL, Authorities: ca, Region: "eu-central-1", Name: "test", Work: work, User: 65534, Weak: true, Log: slog.New(slog.DiscardHandler),
		Credentials: sigv4.Credentials{AccessKeyID: "AKIDRUNNER", Secret: secret.FromString("runner-secret")}, Env: []string{"EXTRA=1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if ran, err := r.Next(t.Context()); !ran || err != nil {
		t.Fatalf("ran %v, %v", ran, err)
	}
	if left, _ := filepath.Glob(filepath.Join(work, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestJob(t *testing.T) {
	var h house
	try(t, &h, []string{
		"cd sub && cat file.txt && ./run.sh", "export GREETING=hello", `pwd; echo "$GREETING it's $COLOUR $EXTRA"; env | sort`,
		`ls -l "$AWS_CA_BUNDLE" && printf '{"url":"https://shop","count":3}' > "$PROTON_OUTPUTS"`,
	}, map[string]any{"path": "sub/file.txt", "content": []byte("contents\n")}, map[string]any{"path": "sub/run.sh", "content": []byte("#!/bin/sh\necho ran\n"), "executable": true})
	log := string(h.log)
	for _, want := range []string{"contents\n", "ran\n", "hello it's blue 1\n", "/src/sub\n", "AWS_ACCESS_KEY_ID=ASIAJOB", "AWS_ENDPOINT_URL=https://127.0.0.1", "RESOURCE_ARN=arn:aws:proton", "[runner] Running command 4 of 4"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %q:\n%s", want, log)
		}
	}
	for _, bad := range []string{"runner-secret", "AKIDRUNNER", "elsewhere", "LD_PRELOAD"} {
		if strings.Contains(log, bad) {
			t.Errorf("the log has %q:\n%s", bad, log)
		}
	}
	if got := fmt.Sprint(h.end["status"], h.end["outputs"]); got != "SUCCEEDED[map[key:count valueString:3] map[key:url valueString:https://shop]]" {
		t.Errorf("the end is %s", got)
	}
}

func TestJobsThatFail(t *testing.T) {
	tests := map[string]struct {
		commands []string
		files    []map[string]any
		want     string
	}{
		"status":      {[]string{"echo one", "exit 9", "echo never"}, nil, "the commands ended with status 9"},
		"failing":     {[]string{"false", "echo never"}, nil, "ended with status 1"},
		"syntax":      {[]string{"if", "echo never"}, nil, "ended with status 2"},
		"bad outputs": {[]string{"echo never-mind > $PROTON_OUTPUTS"}, nil, "neither a JSON object"},
		"link":        {[]string{"ln -s /etc/hostname $PROTON_OUTPUTS"}, nil, "cannot be read"},
		"pipe":        {[]string{"mkfifo $PROTON_OUTPUTS"}, nil, "is no file"},
		"path":        {[]string{"echo never"}, []map[string]any{{"path": "../../etc/x", "content": []byte("x")}}, "is not a path for a file"},
		"absolute":    {[]string{"echo never"}, []map[string]any{{"path": "/etc/strongroom-x", "content": []byte("x")}}, "is not a path for a file"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h house
			try(t, &h, test.commands, test.files...)
			if message := fmt.Sprint(h.end["statusMessage"]); h.end["status"] != "FAILED" || !strings.Contains(message, test.want) {
				t.Errorf("ended with %v, want %q", h.end, test.want)
			}
			if strings.Contains(string(h.log), "\nnever") {
				t.Errorf("went on: %s", h.log)
			}
		})
	}
}

func TestJobIsCancelledOrLost(t *testing.T) {
	cancelled := house{cancel: true}
	try(t, &cancelled, []string{"echo waiting; sleep 1000"})
	if !strings.Contains(fmt.Sprint(cancelled.end["statusMessage"]), "cancelled") {
		t.Errorf("ended with %v", cancelled.end)
	}
	lost := house{refuse: true}
	try(t, &lost, []string{"echo waiting; sleep 1000"})
	if lost.end != nil {
		t.Errorf("a lost job ended with %v", lost.end)
	}
}

func TestLongLogArrivesWhole(t *testing.T) {
	var h house
	try(t, &h, []string{"i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i of many; done"})
	if n := strings.Count(string(h.log), " of many\n"); n != 20000 || !strings.Contains(string(h.log), "line 20000 of many") {
		t.Errorf("%d lines of 20000", n)
	}
}

func TestOutputs(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"empty":     {" \n", ""},
		"object":    {`{"b":"2","a":{"x":[1]}}`, `a={"x":[1]} b=2`},
		"terraform": {`{"id":{"sensitive":false,"type":"string","value":"i-1"},"list":{"sensitive":false,"value":[1,2]}}`, "id=i-1 list=[1,2]"},
		"list":      {`[{"key":"k","valueString":"v"}]`, "k=v"},
		"no value":  {`{"a":""}`, "error"},
		"number":    {"7", "error"},
		"long":      {`{"a":"` + strings.Repeat("x", 1025) + `"}`, "error"},
	}
	for name, test := range tests {
		list, err := parseOutputs([]byte(test.text))
		var words []string
		for _, o := range list {
			words = append(words, wire.Val(o.Key)+"="+wire.Val(o.ValueString))
		}
		got := strings.Join(words, " ")
		if err != nil {
			got = "error"
		}
		if got != test.want {
			t.Errorf("%s: got %q (%v), want %q", name, got, err, test.want)
		}
	}
}

func FuzzOutputs(f *testing.F) {
	f.Add([]byte(`{"a":"b"}`))
	f.Add([]byte(`[{"key":"k","valueString":"v"}]`))
	f.Add([]byte(`{"id":{"sensitive":true,"value":[1]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := parseOutputs(text)
		if err != nil {
			return
		}
		if len(list) > maxOutputCount {
			t.Error("too many")
		}
		for _, o := range list {
			if *o.Key == "" || *o.ValueString == "" {
				t.Errorf("%q=%q", *o.Key, *o.ValueString)
			}
		}
	})
}

// FuzzScript: whatever a command is, it stays one command.
func FuzzScript(f *testing.F) {
	f.Add("echo 'a'")
	f.Add("'; exit 1; '")
	f.Fuzz(func(t *testing.T, command string) {
		if strings.ContainsRune(command, 0) {
			return
		}
		text := script(&api.RunnerJob{Commands: []string{command}})
		if !strings.Contains(text, "eval "+quote(command)+"\n") {
			t.Error("the command is not in the script")
		}
	})
}

func TestEndpointMustBeSafe(t *testing.T) {
	for _, endpoint := range []string{"", "http://127.0.0.1:8443", "https://", "ftp://x"} {
		_, err := Open(context.Background(), Config{Endpoint: endpoint, Region: "r", Credentials: sigv4.Credentials{AccessKeyID: "a", Secret: secret.FromString("b")}})
		if err == nil {
			t.Errorf("%q was taken", endpoint)
		}
	}
}
