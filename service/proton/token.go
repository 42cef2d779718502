package proton

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"time"

	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// tokenLife is how long a client token is remembered.
const tokenLife = 24 * time.Hour

const jobTokens = "tokens"

// clientToken is the token of a request that may be sent twice. A request without one has none.
type clientToken struct {
	s    *Service
	key  []byte
	hash []byte // of the request without the token
}

// tokenUse is what a client token has done. The hash is keyed: what stands in the store tells
// nothing about the request.
type tokenUse struct {
	Hash []byte
	Key  string // of the record that was made or changed
	At   time.Time
}

// clientToken is the token of a request of the operation.
func (s *Service) clientToken(ctx context.Context, operation string, token *string, in any) *clientToken {
	if wire.Val(token) == "" {
		return nil
	}
	v := reflect.New(reflect.TypeOf(in)).Elem()
	v.Set(reflect.ValueOf(in))
	if f := v.FieldByName("ClientToken"); f.IsValid() {
		f.SetZero()
	}
	text, _ := json.Marshal(v.Interface()) // of strings and lists of them
	secret := s.root.Derive("proton client tokens")
	mac := hmac.New(sha256.New, secret.Reveal())
	mac.Write(text)
	return &clientToken{s, key("o", here(ctx), operation, *token), mac.Sum(nil)}
}

// earlier returns the key of the record of an earlier request with the token, or nil.
func (t *clientToken) earlier(ctx context.Context) (done *string, err error) {
	if t == nil {
		return nil, nil
	}
	err = t.s.db.View(ctx, func(r store.Reader) error {
		use, err := t.read(r)
		if use != nil {
			done = &use.Key
		}
		return err
	})
	return done, err
}

func (t *clientToken) read(r store.Reader) (*tokenUse, error) {
	text, err := r.Get(t.key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var use tokenUse
	if err := json.Unmarshal(text, &use); err != nil {
		return nil, err
	}
	switch {
	case t.s.now().Sub(use.At) > tokenLife:
		return nil, nil
	case !hmac.Equal(use.Hash, t.hash):
		return nil, conflict("The client token was used in a request with other parameters.")
	}
	return &use, nil
}

// put remembers what the request has done. A request that ran beside it with the same token
// finds it, and begins again.
func (t *clientToken) put(tx store.Tx, record string) error {
	if t == nil {
		return nil
	}
	use, err := t.read(tx)
	if err != nil {
		return err
	}
	if use != nil && use.Key != record {
		return conflict("A request with the same client token is in progress.")
	}
	text, err := compact(tokenUse{t.hash, record, t.s.now()})
	if err != nil {
		return err
	}
	if err := tx.Put(t.key, text); err != nil {
		return err
	}
	return t.s.jobs.Schedule(tx, job.Job{Kind: jobTokens, ID: hashName(t.key), Due: t.s.now().Add(tokenLife), Payload: t.key})
}

// hashName is a name for a job about a key, which holds zero bytes that no job's name may.
func hashName(k []byte) string {
	sum := sha256.Sum256(k)
	return hex.EncodeToString(sum[:20])
}

// forget deletes a client token whose time is over.
func (s *Service) forget(ctx context.Context, j job.Job) error {
	return s.update(ctx, func(tx store.Tx) error { return tx.Delete(j.Payload) })
}
