package policy

import (
	"strings"

	"github.com/strongroom/strongroom/arn"
)

// resource is one pattern of the Resource or NotResource element.
type resource struct {
	written string
	pattern pattern
	head    string // up to the star, where shape is prefixed
	shape   shape
}

// compileResource reads one resource pattern. The error is AWS's sentence.
func compileResource(s string, how int) (resource, string) {
	if s == "*" {
		return resource{written: s, shape: everything}, ""
	}
	if msg := checkResource(s, how); msg != "" {
		return resource{}, msg
	}
	p, err := compile(s, how|wildcards)
	if err != nil {
		return resource{}, msgSyntax
	}
	r := resource{written: s, pattern: p, shape: globbed}
	if p.parts == nil {
		r.shape, r.head = shapeOf(p.fixed)
	}
	if r.shape == prefixed && strings.Count(r.head, ":") < 5 {
		r.shape = globbed // the star may not reach over the next colon
	}
	return r, ""
}

// checkResource says what is wrong with the form of a resource pattern, or nothing.
func checkResource(s string, how int) string {
	parts := strings.SplitN(s, ":", 6)
	head := parts[:min(len(parts), 5)]
	switch {
	case len(parts) == 1 || parts[0] != "arn":
		return "Resource " + s + ` must be in ARN format or "*".`
	case !strings.ContainsAny(parts[1], "*?") && !arn.ValidPartition(parts[1]):
		return `Partition "` + parts[1] + `" is not valid for resource "` + s + `".`
	case len(parts) == 6 && strings.ContainsAny(parts[2], "*?"):
		return "Resource vendor must be fully qualified and cannot contain regexes."
	case how&variables != 0 && strings.Contains(strings.Join(head, ":"), "${"):
		// "You can't use a variable to replace parts of the ARN before the fifth colon"
		// (IAM user guide, "Variables and tags").
		return "The policy failed legacy parsing"
	case len(parts) < 6 && !strings.HasSuffix(s, "*"), len(parts) == 6 && parts[5] == "":
		return "The policy failed legacy parsing"
	}
	return ""
}

// covers reports whether the pattern covers the resource called name.
func (r *resource) covers(name string, ctx Context) bool {
	switch r.shape {
	case everything:
		return true
	case exact:
		return r.pattern.fixed == name
	case prefixed:
		return strings.HasPrefix(name, r.head)
	}
	return r.pattern.names(name, ctx)
}
