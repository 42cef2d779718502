package iam

import (
	"context"
	"fmt"
	"slices"
	"strings"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// SimulateCustomPolicy says what policies that are given would decide.
func (s *Service) SimulateCustomPolicy(ctx context.Context, in *api.SimulateCustomPolicyInput) (*api.SimulateCustomPolicyOutput, error) {
	c := call.From(ctx)
	sim := &simulation{principal: policy.Principal{Account: c.Principal.Account}}
	// The two operations ask the same; this one without a principal's own policies.
	same := &api.SimulatePrincipalPolicyInput{
		PolicyInputList: in.PolicyInputList, PermissionsBoundaryPolicyInputList: in.PermissionsBoundaryPolicyInputList,
		ActionNames: in.ActionNames, ResourceArns: in.ResourceArns, ResourcePolicy: in.ResourcePolicy, ResourceOwner: in.ResourceOwner,
		CallerArn: in.CallerArn, ContextEntries: in.ContextEntries, MaxItems: in.MaxItems, Marker: in.Marker,
	}
	for i, level := range in.OrderedOrganizationPolicyInputList {
		docs, err := parseInputs(level.ServiceControlPolicyInputList, policy.ServiceControl, fmt.Sprintf("OrderedOrganizationPolicyInputList.%d", i+1))
		if err != nil {
			return nil, err
		}
		if len(docs) > 1 {
			return nil, api.InvalidInputException("More than one service control policy on a level is not supported.")
		}
		sim.set.Ceilings = append(sim.set.Ceilings, docs...)
	}
	results, more, next, err := s.simulate(c, sim, same)
	return &api.SimulateCustomPolicyOutput{EvaluationResults: results, IsTruncated: more, Marker: next}, err
}

// SimulatePrincipalPolicy says what the policies of a user, group or role would decide, together with
// policies that are given.
func (s *Service) SimulatePrincipalPolicy(ctx context.Context, in *api.SimulatePrincipalPolicyInput) (*api.SimulatePrincipalPolicyOutput, error) {
	c := call.From(ctx)
	sim, err := s.simulated(ctx, c, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	for _, x := range in.PolicyExclusionList {
		name := wire.Val(x.PolicyArn)
		if i := x.InlinePolicyIdentifier; i != nil {
			name = string(i.AttachmentType) + "_" + wire.Val(i.AttachmentName) + "_" + wire.Val(i.PolicyName)
		}
		sim.set.Identity = slices.DeleteFunc(sim.set.Identity, func(d *policy.Document) bool { return d.Name() == name })
	}
	results, more, next, err := s.simulate(c, sim, in)
	return &api.SimulatePrincipalPolicyOutput{EvaluationResults: results, IsTruncated: more, Marker: next}, err
}

// simulated begins the simulation of a user, group or role.
func (s *Service) simulated(ctx context.Context, c *call.Call, name string) (*simulation, error) {
	account, k, short, ok := principalName(name)
	if !ok || account != c.Principal.Account {
		return nil, api.InvalidInputException("Invalid Entity Arn: %s does not clearly define entity type and name.", name)
	}
	var h *holder
	err := s.view(ctx, func(r store.Reader) (err error) {
		h, err = find(r, account, k, short)
		return err
	})
	if err != nil {
		return nil, err
	}
	set, err := s.build(ctx, account, h.ID)
	if err != nil {
		return nil, err
	}
	sim := &simulation{set: *set, principal: policy.Principal{Account: account, ARNs: []string{h.arn(account)}, IDs: []string{h.ID}}}
	sim.global = map[string]string{
		"aws:principalarn": h.arn(account), "aws:principalaccount": account, "aws:userid": h.ID,
	}
	if k == userKind {
		sim.global["aws:username"] = h.Name
		sim.global["aws:principaltype"] = "User"
	}
	for key, v := range h.Tags {
		sim.global["aws:principaltag/"+fold(key)] = v
	}
	return sim, nil
}

// simulation is what is simulated, and the policy.Context of its requests.
type simulation struct {
	principal policy.Principal
	set       policy.Set
	given     map[string]policy.Values // by key in lower case
	global    map[string]string        // what is known of the principal
	missed    map[string]bool          // keys that were asked for and that nobody gave
}

// Value answers a condition key, and notes those that have no value.
func (sim *simulation) Value(key string) policy.Values {
	if v, ok := sim.given[key]; ok {
		return v
	}
	if v, ok := sim.global[key]; ok {
		return policy.One(v)
	}
	sim.missed[key] = true
	return policy.Values{}
}

// parseInputs parses policies that are given.
func parseInputs(texts []string, as policy.Kind, name string) ([]*policy.Document, error) {
	var docs []*policy.Document
	for i, text := range texts {
		doc, err := policy.Parse([]byte(text), as)
		if err != nil {
			return nil, malformed(err)
		}
		docs = append(docs, doc.Named(fmt.Sprintf("%s.%d", name, i+1)))
	}
	return docs, nil
}

// prepare adds what the request gives.
func (sim *simulation) prepare(in *api.SimulatePrincipalPolicyInput) error {
	docs, err := parseInputs(in.PolicyInputList, policy.Identity, "PolicyInputList")
	if err != nil {
		return err
	}
	sim.set.Identity = append(slices.Clip(sim.set.Identity), docs...)
	bounds, err := parseInputs(in.PermissionsBoundaryPolicyInputList, policy.Boundary, "PermissionsBoundaryPolicyInputList")
	if err != nil {
		return err
	}
	if len(bounds) > 0 {
		sim.set.Boundary = bounds[0]
	}
	if err := sim.resource(in); err != nil {
		return err
	}
	sim.given = make(map[string]policy.Values, len(in.ContextEntries))
	for _, e := range in.ContextEntries {
		v := policy.Many(e.ContextKeyValues)
		if !strings.HasSuffix(string(e.ContextKeyType), "List") && len(e.ContextKeyValues) == 1 {
			v = policy.One(e.ContextKeyValues[0])
		}
		sim.given[fold(wire.Val(e.ContextKeyName))] = v
	}
	return nil
}

// resource adds the resource's policy and owner, and who calls.
func (sim *simulation) resource(in *api.SimulatePrincipalPolicyInput) error {
	if in.ResourcePolicy != nil {
		docs, err := parseInputs([]string{*in.ResourcePolicy}, policy.Resource, "ResourcePolicy")
		if err != nil {
			return err
		}
		sim.set.Resource = docs[0]
	}
	sim.set.ResourceAccount = wire.Val(in.ResourceOwner)
	if a, err := arn.Parse(sim.set.ResourceAccount); err == nil {
		sim.set.ResourceAccount = a.Account
	}
	if in.CallerArn != nil {
		account, k, _, ok := principalName(*in.CallerArn)
		if !ok || k != userKind {
			return api.InvalidInputException("CallerArn must be the ARN of a user.")
		}
		sim.principal.Account, sim.principal.ARNs, sim.principal.IDs = account, []string{*in.CallerArn}, nil
	}
	return nil
}

// simulate decides every action on every resource.
func (s *Service) simulate(c *call.Call, sim *simulation, in *api.SimulatePrincipalPolicyInput) (results []api.EvaluationResult, more *bool, next *string, err error) {
	l, err := s.list(c, in.Marker, in.MaxItems)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := sim.prepare(in); err != nil {
		return nil, nil, nil, err
	}
	resources := in.ResourceArns
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	results = []api.EvaluationResult{}
	for i, action := range in.ActionNames {
		for j, res := range resources {
			taken, goOn := l.take(fmt.Sprintf("%06d/%06d", i, j))
			if !goOn {
				more, next = l.answer()
				return results, more, next, nil
			}
			if taken {
				results = append(results, sim.decide(action, res))
			}
		}
	}
	more, next = l.answer()
	return results, more, next, nil
}

// decide takes one decision, and says what it rests on.
func (sim *simulation) decide(action, res string) api.EvaluationResult {
	sim.missed = make(map[string]bool)
	req := &policy.Request{Principal: &sim.principal, Action: action, Resource: res, Context: sim}
	e := policy.Explain(req, &sim.set)
	result := api.EvaluationResult{
		EvalActionName: wire.Ptr(action), EvalResourceName: wire.Ptr(res),
		MatchedStatements: []api.Statement{}, MissingContextValues: []string{},
	}
	switch {
	case e.Allowed:
		result.EvalDecision = api.PolicyEvaluationDecisionTypeAllowed
	case e.Reason == policy.ExplicitDeny:
		result.EvalDecision = api.PolicyEvaluationDecisionTypeExplicitDeny
	default:
		result.EvalDecision = api.PolicyEvaluationDecisionTypeImplicitDeny
	}
	for _, v := range e.Deciding() {
		result.MatchedStatements = append(result.MatchedStatements, api.Statement{SourcePolicyId: wire.Ptr(v.Policy), SourcePolicyType: sourceType(v.Policy)})
	}
	for key := range sim.missed {
		result.MissingContextValues = append(result.MissingContextValues, key)
	}
	slices.Sort(result.MissingContextValues)
	if b := sim.set.Boundary; b != nil {
		d := policy.Decide(req, &policy.Set{Identity: []*policy.Document{b}})
		result.PermissionsBoundaryDecisionDetail = &api.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: wire.Ptr(d.Allowed)}
	}
	return result
}

// sourceType says what sort of policy bears a name.
func sourceType(name string) api.PolicySourceType {
	switch {
	case strings.HasPrefix(name, "arn:"+identity.Partition+":iam::"+awsAccount+":"):
		return api.PolicySourceTypeAwsManaged
	case strings.HasPrefix(name, "arn:"):
		return api.PolicySourceTypeUserManaged
	case strings.HasPrefix(name, "ResourcePolicy"):
		return api.PolicySourceTypeResource
	}
	for _, t := range []api.PolicySourceType{api.PolicySourceTypeUser, api.PolicySourceTypeGroup, api.PolicySourceTypeRole} {
		if strings.HasPrefix(name, string(t)+"_") {
			return t
		}
	}
	return api.PolicySourceTypeNone
}
