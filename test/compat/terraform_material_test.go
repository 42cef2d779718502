package compat

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/test/house"
)

// TestTerraformMaterial applies keys with imported material and keys of two regions, sees that a second
// plan has nothing to do, and destroys them again.
func TestTerraformMaterial(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("terraform"); err != nil {
		missing(t, "there is no terraform: %v", err)
	}
	plugins := mirror()
	if plugins == "" {
		missing(t, "the provider hashicorp/aws %s is in none of %v", provider, mirrors())
	}
	config, err := os.ReadFile("testdata/material.tf")
	if err != nil {
		t.Fatal(err)
	}
	h := house.Start(t, "--region", "eu-south-1")
	f := newTerraform(t, h, plugins, string(config))
	f.must("init", "-input=false", "-no-color")
	if text := f.must("apply", "-auto-approve", "-input=false", "-no-color"); !strings.Contains(text, "Apply complete!") || strings.Contains(text, "Check block assertion failed") {
		t.Errorf("apply: %s", text)
	}
	if text, err := f.run("plan", "-detailed-exitcode", "-input=false", "-no-color"); err != nil { // 2 for changes
		t.Errorf("the second plan is not empty: %v\n%s", err, text)
	}
	if text := f.must("destroy", "-auto-approve", "-input=false", "-no-color"); !strings.Contains(text, "Destroy complete!") {
		t.Errorf("destroy: %s", text)
	}
}
