package kms

import (
	"context"
	"errors"
	"strings"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/service/kms/grant"
	"github.com/strongroom/strongroom/store"
)

// Policies and grants name principals, and names pass on. So what is kept beside a name is the
// unique id of who had it when the policy or grant was made: he keeps his right when he is renamed, and who
// gets the name after him has none (IAM user guide, "How IAM creates principals").

// bindPolicy returns the unique ids of the users, roles and sessions that a policy names.
// Everybody whom it names must exist.
func (s *Service) bindPolicy(ctx context.Context, doc *policy.Document) (map[string]string, error) {
	var bound map[string]string
	for _, ref := range doc.Principals() {
		switch {
		case ref.Type == policy.PrincipalService && !strings.HasSuffix(ref.Value, ".amazonaws.com"):
			return nil, badPrincipals()
		case ref.Type != policy.PrincipalAWS || ref.Value == "*" || bound[ref.Value] != "":
			continue
		}
		id, err := s.room.Principals.PrincipalID(ctx, ref.Value)
		if errors.Is(err, store.ErrNotFound) {
			return nil, badPrincipals()
		}
		if err != nil {
			return nil, err
		}
		if id == "" {
			continue
		}
		if bound == nil {
			bound = make(map[string]string)
		}
		bound[ref.Value] = id
	}
	return bound, nil
}

func badPrincipals() error {
	return api.MalformedPolicyDocumentException("Policy contains a statement with one or more invalid principals.")
}

// policyText returns the policy of a key as GetKeyPolicy shows it: everybody under the name he has
// now, and under his unique id when he is no more.
func (s *Service) policyText(ctx context.Context, r *record, text []byte) (string, error) {
	names := make(map[string]string, len(r.Bound))
	for name, id := range r.Bound {
		now, err := s.nameOf(ctx, name, id)
		if err != nil {
			return "", err
		}
		names[name] = now
	}
	return prettyPolicy(text, names)
}

// nameOf returns what to call somebody who was called name: the ARN he has now, or his
// unique id when he is no more.
func (s *Service) nameOf(ctx context.Context, name, id string) (string, error) {
	whole, _, session := strings.Cut(id, ":") // a session is there as long as its role
	now, err := s.room.Principals.PrincipalARN(ctx, whole)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return id, nil
	case err != nil:
		return "", err
	case session:
		return name, nil
	}
	return now, nil
}

// bindGrant notes the unique ids of the principals of a grant, who must exist.
func (s *Service) bindGrant(ctx context.Context, g *grant.Grant) error {
	for _, p := range []*grant.Party{&g.Grantee, &g.Retiring} {
		if !arn.Is(p.Name) {
			continue // a service, or nobody
		}
		id, err := s.room.Principals.PrincipalID(ctx, p.Name)
		if errors.Is(err, store.ErrNotFound) {
			return api.InvalidArnException("Invalid principal %s", p.Name)
		}
		if err != nil {
			return err
		}
		p.ID = id
	}
	return nil
}

// partyKey returns what grants file somebody under who is asked for by ARN, by unique id or as a
// service. Under a name that nobody has, nothing is filed.
func (s *Service) partyKey(ctx context.Context, name string) (string, error) {
	if strings.Contains(name, sep) {
		return "", api.InvalidArnException("Invalid principal")
	}
	if !arn.Is(name) {
		return name, nil
	}
	id, err := s.room.Principals.PrincipalID(ctx, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	return grant.Party{Name: name, ID: id}.Key(), nil
}

// partyNames returns what a listing calls a party of a grant, in the field for principals or
// that for services; neither when there is none.
func (s *Service) partyNames(ctx context.Context, p grant.Party) (principal, serviceName *string, err error) {
	switch {
	case p.Name == "":
		return nil, nil, nil
	case p.Service:
		return nil, &p.Name, nil
	case p.ID == "":
		return &p.Name, nil, nil
	}
	name, err := s.nameOf(ctx, p.Name, p.ID)
	return &name, nil, err
}
