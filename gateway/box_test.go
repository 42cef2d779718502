package gateway

import (
	"context"
	"strings"
	"sync"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

type boxInput struct {
	Name  *string
	Note  *string
	Inner *boxInput
}

type boxOutput struct {
	Name *string
	Note *string
}

func boxDefinition() *wire.Service {
	invoke := func(name string) func(context.Context, any, any) (any, error) {
		return func(ctx context.Context, impl, in any) (any, error) {
			return answer(impl.(*box).do(ctx, name, in.(*boxInput)))
		}
	}
	op := func(name string, readOnly bool) wire.OperationDef {
		return wire.OperationDef{
			Operation: wire.Operation{Name: name, Method: "POST", Path: "/", ReadOnly: readOnly, Invoke: invoke(name)},
			Input:     "Input", Output: "Output",
		}
	}
	return wire.Define(&wire.Definition{
		Service: wire.Service{
			Name: "box", ID: "Box", Version: "2020-01-01", Protocol: wire.JSON11, SigningName: "box",
			EventSource: boxName, TargetPrefix: "Box",
		},
		Shapes: []wire.ShapeDef{
			{Name: "Text", Kind: wire.String, Min: 1, Max: 40, Flags: wire.HasMin | wire.HasMax},
			{Name: "Secret", Kind: wire.String, Flags: wire.Sensitive},
			{Name: "Input", Kind: wire.Structure, Zero: (*boxInput)(nil), Members: []wire.MemberDef{
				{Name: "Name", Shape: "Text", Flags: wire.Required}, {Name: "Note", Shape: "Secret"}, {Name: "Inner", Shape: "Input"},
			}},
			{Name: "Output", Kind: wire.Structure, Zero: (*boxOutput)(nil), Members: []wire.MemberDef{
				{Name: "Name", Shape: "Text"}, {Name: "Note", Shape: "Secret"},
			}},
		},
		Operations: []wire.OperationDef{op("Get", true), op("Lost", true), op("Many", false), op("Put", false), op("Unbuilt", false), op("Who", true)},
	})
}

func answer[T any](out *T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if out == nil {
		return nil, nil
	}
	return out, nil
}

// box answers with what its fn says, or with the name it was given. Unbuilt is an operation it does not have.
type box struct {
	mu sync.Mutex
	fn func(ctx context.Context, op string, in *boxInput) (*boxOutput, error)
}

func (b *box) do(ctx context.Context, op string, in *boxInput) (*boxOutput, error) {
	b.mu.Lock()
	fn := b.fn
	b.mu.Unlock()
	if fn != nil {
		return fn(ctx, op, in)
	}
	return &boxOutput{Name: in.Name, Note: in.Note}, nil
}

func (b *box) set(fn func(ctx context.Context, op string, in *boxInput) (*boxOutput, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fn = fn
}

func (b *box) Get(context.Context, *boxInput) (*boxOutput, error)  { return nil, nil }
func (b *box) Lost(context.Context, *boxInput) (*boxOutput, error) { return nil, nil }
func (b *box) Many(context.Context, *boxInput) (*boxOutput, error) { return nil, nil }
func (b *box) Put(context.Context, *boxInput) (*boxOutput, error)  { return nil, nil }
func (b *box) Who(context.Context, *boxInput) (*boxOutput, error)  { return nil, nil }

func boxARN(account, name string) string {
	return "arn:aws:box:" + testRegion + ":" + account + ":box/" + name
}

// boxTarget: a name like "444455556666:x" is of another account's box.
func boxTarget(_ context.Context, c *call.Call) (call.Target, error) {
	name := wire.Val(c.In.(*boxInput).Name)
	owner, short, ok := strings.Cut(name, ":")
	if !ok {
		owner, short = "", name
	}
	account := owner
	if account == "" {
		account = c.Principal.Account
	}
	check := call.Check{Action: "box:" + c.Op.Name, Resource: boxARN(account, short), Type: "AWS::Box::Box", Account: owner}
	switch c.Op.Name {
	case "Lost":
		return call.Target{}, nil
	case "Who":
		return call.Target{Open: "everybody may ask who they are"}, nil
	case "Many":
		return call.Target{Deferred: true}, nil
	}
	return call.Target{Checks: []call.Check{check}}, nil
}
