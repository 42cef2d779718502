package kms

import (
	"maps"
	"slices"
	"testing"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

// TestEveryOperationHasATarget holds the table of targets against the methods.
func TestEveryOperationHasATarget(t *testing.T) {
	h := open(t)
	var implemented []string
	for _, op := range api.API.Operations {
		if wire.Implemented(h.Service, op) {
			implemented = append(implemented, op.Name)
		}
	}
	if got := slices.Sorted(maps.Keys(targets)); !slices.Equal(got, implemented) {
		t.Errorf("targets %v\nimplemented %v", got, implemented)
	}
	c := &call.Call{Principal: admin(t).Principal, Region: region, Op: &wire.Operation{Name: "MeltKey"}}
	if _, err := h.Target(call.With(t.Context(), c), c); !wire.IsCode(err, "UnknownOperationException") {
		t.Errorf("an unknown operation: %v", err)
	}
}
