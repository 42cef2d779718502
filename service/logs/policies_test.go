package logs

import (
	"slices"
	"testing"
)

// TestStalePolicies: whatever a resource policy is called, its change makes the policies of its place stale, and no others.
func TestStalePolicies(t *testing.T) {
	p := place{testRegion, testAccount}
	want := []string{string(below("p", testRegion, testAccount))}
	for _, name := range []string{"delivery", "", "a\x00b", "\x00"} {
		if got := stalePolicies(p.policyKey(name)); !slices.Equal(got, want) {
			t.Errorf("a policy called %q makes %q stale", name, got)
		}
	}
	if got := stalePolicies(p.groupKey("p")); got != nil {
		t.Errorf("a group makes %q stale", got)
	}
}
