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

// newTerraform prepares a folder with the configuration and the command line's own
// configuration, so that nobody's ~/.terraformrc is read.
func newTerraform(t *testing.T, h *house.House, plugins, config string) *terraform {
	t.Helper()
	dir := t.TempDir()
	rc := filepath.Join(dir, "terraform.rc")
	for name, text := range map[string]string{
		rc:                            fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", plugins),
		filepath.Join(dir, "main.tf"): config,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &terraform{t, dir, append(h.Environ(h.Admin), "TF_CLI_CONFIG_FILE="+rc, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "HOME="+dir, "TF_VAR_endpoint="+h.Endpoint)}
}

// TestTerraform applies a configuration of keys, buckets and identities, sees that a second plan
// has nothing to do, changes it, and destroys it again.
func TestTerraform(t *testing.T) {
	t.Parallel()
	terraformRound(t, "testdata/main.tf", "eu-west-1", "-var", "revision=two")
}

// TestTerraformMaterial does the same with keys of imported material and keys of two regions.
func TestTerraformMaterial(t *testing.T) {
	t.Parallel()
	terraformRound(t, "testdata/material.tf", "eu-south-1")
}

// TestTerraformPrometheus does the same with workspaces of Managed Prometheus. A workspace whose alias changes stays the same one.
func TestTerraformPrometheus(t *testing.T) {
	t.Parallel()
	terraformRound(t, "testdata/prometheus.tf", "eu-west-1", "-var", "revision=two")
}

// terraformRound applies a configuration in a house with another region, sees that a second plan has nothing
// to do, applies it once more with the arguments of change, if there are any, and destroys it again.
func terraformRound(t *testing.T, file, other string, change ...string) {
	if _, err := exec.LookPath("terraform"); err != nil {
		outside.Missing(t, "there is no terraform: %v", err)
	}
	plugins := mirror()
	if plugins == "" {
		outside.Missing(t, "the provider hashicorp/aws %s is in none of %v", provider, mirrors())
	}
	config, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	h := house.Start(t, "--region", other)
	f := newTerraform(t, h, plugins, string(config))
	f.must("init", "-input=false", "-no-color")
	apply := []string{"apply", "-auto-approve", "-input=false", "-no-color"}
	if text := f.must(apply...); !strings.Contains(text, "Apply complete!") || strings.Contains(text, "Check block assertion failed") {
		t.Errorf("apply: %s", text)
	}
	if text, err := f.run("plan", "-detailed-exitcode", "-input=false", "-no-color"); err != nil { // 2 for changes
		t.Errorf("the second plan is not empty: %v\n%s", err, text)
	}
	if len(change) > 0 {
		f.must(append(apply, change...)...)
	}
	if text := f.must("destroy", "-auto-approve", "-input=false", "-no-color"); !strings.Contains(text, "Destroy complete!") {
		t.Errorf("destroy: %s", text)
	}
	if text := f.must("state", "list"); strings.TrimSpace(text) != "" {
		t.Errorf("after destroy there is still %s", text)
	}
}
