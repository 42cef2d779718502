package logs

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	api "github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// maxPolicies is how many resource policies an account has in a region, and maxPolicyName how long a name is.
const (
	maxPolicies   = 10
	maxPolicyName = 512
)

// resourcePolicy is the record of a resource policy.
type resourcePolicy struct {
	Name    string            `json:"name"`
	Text    string            `json:"text"`
	Updated int64             `json:"updated"`
	Bound   map[string]string `json:"bound,omitempty"` // unique ids of the principals it names, by their names when it was put
}

func (p *resourcePolicy) described() *api.ResourcePolicy {
	return &api.ResourcePolicy{PolicyScope: api.PolicyScopeAccount, PolicyName: &p.Name, PolicyDocument: &p.Text, LastUpdatedTime: &p.Updated}
}

// putPolicy makes or replaces a resource policy.
func (s *Service) putPolicy(ctx context.Context, in *api.PutResourcePolicyInput) (*resourcePolicy, error) {
	name, text := wire.Val(in.PolicyName), wire.Val(in.PolicyDocument)
	if name == "" || len(name) > maxPolicyName || text == "" {
		return nil, invalid("policyName and policyDocument are required.")
	}
	bound, err := s.readPolicy(ctx, text)
	if err != nil {
		return nil, err
	}
	at := here(ctx)
	p := &resourcePolicy{Name: name, Text: text, Updated: s.milliseconds(), Bound: bound}
	return p, s.update(ctx, func(tx store.Tx) error {
		there, err := store.Exists(tx, at.policyKey(name))
		if err != nil {
			return err
		}
		all, err := store.KeysBelow(tx, below("p", at.region, at.account), maxPolicies)
		if err != nil {
			return err
		}
		if !there && len(all) >= maxPolicies {
			return api.LimitExceededException("Resource limit exceeded.")
		}
		return put(tx, at.policyKey(name), p)
	})
}

// readPolicy parses the text of a resource policy, and finds out whom it names.
func (s *Service) readPolicy(ctx context.Context, text string) (bound map[string]string, err error) {
	doc, err := policy.Parse([]byte(text), policy.Resource)
	if err != nil {
		return nil, invalid("Invalid resource policy document: %v", err)
	}
	bound = map[string]string{}
	for _, ref := range doc.Principals() {
		if ref.Type != policy.PrincipalAWS || ref.Value == "*" || bound[ref.Value] != "" {
			continue
		}
		id, err := s.room.Principals.PrincipalID(ctx, ref.Value)
		if errors.Is(err, store.ErrNotFound) {
			return nil, invalid("The policy names a principal that is not there: %s", ref.Value)
		}
		if err != nil {
			return nil, err
		}
		if id != "" {
			bound[ref.Value] = id
		}
	}
	return bound, nil
}

// policyOf is what the resource policies of a place say together, or nil where there is none.
func (s *Service) policyOf(ctx context.Context, p place) (*policy.Document, error) {
	return s.policies.Get(ctx, string(below("p", p.region, p.account)))
}

// loadPolicies reads the resource policies whose keys begin with prefix.
func loadPolicies(r store.Reader, prefix []byte) (*policy.Document, error) {
	var docs []*policy.Document
	for one, err := range r.Scan(store.Prefix(prefix)) {
		if err != nil {
			return nil, err
		}
		var rec resourcePolicy
		if err := json.Unmarshal(one.Value, &rec); err != nil {
			return nil, err
		}
		doc, err := policy.Parse([]byte(rec.Text), policy.Resource)
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc.Bind(rec.Bound).Named("the resource policy "+rec.Name))
	}
	return policy.Join("the resource policies of the log groups", docs...), nil
}

// stalePolicies names what a changed record makes stale: all policies of the place of a resource policy.
func stalePolicies(k []byte) []string {
	parts := strings.SplitN(string(k), sep, 4) // a name may hold anything
	if len(parts) < 4 || parts[0] != "p" {
		return nil
	}
	return []string{string(below(parts[:3]...))}
}
