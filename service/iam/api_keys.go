package iam

import (
	"context"
	"slices"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// nameOf returns the name of h for an answer; the root user has none.
func (h *holder) nameOf() *string {
	if h.Kind == rootKind {
		return nil
	}
	return wire.Ptr(h.Name)
}

// changeUser runs fn on the user an operation is about, in a transaction.
func (s *Service) changeUser(ctx context.Context, name *string, fn func(tx store.Tx, account string, h *holder) error) error {
	k, n, err := self(call.From(ctx), name)
	if err != nil {
		return err
	}
	return s.change(ctx, k, &n, fn)
}

// lookUser runs fn on the user an operation is about, in a snapshot.
func (s *Service) lookUser(ctx context.Context, name *string, fn func(r store.Reader, account string, h *holder) error) error {
	k, n, err := self(call.From(ctx), name)
	if err != nil {
		return err
	}
	return s.look(ctx, k, &n, fn)
}

// CreateAccessKey gives a user a new access key. Its secret is shown only here.
func (s *Service) CreateAccessKey(ctx context.Context, in *api.CreateAccessKeyInput) (*api.CreateAccessKeyOutput, error) {
	id, secretKey := newKeyID(), newSecret()
	key := &api.AccessKey{
		AccessKeyId: &id, SecretAccessKey: wire.Ptr(string(secretKey.Reveal())),
		Status: api.StatusTypeActive, CreateDate: wire.Ptr(now()),
	}
	err := s.changeUser(ctx, in.UserName, func(tx store.Tx, account string, h *holder) error {
		key.UserName = h.nameOf()
		return h.addKey(tx, account, id, secretKey)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateAccessKeyOutput{AccessKey: key}, nil
}

// ListAccessKeys lists the access keys of a user.
func (s *Service) ListAccessKeys(ctx context.Context, in *api.ListAccessKeysInput) (*api.ListAccessKeysOutput, error) {
	out := &api.ListAccessKeysOutput{AccessKeyMetadata: []api.AccessKeyMetadata{}, IsTruncated: wire.Ptr(false)}
	return out, s.lookUser(ctx, in.UserName, func(r store.Reader, _ string, h *holder) error {
		for _, id := range h.Keys {
			k, err := read[accessKey](r, path(keyTag, id))
			if err != nil {
				return err
			}
			out.AccessKeyMetadata = append(out.AccessKeyMetadata, api.AccessKeyMetadata{
				UserName: h.nameOf(), AccessKeyId: wire.Ptr(id), Status: k.Status, CreateDate: wire.Ptr(k.Created),
			})
		}
		return nil
	})
}

// UpdateAccessKey activates or deactivates an access key, for the next call that it signs.
func (s *Service) UpdateAccessKey(ctx context.Context, in *api.UpdateAccessKeyInput) (*api.UpdateAccessKeyOutput, error) {
	if in.Status != api.StatusTypeActive && in.Status != api.StatusTypeInactive {
		return nil, invalid("The status of an access key is Active or Inactive.")
	}
	return nil, s.changeUser(ctx, in.UserName, func(tx store.Tx, _ string, h *holder) error {
		if !slices.Contains(h.Keys, *in.AccessKeyId) {
			return noSuchKey(*in.AccessKeyId)
		}
		k, err := read[accessKey](tx, path(keyTag, *in.AccessKeyId))
		if err != nil {
			return err
		}
		k.Status = in.Status
		return write(tx, path(keyTag, *in.AccessKeyId), k)
	})
}

// DeleteAccessKey deletes an access key, for the next call that it signs.
func (s *Service) DeleteAccessKey(ctx context.Context, in *api.DeleteAccessKeyInput) (*api.DeleteAccessKeyOutput, error) {
	return nil, s.changeUser(ctx, in.UserName, func(tx store.Tx, account string, h *holder) error {
		i := slices.Index(h.Keys, *in.AccessKeyId)
		if i < 0 {
			return noSuchKey(*in.AccessKeyId)
		}
		h.Keys = slices.Delete(h.Keys, i, i+1)
		if err := tx.Delete([]byte(path(keyTag, *in.AccessKeyId))); err != nil {
			return err
		}
		return h.save(tx, account)
	})
}
