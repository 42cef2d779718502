package s3

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/store"
)

// bucket is a bucket with its settings, as one JSON record. A bucket that was read is
// shared and must not be changed.
type bucket struct {
	ID         string // of its objects' keys in the store; a name that is used again gets another
	Name       string
	Account    string
	Region     string
	Created    time.Time
	Encryption defaultEncryption
	Policy     string            `json:",omitempty"` // text, as it was put
	Tags       map[string]string `json:",omitempty"`
	Block      *publicBlock      `json:",omitempty"` // nil when it was deleted
	Ownership  string            `json:",omitempty"` // "" when it was deleted

	policy *policy.Document
}

// defaultEncryption is what objects are encrypted with when the request does not say.
// Every bucket has one.
type defaultEncryption struct {
	Algorithm api.ServerSideEncryption
	KeyID     string `json:",omitempty"`
	BucketKey bool   `json:",omitempty"`
	// NoCustomerKeys says that objects may not be sealed under keys that customers send.
	NoCustomerKeys bool `json:",omitempty"`
}

// publicBlock is the public access block. A new bucket has all four.
type publicBlock struct{ ACLs, IgnoreACLs, Policy, Restrict bool }

// enforced is the only object ownership there is: ACLs are disabled.
const enforced = "BucketOwnerEnforced"

func newBucket(name, account, region string, now time.Time) *bucket {
	return &bucket{
		ID: newID(now).String(), Name: name, Account: account, Region: region, Created: now,
		Encryption: defaultEncryption{Algorithm: api.ServerSideEncryptionAes256},
		Block:      &publicBlock{true, true, true, true},
		Ownership:  enforced,
	}
}

func (b *bucket) arn() string { return "arn:aws:s3:::" + b.Name }

func (b *bucket) objectARN(key string) string { return "arn:aws:s3:::" + b.Name + "/" + key }

// document returns the bucket's policy as far as it counts for a caller of an account.
// A public policy counts only for the owner's own account where public access is
// restricted (S3 user guide, "Blocking public access", RestrictPublicBuckets).
func (b *bucket) document(caller string, isService bool) *policy.Document {
	if b.policy != nil && b.Block != nil && b.Block.Restrict && caller != b.Account && !isService && b.policy.HasPublicAllow() {
		return nil
	}
	return b.policy
}

func parseBucket(value []byte) (*bucket, error) {
	b := new(bucket)
	if err := json.Unmarshal(value, b); err != nil {
		return nil, fmt.Errorf("bucket record: %w", err)
	}
	if b.Policy != "" {
		doc, err := policy.Parse([]byte(b.Policy), policy.Resource)
		if err != nil {
			return nil, fmt.Errorf("bucket record: policy: %w", err)
		}
		b.policy = doc.Named("the bucket policy of " + b.Name)
	}
	return b, nil
}

func loadBucket(r store.Reader, key []byte) (*bucket, error) {
	value, err := r.Get(key)
	if err != nil {
		return nil, err
	}
	return parseBucket(value)
}

func putBucket(tx store.Tx, b *bucket) error {
	value, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("bucket record: %w", err)
	}
	return tx.Put(bucketKey(b.Name), value)
}

// bucket returns a bucket, or NoSuchBucket.
func (s *Service) bucket(ctx context.Context, name string) (*bucket, error) {
	b, err := s.buckets.Get(ctx, string(bucketKey(name)))
	return b, known(err, noSuchBucket())
}

// changeBucket changes a bucket's settings in a transaction. b says which bucket the
// caller was allowed to change: another of the same name is not it.
func (s *Service) changeBucket(ctx context.Context, b *bucket, change func(*bucket) error) error {
	return s.update(ctx, func(tx store.Tx) error {
		now, err := sameBucket(tx, b)
		if err != nil {
			return err
		}
		if err := change(now); err != nil {
			return err
		}
		return putBucket(tx, now)
	})
}

// sameBucket reads b again and returns NoSuchBucket if it is gone.
func sameBucket(r store.Reader, b *bucket) (*bucket, error) {
	now, err := loadBucket(r, bucketKey(b.Name))
	if err != nil {
		return nil, known(err, noSuchBucket())
	}
	if now.ID != b.ID {
		return nil, noSuchBucket()
	}
	return now, nil
}

// stillThere returns NoSuchBucket if b is gone. Transactions that write an object ask it,
// so that none is written into a bucket that is being deleted.
func (b *bucket) stillThere(r store.Reader) error {
	_, err := r.Get(bucketIDKey(b.ID))
	return known(err, noSuchBucket())
}

// createBucket makes a bucket. When the name is taken by the same account it returns
// BucketAlreadyOwnedByYou, else BucketAlreadyExists.
func (s *Service) createBucket(ctx context.Context, b *bucket) error {
	return s.update(ctx, func(tx store.Tx) error {
		old, err := loadBucket(tx, bucketKey(b.Name))
		switch {
		case err == nil && old.Account == b.Account:
			return api.BucketAlreadyOwnedByYou("Your previous request to create the named bucket succeeded and you already own it.")
		case err == nil:
			return api.BucketAlreadyExists("The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.")
		case known(err, nil) != nil:
			return err
		}
		if err := tx.Put(ownerKey(b.Account, b.Name), []byte(b.Region)); err != nil {
			return err
		}
		if err := tx.Put(bucketIDKey(b.ID), []byte(b.Name)); err != nil {
			return err
		}
		return putBucket(tx, b)
	})
}

// deleteBucket removes an empty bucket. Uploads that go on do not keep it.
func (s *Service) deleteBucket(ctx context.Context, b *bucket) error {
	return s.update(ctx, func(tx store.Tx) error {
		now, err := sameBucket(tx, b)
		if err != nil {
			return err
		}
		scan := store.Prefix([]byte(objectPrefix(now.ID)))
		scan.Limit, scan.KeysOnly = 1, true
		for _, err := range tx.Scan(scan) {
			if err != nil {
				return err
			}
			return bucketNotEmpty()
		}
		if err := tx.Delete(bucketKey(now.Name)); err != nil {
			return err
		}
		if err := tx.Delete(ownerKey(now.Account, now.Name)); err != nil {
			return err
		}
		if err := tx.Delete(bucketIDKey(now.ID)); err != nil {
			return err
		}
		return tx.Put(trashKey(s.at(), trashUploads, now.ID), nil)
	})
}
