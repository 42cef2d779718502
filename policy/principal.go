package policy

import (
	"slices"
	"strings"

	"github.com/strongroom/strongroom/arn"
)

// Principal is who makes a request, under every name that a policy may know them by.
// Exactly one of these holds: Anonymous; Service is set; Account is set; or only
// Federated is set (a caller of AssumeRoleWithSAML or AssumeRoleWithWebIdentity, who
// has no account yet).
type Principal struct {
	// Account is the id of the account the caller belongs to; "" for services and
	// anonymous callers (and ignored for them).
	Account string
	// Root says that the caller is the root user of Account. ARNs then is its ARN alone.
	Root bool
	// Anonymous says that the request was not signed.
	Anonymous bool
	// Service is the service principal that calls for itself, "logs.amazonaws.com", and
	// ServiceNames are further names that the same service answers to, such as
	// "logs.eu-west-1.amazonaws.com".
	Service      string
	ServiceNames []string
	// ARNs are the resource names of the caller. The first is the caller's very own: the
	// user's, or the session's (arn:aws:sts::111122223333:assumed-role/Name/session).
	// What stands behind a session follows: the role's
	// (arn:aws:iam::111122223333:role/path/Name), or the user's of a federated session.
	ARNs []string
	// IDs are the unique ids of the caller: the user's "AIDA...", or the role's
	// "AROA..." and the session's "AROA...:session".
	IDs []string
	// Federated is the identity provider the caller came through: its ARN, or a name
	// such as "accounts.google.com"; "" for none.
	Federated string
	// Canonical is the canonical user id of Account, which policies of S3 may name.
	Canonical string
}

// homeless reports whether the caller has no account, and so no identity policies.
func (p *Principal) homeless() bool { return p.Anonymous || p.Service != "" || p.Account == "" }

// String returns the name by which messages call the caller.
func (p *Principal) String() string {
	switch {
	case p == nil || p.Anonymous:
		return "anonymous"
	case p.Service != "":
		return p.Service
	case len(p.ARNs) > 0:
		return p.ARNs[0]
	case p.Account != "":
		return p.Account
	}
	return p.Federated
}

// PrincipalType is the key under which a policy names a principal.
type PrincipalType string

// The types of principals.
const (
	PrincipalAWS       PrincipalType = "AWS"
	PrincipalService   PrincipalType = "Service"
	PrincipalFederated PrincipalType = "Federated"
	PrincipalCanonical PrincipalType = "CanonicalUser"
)

// PrincipalRef is one principal that a policy names: "*", an account id, an ARN or a
// unique id under PrincipalAWS, or the name of a service, provider or canonical user.
type PrincipalRef struct {
	Type  PrincipalType
	Value string
	Not   bool // it stands in NotPrincipal
}

// grip is how firmly a statement takes hold of a caller. The order counts: a higher grip
// needs less from other policies (IAM user guide, "Policy evaluation logic", the table of
// resource-based policies and implicit denies).
type grip uint8

const (
	noGrip      grip = iota // it is not about this caller
	gripAccount             // it names the caller's account, which delegates to the account
	gripBehind              // it names the role, or user, behind the caller's session
	gripOwn                 // it names the caller itself, or everybody
)

// principals is a compiled Principal or NotPrincipal element.
type principals struct {
	not       bool
	everybody bool // "*" or {"AWS": "*"}
	accounts  []string
	arns      []namedPrincipal
	ids       []string
	services  []string
	federated []string
	canonical []string
	written   []PrincipalRef
}

// namedPrincipal is a user, role or session by its ARN, and, where the document was bound,
// the unique id that its bearer must have.
type namedPrincipal struct{ arn, id string }

// add compiles one principal. ok is false when it is none.
func (ps *principals) add(t PrincipalType, s string, kind Kind) bool {
	ps.written = append(ps.written, PrincipalRef{Type: t, Value: s, Not: ps.not})
	switch t {
	case PrincipalAWS:
		return ps.addAWS(s)
	case PrincipalService:
		ps.services = append(ps.services, s)
		return validHost(s)
	case PrincipalFederated:
		ps.federated = append(ps.federated, s)
		return s != "" && !strings.ContainsAny(s, "*?")
	case PrincipalCanonical:
		// Only policies of S3 name canonical users.
		ps.canonical = append(ps.canonical, s)
		return kind == Resource && s != "" && !strings.ContainsAny(s, "*?")
	}
	return false
}

// addAWS compiles a principal of type AWS.
func (ps *principals) addAWS(s string) bool {
	if s == "*" {
		ps.everybody = true
		return true
	}
	if arn.ValidAccount(s) {
		ps.accounts = append(ps.accounts, s)
		return true
	}
	if validUniqueID(s) {
		ps.ids = append(ps.ids, s)
		return true
	}
	// "You cannot use a wildcard to match part of a principal name or ARN."
	a, err := arn.Parse(s)
	if err != nil || !arn.ValidAccount(a.Account) || a.Region != "" || strings.ContainsAny(s, "*?") {
		return false
	}
	if a.Service == "iam" && a.Resource == "root" {
		ps.accounts = append(ps.accounts, a.Account)
		return true
	}
	ps.arns = append(ps.arns, namedPrincipal{arn: s})
	return namesPrincipal(a)
}

// namesPrincipal reports whether a is the name of somebody who can call. Groups cannot.
func namesPrincipal(a arn.ARN) bool {
	id := a.ResourceID()
	switch a.Service + ":" + a.ResourceType() {
	case "iam:user", "iam:role", "sts:federated-user":
		return id != "" && !strings.HasSuffix(id, "/")
	case "sts:assumed-role":
		role, session, _ := strings.Cut(id, "/")
		return role != "" && session != "" && !strings.Contains(session, "/")
	}
	return false
}

// validUniqueID reports whether s has the form of the unique id of a user or role, which is
// what stands in a stored policy in place of somebody who was deleted.
func validUniqueID(s string) bool {
	if len(s) < 16 || len(s) > 128 || !strings.HasPrefix(s, "AIDA") && !strings.HasPrefix(s, "AROA") {
		return false
	}
	for i := range len(s) {
		if (s[i] < 'A' || s[i] > 'Z') && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return true
}

// validHost reports whether s has the form of a service principal: a host name in lower case.
func validHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return strings.Contains(s, ".") && !strings.HasPrefix(s, ".") && !strings.HasSuffix(s, ".")
}

// grip returns how a statement with this element takes hold of p.
func (ps *principals) grip(p *Principal, allow bool) grip {
	if !ps.not {
		return ps.find(p)
	}
	if allow {
		// Allow with NotPrincipal means everybody else. We read it narrowly: not anonymous
		// callers, not who is named in any way, and no more than a role's ARN would give.
		if p.Anonymous || ps.find(p) != noGrip {
			return noGrip
		}
		return gripBehind
	}
	if ps.exempt(p) {
		return noGrip
	}
	return gripOwn
}

// find returns the firmest grip under which the element names p.
func (ps *principals) find(p *Principal) grip {
	switch {
	case ps.everybody:
		return gripOwn
	case p.Anonymous:
		return noGrip
	case p.Service != "":
		return gripIf(ps.namesService(p), gripOwn)
	case p.Account == "":
		return gripIf(p.Federated != "" && slices.Contains(ps.federated, p.Federated), gripOwn)
	}
	best := noGrip
	for i := range p.ARNs {
		if ps.namesARN(p, i) || ps.namesID(p, i) {
			best = max(best, gripIf(i == 0, gripOwn), gripBehind)
		}
	}
	if p.Federated != "" && slices.Contains(ps.federated, p.Federated) {
		best = max(best, gripBehind)
	}
	if ps.namesAccount(p) {
		best = max(best, gripAccount)
	}
	return best
}

func gripIf(yes bool, g grip) grip {
	if yes {
		return g
	}
	return noGrip
}

// exempt reports whether a Deny with NotPrincipal spares p. It must name the caller in full:
// the account, the role, and the session or user ("you must also specify the account ARN of
// the not-denied principal"; IAM user guide, "NotPrincipal").
func (ps *principals) exempt(p *Principal) bool {
	switch {
	case ps.everybody:
		return true
	case p.homeless():
		return ps.find(p) != noGrip
	case !ps.namesAccount(p):
		return false
	}
	for i := range p.ARNs {
		if !p.Root && !ps.namesARN(p, i) && !ps.namesID(p, i) {
			return false
		}
	}
	return true
}

// namesService reports whether the element names the calling service.
func (ps *principals) namesService(p *Principal) bool {
	for _, s := range ps.services {
		if s == p.Service || slices.Contains(p.ServiceNames, s) {
			return true
		}
	}
	return false
}

// namesAccount reports whether the element names the caller's account.
func (ps *principals) namesAccount(p *Principal) bool {
	return slices.Contains(ps.accounts, p.Account) ||
		p.Canonical != "" && slices.Contains(ps.canonical, p.Canonical)
}

// namesARN reports whether the element names the i-th ARN of p, borne by whom it was meant for.
func (ps *principals) namesARN(p *Principal, i int) bool {
	for j := range ps.arns {
		if n := &ps.arns[j]; n.arn == p.ARNs[i] && (n.id == "" || slices.Contains(p.IDs, n.id)) {
			return true
		}
	}
	return false
}

// namesID reports whether the element names, by its unique id, whom the i-th ARN of p names.
// A session has no unique id of its own that a policy could name: the id is the role's.
func (ps *principals) namesID(p *Principal, i int) bool {
	if i != len(p.ARNs)-1 {
		return false
	}
	for _, id := range ps.ids {
		if slices.Contains(p.IDs, id) {
			return true
		}
	}
	return false
}

// bind returns ps with the unique ids of ids in place of the ARNs of users and roles, who may
// be called otherwise by now, and beside those of sessions.
func (ps *principals) bind(ids map[string]string) *principals {
	if ps == nil || len(ps.arns) == 0 {
		return ps
	}
	bound := *ps
	bound.arns, bound.ids = nil, slices.Clone(ps.ids)
	for _, n := range ps.arns {
		id := ids[n.arn]
		if a, err := arn.Parse(n.arn); id != "" && err == nil && a.Service == "iam" {
			bound.ids = append(bound.ids, id)
			continue
		}
		bound.arns = append(bound.arns, namedPrincipal{arn: n.arn, id: id})
	}
	return &bound
}
