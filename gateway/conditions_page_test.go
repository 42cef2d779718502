package gateway

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestConditionKeysPage compares the global condition keys in docs/policies.md with those there are.
func TestConditionKeysPage(t *testing.T) {
	text, err := os.ReadFile("../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(text), "**Global**, for every service: `aws:` ")
	list, _, end := strings.Cut(after, ".\n\n")
	if !ok || !end {
		t.Fatal("docs/policies.md has no list of global condition keys")
	}
	var got []string
	for _, key := range strings.Split(list, ",") {
		key, _, _ = strings.Cut(strings.TrimSpace(key), "/")
		key, _, _ = strings.Cut(key, " ")
		got = append(got, strings.ToLower(key))
	}
	want := append(slices.Collect(maps.Keys(globalKeys)), "principaltag")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("docs/policies.md lists %v, and the gateway answers %v", got, want)
	}
}
