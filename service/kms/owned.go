package kms

import (
	"context"
	"errors"
	"strings"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/store"
)

// managing are the services whose managed key DescribeKey makes when it is asked for by
// its alias, as AWS does for the aliases it has set aside. Through the service itself, any
// service's key is made.
var managing = map[string]bool{"s3": true, "secretsmanager": true}

// provide makes the key behind an alias that is kept for the service that asks, and returns its
// id, or "" when the alias is not. in has the region and account, which is the caller's own.
//
// A service that acts as itself is in the house's account, so the names of owned keys are
// reached by services only; for a customer, alias/owned/... is a name like any other.
func (s *Service) provide(ctx context.Context, c *call.Call, in home, alias string) (id string, err error) {
	if rest, ok := strings.CutPrefix(alias, ownedPrefix); ok && c.Principal.Kind == identity.Service {
		name, customer, _ := strings.Cut(rest, "/")
		if name+".amazonaws.com" != c.Principal.Name || !arn.ValidAccount(customer) {
			return "", nil
		}
		return s.ensure(ctx, in, alias, func() record { return ownedRecord(name, customer) })
	}
	if name, ok := strings.CutPrefix(alias, reserved); ok && c.Principal.Kind != identity.Service {
		if c.Via != name+".amazonaws.com" && !(c.Op != nil && c.Op.Name == "DescribeKey" && managing[name]) {
			return "", nil
		}
		if _, ok := serviceOf(name + ".amazonaws.com"); !ok {
			return "", nil
		}
		return s.ensure(ctx, in, alias, func() record { return managedRecord(name, in.region, in.account) })
	}
	return "", nil
}

// ensure makes a key and its alias unless the alias is there by now, and returns the key's
// id. A memo may not know yet of an alias that another call has just made.
func (s *Service) ensure(ctx context.Context, in home, alias string, make func() record) (id string, err error) {
	err = s.update(ctx, func(tx store.Tx) error {
		a, err := read[aliasRecord](tx, aliasPath(in.region, in.account, alias))
		if id = a.Key; !errors.Is(err, store.ErrNotFound) {
			return err
		}
		h := home{in.region, in.account, newKeyID()}
		id = h.id
		r := make()
		if err := s.addKey(tx, h, &r, key.New()); err != nil {
			return err
		}
		return putAlias(tx, h, alias, r.Created, r.Created)
	})
	return id, err
}

func ownedRecord(name, customer string) record {
	r := newRecord()
	r.Manager, r.Service, r.Policy = api.KeyManagerTypeAws, name, ownedPolicy(name)
	r.Description = "Service owned key of " + name + " for " + customer
	r.Rotation = rotation{Days: managedRotation, Next: r.Created.AddDate(0, 0, managedRotation)}
	return r
}

func managedRecord(name, region, account string) record {
	r := newRecord()
	r.Manager, r.Service, r.Policy = api.KeyManagerTypeAws, name, managedPolicy(name, region, account)
	r.Description = "Default key that protects my " + name + " data when no other key is defined"
	r.Rotation = rotation{Days: managedRotation, Next: r.Created.AddDate(0, 0, managedRotation)}
	return r
}
