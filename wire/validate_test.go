package wire

import (
	"strings"
	"testing"
)

func one(constraint string) string { return "1 validation error detected: " + constraint }

func TestValidate(t *testing.T) {
	const failed = " failed to satisfy constraint: "
	tests := []struct {
		name string
		in   sampleInput
		want string
	}{
		{"nothing wrong", sampleInput{KeyId: Ptr("k")}, ""},
		{"null", sampleInput{}, one("Value null at 'keyId'" + failed + "Member must not be null")},
		{"too short", sampleInput{KeyId: Ptr("")}, one("Value '' at 'keyId'" + failed + "Member must have length greater than or equal to 1")},
		{"characters, not bytes", sampleInput{KeyId: Ptr("éééééééé")}, ""},
		{"too long", sampleInput{KeyId: Ptr("123456789")}, one("Value '123456789' at 'keyId'" + failed + "Member must have length less than or equal to 8")},
		{"enum", sampleInput{KeyId: Ptr("k"), Spec: "RSA"}, one("Value 'RSA' at 'spec'" + failed + "Member must satisfy enum value set: [RSA_2048, RSA_4096]")},
		{"blob", sampleInput{KeyId: Ptr("k"), Plaintext: []byte("12345")}, one("Value at 'plaintext'" + failed + "Member must have length less than or equal to 4")},
		{"empty blob", sampleInput{KeyId: Ptr("k"), Plaintext: []byte{}}, one("Value at 'plaintext'" + failed + "Member must have length greater than or equal to 1")},
		{"sensitive", sampleInput{KeyId: Ptr("k"), Password: Ptr("abc")}, one("Value at 'password'" + failed + "Member must have length greater than or equal to 4")},
		{"integer", sampleInput{KeyId: Ptr("k"), Days: Ptr(int32(31))}, one("Value '31' at 'days'" + failed + "Member must have value less than or equal to 30")},
		{"double", sampleInput{KeyId: Ptr("k"), Ratio: Ptr(0.75)}, one("Value '0.75' at 'ratio'" + failed + "Member must have value less than or equal to 0.5")},
		{
			"list length", sampleInput{KeyId: Ptr("k"), Tags: []sampleTag{{TagKey: Ptr("a")}, {TagKey: Ptr("b")}, {TagKey: Ptr("c")}}},
			one("Value at 'tags'" + failed + "Member must have length less than or equal to 2"),
		},
		{
			"element", sampleInput{KeyId: Ptr("k"), Tags: []sampleTag{{TagKey: Ptr("ABCDE")}, {}}},
			"3 validation errors detected: Value 'ABCDE' at 'tags.1.member.tagKey'" + failed + "Member must have length less than or equal to 4; " +
				"Value 'ABCDE' at 'tags.1.member.tagKey'" + failed + "Member must satisfy regular expression pattern: [a-z]*; " +
				"Value null at 'tags.2.member.tagKey'" + failed + "Member must not be null",
		},
		{
			"scalar elements", sampleInput{KeyId: Ptr("k"), Tokens: []string{"12", "x"}},
			one("Value '[12, x]' at 'tokens'" + failed + "Member must satisfy constraint: [Member must have length less than or equal to 3, " +
				"Member must have length greater than or equal to 2, Member must satisfy regular expression pattern: [0-9]+]"),
		},
		{
			"enum elements", sampleInput{KeyId: Ptr("k"), Operations: []string{""}},
			one("Value '[]' at 'operations'" + failed + "Member must satisfy constraint: [Member must satisfy enum value set: [RSA_2048, RSA_4096]]"),
		},
		{
			"map", sampleInput{KeyId: Ptr("k"), Context: map[string]string{"b": "12", "A": "1"}},
			"2 validation errors detected: Value '{A=1, b=12}' at 'context'" + failed + "Map keys must satisfy constraint: [Member must have length less than or equal to 4, " +
				"Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [a-z]*]; " +
				"Value '{A=1, b=12}' at 'context'" + failed + "Map value must satisfy constraint: [Member must have length less than or equal to 3, " +
				"Member must have length greater than or equal to 2, Member must satisfy regular expression pattern: [0-9]+]",
		},
		{
			"map of structures", sampleInput{KeyId: Ptr("k"), ByName: map[string]sampleTag{"x": {}}},
			one("Value null at 'byName.x.member.tagKey'" + failed + "Member must not be null"),
		},
		{"union of none", sampleInput{KeyId: Ptr("k"), Choice: &sampleChoice{}}, one("Value at 'choice'" + failed + "Member must have exactly one member set")},
		{"union of two", sampleInput{KeyId: Ptr("k"), Choice: &sampleChoice{Ptr("a"), Ptr("b")}}, one("Value at 'choice'" + failed + "Member must have exactly one member set")},
		{"union of one", sampleInput{KeyId: Ptr("k"), Choice: &sampleChoice{A: Ptr("a")}}, ""},
		{
			"recursive", sampleInput{KeyId: Ptr("k"), Tree: &sampleNode{Children: []sampleNode{{}, {Children: []sampleNode{{Name: Ptr("1")}}}}}},
			one("Value '1' at 'tree.children.2.member.children.1.member.name'" + failed + "Member must satisfy regular expression pattern: [a-z]*"),
		},
		{"stream", sampleInput{KeyId: Ptr("k"), Body: strings.NewReader("far longer than four")}, ""},
	}
	op := sample.Operation("Sample")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := op.Validate(&tt.in)
			if tt.want == "" {
				if err != nil {
					t.Fatalf("got %v", err)
				}
				return
			}
			e := AsError(err)
			if e.Code != "ValidationException" || e.Status != 400 || e.Message != tt.want {
				t.Errorf("got  %s %d %s\nwant ValidationException 400 %s", e.Code, e.Status, e.Message, tt.want)
			}
		})
	}
}

func TestValidationCode(t *testing.T) {
	d := sampleDefinition()
	d.Service.ValidationCode = "ValidationError"
	err := Define(d).Operation("Sample").Validate(&sampleInput{})
	if got := AsError(err).Code; got != "ValidationError" {
		t.Errorf("got %s", got)
	}
}

func TestValidateShowsPatternAsModelled(t *testing.T) {
	d := sampleDefinition()
	for i := range d.Shapes {
		if d.Shapes[i].Name == "TagKey" {
			d.Shapes[i].PatternText = `(?!aws)\u0061*`
		}
	}
	err := Define(d).Operation("Sample").Validate(&sampleInput{KeyId: Ptr("k"), Tree: &sampleNode{Name: Ptr("1")}})
	if want := `pattern: (?!aws)\u0061*`; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want it to end in %s", err, want)
	}
}

func TestValidateBoundsMessage(t *testing.T) {
	err := sample.Operation("Sample").Validate(&sampleInput{KeyId: Ptr(strings.Repeat("é", 1<<20))})
	if err == nil || len(err.Error()) > 2*maxShown {
		t.Errorf("message of %d bytes", len(err.Error()))
	}
}

func validSample() *sampleInput {
	return &sampleInput{
		KeyId: Ptr("k"), Spec: "RSA_2048", Plaintext: []byte("abc"), Days: Ptr(int32(7)),
		Tags: []sampleTag{{TagKey: Ptr("a")}}, Tokens: []string{"12"}, Context: map[string]string{"a": "12"},
	}
}

// TestValidateAllocatesNothing leaves patterns out: package regexp keeps its machines
// in a sync.Pool, which forgets at random under the race detector.
func TestValidateAllocatesNothing(t *testing.T) {
	d := sampleDefinition()
	for i := range d.Shapes {
		d.Shapes[i].Pattern = ""
	}
	op, in := Define(d).Operation("Sample"), validSample()
	if n := testing.AllocsPerRun(100, func() {
		if err := op.Validate(in); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkValidate(b *testing.B) {
	op, in := sample.Operation("Sample"), validSample()
	b.ReportAllocs()
	for b.Loop() {
		if err := op.Validate(in); err != nil {
			b.Fatal(err)
		}
	}
}
