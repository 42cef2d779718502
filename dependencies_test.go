package strongroom

import (
	"os"
	"regexp"
	"testing"

	"golang.org/x/mod/modfile"
)

// reasonLine is a line of docs/dependencies.md: a module or tool, and what it is for.
var reasonLine = regexp.MustCompile("(?m)^- `([^`]+)`: \\S.{20,}\\.$")

// TestDependencies keeps docs/dependencies.md and the direct dependencies of go.mod the same.
func TestDependencies(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	direct := make(map[string]bool)
	for _, r := range mod.Require {
		if !r.Indirect {
			direct[r.Mod.Path] = true
		}
	}
	for _, tool := range mod.Tool {
		direct[tool.Path] = true
	}
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	given := make(map[string]bool)
	for _, m := range reasonLine.FindAllStringSubmatch(string(page), -1) {
		if given[m[1]] {
			t.Errorf("docs/dependencies.md names %s twice", m[1])
		}
		given[m[1]] = true
		if !direct[m[1]] {
			t.Errorf("docs/dependencies.md names %s, which is no direct dependency", m[1])
		}
	}
	for name := range direct {
		if !given[name] {
			t.Errorf("%s has no line in docs/dependencies.md: - `%s`: one sentence that says what it is for.", name, name)
		}
	}
}
