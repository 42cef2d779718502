package kms

import (
	"context"
	"errors"
	"strings"

	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/store"
)

// naming says which names of keys an operation takes, and whose keys.
type naming uint8

const (
	ownKey   naming = iota // id or ARN of a key, in the caller's account
	anyKey                 // id or ARN of a key, in any account
	anyNamed               // id, ARN, alias or ARN of an alias, in any account
)

// found is what a name led to.
type found struct {
	*entry        // nil when there is nothing that the caller may see
	where  string // region of what was asked for
	owner  string // account of it
	local  string // key/ID or alias/NAME, as asked for
}

// typed returns the ARN of what was asked for.
func (f *found) typed() string {
	return "arn:" + identity.Partition + ":kms:" + f.where + ":" + f.owner + ":" + f.local
}

// target returns the ARN that permissions are about.
func (f *found) target() string {
	if f.entry != nil {
		return f.arn
	}
	return f.typed()
}

// alias returns the name of the alias that was used, or "".
func (f *found) alias() string {
	if strings.HasPrefix(f.local, aliasPrefix) {
		return f.local
	}
	return ""
}

// resolve finds the key that a caller typed the name of. What is missing in the caller's
// own account is an error; what is missing in, or of, another account is found without an
// entry, and refused later in the same words.
func (s *Service) resolve(ctx context.Context, c *call.Call, name string, kind naming) (found, error) {
	region, account, local, err := split(c, name)
	if err != nil {
		return found{}, err
	}
	f := found{where: region, owner: account, local: local}
	if account != c.Principal.Account && kind == ownKey {
		return f, nil
	}
	id, isKey := strings.CutPrefix(local, "key/")
	if !isKey {
		if kind != anyNamed {
			return found{}, badKeyID(name)
		}
		if id, err = s.aliased(ctx, c, home{region: region, account: account}, local); err != nil || id == "" {
			return f, err
		}
	}
	f.entry, err = s.keys.Get(ctx, home{region, account, id}.path(keyTag))
	if errors.Is(err, store.ErrNotFound) {
		if account != c.Principal.Account {
			return f, nil
		}
		return f, noSuchKey(f.typed())
	}
	return f, err
}

// split takes a name apart into region, account, and key/ID or alias/NAME.
func split(c *call.Call, name string) (region, account, local string, err error) {
	region, account = c.Region, c.Principal.Account
	switch {
	case strings.HasPrefix(name, "arn:"):
		a, err := arn.Parse(name)
		if err != nil || a.Service != "kms" || a.Partition != identity.Partition || !arn.ValidAccount(a.Account) {
			return "", "", "", notFoundARN(name)
		}
		if a.Region != c.Region {
			return "", "", "", notFoundARN(a.Region) // AWS names the region, not the ARN
		}
		id, isKey := strings.CutPrefix(a.Resource, "key/")
		if isKey && !isKeyID(id) {
			return "", "", "", badKeyID(id)
		}
		if !isKey && !strings.HasPrefix(a.Resource, aliasPrefix) {
			return "", "", "", notFoundARN(name)
		}
		return a.Region, a.Account, a.Resource, nil
	case strings.HasPrefix(name, aliasPrefix):
		return region, account, name, nil
	case isKeyID(name):
		return region, account, "key/" + name, nil
	}
	return "", "", "", badKeyID(name)
}

// aliased returns the id of the key that an alias points to, or "" when the alias belongs to
// another account and is not there. in has the region and account.
func (s *Service) aliased(ctx context.Context, c *call.Call, in home, alias string) (string, error) {
	if strings.Contains(alias, sep) {
		return "", badKeyID(alias)
	}
	storeKey := aliasPath(in.region, in.account, alias)
	id, err := s.aliases.Get(ctx, storeKey)
	if errors.Is(err, store.ErrNotFound) && in.account == c.Principal.Account {
		if id, err = s.provide(ctx, c, in, alias); err == nil && id == "" {
			err = noSuchAlias(aliasARN(in.region, in.account, alias))
		}
		return id, err
	}
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return id, err
}

// under finds the key of a ciphertext. Without one, found has no entry.
func (s *Service) under(ctx context.Context, region string, id key.ID) (found, error) {
	p, err := s.places.Get(ctx, materialPath(region, id))
	if errors.Is(err, store.ErrNotFound) {
		return found{}, nil
	}
	if err != nil {
		return found{}, err
	}
	f := found{where: region, owner: p.account, local: "key/" + p.id}
	f.entry, err = s.keys.Get(ctx, p.path(keyTag))
	if errors.Is(err, store.ErrNotFound) {
		return found{}, nil
	}
	return f, err
}

// materialOf returns the material of e that made a ciphertext. When another key did, it fails with
// IncorrectKeyException, and when e is in no state to open it, with the error that says so.
func (s *Service) materialOf(ctx context.Context, e *entry, id key.ID) (*key.Material, error) {
	if e.material != nil && e.material.ID() == id {
		return e.material, e.usable(e.arn)
	}
	p, err := s.places.Get(ctx, materialPath(e.region, id))
	if errors.Is(err, store.ErrNotFound) || err == nil && p.home != e.home {
		return nil, incorrectKey()
	}
	if err != nil {
		return nil, err
	}
	if err := e.usable(e.arn); err != nil {
		return nil, err
	}
	if !e.holds(p.version) { // imported, and waiting for a rotation
		return nil, incorrectKey()
	}
	return s.material.Get(ctx, e.under(backingTag, digits(p.version)))
}
