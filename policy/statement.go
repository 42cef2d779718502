package policy

import "strings"

// statement is one compiled statement.
type statement struct {
	sid         string
	allow       bool
	notAction   bool
	notResource bool
	service     string // of all actions, in lower case; "" when they have no one service
	actions     []action
	resources   []resource  // nil where the grammar has no Resource element: any
	principals  *principals // nil where the grammar has no Principal element: the bearer
	conditions  []condition
}

// ask is a request on its way through the statements, its action taken apart once.
type ask struct {
	principal     *Principal
	service, name string // of the action
	resource      string
	context       Context
}

// newAsk takes a request apart.
func newAsk(req *Request) ask {
	a := ask{principal: req.Principal, resource: req.Resource, context: req.Context}
	a.service, a.name, _ = strings.Cut(req.Action, ":")
	return a
}

// miss says which element of a statement did not match.
type miss uint8

const (
	noMiss miss = iota
	missAction
	missPrincipal
	missResource
	missCondition
)

// match returns how the statement takes hold of the caller, or noGrip and which element did
// not match; of conditions, the first that was not met.
func (st *statement) match(a *ask) (g grip, m miss, unmet *condition) {
	if st.coversAction(a) == st.notAction {
		return noGrip, missAction, nil
	}
	g = gripOwn
	if st.principals != nil {
		if g = st.principals.grip(a.principal, st.allow); g == noGrip {
			return noGrip, missPrincipal, nil
		}
	}
	if st.resources != nil && st.coversResource(a) == st.notResource {
		return noGrip, missResource, nil
	}
	for i := range st.conditions {
		if c := &st.conditions[i]; !c.holds(a.context) {
			return noGrip, missCondition, c
		}
	}
	return g, noMiss, nil
}

// coversAction reports whether a pattern of the element covers the action. Most statements are
// about one service, and most requests about another: that takes one comparison.
func (st *statement) coversAction(a *ask) bool {
	if st.service != "" && !foldEqual(st.service, a.service) {
		return false
	}
	for i := range st.actions {
		if st.actions[i].covers(a.service, a.name) {
			return true
		}
	}
	return false
}

// coversResource reports whether a pattern of the element covers the resource.
func (st *statement) coversResource(a *ask) bool {
	for i := range st.resources {
		if st.resources[i].covers(a.resource, a.context) {
			return true
		}
	}
	return false
}

// effect returns the value of the Effect element.
func (st *statement) effect() string {
	if st.allow {
		return "Allow"
	}
	return "Deny"
}

// oneService returns the service that all actions have in common, or "".
func oneService(actions []action) string {
	service := actions[0].service
	for i := range actions {
		if actions[i].service != service {
			return ""
		}
	}
	return service
}
