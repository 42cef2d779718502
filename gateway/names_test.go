package gateway

import (
	"context"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

type namesInput struct{ Name *string }

type namesOutput struct{ Name *string }

func namesDefinition() *wire.Service {
	op := func(name string, unsigned bool) wire.OperationDef {
		return wire.OperationDef{
			Operation: wire.Operation{Name: name, Method: "POST", Path: "/", Unsigned: unsigned, ResultWrapper: name + "Result", Invoke: func(_ context.Context, _, in any) (any, error) {
				return &namesOutput{Name: in.(*namesInput).Name}, nil
			}},
			Input: "In", Output: "Out",
		}
	}
	return wire.Define(&wire.Definition{
		Service: wire.Service{
			Name: "names", ID: "Names", Version: "2011-11-11", Protocol: wire.Query, SigningName: "names", EventSource: "names.amazonaws.com",
			XMLNamespace: "https://names.example/doc/", Global: true,
		},
		Shapes: []wire.ShapeDef{
			{Name: "Text", Kind: wire.String},
			{Name: "In", Kind: wire.Structure, Zero: (*namesInput)(nil), Members: []wire.MemberDef{{Name: "Name", Shape: "Text"}}},
			{Name: "Out", Kind: wire.Structure, Zero: (*namesOutput)(nil), Members: []wire.MemberDef{{Name: "Name", Shape: "Text"}}},
		},
		Operations: []wire.OperationDef{op("Hello", true), op("Tell", false)},
	})
}

type names struct{}

func (names) Hello(context.Context, *namesInput) (*namesOutput, error) { return nil, nil }
func (names) Tell(context.Context, *namesInput) (*namesOutput, error)  { return nil, nil }

func namesTarget(_ context.Context, c *call.Call) (call.Target, error) {
	if c.Op.Name == "Hello" {
		return call.Target{Open: "a greeting"}, nil
	}
	return call.Target{Checks: []call.Check{{Action: "names:Tell", Resource: "*"}}}, nil
}
