package kms

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/store"
)

// Quotas (KMS developer guide, "Resource quotas").
const (
	maxKeys     = 100_000 // in an account and region
	maxAliases  = 50      // of a key
	maxGrants   = 50_000  // of a key
	maxOnDemand = 25      // rotations on demand of a key
)

// record is what the store keeps of a key.
type record struct {
	Created     time.Time          `json:"created"`
	Description string             `json:"description,omitempty"`
	State       api.KeyState       `json:"state"`
	Deletion    time.Time          `json:"deletion,omitzero"` // when material is destroyed; only while PendingDeletion
	Manager     api.KeyManagerType `json:"manager"`
	Service     string             `json:"service,omitempty"` // that owns or manages it: "s3"
	Spec        api.KeySpec        `json:"spec"`
	Usage       api.KeyUsageType   `json:"usage"`
	Origin      api.OriginType     `json:"origin"`
	Policy      string             `json:"policy"`
	Bound       map[string]string  `json:"bound,omitempty"` // unique ids of the principals that Policy names by ARN
	Tags        resource.Tags      `json:"tags,omitempty"`
	Version     uint32             `json:"version"`             // of the material that encrypts; 0 while none was ever imported
	Materials   []material         `json:"materials,omitempty"` // in the order in which they encrypt
	Salt        []byte             `json:"salt,omitempty"`      // binds the ids of imported material to the key
	Rotation    rotation           `json:"rotation,omitzero"`
	OnDemand    int                `json:"onDemand,omitempty"` // rotations on demand so far
	Multi       *multi             `json:"multi,omitempty"`    // of a multi-Region key
	Window      int32              `json:"window,omitempty"`   // waiting period in days; only while PendingReplicaDeletion
	Store       string             `json:"store,omitempty"`    // id of the custom key store that holds the other half; "" for none
	External    string             `json:"external,omitempty"` // id of the other half there
}

// rotation says whether and when a key gets new material by itself.
type rotation struct {
	Days int32     `json:"days,omitempty"` // 0 for never
	Next time.Time `json:"next,omitzero"`
}

// aliasRecord is what the store keeps of an alias.
type aliasRecord struct {
	Key     string    `json:"key"` // id
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// now returns the time in the precision in which AWS tells it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// read decodes the JSON record under a store key.
func read[T any](r store.Reader, storeKey string) (v T, err error) {
	text, err := r.Get([]byte(storeKey))
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return v, internal("record %q: %w", storeKey[:1], err)
	}
	return v, nil
}

// write encodes v as JSON under a store key.
func write(tx store.Tx, storeKey string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return internal("record %q: %w", storeKey[:1], err)
	}
	return tx.Put([]byte(storeKey), text)
}

// count returns the counter under a store key.
func count(r store.Reader, storeKey string) (int, error) {
	text, err := r.Get([]byte(storeKey))
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

// add changes a counter, which must not go beyond limit.
func add(tx store.Tx, storeKey string, delta, limit int) error {
	n, err := count(tx, storeKey)
	if err != nil {
		return err
	}
	return setCount(tx, storeKey, n+delta, limit)
}

// setCount sets a counter, which must not go beyond limit.
func setCount(tx store.Tx, storeKey string, n, limit int) error {
	if n > limit {
		return api.LimitExceededException("Limit of %d exceeded.", limit)
	}
	if n <= 0 {
		return tx.Delete([]byte(storeKey))
	}
	return tx.Put([]byte(storeKey), []byte(strconv.Itoa(n)))
}

// update runs fn in a transaction.
func (s *Service) update(ctx context.Context, fn func(tx store.Tx) error) error {
	return s.room.Store.Update(ctx, store.TxID{}, fn)
}

// change runs fn on the record of a key and writes what it left. The key may have changed or
// gone since the call was authorized; fn sees it as it is.
func (s *Service) change(ctx context.Context, h home, fn func(tx store.Tx, r *record) error) error {
	return s.update(ctx, func(tx store.Tx) error {
		r, err := s.held(tx, h)
		if err != nil {
			return err
		}
		r = r.clone()
		if err := fn(tx, &r); err != nil {
			return err
		}
		return write(tx, h.path(keyTag), &r)
	})
}

// held returns the record of a key as a transaction sees it, which must not be changed.
func (s *Service) held(tx store.Tx, h home) (record, error) {
	if e, ok := s.keys.Peek(tx, h.path(keyTag)); ok {
		r := e.record
		r.Policy = string(e.policy.Text())
		return r, nil
	}
	return recordOf(tx, h)
}

// grantsHeld returns how many grants a key has, as a transaction sees it.
func (s *Service) grantsHeld(tx store.Tx, h home) (int, error) {
	if e, ok := s.keys.Peek(tx, h.path(keyTag)); ok {
		return e.grants, nil
	}
	return count(tx, h.path(countTag))
}

// clone returns a record that shares nothing with r that can change.
func (r record) clone() record {
	r.Bound, r.Tags = maps.Clone(r.Bound), maps.Clone(r.Tags)
	r.Materials, r.Salt = slices.Clone(r.Materials), slices.Clone(r.Salt)
	if r.Multi != nil {
		r.Multi = &multi{Primary: r.Multi.Primary, Replicas: slices.Clone(r.Multi.Replicas)}
	}
	return r
}

// recordOf returns the record of a key that was there a moment ago.
func recordOf(r store.Reader, h home) (record, error) {
	rec, err := read[record](r, h.path(keyTag))
	if errors.Is(err, store.ErrNotFound) {
		err = noSuchKey(h.arn())
	}
	return rec, err
}

// mutable returns the error for a change to a key that is pending deletion, or nil.
func (r *record) mutable(arn string) error {
	switch r.State {
	case api.KeyStatePendingDeletion:
		return api.KMSInvalidStateException("%s is pending deletion.", arn)
	case api.KeyStatePendingReplicaDeletion:
		return api.KMSInvalidStateException("%s is pending replica deletion.", arn)
	}
	return nil
}

// usable returns the error for the use of a key that is not enabled, or nil.
func (r *record) usable(arn string) error {
	state := r.keyState()
	switch state {
	case api.KeyStateEnabled:
		return nil
	case api.KeyStateDisabled:
		return api.DisabledException("%s is disabled.", arn)
	case api.KeyStatePendingImport:
		return api.KMSInvalidStateException("%s is pending import.", arn)
	}
	if err := r.mutable(arn); err != nil {
		return err
	}
	return api.KMSInvalidStateException("%s is in state %s.", arn, state)
}
