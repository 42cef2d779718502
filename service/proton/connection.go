package proton

import (
	"context"
	"slices"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// An environment account connection is asked for by the account that an environment is to stand
// in, and accepted or rejected by the one that manages it. Its record stands in the environment's
// account; an entry in the management account finds it. Nothing of it is sealed.

// connected is the record of a connection.
type connected struct {
	api.EnvironmentAccountConnection
	Bound bool // an environment stands in it
}

func connectionOf(v *connected) *api.EnvironmentAccountConnection {
	shown := v.EnvironmentAccountConnection
	return &shown
}

// connectionKey finds the record of a connection that the caller's account has a part in. mine
// says that it is the environment's account.
func connectionKey(r store.Reader, p place, id string) (k []byte, mine bool, err error) {
	k = key("ac", p, id)
	if mine, err = store.Exists(r, k); mine || err != nil {
		return k, mine, err
	}
	account, err := r.Get(key("am", p, id))
	if err != nil {
		return nil, false, known(err, notFound("environment account connection", id))
	}
	return key("ac", place{p.region, string(account)}, id), false, nil
}

// readConnection reads a connection that either side may see.
func readConnection(r store.Reader, p place, id string) (*record[connected], error) {
	k, _, err := connectionKey(r, p, id)
	if err != nil {
		return nil, err
	}
	return peek[connected](r, k)
}

// CreateEnvironmentAccountConnection asks a management account to manage an environment in the
// caller's account, under his roles.
func (s *Service) CreateEnvironmentAccountConnection(ctx context.Context, in *api.CreateEnvironmentAccountConnectionInput) (*api.CreateEnvironmentAccountConnectionOutput, error) {
	p := here(ctx)
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	if in.RoleArn == nil && in.CodebuildRoleArn == nil {
		return nil, invalid("A roleArn or a codebuildRoleArn is needed.")
	}
	t := s.clientToken(ctx, "CreateEnvironmentAccountConnection", in.ClientToken, *in)
	if done, err := t.Earlier(ctx); err != nil || done != nil {
		return s.connectionAgain(ctx, done, err)
	}
	id, now := newID(), s.at()
	rec := &record[connected]{key: key("ac", p, id), V: connected{EnvironmentAccountConnection: api.EnvironmentAccountConnection{
		Arn: wire.Ptr(p.connectionARN(id)), Id: &id, EnvironmentAccountId: &p.account, EnvironmentName: in.EnvironmentName, ManagementAccountId: in.ManagementAccountId,
		RoleArn: in.RoleArn, CodebuildRoleArn: in.CodebuildRoleArn, ComponentRoleArn: in.ComponentRoleArn,
		RequestedAt: now, LastModifiedAt: now, Status: api.EnvironmentAccountConnectionStatusPending,
	}}}
	if rec.V.RoleArn == nil {
		rec.V.RoleArn = wire.Ptr("")
	}
	manager := place{p.region, wire.Val(in.ManagementAccountId)}
	err = s.update(ctx, func(tx store.Tx) error {
		if err := room(tx, within("ac", p), "environment account connections", maxConnections); err != nil {
			return err
		}
		if err := rec.putPlain(tx); err != nil {
			return err
		}
		if err := tx.Put(key("am", manager, id), []byte(p.account)); err != nil {
			return err
		}
		if err := t.Put(tx, string(rec.key)); err != nil {
			return err
		}
		return putTags(tx, *rec.V.Arn, tags)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateEnvironmentAccountConnectionOutput{EnvironmentAccountConnection: connectionOf(&rec.V)}, nil
}

func (s *Service) connectionAgain(ctx context.Context, done *string, err error) (*api.CreateEnvironmentAccountConnectionOutput, error) {
	if err != nil {
		return nil, err
	}
	rec, err := plain[connected](ctx, s, []byte(*done))
	if err != nil {
		return nil, known(err, notFound("environment account connection", "of the earlier request"))
	}
	return &api.CreateEnvironmentAccountConnectionOutput{EnvironmentAccountConnection: connectionOf(&rec.V)}, nil
}

// changeConnection changes a connection that the caller's account has a part in.
func (s *Service) changeConnection(ctx context.Context, id *string, change func(tx store.Tx, v *connected, mine bool) error) (*api.EnvironmentAccountConnection, error) {
	p := here(ctx)
	var shown *api.EnvironmentAccountConnection
	err := s.update(ctx, func(tx store.Tx) error {
		k, mine, err := connectionKey(tx, p, wire.Val(id))
		if err != nil {
			return err
		}
		rec, err := peek[connected](tx, k)
		if err != nil {
			return known(err, notFound("environment account connection", wire.Val(id)))
		}
		if err := change(tx, &rec.V, mine); err != nil {
			return err
		}
		rec.V.LastModifiedAt = s.at()
		shown = connectionOf(&rec.V)
		return rec.putPlain(tx)
	})
	return shown, err
}

// manage is the part of the management account: a connection that waits becomes status.
func (s *Service) manage(ctx context.Context, id *string, status api.EnvironmentAccountConnectionStatus) (*api.EnvironmentAccountConnection, error) {
	account := here(ctx).account
	return s.changeConnection(ctx, id, func(_ store.Tx, v *connected, _ bool) error {
		switch {
		case wire.Val(v.ManagementAccountId) != account:
			return api.AccessDeniedException("Only the management account can accept or reject an environment account connection.")
		case v.Status == status:
			return nil
		case v.Bound:
			return conflict("The environment account connection %s is used by an environment.", wire.Val(id))
		case v.Status == api.EnvironmentAccountConnectionStatusRejected:
			return conflict("The environment account connection %s was rejected. It can't be accepted any more.", wire.Val(id))
		}
		v.Status = status
		return nil
	})
}

// AcceptEnvironmentAccountConnection lets environments stand in the other account.
func (s *Service) AcceptEnvironmentAccountConnection(ctx context.Context, in *api.AcceptEnvironmentAccountConnectionInput) (*api.AcceptEnvironmentAccountConnectionOutput, error) {
	v, err := s.manage(ctx, in.Id, api.EnvironmentAccountConnectionStatusConnected)
	return &api.AcceptEnvironmentAccountConnectionOutput{EnvironmentAccountConnection: v}, err
}

// RejectEnvironmentAccountConnection refuses a connection for good.
func (s *Service) RejectEnvironmentAccountConnection(ctx context.Context, in *api.RejectEnvironmentAccountConnectionInput) (*api.RejectEnvironmentAccountConnectionOutput, error) {
	v, err := s.manage(ctx, in.Id, api.EnvironmentAccountConnectionStatusRejected)
	return &api.RejectEnvironmentAccountConnectionOutput{EnvironmentAccountConnection: v}, err
}

// GetEnvironmentAccountConnection describes a connection to either account.
func (s *Service) GetEnvironmentAccountConnection(ctx context.Context, in *api.GetEnvironmentAccountConnectionInput) (*api.GetEnvironmentAccountConnectionOutput, error) {
	out := &api.GetEnvironmentAccountConnectionOutput{}
	err := s.db.View(ctx, func(r store.Reader) error {
		rec, err := readConnection(r, here(ctx), wire.Val(in.Id))
		if err != nil {
			return err
		}
		out.EnvironmentAccountConnection = connectionOf(&rec.V)
		return nil
	})
	return out, err
}

// UpdateEnvironmentAccountConnection gives a connection other roles.
func (s *Service) UpdateEnvironmentAccountConnection(ctx context.Context, in *api.UpdateEnvironmentAccountConnectionInput) (*api.UpdateEnvironmentAccountConnectionOutput, error) {
	v, err := s.changeConnection(ctx, in.Id, func(_ store.Tx, v *connected, mine bool) error {
		if !mine {
			return api.AccessDeniedException("Only the environment account can change the roles of an environment account connection.")
		}
		for _, r := range []struct{ given, now **string }{{&in.RoleArn, &v.RoleArn}, {&in.CodebuildRoleArn, &v.CodebuildRoleArn}, {&in.ComponentRoleArn, &v.ComponentRoleArn}} {
			if *r.given != nil {
				*r.now = *r.given
			}
		}
		return nil
	})
	return &api.UpdateEnvironmentAccountConnectionOutput{EnvironmentAccountConnection: v}, err
}

// DeleteEnvironmentAccountConnection takes a connection away that no environment uses.
func (s *Service) DeleteEnvironmentAccountConnection(ctx context.Context, in *api.DeleteEnvironmentAccountConnectionInput) (*api.DeleteEnvironmentAccountConnectionOutput, error) {
	p, out := here(ctx), &api.DeleteEnvironmentAccountConnectionOutput{}
	err := s.update(ctx, func(tx store.Tx) error {
		k, mine, err := connectionKey(tx, p, wire.Val(in.Id))
		if err != nil {
			return err
		}
		rec, err := peek[connected](tx, k)
		switch {
		case err != nil:
			return err
		case !mine:
			return api.AccessDeniedException("Only the environment account can delete an environment account connection.")
		case rec.V.Bound:
			return conflict("The environment account connection %s is used by an environment.", wire.Val(in.Id))
		}
		out.EnvironmentAccountConnection = connectionOf(&rec.V)
		if err := tx.Delete(key("am", place{p.region, wire.Val(rec.V.ManagementAccountId)}, wire.Val(in.Id))); err != nil {
			return err
		}
		return removeResource(tx, k, *rec.V.Arn)
	})
	return out, err
}

// ListEnvironmentAccountConnections lists the connections that the caller's account asked for, or that it was asked for.
func (s *Service) ListEnvironmentAccountConnections(ctx context.Context, in *api.ListEnvironmentAccountConnectionsInput) (*api.ListEnvironmentAccountConnectionsOutput, error) {
	p, out := here(ctx), &api.ListEnvironmentAccountConnectionsOutput{EnvironmentAccountConnections: []api.EnvironmentAccountConnectionSummary{}}
	prefix := within("ac", p)
	if in.RequestedBy == api.EnvironmentAccountConnectionRequesterAccountTypeManagementAccount {
		prefix = within("am", p)
	}
	pg := page{p.scope("connections", string(in.RequestedBy), wire.Val(in.EnvironmentName)), in.NextToken, in.MaxResults}
	from, err := s.position(pg)
	if err != nil {
		return nil, err
	}
	most := defaultPage
	if in.MaxResults != nil {
		most = int(*in.MaxResults)
	}
	err = s.db.View(ctx, func(r store.Reader) error {
		ids, err := store.KeysBelow(r, prefix, 0)
		if err != nil {
			return err
		}
		for _, id := range ids {
			rec, err := readConnection(r, p, id)
			if err != nil {
				return err
			}
			v := &rec.V
			if id < from || in.EnvironmentName != nil && *in.EnvironmentName != wire.Val(v.EnvironmentName) || len(in.Statuses) > 0 && !slices.Contains(in.Statuses, v.Status) {
				continue
			}
			if len(out.EnvironmentAccountConnections) == most {
				out.NextToken = s.token(pg, id)
				return nil
			}
			out.EnvironmentAccountConnections = append(out.EnvironmentAccountConnections, as[api.EnvironmentAccountConnectionSummary](v))
		}
		return nil
	})
	return out, err
}

// usableConnection is a connection that an environment of the name can stand in.
func (s *Service) usableConnection(ctx context.Context, p place, id, environment string) (v *connected, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		rec, err := readConnection(r, p, id)
		if err != nil {
			return err
		}
		v = &rec.V
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case wire.Val(v.ManagementAccountId) != p.account:
		return nil, invalid("The environment account connection %s names another management account.", id)
	case v.Status != api.EnvironmentAccountConnectionStatusConnected:
		return nil, invalid("The environment account connection %s is %s, not CONNECTED.", id, v.Status)
	case wire.Val(v.EnvironmentName) != environment:
		return nil, invalid("The environment account connection %s is for an environment named %s.", id, wire.Val(v.EnvironmentName))
	}
	return v, nil
}

// connectedRoles gives an environment that stands in a connection the roles that the connection has now: the account that it
// stands in may have changed them.
func (s *Service) connectedRoles(ctx context.Context, p place, x *subject) error {
	id := wire.Val(x.EnvironmentAccountConnectionId)
	if id == "" {
		return nil
	}
	return s.db.View(ctx, func(r store.Reader) error {
		rec, err := readConnection(r, p, id)
		if err != nil {
			return known(err, failed("The environment account connection %s is gone.", id))
		}
		x.ProtonServiceRoleArn, x.CodebuildRoleArn, x.ComponentRoleArn = rec.V.RoleArn, rec.V.CodebuildRoleArn, rec.V.ComponentRoleArn
		return nil
	})
}

// bindConnection notes that an environment stands in a connection, or no more.
func bindConnection(tx store.Tx, p place, x *subject, bound bool) error {
	id := wire.Val(x.EnvironmentAccountConnectionId)
	if id == "" {
		return nil
	}
	k, _, err := connectionKey(tx, p, id)
	if err != nil {
		return err
	}
	rec, err := peek[connected](tx, k)
	if err != nil {
		return err
	}
	rec.V.Bound = bound
	return rec.putPlain(tx)
}
