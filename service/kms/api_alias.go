package kms

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// CreateAlias gives a key a name that no other key of the account and region has.
func (s *Service) CreateAlias(ctx context.Context, in *api.CreateAliasInput) (*api.CreateAliasOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	name, at := wire.Val(in.AliasName), now()
	return nil, s.change(ctx, e.home, func(tx store.Tx, r *record) error {
		if err := r.mutable(e.arn); err != nil {
			return err
		}
		_, err := tx.Get([]byte(aliasPath(e.region, e.account, name)))
		if err == nil {
			return api.AlreadyExistsException("An alias with the name %s already exists", aliasARN(e.region, e.account, name))
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return putAlias(tx, e.home, name, at, at)
	})
}

// putAlias points an alias to a key, which must have room for it.
func putAlias(tx store.Tx, h home, name string, created, updated time.Time) error {
	have, err := aliasesOf(tx, h)
	if err != nil {
		return err
	}
	if len(have) >= maxAliases {
		return api.LimitExceededException("Limit of %d aliases for %s exceeded.", maxAliases, h.arn())
	}
	a := &aliasRecord{Key: h.id, Created: created, Updated: updated}
	if err := write(tx, h.under(namesTag, name), a); err != nil {
		return err
	}
	return write(tx, aliasPath(h.region, h.account, name), a)
}

// UpdateAlias points an alias to another key. Checks 0 and 2 of its target are the key that
// gets the name and the one that loses it.
func (s *Service) UpdateAlias(ctx context.Context, in *api.UpdateAliasInput) (*api.UpdateAliasOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	old, err := authorizedKey(ctx, 2)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, e.home, func(tx store.Tx, r *record) error {
		if err := r.mutable(e.arn); err != nil {
			return err
		}
		a, err := takeAlias(tx, old.home, wire.Val(in.AliasName))
		if err != nil {
			return err
		}
		return putAlias(tx, e.home, wire.Val(in.AliasName), a.Created, now())
	})
}

// DeleteAlias takes a name from a key. The key stays as it is.
func (s *Service) DeleteAlias(ctx context.Context, in *api.DeleteAliasInput) (*api.DeleteAliasOutput, error) {
	e, err := authorizedKey(ctx, 0)
	if err != nil {
		return nil, err
	}
	return nil, s.update(ctx, func(tx store.Tx) error {
		_, err := takeAlias(tx, e.home, wire.Val(in.AliasName))
		return err
	})
}

// takeAlias removes an alias, which must point to the key that was authorized.
func takeAlias(tx store.Tx, h home, name string) (aliasRecord, error) {
	storeKey := aliasPath(h.region, h.account, name)
	a, err := read[aliasRecord](tx, storeKey)
	if errors.Is(err, store.ErrNotFound) || err == nil && a.Key != h.id {
		return a, noSuchAlias(aliasARN(h.region, h.account, name))
	}
	if err != nil {
		return a, err
	}
	if err := tx.Delete([]byte(h.under(namesTag, name))); err != nil {
		return a, err
	}
	return a, tx.Delete([]byte(storeKey))
}

// ListAliases lists the aliases of the caller's account in the region of the call, all or
// those of one key.
func (s *Service) ListAliases(ctx context.Context, in *api.ListAliasesInput) (*api.ListAliasesOutput, error) {
	c := call.From(ctx)
	of := home{region: c.Region, account: c.Principal.Account}
	var e *entry
	if in.KeyId != nil {
		f, err := s.resolve(ctx, c, *in.KeyId, ownKey)
		if err != nil {
			return nil, err
		}
		if f.entry == nil {
			return nil, noSuchKey(f.typed())
		}
		e, of = f.entry, f.home
	}
	p, err := s.page("ListAliases", of, in.Marker, in.Limit, 50, 100)
	if err != nil {
		return nil, err
	}
	out := &api.ListAliasesOutput{Aliases: []api.AliasListEntry{}}
	if e != nil {
		for _, a := range e.aliases {
			if p.take(a.name) {
				out.Aliases = append(out.Aliases, aliasEntry(of, a.name, a.record(e.id)))
			}
		}
	} else {
		err = p.scan(ctx, s, aliasPath(of.region, of.account, ""), func(_ store.Reader, name string, value []byte) error {
			var a aliasRecord
			if err := json.Unmarshal(value, &a); err != nil {
				return internal("alias: %w", err)
			}
			out.Aliases = append(out.Aliases, aliasEntry(of, name, a))
			return nil
		})
	}
	out.NextMarker, out.Truncated = p.marker()
	return out, err
}

// aliasEntry returns what a listing tells of an alias.
func aliasEntry(of home, name string, a aliasRecord) api.AliasListEntry {
	return api.AliasListEntry{
		AliasName: &name, AliasArn: wire.Ptr(aliasARN(of.region, of.account, name)), TargetKeyId: &a.Key,
		CreationDate: &a.Created, LastUpdatedDate: &a.Updated,
	}
}
