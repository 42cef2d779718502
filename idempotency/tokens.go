// Package idempotency remembers the client tokens of requests that may be sent twice, and what the first of them did.
package idempotency

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
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/store"
)

// jobTokens is the kind of job that forgets a token whose time is over.
const jobTokens = "tokens"

// Tokens remembers the client tokens of a service. Its methods, and those of its tokens, may be called together.
type Tokens struct {
	Store  store.DB
	Jobs   *job.Queue
	Secret secret.Bytes  // keys the hashes: what stands in the store tells nothing about the request
	Life   time.Duration // how long a token is remembered
	Now    func() time.Time
	// Conflict is the error of the service that says why a token cannot be used.
	Conflict func(format string, args ...any) error
}

// Handle lets the queue forget tokens whose time is over.
func (s *Tokens) Handle() {
	s.Jobs.Handle(jobTokens, func(ctx context.Context, j job.Job) error {
		return s.Store.Update(ctx, store.TxID{}, func(tx store.Tx) error { return tx.Delete(j.Payload) })
	})
}

// Token is the client token of a request. A request without one has none, and nil does for it.
type Token struct {
	s    *Tokens
	key  []byte
	hash []byte // of the request without the token
}

// use is what a token has done.
type use struct {
	Hash []byte
	Key  string
	At   time.Time
}

// Token is a token that is kept under key. in is the input of its request, not a pointer to it, of strings, numbers, and lists
// and maps of them; its member ClientToken does not count.
func (s *Tokens) Token(key []byte, in any) *Token {
	v := reflect.New(reflect.TypeOf(in)).Elem()
	v.Set(reflect.ValueOf(in))
	if f := v.FieldByName("ClientToken"); f.IsValid() {
		f.SetZero()
	}
	text, _ := json.Marshal(v.Interface()) // what in is made of always marshals
	mac := hmac.New(sha256.New, s.Secret.Reveal())
	mac.Write(text)
	return &Token{s, key, mac.Sum(nil)}
}

// Earlier returns what an earlier request with the token was said to have done, or nil where there was none. A request
// that was another is a Conflict.
func (t *Token) Earlier(ctx context.Context) (done *string, err error) {
	if t == nil {
		return nil, nil
	}
	err = t.s.Store.View(ctx, func(r store.Reader) error {
		u, err := t.read(r)
		if u != nil {
			done = &u.Key
		}
		return err
	})
	return done, err
}

func (t *Token) read(r store.Reader) (*use, error) {
	text, err := r.Get(t.key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var u use
	if err := json.Unmarshal(text, &u); err != nil {
		return nil, err
	}
	switch {
	case t.s.Now().Sub(u.At) > t.s.Life:
		return nil, nil
	case !hmac.Equal(u.Hash, t.hash):
		return nil, t.s.Conflict("The client token was used in a request with other parameters.")
	}
	return &u, nil
}

// Put remembers in tx what the request has done. A request that ran beside it with the same token, and did another
// thing, is a Conflict.
func (t *Token) Put(tx store.Tx, done string) error {
	if t == nil {
		return nil
	}
	u, err := t.read(tx)
	if err != nil {
		return err
	}
	if u != nil && u.Key != done {
		return t.s.Conflict("A request with the same client token is in progress.")
	}
	text, err := json.Marshal(use{t.hash, done, t.s.Now()})
	if err != nil {
		return err
	}
	if err := tx.Put(t.key, text); err != nil {
		return err
	}
	sum := sha256.Sum256(t.key) // the key may hold zero bytes, which no job's name may
	return t.s.Jobs.Schedule(tx, job.Job{Kind: jobTokens, ID: hex.EncodeToString(sum[:20]), Due: t.s.Now().Add(t.s.Life), Payload: t.key})
}
