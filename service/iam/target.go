package iam

import (
	"context"
	"errors"
	"strings"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// about is what an operation acts on, as its input says it. Exactly one of these holds:
// kind is set; arn is set; or neither, for operations about the account as a whole.
type about struct {
	kind kind    // of a thing that name names
	name *string // of it; nil, for a user, is the caller
	arn  *string // of a thing that is given by its resource name: policies, devices, principals
	made bool    // the operation makes the thing, below path
	path *string
	list bool // the operation lists the things of the kind

	newName, newPath *string   // the operation renames the thing
	boundary         *string   // permissions boundary that is set
	policyARN        *string   // managed policy that is attached or detached
	tags             []api.Tag // that are set
	tagKeys          []string  // that are taken away
	used             *string   // access key that is asked about
}

// Target says what must be allowed before an operation of iam runs.
func (s *Service) Target(ctx context.Context, c *call.Call) (call.Target, error) {
	t := targets[c.Op.Name]
	if t == nil {
		return call.Target{}, nil // the gateway refuses what has no target
	}
	a := t(c.In)
	var target call.Target
	err := s.view(ctx, func(r store.Reader) (err error) {
		target, err = a.target(r, c)
		return err
	})
	return target, err
}

// target resolves what an operation acts on.
func (a *about) target(r store.Reader, c *call.Call) (call.Target, error) {
	account := c.Principal.Account
	name := "iam:" + c.Op.Name
	res, err := a.resolve(r, c)
	if err != nil {
		return call.Target{}, err
	}
	conditions := a.conditions(res)
	checks := []call.Check{{Action: name, Resource: res.arn, Type: res.typ, Account: foreign(account, res.arn), Conditions: conditions}}
	if a.newName != nil || a.newPath != nil {
		// "You must have permission for both the old name and the new name" (IAM API
		// reference, UpdateUser and UpdateGroup).
		renamed := res.arn[:strings.Index(res.arn, "/")] + res.pathWith(a.newPath) + res.nameWith(a.newName)
		checks = append(checks, call.Check{Action: name, Resource: renamed, Type: res.typ, Conditions: conditions})
	}
	return call.Target{Checks: checks}, nil
}

// foreign returns the account that owns a resource, or "" when it is the caller's own or
// everybody's.
func foreign(account, res string) string {
	if of := arn.AccountOf(res); of != account && arn.ValidAccount(of) {
		return of
	}
	return ""
}

// found is what stands behind a name. The name is all there is of what does not exist.
type found struct {
	arn, typ   string
	path, name string
	boundary   string
	tags       resource.Tags
}

func (f *found) pathWith(p *string) string {
	if p == nil {
		return f.path
	}
	return *p
}

func (f *found) nameWith(n *string) string {
	if n == nil {
		return f.name
	}
	return *n
}

// types are the types of resources in records.
var types = map[kind]string{
	userKind: "AWS::IAM::User", rootKind: "AWS::IAM::User", groupKind: "AWS::IAM::Group", roleKind: "AWS::IAM::Role",
	policyKind: "AWS::IAM::ManagedPolicy", mfaKind: "AWS::IAM::VirtualMFADevice",
}

// resolve finds the resource that the operation is about.
func (a *about) resolve(r store.Reader, c *call.Call) (found, error) {
	account := c.Principal.Account
	switch {
	case a.used != nil:
		return usedKey(r, account, *a.used)
	case a.list:
		return found{arn: arnOf(account, string(a.kind)+"/"), typ: types[a.kind]}, nil
	case a.made:
		f := found{typ: types[a.kind], path: pathOr(a.path), name: wire.Val(a.name)}
		f.arn = arnOf(account, string(a.kind)+f.path+f.name)
		return f, nil
	case a.arn != nil:
		return named(r, account, *a.arn)
	case a.kind == "":
		return found{arn: "*"}, nil
	}
	k, name := a.kind, wire.Val(a.name)
	if k == userKind {
		var err error
		if k, name, err = self(c, a.name); err != nil {
			return found{}, err
		}
	}
	return held(r, account, k, name)
}

// held finds a holder by name.
func held(r store.Reader, account string, k kind, name string) (found, error) {
	h, err := find(r, account, k, name)
	if wire.IsCode(err, "NoSuchEntity") {
		return found{arn: arnOf(account, string(k)+"/"+name), typ: types[k], path: "/", name: name}, nil
	}
	if err != nil {
		return found{}, err
	}
	return found{arn: h.arn(account), typ: types[k], path: h.Path, name: h.Name, boundary: h.Boundary, tags: h.Tags}, nil
}

// named finds a thing by its resource name.
func named(r store.Reader, account, name string) (found, error) {
	f := found{arn: name}
	if a, err := arn.Parse(name); err == nil && a.Service == "iam" && a.Account == account {
		f.typ = types[kind(a.ResourceType())]
		switch kind(a.ResourceType()) {
		case policyKind:
			m, err := policyAt(r, account, name)
			if err == nil {
				f.tags = m.Tags
			}
			return f, ignoreMissing(err)
		case mfaKind:
			d, err := deviceAt(r, account, name)
			if err == nil {
				f.tags = d.Tags
			}
			return f, ignoreMissing(err)
		case userKind, groupKind, roleKind:
			return held(r, account, kind(a.ResourceType()), a.ResourceName())
		}
	}
	return f, nil
}

// ignoreMissing leaves it to the handler, which runs when the call is allowed, to say that
// something is not there.
func ignoreMissing(err error) error {
	if wire.IsCode(err, "NoSuchEntity") {
		return nil
	}
	return err
}

// usedKey finds the user who has an access key.
func usedKey(r store.Reader, account, id string) (found, error) {
	k, err := read[accessKey](r, path(keyTag, id))
	if errors.Is(err, store.ErrNotFound) || err == nil && k.Account != account {
		return found{arn: "*"}, nil
	}
	if err != nil {
		return found{}, err
	}
	h, err := read[holder](r, path(holderTag, account, k.Owner))
	if err != nil {
		return found{}, err
	}
	return found{arn: h.arn(account), typ: types[h.Kind], boundary: h.Boundary, tags: h.Tags}, nil
}

// conditions are the condition keys that iam adds, answered when they are asked for.
func (a *about) conditions(f found) policy.Context { return &conditions{about: a, found: f} }

type conditions struct {
	*about
	found
}

// Value answers the condition keys of "Actions, resources, and condition keys for AWS
// Identity and Access Management" that are about the request or the resource.
func (c *conditions) Value(key string) policy.Values {
	switch key {
	case "iam:policyarn":
		return optional(wire.Val(c.policyARN))
	case "iam:permissionsboundary":
		if c.about.boundary != nil {
			return policy.One(*c.about.boundary)
		}
		return optional(c.found.boundary)
	case "aws:tagkeys":
		return policy.Many(c.tagNames())
	}
	if name, ok := strings.CutPrefix(key, "aws:requesttag/"); ok {
		for _, t := range c.about.tags {
			if strings.EqualFold(wire.Val(t.Key), name) {
				return policy.One(wire.Val(t.Value))
			}
		}
		return policy.Values{}
	}
	name, ok := strings.CutPrefix(key, "aws:resourcetag/")
	if !ok {
		name, ok = strings.CutPrefix(key, "iam:resourcetag/")
	}
	if ok {
		for k, v := range c.found.tags {
			if strings.EqualFold(k, name) {
				return policy.One(v)
			}
		}
	}
	return policy.Values{}
}

func (c *conditions) tagNames() []string {
	names := c.tagKeys
	for _, t := range c.about.tags {
		names = append(names, wire.Val(t.Key))
	}
	return names
}

func optional(s string) policy.Values {
	if s == "" {
		return policy.Values{}
	}
	return policy.One(s)
}
