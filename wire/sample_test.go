package wire

import (
	"context"
	"io"
	"time"
)

// The sample service has a member of every kind.

type sampleTag struct {
	TagKey *string
	Value  *string
}

type sampleNode struct {
	Name     *string
	Children []sampleNode
}

type sampleSecret struct{ PIN *string }

type sampleInput struct {
	KeyId      *string
	Spec       string
	Plaintext  []byte
	Password   *string
	Days       *int32
	Size       *int64
	Ratio      *float64
	Small      *float32
	DryRun     *bool
	When       *time.Time
	Tags       []sampleTag
	Tokens     []string
	Operations []string
	Context    map[string]string
	ByName     map[string]sampleTag
	Pins       []string
	Choice     *sampleChoice
	Tree       *sampleNode
	Body       io.Reader
	Deep       *sampleSecret
	Header     *string
	Secrets    map[string]string
}

type sampleChoice struct {
	A *string
	B *string
}

type sampleOutput struct{}

func ruled(name, pattern string, lo, hi float64) ShapeDef {
	return ShapeDef{Name: name, Kind: String, Pattern: pattern, Min: lo, Max: hi, Flags: HasMin | HasMax}
}

func list(name, elem string, flags Flag, hi float64) ShapeDef {
	return ShapeDef{Name: name, Kind: List, Elem: &MemberDef{Name: "member", Shape: elem}, Max: hi, Flags: flags}
}

func mapOf(name, key, value string) ShapeDef {
	return ShapeDef{Name: name, Kind: Map, Key: &MemberDef{Name: "key", Shape: key}, Elem: &MemberDef{Name: "value", Shape: value}}
}

func sampleDefinition() *Definition {
	return &Definition{
		Service: Service{Name: "sample", Protocol: JSON11},
		Shapes: []ShapeDef{
			{Name: "SampleInput", Kind: Structure, Zero: (*sampleInput)(nil), Members: []MemberDef{
				{Name: "KeyId", Shape: "KeyId", Flags: Required},
				{Name: "Spec", Shape: "Spec"},
				{Name: "Plaintext", Shape: "Blob"},
				{Name: "Password", Shape: "Password"},
				{Name: "Days", Shape: "Days"},
				{Name: "Size", Shape: "Size"},
				{Name: "Ratio", Shape: "Ratio"},
				{Name: "Small", Shape: "Small"},
				{Name: "DryRun", Shape: "Flag"},
				{Name: "When", Shape: "Time"},
				{Name: "Tags", Shape: "Tags"},
				{Name: "Tokens", Shape: "Tokens"},
				{Name: "Operations", Shape: "Operations"},
				{Name: "Context", Shape: "Context"},
				{Name: "ByName", Shape: "ByName"},
				{Name: "Pins", Shape: "Pins"},
				{Name: "Choice", Shape: "Choice"},
				{Name: "Tree", Shape: "Node"},
				{Name: "Body", Shape: "Blob", Flags: Streaming},
				{Name: "Deep", Shape: "Secret"},
				{Name: "Header", Shape: "Text", Location: Header, WireName: "x-amz-sample"},
				{Name: "Secrets", Shape: "Secrets"},
			}},
			{Name: "SampleOutput", Kind: Structure, Zero: (*sampleOutput)(nil)},
			{Name: "Tag", Kind: Structure, Zero: (*sampleTag)(nil), Members: []MemberDef{
				{Name: "TagKey", Shape: "TagKey", Flags: Required}, {Name: "Value", Shape: "Text"},
			}},
			{Name: "Node", Kind: Structure, Zero: (*sampleNode)(nil), Members: []MemberDef{
				{Name: "Name", Shape: "TagKey"}, {Name: "Children", Shape: "Nodes"},
			}},
			{Name: "Choice", Kind: Structure, Zero: (*sampleChoice)(nil), Flags: Union, Members: []MemberDef{
				{Name: "A", Shape: "Text"}, {Name: "B", Shape: "Text"},
			}},
			{Name: "Secret", Kind: Structure, Zero: (*sampleSecret)(nil), Flags: Sensitive, Members: []MemberDef{{Name: "PIN", Shape: "Text"}}},
			ruled("KeyId", "", 1, 8),
			ruled("TagKey", "[a-z]*", 1, 4),
			ruled("Token", "[0-9]+", 2, 3),
			{Name: "Password", Kind: String, Min: 4, Flags: Sensitive | HasMin},
			{Name: "Spec", Kind: String, Enum: []string{"RSA_2048", "RSA_4096"}},
			{Name: "Blob", Kind: Blob, Min: 1, Max: 4, Flags: HasMin | HasMax},
			{Name: "Days", Kind: Integer, Min: 7, Max: 30, Flags: HasMin | HasMax},
			{Name: "Size", Kind: Long}, {Name: "Ratio", Kind: Double, Max: 0.5, Flags: HasMax}, {Name: "Small", Kind: Float},
			{Name: "Flag", Kind: Boolean}, {Name: "Time", Kind: Timestamp}, {Name: "Text", Kind: String},
			{Name: "Pin", Kind: String, Flags: Sensitive},
			list("Tags", "Tag", HasMax, 2), list("Tokens", "Token", 0, 0), list("Operations", "Spec", 0, 0),
			list("Pins", "Pin", 0, 0), list("Nodes", "Node", 0, 0),
			mapOf("Context", "TagKey", "Token"), mapOf("ByName", "Text", "Tag"), mapOf("Secrets", "Text", "Pin"),
		},
		Operations: []OperationDef{{
			Operation: Operation{Name: "Sample", Method: "POST", Path: "/", Status: 200,
				Invoke: func(ctx context.Context, impl, in any) (any, error) {
					return Answer(impl.(sampleService).Sample(ctx, in.(*sampleInput)))
				}},
			Input: "SampleInput", Output: "SampleOutput",
		}},
	}
}

type sampleService interface {
	Sample(context.Context, *sampleInput) (*sampleOutput, error)
}

var sample = Define(sampleDefinition())
