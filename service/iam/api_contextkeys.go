package iam

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/policy"
)

// GetContextKeysForCustomPolicy names the condition keys that policies ask for.
func (s *Service) GetContextKeysForCustomPolicy(_ context.Context, in *api.GetContextKeysForCustomPolicyInput) (*api.GetContextKeysForCustomPolicyOutput, error) {
	docs, err := parseInputs(in.PolicyInputList, policy.Identity, "PolicyInputList")
	if err != nil {
		return nil, err
	}
	names, err := contextKeys(docs)
	return &api.GetContextKeysForCustomPolicyOutput{ContextKeyNames: names}, err
}

// GetContextKeysForPrincipalPolicy names the condition keys that the policies of a user, group or role ask for.
func (s *Service) GetContextKeysForPrincipalPolicy(ctx context.Context, in *api.GetContextKeysForPrincipalPolicyInput) (*api.GetContextKeysForPrincipalPolicyOutput, error) {
	sim, err := s.simulated(ctx, call.From(ctx), *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	docs, err := parseInputs(in.PolicyInputList, policy.Identity, "PolicyInputList")
	if err != nil {
		return nil, err
	}
	names, err := contextKeys(append(docs, sim.set.Identity...))
	return &api.GetContextKeysForPrincipalPolicyOutput{ContextKeyNames: names}, err
}

// contextKeys returns the condition keys and variables in documents, each once, in order.
func contextKeys(docs []*policy.Document) ([]string, error) {
	keys := make(map[string]bool)
	for _, d := range docs {
		var text struct{ Statement json.RawMessage }
		if err := json.Unmarshal(d.Text(), &text); err != nil {
			return nil, err
		}
		var statements []struct {
			Condition map[string]map[string]any
		}
		if text.Statement[0] != '[' {
			text.Statement = slices.Concat([]byte("["), text.Statement, []byte("]"))
		}
		if err := json.Unmarshal(text.Statement, &statements); err != nil {
			return nil, err
		}
		for _, st := range statements {
			for _, byKey := range st.Condition {
				for key := range byKey {
					keys[key] = true
				}
			}
		}
		for _, rest := range strings.Split(string(d.Text()), "${")[1:] {
			if name, _, ok := strings.Cut(rest, "}"); ok {
				name, _, _ = strings.Cut(name, ",")
				if name = strings.TrimSpace(name); len(name) > 1 {
					keys[name] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(keys)), nil
}
