package kms

import (
	"maps"
	"slices"
	"testing"

	api "github.com/strongroom/strongroom/api/kms"
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
	fails[api.SignOutput](h, admin(t), &api.SignInput{
		KeyId: wire.Ptr("x"), Message: []byte("m"), SigningAlgorithm: api.SigningAlgorithmSpecEcdsaSha256,
	}, "UnknownOperationException", "")
}
