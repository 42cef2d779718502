// Package terraform applies configurations with Terraform and its unchanged aws provider, plans them again, changes and
// destroys them. Where either is not installed the tests say so.
package terraform

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
)

func TestMain(m *testing.M) { house.Main(m) }

// provider is the version of the provider hashicorp/aws that is tested.
const provider = "5.100.0"

// mirrors are where provider plug-ins may lie on a machine that does not download any.
func mirrors() []string {
	list := filepath.SplitList(os.Getenv("TF_PLUGIN_MIRROR"))
	list = append(list, "/opt/tf-plugins", "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins")
	if home, err := os.UserHomeDir(); err == nil {
		list = append(list, filepath.Join(home, ".terraform.d", "plugins"))
	}
	return list
}

// mirror returns the folder of plug-ins that holds the provider, or "".
func mirror() string {
	for _, dir := range mirrors() {
		if found, _ := filepath.Glob(filepath.Join(dir, "registry.terraform.io/hashicorp/aws", provider, "*", "terraform-provider-aws_*")); len(found) > 0 {
			return dir
		}
	}
	return ""
}

// terraform runs terraform over one configuration.
type terraform struct {
	t   *testing.T
	dir string
	env []string
}

// run returns what terraform prints and how it ends.
func (f *terraform) run(args ...string) (string, error) {
	cmd := exec.Command("terraform", args...)
	cmd.Dir, cmd.Env = f.dir, f.env
	text, err := cmd.CombinedOutput()
	return string(text), err
}

func (f *terraform) must(args ...string) string {
	f.t.Helper()
	text, err := f.run(args...)
	if err != nil {
		f.t.Fatalf("terraform %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	return text
}

// newTerraform prepares a folder with the configuration of testdata and the command line's own
// configuration, so that nobody's ~/.terraformrc is read.
func newTerraform(t *testing.T, h *house.House, plugins string) *terraform {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	rc := filepath.Join(dir, "terraform.rc")
	if err := os.WriteFile(rc, fmt.Appendf(nil, "provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", plugins), 0o600); err != nil {
		t.Fatal(err)
	}
	return &terraform{t, dir, append(h.Environ(h.Admin), "TF_CLI_CONFIG_FILE="+rc, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "HOME="+dir, "TF_VAR_endpoint="+h.Endpoint, "GOGC=300")} // its schemas are large
}

// TestTerraform applies one configuration in a house with a second region, sees that a second plan has nothing to do, changes
// it, and destroys it again: keys, buckets and identities, imported material and keys of two regions, and workspaces of Managed
// Prometheus. It is one configuration because each command starts the provider several times, which takes longer than what
// the provider does then.
func TestTerraform(t *testing.T) {
	if _, err := exec.LookPath("terraform"); err != nil {
		outside.Missing(t, "there is no terraform: %v", err)
	}
	plugins := mirror()
	if plugins == "" {
		outside.Missing(t, "the provider hashicorp/aws %s is in none of %v", provider, mirrors())
	}
	h := house.Start(t, "--region", "eu-west-1")
	f := newTerraform(t, h, plugins)
	f.must("init", "-input=false", "-no-color")
	apply := []string{"apply", "-auto-approve", "-input=false", "-no-color"}
	if text := f.must(apply...); !strings.Contains(text, "Apply complete!") || strings.Contains(text, "Check block assertion failed") {
		t.Errorf("apply: %s", text)
	}
	if text, err := f.run("plan", "-detailed-exitcode", "-input=false", "-no-color"); err != nil { // 2 for changes
		t.Errorf("the second plan is not empty: %v\n%s", err, text)
	}
	f.must(append(apply, "-var", "revision=two")...)
	if text := f.must("destroy", "-auto-approve", "-input=false", "-no-color"); !strings.Contains(text, "Destroy complete!") {
		t.Errorf("destroy: %s", text)
	}
	if text := f.must("state", "list"); strings.TrimSpace(text) != "" {
		t.Errorf("after destroy there is still %s", text)
	}
}
