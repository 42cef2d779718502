package gateway

import (
	"context"
	"net/http"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/wire"
)

var _ call.Authorizer = (*Gateway)(nil).Authorize

// Authorize decides a check for the call in ctx, for handlers whose target says Deferred, and
// notes the decision in the call. It returns nil when the check is allowed, else the error to answer with.
func (g *Gateway) Authorize(ctx context.Context, check call.Check) error {
	c := call.From(ctx)
	if c == nil {
		return errNoCall
	}
	return g.decide(ctx, c, &check, new(judge))
}

// judge is what one decision is made of. It lies in the passage, so that deciding
// allocates nothing. It is the policy.Context of its request: see conditions.go.
type judge struct {
	call  *call.Call
	check *call.Check

	ready     bool // base and principal are those of call
	base      *policy.Set
	principal policy.Principal
	arns      [2]string
	ids       [2]string

	set      policy.Set
	request  policy.Request
	decision policy.Decision
}

// decide takes the decision on one check and notes it in c.
func (g *Gateway) decide(ctx context.Context, c *call.Call, check *call.Check, j *judge) error {
	if !j.ready {
		if err := g.prepare(ctx, c, j); err != nil {
			return err
		}
	}
	j.check = check
	j.set = *j.base
	j.set.Resource, j.set.RootOfTrust = check.Policy, check.RootOfTrust
	j.set.Granted, j.set.GrantID = check.GrantID != "", check.GrantID
	j.set.ResourceAccount = ""
	if check.Account != c.Principal.Account {
		j.set.ResourceAccount = check.Account
	}
	j.request = policy.Request{Principal: &j.principal, Action: check.Action, Resource: check.Resource, Context: j}
	j.decision = policy.Decide(&j.request, &j.set)
	c.Decision = &j.decision
	switch {
	case j.decision.Allowed:
		return nil
	case check.Hide != nil:
		return check.Hide
	}
	return denied(c.Service, j.decision.Message(&j.request))
}

// noPolicies bears on principals that have no policies of their own: services and nobody.
var noPolicies = new(policy.Set)

// prepare finds what bears on the caller of c, and every name it goes by.
func (g *Gateway) prepare(ctx context.Context, c *call.Call, j *judge) error {
	j.call, j.base = c, noPolicies
	who := c.Principal
	switch who.Kind {
	case identity.Anonymous:
		j.principal = policy.Principal{Anonymous: true}
	case identity.Service:
		j.principal = policy.Principal{Service: who.Name}
		if regional := regionalName(who.Name, c.Region); regional != "" {
			j.arns[0] = regional
			j.principal.ServiceNames = j.arns[:1]
		}
	default:
		directory := g.house.Load().Policies
		if directory == nil {
			return errNobody
		}
		var err error
		if j.base, err = directory.Policies(ctx, who); err != nil {
			return err
		}
		if j.base == nil {
			return errNoPolicies
		}
		j.name(who)
	}
	j.ready = true
	return nil
}

// name fills in the names of a principal of an account.
func (j *judge) name(who *identity.Principal) {
	arns, ids := append(j.arns[:0], who.ARN), append(j.ids[:0], who.ID)
	if who.Kind == identity.Role && who.Session != nil {
		// Policies name the role as often as its session.
		arns, ids = append(arns, who.Session.RoleARN), append(ids, who.Session.RoleID)
	}
	j.principal = policy.Principal{Account: who.Account, Root: who.Kind == identity.Root, ARNs: arns, IDs: ids}
}

// denied is the refusal as the service's protocol says it.
func denied(api *wire.Service, message string) *wire.Error {
	e := &wire.Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: message}
	switch api.Protocol {
	case wire.JSON10, wire.JSON11:
		e.Code, e.Status = "AccessDeniedException", http.StatusBadRequest
	case wire.RESTJSON, wire.Raw:
		e.Code = "AccessDeniedException"
	case wire.RESTXML:
		e.Message = "Access Denied"
	}
	return e
}
