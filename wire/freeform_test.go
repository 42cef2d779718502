package wire

import (
	"maps"
	"testing"
)

func ptr(text string) *string { return &text }

// TestFreeForm tells of tags in each form and of names in a tree, and of nothing else.
func TestFreeForm(t *testing.T) {
	in := &sampleInput{
		KeyId: ptr("k"), Spec: "RSA_2048", Password: ptr("w"), Tokens: []string{"t"}, Context: map[string]string{"c": "x"},
		Tags:   []sampleTag{{TagKey: ptr("owner"), Value: ptr("me")}, {TagKey: ptr("bare")}},
		ByName: map[string]sampleTag{"b": {Value: ptr("v")}},
		Tree:   &sampleNode{Children: []sampleNode{{}, {Name: ptr("leaf")}}},
		Header: ptr("h"), Secrets: map[string]string{"s": "z"},
	}
	got := map[[3]string]int{}
	tell := func(at, name, text string) { got[[3]string{at, name, text}]++ }
	sample.Operations[0].FreeForm(in, tell)
	want := map[[3]string]int{
		{"tags.1.tagKey", "", "owner"}: 1, {"tags.1.value", "owner", "me"}: 1, {"tags.2.tagKey", "", "bare"}: 1,
		{"tree.children.2.name", "Name", "leaf"}: 1,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	clear(got)
	sample.Operations[0].FreeForm(&sampleInput{}, tell)
	if len(got) != 0 {
		t.Errorf("of an empty input: %v", got)
	}
}

// TestFreeFormMembers says which members are free-form.
func TestFreeFormMembers(t *testing.T) {
	text, enum, number := &Shape{Kind: String}, &Shape{Kind: String, Enum: []string{"a"}}, &Shape{Kind: Integer}
	for _, c := range []struct {
		name  string
		shape *Shape
		want  bool
	}{
		{"Name", text, true}, {"displayName", text, true}, {"Description", text, true}, {"alias", text, true}, {"Comment", text, true}, {"name", enum, false},
		{"Description", number, false}, {"UserName", text, false}, {"NewUserName", text, false}, {"RoleSessionName", text, false}, {"KeyId", text, false},
	} {
		if got := freeText(&Member{Name: c.name, Shape: c.shape}); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}

func BenchmarkFreeForm(b *testing.B) {
	in := validSample()
	b.ReportAllocs()
	for b.Loop() {
		sample.Operations[0].FreeForm(in, func(string, string, string) {})
	}
}
