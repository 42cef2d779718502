package cloudtrail

import (
	"testing"

	"github.com/strongroom/strongroom/api/cloudtrail"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

// TestEveryOperationHasATarget holds the table of targets against the methods.
func TestEveryOperationHasATarget(t *testing.T) {
	n := 0
	for _, op := range cloudtrail.API.Operations {
		implemented := wire.Implemented(new(Service), op)
		got, err := new(Service).target(t.Context(), &call.Call{Op: op})
		if implemented != (err == nil) {
			t.Errorf("%s: implemented %v, target %+v, %v", op.Name, implemented, got, err)
		}
		if !implemented {
			continue
		}
		n++
		if len(got.Checks) != 1 || got.Checks[0].Action != "cloudtrail:"+op.Name || got.Checks[0].Resource != "*" || got.Open != "" {
			t.Errorf("%s: target %+v", op.Name, got)
		}
	}
	if n != len(open) {
		t.Errorf("%d operations, %d targets", n, len(open))
	}
}
