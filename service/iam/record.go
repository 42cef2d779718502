package iam

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/store"
)

// Tags of the records: the first part of every store key. See doc.go.
const (
	accountTag = "a" // account -> accountRecord
	holderTag  = "h" // account, unique id -> holder
	homeTag    = "i" // unique id -> account
	nameTag    = "n" // account, kind, name in lower case -> unique id
	inlineTag  = "t" // account, unique id, policy name -> text
	keyTag     = "k" // access key id -> accessKey
	policyTag  = "p" // account, name in lower case -> managed
	versionTag = "v" // account, name in lower case, version -> text
	memberTag  = "m" // account, group id, user id -> nothing
	usedTag    = "u" // account, policy ARN, use, kind, unique id -> nothing
	countTag   = "c" // account, kind -> how many
	aliasTag   = "s" // alias -> account
	deviceTag  = "f" // account, device name in lower case -> device
)

// sep separates the parts of a store key. No part holds it.
const sep = "\x00"

// path makes a store key of its parts.
func path(parts ...string) string { return strings.Join(parts, sep) }

// under makes the prefix of the store keys below some parts.
func under(parts ...string) []byte { return []byte(path(parts...) + sep) }

// parts takes a store key of tag apart, or returns nil.
func parts(storeKey []byte, tag string) []string {
	rest, ok := bytes.CutPrefix(storeKey, []byte(tag+sep))
	if !ok {
		return nil
	}
	return strings.Split(string(rest), sep)
}

// kind is what sort of thing a record is about. Its words stand in resource names.
type kind string

const (
	rootKind   kind = "root"
	userKind   kind = "user"
	groupKind  kind = "group"
	roleKind   kind = "role"
	policyKind kind = "policy"
	mfaKind    kind = "mfa"
)

// accountRecord is what the store keeps of an account.
type accountRecord struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Alias   string    `json:"alias,omitempty"`
	Admin   string    `json:"admin"` // unique id of the administrator it was made with
}

// holder is what the store keeps of a user, group, role or root user: of whoever holds
// policies.
type holder struct {
	Kind        kind              `json:"kind"`
	ID          string            `json:"id"`
	Name        string            `json:"name,omitempty"`
	Path        string            `json:"path"`
	Created     time.Time         `json:"created"`
	Tags        resource.Tags     `json:"tags,omitempty"`
	Attached    []string          `json:"attached,omitempty"` // ARNs of managed policies, in the order of attaching
	Boundary    string            `json:"boundary,omitempty"` // ARN of a managed policy
	Groups      []string          `json:"groups,omitempty"`   // of a user: unique ids
	Keys        []string          `json:"keys,omitempty"`     // of a user or root user: access key ids
	Devices     []string          `json:"devices,omitempty"`  // of a user or root user: names of devices in lower case
	Description string            `json:"description,omitempty"`
	Trust       string            `json:"trust,omitempty"`      // of a role: the policy text
	Trusted     map[string]string `json:"trusted,omitempty"`    // of a role: unique ids of the principals that Trust names by ARN
	MaxSession  int32             `json:"maxSession,omitempty"` // of a role, in seconds
}

// arn returns the resource name of h.
func (h *holder) arn(account string) string {
	if h.Kind == rootKind {
		return arnOf(account, "root")
	}
	return arnOf(account, string(h.Kind)+h.Path+h.Name)
}

// arnOf returns the name of a resource of iam.
func arnOf(account, res string) string {
	return "arn:" + identity.Partition + ":iam::" + account + ":" + res
}

// accessKey is what the store keeps of an access key.
type accessKey struct {
	Account string         `json:"account"`
	Owner   string         `json:"owner"` // unique id
	Secret  string         `json:"secret"`
	Status  api.StatusType `json:"status"`
	Created time.Time      `json:"created"`
}

// managed is what the store keeps of a managed policy. The texts of its versions stand
// beside it.
type managed struct {
	ID          string        `json:"id"`
	Name        string        `json:"name"`
	Path        string        `json:"path"`
	Description string        `json:"description,omitempty"`
	Created     time.Time     `json:"created"`
	Updated     time.Time     `json:"updated"`
	Tags        resource.Tags `json:"tags,omitempty"`
	Default     int           `json:"default"`
	Last        int           `json:"last"`     // number of the newest version there has been
	Versions    []version     `json:"versions"` // oldest first
}

type version struct {
	Number  int       `json:"number"`
	Created time.Time `json:"created"`
}

func (m *managed) arn(account string) string { return arnOf(account, "policy"+m.Path+m.Name) }

// device is what the store keeps of a virtual MFA device.
type device struct {
	Name    string        `json:"name"`
	Path    string        `json:"path"`
	Seed    []byte        `json:"seed"`
	Created time.Time     `json:"created"`
	Tags    resource.Tags `json:"tags,omitempty"`
	Owner   string        `json:"owner,omitempty"` // unique id; "" while it is not enabled
	Enabled time.Time     `json:"enabled,omitzero"`
	Step    int64         `json:"step,omitempty"` // the last time step whose code was taken: none is taken twice
}

func (d *device) arn(account string) string { return arnOf(account, "mfa"+d.Path+d.Name) }

// now returns the time in the precision in which AWS tells it.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// read decodes the JSON record under a store key.
func read[T any](r store.Reader, storeKey string) (*T, error) {
	text, err := r.Get([]byte(storeKey))
	if err != nil {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(text, v); err != nil {
		// The error of json quotes the record, which may hold a secret or a person's name.
		return nil, fmt.Errorf("iam: record of kind %q cannot be read", storeKey[:1])
	}
	return v, nil
}

// write encodes v as JSON under a store key.
func write(tx store.Tx, storeKey string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("iam: record of kind %q: %w", storeKey[:1], err)
	}
	return tx.Put([]byte(storeKey), text)
}

// count returns the number of things of a kind in an account.
func count(r store.Reader, account string, k kind) (int, error) {
	text, err := r.Get([]byte(path(countTag, account, string(k))))
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

// add changes the number of things of a kind in an account, up to its quota.
func add(tx store.Tx, account string, k kind, delta int) error {
	n, err := count(tx, account, k)
	if err != nil {
		return err
	}
	n += delta
	if q, ok := quotas[k]; ok && n > q.max && delta > 0 {
		return api.LimitExceededException("Cannot exceed quota for %s: %d", q.name, q.max)
	}
	return tx.Put([]byte(path(countTag, account, string(k))), []byte(strconv.Itoa(n)))
}

// keysUnder yields what follows prefix in each store key below it.
func keysUnder(r store.Reader, prefix []byte, fn func(rest string) error) error {
	scan := store.Prefix(prefix)
	scan.KeysOnly = true
	for rec, err := range r.Scan(scan) {
		if err != nil {
			return err
		}
		if err := fn(string(rec.Key[len(prefix):])); err != nil {
			return err
		}
	}
	return nil
}

// update runs fn in a transaction.
func (s *Service) update(ctx context.Context, fn func(tx store.Tx) error) error {
	return s.room.Store.Update(ctx, store.TxID{}, fn)
}

// view runs fn on a snapshot.
func (s *Service) view(ctx context.Context, fn func(r store.Reader) error) error {
	return s.room.Store.View(ctx, fn)
}
