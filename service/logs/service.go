package logs

import (
	"context"
	"log/slog"
	"time"

	api "github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/store"
)

// principal is the name under which the service calls others.
const principal = "logs.amazonaws.com"

// Service answers the operations of CloudWatch Logs. Its methods may be called together.
type Service struct {
	api.Unimplemented

	db    store.DB
	blobs blob.Store
	jobs  *job.Queue
	log   *slog.Logger
	keys  seal.Keys // for the service itself
	room  *service.Room
	pager *resource.Pager
	now   func() time.Time

	policies *store.Memo[*policy.Document] // of a place, by the prefix of their keys: each call asks for them
}

var _ api.Service = (*Service)(nil)

// Open opens the service in its room.
func Open(_ context.Context, room *service.Room) (*Service, error) {
	inside := room.Inside(principal)
	s := &Service{
		db: room.Store, blobs: room.Blobs, jobs: room.Jobs, log: room.Log, keys: seal.NewKeys(inside), room: room,
		pager: resource.NewPager(room.Root.Derive("logs page tokens")), now: time.Now,
	}
	s.policies = store.NewMemo(s.db, loadPolicies, store.MemoOptions{Invalidates: stalePolicies})
	s.handleJobs()
	return s, nil
}

// Service returns what the gateway and the house need to know of s.
func (s *Service) Service() *service.Service {
	return &service.Service{API: api.API, Impl: s, Target: s.target, Close: s.close}
}

func (s *Service) close() error {
	s.policies.Close()
	return nil
}

// milliseconds is the time as CloudWatch Logs tells it.
func (s *Service) milliseconds() int64 { return s.now().UnixMilli() }
