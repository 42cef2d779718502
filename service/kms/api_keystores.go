package kms

import (
	"context"
	"errors"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/kms/xks"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// CreateCustomKeyStore makes a custom key store, which is not connected yet. What stands
// behind an external one is asked whether it is there, unless that is behind a VPC endpoint service.
func (s *Service) CreateCustomKeyStore(ctx context.Context, in *api.CreateCustomKeyStoreInput) (*api.CreateCustomKeyStoreOutput, error) {
	c := call.From(ctx)
	h := home{c.Region, c.Principal.Account, newStoreID()}
	r, credential, err := s.newStore(h, in)
	if err != nil {
		return nil, err
	}
	// First what costs nothing and tells a mistake better than the proxy could.
	if err := s.update(ctx, func(tx store.Tx) error { return unique(tx, h, r) }); err != nil {
		return nil, err
	}
	if r.Connectivity == api.XksProxyConnectivityTypePublicEndpoint {
		b, err := s.backend(h, r, credential)
		if err == nil {
			err = storeFailure(b.connect(ctx, xks.Request{Operation: c.Op.Name, ID: c.ID}))
		}
		if err != nil {
			return nil, err
		}
	}
	err = s.update(ctx, func(tx store.Tx) error {
		if err := unique(tx, h, r); err != nil {
			return err
		}
		if err := s.putCredential(tx, h, credential); err != nil {
			return err
		}
		return write(tx, h.path(storeTag), r)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateCustomKeyStoreOutput{CustomKeyStoreId: &h.id}, nil
}

// DescribeCustomKeyStores tells of the custom key stores of the account and region, or of one.
func (s *Service) DescribeCustomKeyStores(ctx context.Context, in *api.DescribeCustomKeyStoresInput) (*api.DescribeCustomKeyStoresOutput, error) {
	if in.CustomKeyStoreId != nil && in.CustomKeyStoreName != nil {
		return nil, invalid("You can specify CustomKeyStoreId or CustomKeyStoreName, but not both.")
	}
	c := call.From(ctx)
	of := home{region: c.Region, account: c.Principal.Account}
	p, err := s.page("DescribeCustomKeyStores", of, in.Marker, in.Limit, 100, 1000)
	if err != nil {
		return nil, err
	}
	only := in.CustomKeyStoreId != nil || in.CustomKeyStoreName != nil
	if only {
		p.after, p.limit = "", maxStores
	}
	out := &api.DescribeCustomKeyStoresOutput{CustomKeyStores: []api.CustomKeyStoresListEntry{}}
	err = p.scan(ctx, s, path(storeTag, of.region, of.account, ""), func(r store.Reader, id string, _ []byte) error {
		of.id = id
		rec, err := read[storeRecord](r, of.path(storeTag))
		if err != nil {
			return err
		}
		if !only || id == wire.Val(in.CustomKeyStoreId) || in.CustomKeyStoreName != nil && rec.Name == *in.CustomKeyStoreName {
			out.CustomKeyStores = append(out.CustomKeyStores, listing(of, &rec))
		}
		return nil
	})
	if err == nil && only && len(out.CustomKeyStores) == 0 {
		if in.CustomKeyStoreId != nil {
			return nil, noSuchStore(*in.CustomKeyStoreId)
		}
		return nil, api.CustomKeyStoreNotFoundException("Custom key store with name %s was not found.", *in.CustomKeyStoreName)
	}
	out.NextMarker, out.Truncated = p.marker()
	return out, err
}

// UpdateCustomKeyStore changes what is given. What stands behind the store is asked first whether
// it can be reached in the new way.
func (s *Service) UpdateCustomKeyStore(ctx context.Context, in *api.UpdateCustomKeyStoreInput) (*api.UpdateCustomKeyStoreOutput, error) {
	k, err := s.namedStore(ctx, in.CustomKeyStoreId)
	if err != nil {
		return nil, err
	}
	updated, credential, err := s.updatedStore(k, in)
	if err != nil {
		return nil, err
	}
	if err := s.update(ctx, func(tx store.Tx) error { return unique(tx, k.home, updated) }); err != nil {
		return nil, err
	}
	if err := s.tryUpdated(ctx, k, updated, credential); err != nil {
		return nil, err
	}
	return nil, s.changeStore(ctx, k.home, func(tx store.Tx, r *storeRecord) error {
		// What was tried is written only over what it was made from.
		if r.State != k.State || r.Attempt != k.Attempt {
			return wrongState(k.home, r, string(k.State))
		}
		*r = *updated
		if err := unique(tx, k.home, r); err != nil {
			return err
		}
		if credential == nil {
			return nil
		}
		return s.putCredential(tx, k.home, *credential)
	})
}

// ConnectCustomKeyStore begins to connect a custom key store to what stands behind it.
func (s *Service) ConnectCustomKeyStore(ctx context.Context, in *api.ConnectCustomKeyStoreInput) (*api.ConnectCustomKeyStoreOutput, error) {
	k, err := s.namedStore(ctx, in.CustomKeyStoreId)
	if err != nil {
		return nil, err
	}
	return nil, s.changeStore(ctx, k.home, func(tx store.Tx, r *storeRecord) error {
		switch r.State {
		case api.ConnectionStateTypeConnected, api.ConnectionStateTypeConnecting:
			return nil
		case api.ConnectionStateTypeDisconnected:
			return s.beginConnect(tx, k.home, r, call.From(ctx).ID)
		}
		return wrongState(k.home, r, "DISCONNECTED")
	})
}

// DisconnectCustomKeyStore disconnects a custom key store. From the next call on, its keys cannot
// be used.
func (s *Service) DisconnectCustomKeyStore(ctx context.Context, in *api.DisconnectCustomKeyStoreInput) (*api.DisconnectCustomKeyStoreOutput, error) {
	k, err := s.namedStore(ctx, in.CustomKeyStoreId)
	if err != nil {
		return nil, err
	}
	defer s.sessions.shut(k.home)
	return nil, s.changeStore(ctx, k.home, func(tx store.Tx, r *storeRecord) error {
		if r.State == api.ConnectionStateTypeDisconnected {
			return wrongState(k.home, r, "CONNECTED")
		}
		r.State, r.Failure = api.ConnectionStateTypeDisconnected, ""
		r.Attempt++
		return s.room.Jobs.Cancel(tx, connectJob, jobID(k.home))
	})
}

// DeleteCustomKeyStore deletes a custom key store that holds no keys. What stands behind it stays as it is.
func (s *Service) DeleteCustomKeyStore(ctx context.Context, in *api.DeleteCustomKeyStoreInput) (*api.DeleteCustomKeyStoreOutput, error) {
	k, err := s.namedStore(ctx, in.CustomKeyStoreId)
	if err != nil {
		return nil, err
	}
	err = s.update(ctx, func(tx store.Tx) error {
		r, err := read[storeRecord](tx, k.path(storeTag))
		if err != nil {
			if errors.Is(err, store.ErrNotFound) {
				return noSuchStore(k.id)
			}
			return err
		}
		switch used, err := holdsKeys(tx, k.home); {
		case err != nil:
			return err
		case used:
			return api.CustomKeyStoreHasCMKsException("The custom key store %s contains KMS keys.", k.id)
		case r.State != api.ConnectionStateTypeDisconnected:
			return wrongState(k.home, &r, "DISCONNECTED")
		}
		if err := tx.Delete([]byte(k.path(credentialTag))); err != nil {
			return err
		}
		return tx.Delete([]byte(k.path(storeTag)))
	})
	if err == nil {
		s.sessions.drop(k.home)
	}
	return nil, err
}

// namedStore returns the store that a call names, and notes what it is called for the record of
// the call.
func (s *Service) namedStore(ctx context.Context, id *string) (*keyStore, error) {
	c := call.From(ctx)
	k, err := s.keyStore(ctx, c.Region, c.Principal.Account, wire.Val(id))
	if err != nil {
		return nil, err
	}
	c.Note("customKeyStoreName", k.Name)
	if k.Cluster != "" {
		c.Note("clusterId", k.Cluster)
	}
	return k, nil
}
