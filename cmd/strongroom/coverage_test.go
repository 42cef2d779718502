package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/strongroom/strongroom/wire"
)

var update = flag.Bool("update", false, "write docs/coverage.md anew")

const coveragePage = "../../docs/coverage.md"

// coverage returns docs/coverage.md as it must be.
func coverage() []byte {
	var b bytes.Buffer
	b.WriteString(`# Coverage

<!-- Made by go generate ./cmd/strongroom; a test compares it with the code. Do not edit. -->

What stands behind each operation that AWS has. "yes" means that there is code which does what AWS
documents for what a house has. A missing operation answers UnknownOperationException; in IAM and STS
InvalidAction, in S3 NotImplemented. ` + "`strongroom operations`" + ` prints the same for the program you run.

Some operations of S3 answer for settings that no bucket of a house can have yet, such as versioning or
lifecycle rules: reading one says that it is not configured, removing one does nothing, and setting
one is missing.

| service | implemented | of |
| --- | ---: | ---: |
`)
	for _, s := range implementations {
		fmt.Fprintf(&b, "| [%s](#%s) | %d | %d |\n", s.api.Name, s.api.Name, len(operations(s.api, s.impl, true)), len(s.api.Operations))
	}
	for _, s := range implementations {
		fmt.Fprintf(&b, "\n## %s\n\n| operation | |\n| --- | --- |\n", s.api.Name)
		for _, op := range s.api.Operations {
			state := ""
			if wire.Implemented(s.impl, op) {
				state = "yes "
			}
			fmt.Fprintf(&b, "| %s | %s|\n", op.Name, state)
		}
	}
	return b.Bytes()
}

// TestCoverage keeps docs/coverage.md what the code says.
func TestCoverage(t *testing.T) {
	want := coverage()
	if *update {
		if err := os.WriteFile(coveragePage, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(coveragePage)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/coverage.md is not what the code says; run go generate ./cmd/strongroom")
	}
}

// TestImplementations proves that every service of the house is in the list that coverage and
// the operations command print.
func TestImplementations(t *testing.T) {
	var listed []string
	for _, s := range implementations {
		listed = append(listed, s.api.Name)
	}
	for _, name := range append([]string{"iam", "sts"}, namesOf(services)...) {
		if !slices.Contains(listed, name) {
			t.Errorf("%s is served and is not in implementations", name)
		}
	}
	if len(listed) != len(services)+2 {
		t.Errorf("implementations lists %v, and the house serves iam, sts and %v", listed, namesOf(services))
	}
}

func namesOf(list []opener) (names []string) {
	for _, s := range list {
		names = append(names, s.name)
	}
	return names
}
