// Package grant decides what a grant of a KMS key allows.
//
// A grant lets one principal, the grantee, use one key for the operations it lists. It can
// only allow, never deny. A constraint ties it to an encryption context: the keys of the
// pairs compare without letter case, the values with it (KMS API reference,
// GrantConstraints). Such a constraint says nothing about operations that have no encryption
// context, such as DescribeKey. Another constraint ties the grant to the resource that a
// service acts for, its source; that one bears on everything but RetireGrant.
//
// The package is pure: whose grant it is, whether it was revoked, and what the caller is
// called are the business of others.
package grant

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Grant is one grant of one key. It never changes once it is made.
type Grant struct {
	ID         string            `json:"id"` // 64 hexadecimal digits
	Name       string            `json:"name,omitempty"`
	Grantee    Party             `json:"grantee"`
	Retiring   Party             `json:"retiring,omitzero"`
	Issuer     string            `json:"issuer"`           // account that made it
	Operations []string          `json:"operations"`       // sorted, each once
	Equals     map[string]string `json:"equals,omitempty"` // EncryptionContextEquals; nil for none
	Subset     map[string]string `json:"subset,omitempty"` // EncryptionContextSubset; nil for none
	Source     string            `json:"source,omitempty"` // SourceArn; "" for none
	Created    time.Time         `json:"created"`
}

// Party is whom a grant names.
type Party struct {
	Name string `json:"name"`         // ARN, or the name of a service
	ID   string `json:"id,omitempty"` // what tells it from another who gets the same name later; "" for root users and services
	// Service says that the request named it as a service principal, in the field of its own
	// that there is for them.
	Service bool `json:"service,omitempty"`
}

// Key returns what the party is known by: its unique id where it has one, else its name.
func (p Party) Key() string {
	if p.ID != "" {
		return p.ID
	}
	return p.Name
}

// Request is the use of a key, as far as grants look at it.
type Request struct {
	Operation string            // by its name in grants
	Context   map[string]string // encryption context
	Source    string            // aws:SourceArn; "" for none
}

// Constrained reports whether g has a constraint.
func (g *Grant) Constrained() bool { return g.Bound() || g.Source != "" }

// Bound reports whether g has a constraint about the encryption context.
func (g *Grant) Bound() bool { return g.Equals != nil || g.Subset != nil }

// ConstraintType returns the value of kms:GrantConstraintType, or "" without a constraint
// about the encryption context.
func (g *Grant) ConstraintType() string {
	switch {
	case g.Equals != nil:
		return "EncryptionContextEquals"
	case g.Subset != nil:
		return "EncryptionContextSubset"
	}
	return ""
}

// Allows reports whether g allows the request.
func (g *Grant) Allows(r *Request) bool {
	return slices.Contains(g.Operations, r.Operation) && permits(g.Equals, g.Subset, g.Source, r)
}

// permits reports whether a request is within constraints.
func permits(equals, subset map[string]string, source string, r *Request) bool {
	if source != "" && source != r.Source && r.Operation != "RetireGrant" {
		return false
	}
	if !HasContext(r.Operation) {
		return true
	}
	return (subset == nil || holds(r.Context, subset)) &&
		(equals == nil || len(r.Context) == len(equals) && holds(r.Context, equals))
}

// Within reports whether g allows nothing that parent does not: the same operations or
// fewer, under a constraint as strict or stricter. It is what makes a grant that is made
// with the CreateGrant permission of another grant lawful.
func (g *Grant) Within(parent *Grant) bool {
	for _, op := range g.Operations {
		if !slices.Contains(parent.Operations, op) {
			return false
		}
	}
	if parent.Source != "" && g.Source != parent.Source {
		return false
	}
	if parent.Equals != nil && !(g.Equals != nil && len(g.Equals) == len(parent.Equals) && holds(g.Equals, parent.Equals)) {
		return false
	}
	return parent.Subset == nil || g.Equals != nil && holds(g.Equals, parent.Subset) || g.Subset != nil && holds(g.Subset, parent.Subset)
}

// Fingerprint names what g allows to whom, its name included, but not its id and time. Two
// CreateGrant requests with a name and the same fingerprint are one (KMS API reference,
// CreateGrant, Name).
func (g *Grant) Fingerprint() [32]byte {
	same := *g
	same.ID, same.Created = "", time.Time{}
	text, err := json.Marshal(same) // writes maps sorted by key
	if err != nil {
		panic("grant: " + err.Error()) // strings, maps of strings and a time always encode
	}
	return sha256.Sum256(text)
}

// Distinct reports whether no two keys of a constraint are the same but for letter case.
func Distinct(constraint map[string]string) bool {
	seen := make(map[string]bool, len(constraint))
	for k := range constraint {
		if seen[Fold(k)] {
			return false
		}
		seen[Fold(k)] = true
	}
	return true
}

// holds reports whether context has all the pairs of want.
func holds(context, want map[string]string) bool {
	for k, v := range want {
		if got, ok := context[k]; ok && got == v {
			continue
		}
		if !holdsFolded(context, Fold(k), v) {
			return false
		}
	}
	return true
}

func holdsFolded(context map[string]string, folded, value string) bool {
	for k, v := range context {
		if v == value && Fold(k) == folded {
			return true
		}
	}
	return false
}

// Fold returns s with the letters A to Z in lower case, and all else as it is. Folding no
// more than that leaves no room for letters that merely look or fold alike.
func Fold(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= 'A' && r <= 'Z' }) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
