package amp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/idempotency"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/service/amp/prom"
	"github.com/strongroom/strongroom/service/amp/scrape"
	"github.com/strongroom/strongroom/service/amp/series"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/service/amp/vend"
	"github.com/strongroom/strongroom/store"
)

// principal is the name under which the service calls others.
const principal = "aps.amazonaws.com"

// Service answers the operations of Managed Prometheus. Its methods may be called together.
type Service struct {
	api.Unimplemented

	db      store.DB
	jobs    *job.Queue
	log     *slog.Logger
	keys    seal.Keys    // for the service itself
	kms     *kms.Client  // for the caller, or with service.AsService for the service
	logs    *logs.Client // for the caller
	vend    *vend.Queue  // of log records, which it delivers as vend.Principal
	pager   *resource.Pager
	tokens  *idempotency.Tokens
	now     func() time.Time
	memo    *store.Memo[*workspace]
	tenants *tenant.Tenants
	room    *service.Room

	cluster  *elsewhere // nil for none
	alerting *alerting
	scrapers *scrape.Runner
	scraping sync.Mutex // who says which scrapers run
}

var _ api.Service = (*Service)(nil)

// Open opens the service in its room. No workspace is opened yet.
func Open(ctx context.Context, room *service.Room) (*Service, error) {
	inside := room.Inside(principal)
	addresses, err := scrape.ParseAddresses(room.ScrapeAddresses)
	if err != nil {
		return nil, err
	}
	s := &Service{
		db: room.Store, jobs: room.Jobs, log: room.Log, keys: seal.NewKeys(inside), kms: kms.NewClient(inside),
		pager: resource.NewPager(room.Root.Derive("amp page tokens")), now: time.Now, room: room,
		scrapers: scrape.NewRunner(addresses), logs: logs.NewClient(inside), vend: vend.New(room.Inside(vend.Principal), room.Log),
	}
	if s.cluster, err = openCluster(room); err != nil {
		return nil, err
	}
	s.memo = store.NewMemo(s.db, loadWorkspace, store.MemoOptions{})
	s.tenants = tenant.New(tenant.Options{
		Directory: (*directory)(s), Store: room.Store, Blobs: room.Blobs, Invoker: inside, Log: room.Log,
		Marks:  room.Root.Derive("amp block marks"),
		Folder: room.Folder, Memory: func() (string, error) { return memory(room.Folder) },
	})
	s.tokens = s.newTokens(room)
	s.handleJobs()
	if s.alerting, err = newAlerting(s, room.AlertReceivers); err == nil {
		err = errors.Join(s.warnOfKept(ctx), s.writeOverrides(ctx), s.startUpkeep(ctx), s.alerting.start(ctx))
	}
	if err != nil {
		s.vend.Close()
		s.memo.Close()
		return nil, err
	}
	return s, nil
}

// memory makes the folder in memory for the chunk files of heads. Its name follows from that of the service's folder, so
// that what a house which was killed has left there is found and removed by the same house only.
func memory(folder func() (string, error)) (string, error) {
	dir, err := folder()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(dir))
	return series.Memory(series.DefaultMemory, "strongroom-amp-"+hex.EncodeToString(sum[:12]))
}

// Service returns what the gateway and the house need to know of s.
func (s *Service) Service() *service.Service {
	return &service.Service{
		API: api.API, Impl: s, Target: s.target, Check: s.check, Hold: s.tenants.Hold, Copy: s.tenants.Copy, Close: s.close,
		Data: &service.Service{API: dataAPI, Impl: &data{s: s, apis: make(map[*tenant.Tenant]*prom.API)}, Target: s.dataTarget},
	}
}

// check authenticates what is kept of all workspaces.
func (s *Service) check(ctx context.Context, tell func(string)) error {
	all, err := s.allWorkspaces(ctx)
	if err != nil {
		return err
	}
	return s.tenants.Check(ctx, all, tell)
}

func (s *Service) close() error {
	s.alerting.close()
	s.scrapers.Close()
	s.vend.Close()
	s.memo.Close()
	if s.cluster != nil {
		s.cluster.Close()
	}
	return s.tenants.Close()
}

// at returns the time as resources keep it.
func (s *Service) at() time.Time { return s.now().UTC().Truncate(time.Millisecond) }
