// Package outside is about what tests need that is not of the house: clients, devices and
// vectors, which a machine may not have.
package outside

import (
	"os"
	"testing"
)

// Missing ends a test that cannot run because something is not installed: it says so loudly and
// skips the test, or fails it where STRONGROOM_REQUIRE_CLIENTS is 1. CI sets that.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("STRONGROOM_REQUIRE_CLIENTS") == "1" {
		t.Fatalf("STRONGROOM_REQUIRE_CLIENTS is set, and "+format, args...)
	}
	t.Skipf("NOT TESTED: "+format, args...)
}
