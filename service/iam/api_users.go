package iam

import (
	"context"
	"strings"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// self returns the kind and name of the user an operation is about: the one it names, or
// the caller.
func self(c *call.Call, name *string) (kind, string, error) {
	switch {
	case name != nil:
		return userKind, *name, nil
	case c.Principal.Kind == identity.Root:
		return rootKind, "", nil
	case c.Principal.Kind == identity.User:
		return userKind, c.Principal.Name, nil
	}
	return "", "", invalid("Must specify userName when calling with non-User credentials")
}

// user reads the user an operation is about: the one it names, or the caller.
func user(r store.Reader, c *call.Call, name *string) (*holder, error) {
	k, n, err := self(c, name)
	if err != nil {
		return nil, err
	}
	return find(r, c.Principal.Account, k, n)
}

// change runs fn on a holder in a transaction.
func (s *Service) change(ctx context.Context, k kind, name *string, fn func(tx store.Tx, account string, h *holder) error) error {
	account := call.From(ctx).Principal.Account
	return s.update(ctx, func(tx store.Tx) error {
		h, err := find(tx, account, k, wire.Val(name))
		if err != nil {
			return err
		}
		return fn(tx, account, h)
	})
}

// look runs fn on a holder in a snapshot.
func (s *Service) look(ctx context.Context, k kind, name *string, fn func(r store.Reader, account string, h *holder) error) error {
	account := call.From(ctx).Principal.Account
	return s.view(ctx, func(r store.Reader) error {
		h, err := find(r, account, k, wire.Val(name))
		if err != nil {
			return err
		}
		return fn(r, account, h)
	})
}

// CreateUser makes a user.
func (s *Service) CreateUser(ctx context.Context, in *api.CreateUserInput) (*api.CreateUserOutput, error) {
	account := call.From(ctx).Principal.Account
	h := &holder{
		Kind: userKind, ID: newID(userKind), Name: *in.UserName, Path: pathOr(in.Path), Created: now(),
		Boundary: wire.Val(in.PermissionsBoundary),
	}
	var err error
	if h.Tags, err = tagsOf(in.Tags); err != nil {
		return nil, err
	}
	if err = s.update(ctx, func(tx store.Tx) error { return h.make(tx, account) }); err != nil {
		return nil, err
	}
	return &api.CreateUserOutput{User: h.user(account, true)}, nil
}

// GetUser returns a user, or the caller.
func (s *Service) GetUser(ctx context.Context, in *api.GetUserInput) (*api.GetUserOutput, error) {
	c := call.From(ctx)
	var out api.GetUserOutput
	err := s.view(ctx, func(r store.Reader) error {
		h, err := user(r, c, in.UserName)
		if err == nil {
			out.User = h.user(c.Principal.Account, true)
		}
		return err
	})
	return &out, err
}

// ListUsers lists the users below a path.
func (s *Service) ListUsers(ctx context.Context, in *api.ListUsersInput) (*api.ListUsersOutput, error) {
	c := call.From(ctx)
	l, err := s.list(c, in.Marker, in.MaxItems, wire.Val(in.PathPrefix))
	if err != nil {
		return nil, err
	}
	out := &api.ListUsersOutput{Users: []api.User{}}
	err = s.holdersOf(ctx, l, userKind, in.PathPrefix, func(_ store.Reader, h *holder) error {
		out.Users = append(out.Users, *h.user(c.Principal.Account, false))
		return nil
	})
	out.IsTruncated, out.Marker = l.answer()
	return out, err
}

// holdersOf runs fn on the holders of a kind below a path that are on a page.
func (s *Service) holdersOf(ctx context.Context, l *listing, k kind, prefix *string, fn func(r store.Reader, h *holder) error) error {
	account := call.From(ctx).Principal.Account
	return s.view(ctx, func(r store.Reader) error {
		names := under(nameTag, account, string(k))
		scan := store.Prefix(names)
		scan.From = append(names[:len(names):len(names)], l.after...)
		for rec, err := range r.Scan(scan) {
			if err != nil {
				return err
			}
			h, err := read[holder](r, path(holderTag, account, string(rec.Value)))
			if err != nil {
				return err
			}
			if !strings.HasPrefix(h.Path, wire.Val(prefix)) {
				continue
			}
			taken, goOn := l.take(string(rec.Key[len(names):]))
			if !goOn {
				return nil
			}
			if !taken {
				continue
			}
			if err := fn(r, h); err != nil {
				return err
			}
		}
		return nil
	})
}

// UpdateUser gives a user another name or path.
func (s *Service) UpdateUser(ctx context.Context, in *api.UpdateUserInput) (*api.UpdateUserOutput, error) {
	return nil, s.change(ctx, userKind, in.UserName, func(tx store.Tx, account string, h *holder) error {
		return h.rename(tx, account, in.NewUserName, in.NewPath)
	})
}

// DeleteUser deletes a user who holds nothing any more.
func (s *Service) DeleteUser(ctx context.Context, in *api.DeleteUserInput) (*api.DeleteUserOutput, error) {
	return nil, s.change(ctx, userKind, in.UserName, func(tx store.Tx, account string, h *holder) error {
		return h.remove(tx, account)
	})
}

// user returns h as the API shows it; lists leave the tags and the boundary out.
func (h *holder) user(account string, whole bool) *api.User {
	u := &api.User{
		Path: wire.Ptr(h.Path), UserId: wire.Ptr(h.ID), Arn: wire.Ptr(h.arn(account)), CreateDate: wire.Ptr(h.Created),
	}
	if h.Kind != rootKind {
		u.UserName = wire.Ptr(h.Name)
	}
	if whole {
		u.Tags, u.PermissionsBoundary = tagList(h.Tags), boundaryOf(h)
	}
	return u
}

// boundaryOf returns the permissions boundary of h as the API shows it.
func boundaryOf(h *holder) *api.AttachedPermissionsBoundary {
	if h.Boundary == "" {
		return nil
	}
	return &api.AttachedPermissionsBoundary{
		PermissionsBoundaryArn: wire.Ptr(h.Boundary),
		// The model's enumeration says PermissionsBoundaryPolicy; the service says Policy, and so
		// do its own examples.
		PermissionsBoundaryType: "Policy",
	}
}
