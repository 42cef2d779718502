package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// principal is the name under which the service calls others.
const principal = "s3.amazonaws.com"

// Service answers the operations of S3. Its methods may be called together.
type Service struct {
	api.Unimplemented

	db        store.DB
	blobs     blob.Store
	jobs      *job.Queue
	log       *slog.Logger
	authorize call.Authorizer
	kms       seal.Keys // for the caller
	ring      *ring
	pager     *resource.Pager
	pieces    *pieces
	buckets   *store.Memo[*bucket]
	objects   *store.Memo[*stored]
	inputs    map[*wire.Operation]*inputFields
	now       func() time.Time
}

var _ api.Service = (*Service)(nil)

// Open opens the service in its room. It reads nothing but what its first job needs.
func Open(ctx context.Context, room *service.Room) (*Service, error) {
	keys := seal.NewKeys(room.Inside(principal))
	s := &Service{
		db: room.Store, blobs: room.Blobs, jobs: room.Jobs, log: room.Log,
		authorize: room.Authorize,
		kms:       keys,
		ring:      newRing(room.Store, keys),
		pager:     resource.NewPager(room.Root.Derive("s3 page tokens")),
		pieces:    newPieces(room.Store, room.Blobs, room.Root.Derive("s3 piece marks")),
		buckets:   store.NewMemo(room.Store, loadBucket, store.MemoOptions{}),
		objects:   store.NewMemo(room.Store, loadObject, store.MemoOptions{}),
		inputs:    inputFieldsOf(api.API),
		now:       time.Now,
	}
	if err := s.startSweeping(ctx); err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	return s, nil
}

// Service returns what the gateway and the house need to know of s.
func (s *Service) Service() *service.Service {
	return &service.Service{API: api.API, Impl: s, Target: s.target, Check: s.verify, Close: s.close}
}

func (s *Service) close() error {
	s.buckets.Close()
	s.objects.Close()
	return nil
}

// ownerID returns the canonical user id of an account, as ACLs and listings show it. It
// is not secret and always the same.
func ownerID(account string) string {
	sum := sha256.Sum256([]byte("strongroom canonical user " + account))
	return hex.EncodeToString(sum[:])
}

// at returns the time as objects keep it.
func (s *Service) at() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// update changes records in one transaction.
func (s *Service) update(ctx context.Context, fn func(store.Tx) error) error {
	return storeError(s.db.Update(ctx, store.TxID{}, fn))
}

// known returns the error with which a handler ends, where a missing record is the
// given one.
func known(err error, missing error) error {
	if errors.Is(err, store.ErrNotFound) {
		return missing
	}
	return err
}
