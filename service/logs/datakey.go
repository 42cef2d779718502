package logs

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/store"
)

// dataKeyLife is how long a data key seals new segments.
const dataKeyLife = 7 * 24 * time.Hour

// dataKey is the record of a data key of a group.
type dataKey struct {
	ID       string `json:"id"`
	Wrapped  []byte `json:"wrapped"`
	KeyARN   string `json:"keyArn"`          // of the KMS key that has wrapped it
	Named    string `json:"named,omitempty"` // the group's Key, when it was made
	Created  int64  `json:"created"`
	Segments int64  `json:"segments"` // that it has sealed and that are there
	Bytes    int64  `json:"bytes"`    // of their messages

	group string
	plain secret.Bytes
}

func (k *dataKey) put(tx store.Tx) error { return put(tx, key("k", k.group, k.ID), k) }

// dataKeyOf reads a data key of a group.
func dataKeyOf(r store.Reader, group, id string) (*dataKey, error) {
	k, err := get[dataKey](r, key("k", group, id))
	if err != nil {
		return nil, fmt.Errorf("data key of a log group: %w", err)
	}
	k.group = group
	return &k, nil
}

// dataKeys are the data keys of a group, the oldest or the newest first. They end with an error.
func dataKeys(r store.Reader, group string, newestFirst bool) iter.Seq2[*dataKey, error] {
	return func(yield func(*dataKey, error) bool) {
		scan := store.Prefix(below("k", group))
		scan.Reverse = newestFirst
		for rec, err := range r.Scan(scan) {
			k := &dataKey{group: group}
			if err == nil {
				err = json.Unmarshal(rec.Value, k)
			}
			if err != nil {
				yield(nil, fmt.Errorf("data key of a log group: %w", err))
				return
			}
			if !yield(k, nil) {
				return
			}
		}
	}
}

// asService is a context in which the service itself calls KMS, for the group.
func (g *group) asService(ctx context.Context) context.Context {
	return service.AsService(call.ForSource(call.InRegion(ctx, g.at.region), g.at.account, g.arn()))
}

// keyID names the KMS key of a group: the customer's, or the key that the service keeps for the account.
func (g *group) keyID() string {
	if g.Key != "" {
		return g.Key
	}
	return "alias/owned/logs/" + g.at.account
}

// pairs is the encryption context of everything that is sealed for a group ("Encrypt log data in CloudWatch Logs using AWS KMS", User Guide).
func (g *group) pairs() map[string]string { return map[string]string{"aws:logs:arn": g.arn()} }

// newDataKey makes a data key under the group's KMS key. Nothing is written.
func (s *Service) newDataKey(ctx context.Context, g *group) (*dataKey, error) {
	dk, err := s.keys.Make(g.asService(ctx), g.keyID(), g.pairs())
	if err != nil {
		return nil, err
	}
	return &dataKey{
		ID: newID(s.now()), Wrapped: dk.Wrapped, KeyARN: dk.KeyARN, Named: g.Key, Created: s.milliseconds(), group: g.ID, plain: dk.Plaintext,
	}, nil
}

// openDataKey asks KMS to open a data key.
func (s *Service) openDataKey(ctx context.Context, g *group, k *dataKey) (err error) {
	k.plain, err = s.keys.Open(g.asService(ctx), k.KeyARN, k.Wrapped, g.pairs())
	return err
}

// currentDataKey is the newest data key of a group that may seal, or nil.
func (s *Service) currentDataKey(r store.Reader, g *group) (*dataKey, error) {
	oldest := s.milliseconds() - dataKeyLife.Milliseconds()
	for k, err := range dataKeys(r, g.ID, true) {
		if err != nil {
			return nil, err
		}
		if k.Created <= oldest {
			return nil, nil
		}
		if k.Named == g.Key {
			return k, nil
		}
	}
	return nil, nil
}

// storedBytes counts the bytes of the messages that a group keeps.
func storedBytes(r store.Reader, group string) (sum int64, err error) {
	for k, err := range dataKeys(r, group, false) {
		if err != nil {
			return 0, err
		}
		sum += k.Bytes
	}
	return sum, nil
}

// ring opens data keys of a group, each once. It serves one call: what it has opened goes with it.
type ring struct {
	s    *Service
	g    *group
	open map[string]*dataKey
}

func (s *Service) ring(g *group) *ring { return &ring{s, g, map[string]*dataKey{}} }

// key returns a data key that is open. The error is the one to answer with.
func (x *ring) key(ctx context.Context, id string) (k *dataKey, err error) {
	if k = x.open[id]; k != nil {
		return k, nil
	}
	err = x.s.db.View(ctx, func(r store.Reader) error {
		k, err = dataKeyOf(r, x.g.ID, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := x.s.openDataKey(ctx, x.g, k); err != nil {
		return nil, keyError(x.g.arn(), err)
	}
	x.open[id] = k
	return k, nil
}
