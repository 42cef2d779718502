package iam

import (
	"reflect"
	"testing"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/wire"
)

// TestEveryOperationHasATarget proves that what is implemented has a target, and the other way round.
func TestEveryOperationHasATarget(t *testing.T) {
	n := 0
	for _, op := range api.API.Operations {
		implemented := wire.Implemented(new(Service), op)
		if implemented != (targets[op.Name] != nil) {
			t.Errorf("%s: implemented %v, has a target %v", op.Name, implemented, targets[op.Name] != nil)
		}
		if implemented {
			n++
		}
	}
	if n != len(targets) {
		t.Errorf("%d operations, %d targets", n, len(targets))
	}
}

// TestTargetsTakeTheirOwnInput calls every entry with a zero input of its operation.
func TestTargetsTakeTheirOwnInput(t *testing.T) {
	for name, fn := range targets {
		in := reflect.New(api.API.Operation(name).Input.Type).Interface()
		a := fn(in)
		if a.kind != "" && a.arn != nil {
			t.Errorf("%s is about two things", name)
		}
	}
}
