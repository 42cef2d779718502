package amp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"time"

	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// tokenLife is how long a client token is remembered.
const tokenLife = 8 * time.Hour

// clientToken is the token of a request that may be sent twice. A request without one has none, and nil does for it.
type clientToken struct {
	s    *Service
	key  []byte
	hash []byte // of the request without the token
}

// tokenUse is what a client token has done. The hash is keyed: what stands in the store tells nothing about the request.
type tokenUse struct {
	Hash []byte    `json:"hash"`
	Done string    `json:"done"` // what was made
	At   time.Time `json:"at"`
}

// clientToken is the token of a request of the operation. in is its input, not a pointer to it.
func (s *Service) clientToken(ctx context.Context, operation string, token *string, in any) *clientToken {
	if wire.Val(token) == "" {
		return nil
	}
	v := reflect.New(reflect.TypeOf(in)).Elem()
	v.Set(reflect.ValueOf(in))
	if f := v.FieldByName("ClientToken"); f.IsValid() {
		f.SetZero()
	}
	text, _ := json.Marshal(v.Interface()) // of strings, numbers, and lists and maps of them
	secret := s.root.Derive("amp client tokens")
	mac := hmac.New(sha256.New, secret.Reveal())
	mac.Write(text)
	p := here(ctx)
	return &clientToken{s, key("o", p.region, p.account, operation, *token), mac.Sum(nil)}
}

// earlier returns what an earlier request with the token has made, or "".
func (t *clientToken) earlier(ctx context.Context) (done string, err error) {
	if t == nil {
		return "", nil
	}
	err = t.s.db.View(ctx, func(r store.Reader) error {
		use, err := t.read(r)
		if use != nil {
			done = use.Done
		}
		return err
	})
	return done, err
}

func (t *clientToken) read(r store.Reader) (*tokenUse, error) {
	use, found, err := get[tokenUse](r, t.key)
	switch {
	case err != nil || !found || t.s.now().Sub(use.At) > tokenLife:
		return nil, err
	case !hmac.Equal(use.Hash, t.hash):
		return nil, conflict("request", "", "The client token was used in a request with other parameters.")
	}
	return &use, nil
}

// put remembers what the request has done. A request that ran beside it with the same token finds it, and is refused.
func (t *clientToken) put(tx store.Tx, done string) error {
	if t == nil {
		return nil
	}
	use, err := t.read(tx)
	if err != nil {
		return err
	}
	if use != nil && use.Done != done {
		return conflict("request", "", "A request with the same client token is in progress.")
	}
	if err := put(tx, t.key, tokenUse{t.hash, done, t.s.now()}); err != nil {
		return err
	}
	sum := sha256.Sum256(t.key)
	return t.s.jobs.Schedule(tx, job.Job{Kind: jobTokens, ID: hex.EncodeToString(sum[:20]), Due: t.s.now().Add(tokenLife), Payload: t.key})
}
