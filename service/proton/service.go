package proton

import (
	"context"
	"log/slog"
	"time"

	"github.com/strongroom/strongroom/api/kms"
	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/idempotency"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/store"
)

// principal is the name under which the service calls others.
const principal = "proton.amazonaws.com"

// Service answers the operations of Proton. Its methods may be called together.
type Service struct {
	api.Unimplemented

	db     store.DB
	blobs  blob.Store
	jobs   *job.Queue
	log    *slog.Logger
	keys   seal.Keys   // for the service itself
	kms    *kms.Client // for the caller, or with service.AsService for the service
	s3     *s3.Client  // for the caller
	sts    *sts.Client // for the service itself
	pager  *resource.Pager
	tokens *idempotency.Tokens
	now    func() time.Time

	deliverer Deliverer
	git       *byGit        // the repositories that are followed, too
	watching  chan struct{} // one for each branch that is looked at in this moment
}

var _ api.Service = (*Service)(nil)

// Open opens the service in its room.
func Open(_ context.Context, room *service.Room) (*Service, error) {
	inside := room.Inside(principal)
	s := &Service{
		db: room.Store, blobs: room.Blobs, jobs: room.Jobs, log: room.Log,
		keys: seal.NewKeys(inside), kms: kms.NewClient(inside), s3: s3.NewClient(inside), sts: sts.NewClient(inside),
		pager: resource.NewPager(room.Root.Derive("proton page tokens")),
		now:   time.Now, watching: make(chan struct{}, maxWatching),
	}
	s.tokens = s.newTokens(room)
	var err error
	if s.deliverer, err = s.newDeliverer(room); err != nil {
		return nil, err
	}
	s.handleJobs()
	return s, nil
}

// Service returns what the gateway and the house need to know of s.
func (s *Service) Service() *service.Service {
	return &service.Service{API: api.API, Impl: s, Target: s.target}
}

// at returns the time as resources keep it.
func (s *Service) at() *time.Time {
	t := s.now().UTC().Truncate(time.Millisecond)
	return &t
}
