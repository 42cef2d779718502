package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAmpMistakes calls `strongroom amp import`, `export` and `discover` in every way that cannot work, and reads what is said. Nothing is asked
// of a house meanwhile, and nothing is left behind.
func TestAmpMistakes(t *testing.T) {
	scratch := t.TempDir()
	t.Setenv("TMPDIR", scratch)
	asked := 0
	house := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusForbidden)
	}))
	defer house.Close()
	dir := t.TempDir()
	empty, dump := filepath.Join(dir, "empty"), filepath.Join(dir, "dump.openmetrics")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dump, []byte("canary{a=\"b\"} not a number\n# EOF\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const from = "2026-11-29T08:00:00Z"
	for name, c := range map[string]struct {
		args     []string
		endpoint string
		says     string
	}{
		"no arguments":           {[]string{"import"}, house.URL, "accepts 2 arg(s)"},
		"one argument":           {[]string{"import", "ws-1"}, house.URL, "accepts 2 arg(s)"},
		"three arguments":        {[]string{"export", "ws-1", dir, dir, "--from", from}, house.URL, "accepts 2 arg(s)"},
		"no workspace":           {[]string{"import", "metrics", empty}, house.URL, `"metrics" is no id of a workspace`},
		"a path for a workspace": {[]string{"import", "ws-1/../ws-2", empty}, house.URL, "is no id of a workspace"},
		"no house":               {[]string{"import", "ws-1", empty}, "", "AWS_ENDPOINT_URL does not say which house"},
		"no source":              {[]string{"import", "ws-1", filepath.Join(dir, "none")}, house.URL, "no such file"},
		"an empty directory":     {[]string{"import", "ws-1", empty}, house.URL, "import: "},
		"a broken dump":          {[]string{"import", "ws-1", dump}, house.URL, "import: "},
		"an unknown flag":        {[]string{"import", "ws-1", empty, "--all"}, house.URL, "unknown flag"},
		"no --from":              {[]string{"export", "ws-1", dir}, house.URL, `required flag(s) "from" not set`},
		"a wrong --from":         {[]string{"export", "ws-1", dir, "--from", "yesterday"}, house.URL, "--from: "},
		"a wrong --to":           {[]string{"export", "ws-1", dir, "--from", from, "--to", "now"}, house.URL, "--to: "},
		"--to before --from":     {[]string{"export", "ws-1", dir, "--from", from, "--to", "2026-11-28T08:00:00Z"}, house.URL, "--to is before --from"},
		"a wrong --match":        {[]string{"export", "ws-1", dir, "--from", from, "--match", "{job="}, house.URL, "--match: "},
		"export, no workspace":   {[]string{"export", "", dir, "--from", from}, house.URL, "is no id of a workspace"},
		"discover, two":          {[]string{"discover", "ws-1", "ws-2"}, house.URL, "accepts at most 1 arg(s)"},
		"discover, a path":       {[]string{"discover", "ws-1/.."}, house.URL, "is no id of a workspace"},
		"discover, no house":     {[]string{"discover"}, "", "AWS_ENDPOINT_URL does not say which house"},
		"a wrong --format":       {[]string{"discover", "ws-1", "--format", "xml"}, house.URL, "--format is text or json"},
		"a wrong --start":        {[]string{"discover", "ws-1", "--start", "today"}, house.URL, "--start: "},
		"--end before --start":   {[]string{"discover", "ws-1", "--start", from, "--end", "2026-11-28T08:00:00Z"}, house.URL, "--end is before --start"},
		"export, no house":       {[]string{"export", "ws-1", dir, "--from", from}, "", "AWS_ENDPOINT_URL does not say which house"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_ENDPOINT_URL", c.endpoint)
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
			t.Setenv("AWS_REGION", "us-east-1")
			t.Chdir(dir)
			var out bytes.Buffer
			cmd := ampCommand()
			cmd.SilenceUsage, cmd.SilenceErrors = true, true
			cmd.SetOut(&out)
			cmd.SetErr(&out)
			cmd.SetArgs(c.args)
			err := cmd.Execute()
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
			if err != nil && strings.Contains(err.Error()+out.String(), "canary-secret") {
				t.Error("the secret key is told")
			}
		})
	}
	if asked != 0 {
		t.Errorf("the house was asked %d times", asked)
	}
	left, err := filepath.Glob(filepath.Join(scratch, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "amp-import-*")); len(files) > 0 {
		t.Errorf("a file of progress is left: %v", files)
	}
}
