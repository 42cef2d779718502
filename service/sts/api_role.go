package sts

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// How long sessions of roles last (STS API reference, AssumeRole).
const (
	defaultRoleSession = 3600
	maxChained         = 3600 // when a session of a role asks
)

// maxPacked is how many bytes the policies and tags of a session may have, packed. AWS does not
// publish its own format; ours is DEFLATE.
const maxPacked = 4096

// assuming says what must be allowed before a role is assumed: by its trust policy, and by the
// policies of the caller where that leaves it to them.
func (s *Service) assuming(ctx context.Context, c *call.Call, in *api.AssumeRoleInput) (call.Target, error) {
	if c.Principal.Kind == identity.Root {
		return call.Target{}, denied("Roles may not be assumed by root accounts.")
	}
	name := *in.RoleArn
	if a, err := arn.Parse(name); err != nil || a.Service != "iam" || a.ResourceType() != "role" {
		return call.Target{}, api.ValidationErrorException("%s is invalid", name)
	}
	role, trust, err := s.dir.Role(ctx, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return call.Target{}, err
	}
	if err := s.vouch(ctx, c, in); err != nil {
		return call.Target{}, err
	}
	conditions := &conditions{in: in, inherited: inherited(c.Principal)}
	if role != nil {
		conditions.role = role.Tags
	}
	actions := []string{"sts:AssumeRole"}
	if len(in.Tags) > 0 || len(conditions.inherited) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if in.SourceIdentity != nil {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	var t call.Target
	for _, action := range actions {
		t.Checks = append(t.Checks, call.Check{
			Action: action, Resource: name, Type: "AWS::IAM::Role", Account: arn.AccountOf(name),
			Policy: trust, RootOfTrust: true, Conditions: conditions,
			// The same whether the role is there or not.
			Hide: denied("User: %s is not authorized to perform: %s on resource: %s", caller(c), action, name),
		})
	}
	return t, nil
}

func caller(c *call.Call) string {
	if c.Principal.Kind == identity.Service {
		return c.Principal.Name
	}
	return c.Principal.ARN
}

// vouch checks the second factor that comes with the request. The trust policy may ask
// for it, so the decision is taken on a caller who has shown it.
func (s *Service) vouch(ctx context.Context, c *call.Call, in *api.AssumeRoleInput) error {
	p := c.Principal
	if in.SerialNumber == nil && in.TokenCode == nil {
		return nil
	}
	if p.Kind != identity.User {
		return denied("MultiFactorAuthentication failed, only a user can show a second factor.")
	}
	if _, err := s.secondFactor(ctx, p, in.SerialNumber, in.TokenCode); err != nil {
		return err
	}
	shown := *p
	now := time.Now().UTC().Truncate(time.Second)
	shown.Session = &identity.Session{Issued: now, Expires: now, MFA: true}
	if p.Session != nil {
		*shown.Session = *p.Session
		shown.Session.MFA = true
	}
	c.Principal = &shown
	return nil
}

// inherited returns the tags that a session of p takes over from p's own.
func inherited(p *identity.Principal) map[string]string {
	if p.Kind != identity.Role || p.Session == nil || len(p.Session.Transitive) == 0 {
		return nil
	}
	tags := make(map[string]string, len(p.Session.Transitive))
	for _, key := range p.Session.Transitive {
		if v, ok := tagNamed(p.Tags, key); ok {
			tags[key] = v
		}
	}
	return tags
}

// conditions are the condition keys of AssumeRole.
type conditions struct {
	in        *api.AssumeRoleInput
	role      map[string]string // tags of the role
	inherited map[string]string
}

// Value answers the condition keys of "Available keys for AWS STS" that AssumeRole has.
func (c *conditions) Value(key string) policy.Values {
	switch key {
	case "sts:externalid":
		return optional(c.in.ExternalId)
	case "sts:rolesessionname":
		return optional(c.in.RoleSessionName)
	case "sts:sourceidentity":
		return optional(c.in.SourceIdentity)
	case "sts:transitivetagkeys":
		return policy.Many(c.in.TransitiveTagKeys)
	case "aws:tagkeys":
		keys := slices.Clone(c.in.TransitiveTagKeys[:0:0])
		for _, t := range c.in.Tags {
			keys = append(keys, wire.Val(t.Key))
		}
		for k := range c.inherited {
			keys = append(keys, k)
		}
		return policy.Many(keys)
	}
	if name, ok := strings.CutPrefix(key, "aws:requesttag/"); ok {
		for _, t := range c.in.Tags {
			if strings.EqualFold(wire.Val(t.Key), name) {
				return policy.One(wire.Val(t.Value))
			}
		}
		return found(c.inherited, name)
	}
	for _, prefix := range []string{"aws:resourcetag/", "iam:resourcetag/"} {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			return found(c.role, name)
		}
	}
	return policy.Values{}
}

func found(tags map[string]string, name string) policy.Values {
	if v, ok := tagNamed(tags, name); ok {
		return policy.One(v)
	}
	return policy.Values{}
}

func optional(s *string) policy.Values {
	if s == nil {
		return policy.Values{}
	}
	return policy.One(*s)
}

// AssumeRole gives the caller a session of a role that trusts him.
func (s *Service) AssumeRole(ctx context.Context, in *api.AssumeRoleInput) (*api.AssumeRoleOutput, error) {
	p := call.From(ctx).Principal
	role, _, err := s.dir.Role(ctx, *in.RoleArn)
	if errors.Is(err, store.ErrNotFound) { // deleted since it was authorized
		return nil, denied("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", caller(call.From(ctx)), *in.RoleArn)
	}
	if err != nil {
		return nil, err
	}
	seconds, err := duration(p, role, in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	c := &claims{Owner: role.ID, Name: *in.RoleSessionName, Policy: wire.Val(in.Policy), MFA: p.Kind == identity.User && p.MFA()}
	if c.SourceIdentity, err = sourceIdentity(p, in.SourceIdentity); err != nil {
		return nil, err
	}
	if err := c.tag(in, inherited(p)); err != nil {
		return nil, err
	}
	if err := s.narrow(ctx, c, role.Account, in.PolicyArns); err != nil {
		return nil, err
	}
	packed, err := c.packed()
	if err != nil {
		return nil, err
	}
	credentials, err := s.issue(role.Account, c, seconds)
	if err != nil {
		return nil, err
	}
	out := &api.AssumeRoleOutput{Credentials: credentials, PackedPolicySize: packed, AssumedRoleUser: &api.AssumedRoleUser{
		Arn: wire.Ptr(sessionARN(role, c.Name)), AssumedRoleId: wire.Ptr(role.ID + ":" + c.Name),
	}}
	if c.SourceIdentity != "" {
		out.SourceIdentity = &c.SourceIdentity
	}
	return out, nil
}

// duration returns how many seconds the session lasts.
func duration(p *identity.Principal, role *identity.Owner, asked *int32) (int32, error) {
	seconds := int32(defaultRoleSession)
	if asked != nil {
		seconds = *asked
	}
	if time.Duration(seconds)*time.Second > role.MaxSession {
		return 0, api.ValidationErrorException("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	if p.Kind == identity.Role && seconds > maxChained {
		return 0, api.ValidationErrorException("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	return seconds, nil
}

// sourceIdentity returns the source identity of the session. Once it is set it stays, through every chained session.
func sourceIdentity(p *identity.Principal, asked *string) (string, error) {
	old := ""
	if p.Session != nil {
		old = p.Session.SourceIdentity
	}
	if asked == nil {
		return old, nil
	}
	if old != "" && old != *asked {
		return "", denied("SourceIdentity cannot be changed once it has been set")
	}
	return *asked, nil
}

// tag sets the tags of the session: those of the request, and those it inherits, which cannot be
// set anew.
func (c *claims) tag(in *api.AssumeRoleInput, inherited map[string]string) error {
	tags := make(resource.Tags, len(in.Tags)+len(inherited))
	for _, t := range in.Tags {
		key := wire.Val(t.Key)
		if _, twice := tagNamed(tags, key); twice {
			return api.ValidationErrorException("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		if _, taken := tagNamed(inherited, key); taken {
			return api.ValidationErrorException("One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
		tags[key] = wire.Val(t.Value)
	}
	for _, key := range in.TransitiveTagKeys {
		if _, ok := tagNamed(tags, key); !ok {
			return api.ValidationErrorException("The specified transitive tag key must be included in the requested tags.")
		}
		c.Transitive = append(c.Transitive, key)
	}
	for key, v := range inherited {
		tags[key] = v
		c.Transitive = append(c.Transitive, key)
	}
	slices.Sort(c.Transitive)
	checked, err := resource.Tags(nil).Merge(tags)
	if err != nil {
		return api.ValidationErrorException("%v", err)
	}
	c.Tags = checked
	return nil
}

// narrow sets the policies of the session.
func (s *Service) narrow(ctx context.Context, c *claims, account string, arns []api.PolicyDescriptorType) error {
	if c.Policy != "" {
		_, err := policy.Parse([]byte(c.Policy), policy.Session)
		var syntax *policy.SyntaxError
		if errors.As(err, &syntax) {
			return api.MalformedPolicyDocumentException("%s", syntax.Message)
		}
		if err != nil {
			return err
		}
	}
	if len(arns) > 10 {
		return api.ValidationErrorException("At most 10 managed policies can be passed to a session.")
	}
	for _, d := range arns {
		name := wire.Val(d.Arn)
		_, err := s.dir.ManagedPolicy(ctx, account, name)
		if errors.Is(err, store.ErrNotFound) {
			return api.ValidationErrorException("Policy %s does not exist or is not attachable.", name)
		}
		if err != nil {
			return err
		}
		c.PolicyARNs = append(c.PolicyARNs, name)
	}
	return nil
}

// packed returns how much of the room for policies and tags is used, in percent; nil when
// there are none.
func (c *claims) packed() (*int32, error) {
	if c.Policy == "" && len(c.PolicyARNs) == 0 && len(c.Tags) == 0 {
		return nil, nil
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.DefaultCompression)
	if err != nil {
		return nil, err
	}
	parts := append([]string{c.Policy}, c.PolicyARNs...)
	for k, v := range c.Tags {
		parts = append(parts, k, v)
	}
	if _, err := w.Write([]byte(strings.Join(parts, "\x00"))); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	percent := int32((packed.Len()*100 + maxPacked - 1) / maxPacked)
	if percent > 100 {
		return nil, api.PackedPolicyTooLargeException("Packed policy consumes %d%% of allotted space, please use smaller policy.", percent)
	}
	return &percent, nil
}
