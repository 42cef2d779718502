package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/store"
)

// Bounds of an account's data keys.
const (
	generationAge  = 24 * time.Hour   // after which a new one is made
	generationUses = 1 << 22          // by this process, after which a new one is made
	openFor        = 10 * time.Minute // after which an open one is asked for again
	maxOpen        = 4096             // kept open
)

// ring holds the data keys of SSE-S3. Each account has its own in each region, wrapped
// by a key that the service owns and that belongs to that account alone, so that one
// account's objects can be made unreadable without touching another's:
//
//	alias/owned/s3/<account>  wraps  data key, generation n  seals  any number of pieces
//
// A data key is kept wrapped in the store and open in memory for a while. That makes
// SSE-S3 cheap: no call to KMS for most objects. It takes no promise away, because no
// customer can disable the service's key. Every stream and record derives its own key
// from it (package seal), so one data key seals any number of them.
type ring struct {
	db   store.DB
	keys seal.Keys

	mu     sync.Mutex
	making map[string]*sync.Mutex // by owner: one maker at a time
	newest map[string]*generation // by owner
	opened map[string]*generation // by owner and number
}

// generation is an open data key.
type generation struct {
	number int64
	key    secret.Bytes
	made   time.Time
	until  time.Time // when it is to be opened again
	uses   int64
}

// wrappedKey is the record of a generation.
type wrappedKey struct {
	Wrapped []byte
	KeyARN  string
	Made    time.Time
}

func newRing(db store.DB, keys seal.Keys) *ring {
	return &ring{db: db, keys: keys, making: map[string]*sync.Mutex{},
		newest: map[string]*generation{}, opened: map[string]*generation{}}
}

func ringKeyID(account string) string { return "alias/owned/s3/" + account }

// ringContext is the encryption context that data keys are wrapped under.
func ringContext(region, account string) map[string]string {
	return map[string]string{"aws:s3:account": account, "aws:s3:region": region}
}

// current returns the data key that new objects of an account are sealed under.
func (r *ring) current(ctx context.Context, region, account string) (secret.Bytes, int64, error) {
	owner := region + "\x00" + account
	if g := r.fresh(owner); g != nil {
		return g.key, g.number, nil
	}
	r.mu.Lock()
	m := r.making[owner]
	if m == nil {
		m = new(sync.Mutex)
		r.making[owner] = m
	}
	r.mu.Unlock()
	m.Lock()
	defer m.Unlock()
	if g := r.fresh(owner); g != nil {
		return g.key, g.number, nil
	}
	g, err := r.renew(service.AsService(inRegion(ctx, region)), region, account)
	if err != nil {
		return secret.Bytes{}, 0, internalError(fmt.Errorf("data key of account: %w", err))
	}
	r.mu.Lock()
	r.newest[owner] = g
	r.mu.Unlock()
	return g.key, g.number, nil
}

// fresh returns the newest generation if it may still be used.
func (r *ring) fresh(owner string) *generation {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.newest[owner]
	now := time.Now()
	if g == nil || now.After(g.until) || now.Sub(g.made) > generationAge || g.uses >= generationUses {
		return nil
	}
	g.uses++
	return g
}

// renew opens the newest stored generation, or makes the next one when that is too old
// or worn.
func (r *ring) renew(ctx context.Context, region, account string) (*generation, error) {
	number, rec, err := r.last(ctx, region, account)
	if err != nil {
		return nil, err
	}
	worn := false
	r.mu.Lock()
	if g := r.newest[region+"\x00"+account]; g != nil && g.number == number {
		worn = g.uses >= generationUses
	}
	r.mu.Unlock()
	if number > 0 && !worn && time.Since(rec.Made) <= generationAge {
		return r.unwrap(ctx, region, account, number, rec)
	}
	return r.make(ctx, region, account, number+1)
}

// make makes a generation with the first number that is free.
func (r *ring) make(ctx context.Context, region, account string, number int64) (*generation, error) {
	dk, err := r.keys.Make(ctx, ringKeyID(account), ringContext(region, account))
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	value, err := json.Marshal(wrappedKey{dk.Wrapped, dk.KeyARN, now})
	if err != nil {
		return nil, err
	}
	err = r.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		// Another process may have made one meanwhile; numbers are never used twice.
		for {
			_, err := tx.Get(dataKeyKey(region, account, number))
			if errors.Is(err, store.ErrNotFound) {
				return tx.Put(dataKeyKey(region, account, number), value)
			}
			if err != nil {
				return err
			}
			number++
		}
	})
	if err != nil {
		return nil, err
	}
	return &generation{number: number, key: dk.Plaintext, made: now, until: now.Add(openFor), uses: 1}, nil
}

// last reads the newest stored generation; its number is 0 when there is none.
func (r *ring) last(ctx context.Context, region, account string) (number int64, rec wrappedKey, err error) {
	prefix := dataKeyPrefix(region, account)
	err = r.db.View(ctx, func(rd store.Reader) error {
		scan := store.Prefix([]byte(prefix))
		scan.Reverse, scan.Limit = true, 1
		for kv, err := range rd.Scan(scan) {
			if err != nil {
				return err
			}
			if number, err = strconv.ParseInt(string(kv.Key[len(prefix):]), 16, 64); err != nil {
				return fmt.Errorf("data key record: %w", err)
			}
			return json.Unmarshal(kv.Value, &rec)
		}
		return nil
	})
	return number, rec, err
}

func (r *ring) unwrap(ctx context.Context, region, account string, number int64, rec wrappedKey) (*generation, error) {
	key, err := r.keys.Open(ctx, rec.KeyARN, rec.Wrapped, ringContext(region, account))
	if err != nil {
		return nil, err
	}
	return &generation{number: number, key: key, made: rec.Made, until: time.Now().Add(openFor), uses: 1}, nil
}

// open returns a data key that an object was sealed under.
func (r *ring) open(ctx context.Context, region, account string, number int64) (secret.Bytes, error) {
	name := string(dataKeyKey(region, account, number))
	r.mu.Lock()
	g := r.opened[name]
	if g == nil {
		if n := r.newest[region+"\x00"+account]; n != nil && n.number == number {
			g = n
		}
	}
	r.mu.Unlock()
	if g != nil && time.Now().Before(g.until) {
		return g.key, nil
	}
	var rec wrappedKey
	err := r.db.View(ctx, func(rd store.Reader) error {
		value, err := rd.Get([]byte(name))
		if err != nil {
			return err
		}
		return json.Unmarshal(value, &rec)
	})
	if err == nil {
		g, err = r.unwrap(service.AsService(inRegion(ctx, region)), region, account, number, rec)
	}
	if err != nil {
		return secret.Bytes{}, internalError(fmt.Errorf("data key %d of account: %w", number, err))
	}
	r.keep(name, g)
	return g.key, nil
}

// keep remembers an open generation and forgets those whose time is over, or any when
// there are too many.
func (r *ring) keep(name string, g *generation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.opened) >= maxOpen {
		now := time.Now()
		for k, old := range r.opened {
			if now.After(old.until) || len(r.opened) >= maxOpen {
				delete(r.opened, k)
			}
		}
	}
	r.opened[name] = g
}
