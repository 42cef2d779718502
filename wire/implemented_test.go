package wire

import (
	"context"
	"errors"
	"testing"
)

// Unimplemented stands for the generated type of that name.
type Unimplemented struct{}

func (Unimplemented) Sample(context.Context, *sampleInput) (*sampleOutput, error) {
	return nil, sample.Unknown("Sample")
}

type bare struct{ Unimplemented }

type pointed struct{ *Unimplemented }

type own struct {
	Unimplemented
	calls int
}

func (o *own) Sample(context.Context, *sampleInput) (*sampleOutput, error) {
	o.calls++
	return nil, nil
}

type byValue struct{ Unimplemented }

func (byValue) Sample(context.Context, *sampleInput) (*sampleOutput, error) { return nil, nil }

type keys struct{}

func (*keys) Sample(context.Context, *sampleInput) (*sampleOutput, error) { return nil, nil }

// part lends its method to whole, from as deep as Unimplemented lies in lender.
type lender struct{ Unimplemented }
type whole struct {
	lender
	*keys
}

// buried is one deeper than Unimplemented, so Go takes Unimplemented's method.
type buried struct{ *keys }
type shadowed struct {
	Unimplemented
	buried
}

type outer struct{ *own }

type front struct{ sampleService }

func TestImplemented(t *testing.T) {
	tests := []struct {
		name string
		impl any
		want bool
	}{
		{"nil", nil, false},
		{"no method", struct{}{}, false},
		{"Unimplemented", Unimplemented{}, false},
		{"pointer to Unimplemented", &Unimplemented{}, false},
		{"embeds it", bare{}, false},
		{"pointer that embeds it", &bare{}, false},
		{"embeds a pointer to it", &pointed{&Unimplemented{}}, false},
		{"own method", &own{}, true},
		{"own method by value", byValue{}, true},
		{"own method by value, pointer", &byValue{}, true},
		{"lent by another type", &whole{keys: &keys{}}, true},
		{"lent from too deep", &shadowed{buried: buried{&keys{}}}, false},
		{"lent by one that has its own", outer{&own{}}, true},
		{"an interface in front", front{&own{}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Implemented(tt.impl, sample.Operation("Sample")); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestUnknown(t *testing.T) {
	for p, want := range map[Protocol]string{JSON11: "UnknownOperationException", Query: "InvalidAction", RESTXML: "NotImplemented"} {
		if got := (&Service{Protocol: p}).Unknown("X").Code; got != want {
			t.Errorf("protocol %d: got %s, want %s", p, got, want)
		}
	}
}

type invoker func(op *Operation, in any) (any, error)

func (f invoker) Invoke(_ context.Context, op *Operation, in any) (any, error) { return f(op, in) }

func TestDo(t *testing.T) {
	op := sample.Operation("Sample")
	through := invoker(func(op *Operation, in any) (any, error) {
		return op.Invoke(context.Background(), &own{}, in)
	})
	out, err := Do[sampleInput, sampleOutput](context.Background(), through, op, nil)
	if err != nil || out == nil {
		t.Errorf("got %v, %v", out, err)
	}
	fails := invoker(func(*Operation, any) (any, error) { return (*sampleOutput)(nil), errors.New("no") })
	if out, err := Do[sampleInput, sampleOutput](context.Background(), fails, op, nil); out != nil || err == nil {
		t.Errorf("got %v, %v", out, err)
	}
	wrong := invoker(func(*Operation, any) (any, error) { return 1, nil })
	if _, err := Do[sampleInput, sampleOutput](context.Background(), wrong, op, nil); err == nil {
		t.Error("an int passed for an output")
	}
	if out, err := op.Invoke(context.Background(), Unimplemented{}, &sampleInput{}); out != nil || !IsCode(err, "UnknownOperationException") {
		t.Errorf("got %v, %v", out, err)
	}
}

func TestDefine(t *testing.T) {
	op := sample.Operation("Sample")
	if op == nil || op.Service != sample || sample.Operation("Other") != nil {
		t.Fatalf("operation %v", op)
	}
	in := op.NewInput().(*sampleInput)
	if in == nil || op.Input.Members[0].Name != "KeyId" || !op.Input.Members[0].Required || op.Input.Members[0].WireName != "KeyId" {
		t.Errorf("first member %+v", op.Input.Members[0])
	}
	for _, m := range op.Input.Members {
		if m.Name == "Password" && !m.Sensitive {
			t.Error("sensitivity of a shape does not reach its member")
		}
	}
}

func TestDefineRefusesUnknownNames(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	d := sampleDefinition()
	d.Operations[0].Input = "Missing"
	Define(d)
}
