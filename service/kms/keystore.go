package kms

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service/kms/xks"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// maxStores is how many custom key stores an account may have in a region (KMS developer guide,
// "Resource quotas").
const maxStores = 10

// storeRecord is what the store keeps of a custom key store. Its credential is a record of its
// own, sealed under the root key.
type storeRecord struct {
	Name    string                      `json:"name"`
	Created time.Time                   `json:"created"`
	Type    api.CustomKeyStoreType      `json:"type"`
	State   api.ConnectionStateType     `json:"state"`
	Failure api.ConnectionErrorCodeType `json:"failure,omitempty"` // only while FAILED
	Attempt uint32                      `json:"attempt,omitempty"` // counts what was asked for: a connection that comes late is none

	// Of an external key store.
	Connectivity api.XksProxyConnectivityType `json:"connectivity,omitempty"`
	Endpoint     string                       `json:"endpoint,omitempty"`
	Path         string                       `json:"path,omitempty"`
	Service      string                       `json:"service,omitempty"` // VPC endpoint service
	Owner        string                       `json:"owner,omitempty"`   // of that
	AccessKeyID  string                       `json:"accessKey,omitempty"`

	// Of a CloudHSM key store.
	Cluster string `json:"cluster,omitempty"`
	Anchor  string `json:"anchor,omitempty"` // trust anchor certificate, as given
}

// backend is what stands behind a custom key store. Its methods may run together.
type backend interface {
	// connect proves that the store can be used with its credential.
	connect(ctx context.Context, why xks.Request) error
	// half returns the half of a key that the store holds under an id.
	half(id string, why xks.Request) half
}

// keyStore is a custom key store as the hot path needs it. It never changes.
type keyStore struct {
	home // of the store, with its id
	storeRecord
	backend
}

func (r *storeRecord) connected() bool { return r.State == api.ConnectionStateTypeConnected }

func (r *storeRecord) external() bool { return r.Type == api.CustomKeyStoreTypeExternalKeyStore }

// newStoreID returns an id as AWS makes them.
func newStoreID() string {
	var b [9]byte
	rand.Read(b[:])
	return "cks-" + hex.EncodeToString(b[:])[:17]
}

// credentialPurpose binds a credential to its store.
func credentialPurpose(h home) string {
	return "kms key store credential " + h.region + " " + h.account + " " + h.id
}

// putCredential keeps the secret of a store's credential: of a proxy, or the PIN of a token.
func (s *Service) putCredential(tx store.Tx, h home, credential secret.Bytes) error {
	sealed, err := s.room.Root.Wrap(credentialPurpose(h), credential.Reveal())
	if err != nil {
		return internal("credential of %s: %w", h.id, err)
	}
	return tx.Put([]byte(h.path(credentialTag)), sealed)
}

func (s *Service) credential(r store.Reader, h home) (secret.Bytes, error) {
	sealed, err := r.Get([]byte(h.path(credentialTag)))
	if err != nil {
		return secret.Bytes{}, internal("credential of %s: %w", h.id, hideNotFound(err))
	}
	raw, err := s.room.Root.Unwrap(credentialPurpose(h), sealed)
	if err != nil {
		return secret.Bytes{}, internal("credential of %s: %w", h.id, err)
	}
	return secret.New(raw), nil
}

// loadStore is the load of the memo of key stores.
func (s *Service) loadStore(r store.Reader, storeKey []byte) (*keyStore, error) {
	h, _, ok := homeOf(storeKey)
	if !ok {
		return nil, internal("malformed key of a key store")
	}
	rec, err := read[storeRecord](r, string(storeKey))
	if err != nil {
		return nil, err
	}
	credential, err := s.credential(r, h)
	if err != nil {
		return nil, err
	}
	b, err := s.backend(h, &rec, credential)
	return &keyStore{h, rec, b}, err
}

// staleStore names the store that a changed record makes stale.
func staleStore(storeKey []byte) []string {
	if !tagged(storeKey, storeTag) && !tagged(storeKey, credentialTag) {
		return nil
	}
	h, _, ok := homeOf(storeKey)
	if !ok {
		return nil
	}
	return []string{h.path(storeTag)}
}

// keyStore returns a custom key store of the account and region.
func (s *Service) keyStore(ctx context.Context, region, account, id string) (*keyStore, error) {
	k, err := s.keyStores.Get(ctx, home{region, account, id}.path(storeTag))
	if errors.Is(err, store.ErrNotFound) {
		return nil, noSuchStore(id)
	}
	return k, err
}

// changeStore runs fn on the record of a key store and writes what it left.
func (s *Service) changeStore(ctx context.Context, h home, fn func(tx store.Tx, r *storeRecord) error) error {
	return s.update(ctx, func(tx store.Tx) error {
		r, err := read[storeRecord](tx, h.path(storeTag))
		if errors.Is(err, store.ErrNotFound) {
			return noSuchStore(h.id)
		}
		if err != nil {
			return err
		}
		if err := fn(tx, &r); err != nil {
			return err
		}
		return write(tx, h.path(storeTag), &r)
	})
}

// unique refuses a store that has what must be another's alone. There are few stores, so it
// looks at all of them.
func unique(tx store.Tx, h home, r *storeRecord) error {
	prefix := []byte(path(storeTag, h.region, h.account, ""))
	n := 0
	for rec, err := range tx.Scan(store.Prefix(prefix)) {
		if err != nil {
			return err
		}
		if string(rec.Key[len(prefix):]) == h.id {
			continue
		}
		var other storeRecord
		if err := json.Unmarshal(rec.Value, &other); err != nil {
			return internal("record %q: %w", storeTag, err)
		}
		if err := collide(r, &other); err != nil {
			return err
		}
		n++
	}
	if n >= maxStores {
		return api.LimitExceededException("You have reached the maximum number of custom key stores in this account and Region: %d.", maxStores)
	}
	return nil
}

// collide compares two stores of one account and region (API reference, CreateCustomKeyStore,
// "Uniqueness requirements").
func collide(r, other *storeRecord) error {
	vpc := api.XksProxyConnectivityTypeVpcEndpointService
	switch {
	case r.Name == other.Name:
		return api.CustomKeyStoreNameInUseException("The custom key store name %s is already in use in this account and Region.", r.Name)
	case r.Type != other.Type:
		return nil
	case !r.external():
		if r.Cluster == other.Cluster {
			return api.CloudHsmClusterInUseException("The AWS CloudHSM cluster %s is already associated with a custom key store.", r.Cluster)
		}
	case r.Endpoint == other.Endpoint && r.Path == other.Path:
		return api.XksProxyUriInUseException("The combination of XksProxyUriEndpoint and XksProxyUriPath is already associated with another external key store in this account and Region.")
	case r.Endpoint == other.Endpoint && (r.Connectivity == vpc || other.Connectivity == vpc):
		return api.XksProxyUriEndpointInUseException("The XksProxyUriEndpoint is already associated with another external key store in this account and Region.")
	case r.Connectivity == vpc && r.Service == other.Service:
		return api.XksProxyVpcEndpointServiceInUseException("The VPC endpoint service %s is already associated with another external key store in this Region.", r.Service)
	}
	return nil
}

// listing is what DescribeCustomKeyStores tells of a store.
func listing(h home, r *storeRecord) api.CustomKeyStoresListEntry {
	e := api.CustomKeyStoresListEntry{
		CustomKeyStoreId: &h.id, CustomKeyStoreName: &r.Name, CustomKeyStoreType: r.Type, CreationDate: &r.Created,
		ConnectionState: r.State, ConnectionErrorCode: r.Failure,
	}
	if !r.external() {
		e.CloudHsmClusterId, e.TrustAnchorCertificate = &r.Cluster, &r.Anchor
		return e
	}
	e.XksProxyConfiguration = &api.XksProxyConfigurationType{
		Connectivity: r.Connectivity, AccessKeyId: &r.AccessKeyID, UriEndpoint: &r.Endpoint, UriPath: &r.Path,
	}
	if r.Service != "" {
		e.XksProxyConfiguration.VpcEndpointServiceName = &r.Service
	}
	if r.Owner != "" {
		e.XksProxyConfiguration.VpcEndpointServiceOwner = &r.Owner
	}
	return e
}

func noSuchStore(id string) *wire.Error {
	return api.CustomKeyStoreNotFoundException("Custom key store with ID %s was not found.", id)
}

// wrongState refuses an operation for the connection state that a store is in.
func wrongState(h home, r *storeRecord, want string) *wire.Error {
	return api.CustomKeyStoreInvalidStateException("The ConnectionState of custom key store %s is %s; this operation needs it to be %s.", h.id, r.State, want)
}
