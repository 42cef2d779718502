package compat

import "testing"

// TestProtonWaiters: the waiters that boto3 brings end, each of them.
func TestProtonWaiters(t *testing.T) {
	t.Parallel()
	runPython(t, "proton_waiters.py", "all waiters have ended")
}

// TestProtonTerraform is the journey of docs/proton.md in Terraform, from bundles to a running service and away again.
func TestProtonTerraform(t *testing.T) {
	t.Parallel()
	h := runPython(t, "proton_terraform.py", "the journey has ended")
	if output, err := h.Run("check"); err != nil {
		t.Errorf("afterwards: check: %v\n%s", err, output)
	}
}
