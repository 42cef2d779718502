package policy

import (
	"strings"

	"github.com/strongroom/strongroom/arn"
)

// action is one pattern of the Action or NotAction element: "*", or a service and a name
// with wildcards. Both are held in lower case, because actions are compared without case.
type action struct {
	written string // as the policy says it
	service string // "" for "*"
	name    string // up to the star, where shape is prefixed
	shape   shape
}

// shape says how a pattern is compared; the cheap ways cover nearly all of them.
type shape uint8

const (
	everything shape = iota // "*"
	exact                   // no wildcard
	prefixed                // one wildcard, a star at the end
	globbed                 // anything else
)

// compileAction reads one action pattern. The error is AWS's sentence.
func compileAction(s string) (action, string) {
	if s == "*" {
		return action{written: s, shape: everything}, ""
	}
	lower := strings.ToLower(s)
	service, name, found := strings.Cut(lower, ":")
	switch {
	case !found:
		return action{}, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	case strings.Contains(name, ":"):
		return action{}, "Actions/Condition can contain only one colon."
	case !validVendor(service):
		return action{}, "Vendor " + service + " is not valid"
	case !validActionName(name):
		return action{}, msgSyntax
	}
	a := action{written: s, service: service, name: name}
	a.shape, a.name = shapeOf(name)
	return a, ""
}

// shapeOf finds the cheapest way to compare with a pattern, and what to compare.
func shapeOf(s string) (shape, string) {
	i := strings.IndexAny(s, "*?\x00")
	switch {
	case i < 0:
		return exact, s
	case i == len(s)-1 && s[i] == '*':
		return prefixed, s[:i]
	}
	return globbed, s
}

// validVendor reports whether s may stand before the colon of an action.
func validVendor(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return s != ""
}

// validActionName reports whether s may stand after the colon of an action.
func validActionName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '*' && c != '?' && c != '_' && c != '-' {
			return false
		}
	}
	return s != ""
}

// covers reports whether the pattern covers the action service:name.
func (a *action) covers(service, name string) bool {
	if a.shape == everything {
		return true
	}
	if !foldEqual(a.service, service) {
		return false
	}
	switch a.shape {
	case exact:
		return foldEqual(a.name, name)
	case prefixed:
		return foldPrefix(a.name, name)
	}
	return arn.GlobFold(a.name, name)
}
