// Package hcl checks the syntax of Terraform files. It is the one package that sees the
// parser of HCL.
package hcl

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/strongroom/strongroom/service/proton/document"
)

// maxNesting bounds brackets and interpolations inside each other: the parser recurses.
const maxNesting = 200

// Check reports the first mistake in the syntax of a .tf file as a *document.Error with
// its place. It does not know what blocks and attributes Terraform has.
func Check(file string, text []byte) error {
	if deep(text) {
		return &document.Error{File: file, Reason: "the file is nested too deep"}
	}
	_, diagnostics := hclsyntax.ParseConfig(text, file, hcl.InitialPos)
	for _, d := range diagnostics {
		if d.Severity != hcl.DiagError {
			continue
		}
		e := &document.Error{File: file, Reason: "not valid HCL: " + d.Summary}
		if d.Subject != nil {
			e.Line, e.Column = d.Subject.Start.Line, d.Subject.Start.Column
		}
		return e
	}
	return nil
}

// deep reports whether brackets could nest too deep. It counts them in comments and
// strings as well, which only makes it more careful; unary signs recurse too.
func deep(text []byte) bool {
	depth, signs := 0, 0
	for _, c := range text {
		switch c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(0, depth-1)
		}
		if c == '-' || c == '!' || c == '?' {
			if signs++; signs > 20*maxNesting {
				return true
			}
		} else if c == '\n' {
			signs = 0
		}
		if depth > maxNesting {
			return true
		}
	}
	return false
}
