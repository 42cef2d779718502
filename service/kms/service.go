package kms

import (
	"context"
	"weak"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/service/kms/xks"
)

// Service is the key service of a house. Its operations may be called together.
type Service struct {
	api.Unimplemented
	room *service.Room
	memos
	documents documents
	pages     *resource.Pager // tokens of listings
	tokens    *resource.Pager // grant tokens
	quotas    *quotas         // nil for none
	imports   secret.Bytes    // key of import tokens
	uses      uses
	allowAll  *policy.Document
	proxies   *xks.Transport // to external key store proxies
	makers    chan struct{}  // a place for each key that is in the making
	sessions  sessions       // of tokens that stand for CloudHSM clusters
}

// Open returns the key service over room.Store. It reads nothing: keys are read when they
// are first used, so that the number of keys does not matter to a start.
func Open(_ context.Context, room *service.Room) (*Service, error) {
	if room.Principals == nil {
		return nil, internal("nobody to ask who there is")
	}
	s := &Service{
		room:    room,
		pages:   resource.NewPager(room.Root.Derive("kms page tokens")),
		tokens:  resource.NewPager(room.Root.Derive("kms grant tokens")),
		imports: room.Root.Derive("kms import tokens"),
		makers:  newMakers(),
	}
	outside := room.KeyStores
	s.proxies = xks.NewTransport(xks.Options{Roots: outside.Roots, Addresses: outside.Addresses, Timeout: outside.Timeout})
	s.sessions.open = make(map[string]*tokenSession)
	s.documents.byText = make(map[string]weak.Pointer[policy.Document])
	var err error
	if s.quotas, err = openQuotas(room.Quotas); err != nil {
		return nil, err
	}
	if s.allowAll, err = policy.Parse([]byte(allowAllText), policy.Identity); err != nil {
		return nil, internal("policy of the lock-out check: %w", err)
	}
	s.openMemos()
	s.handleJobs()
	return s, nil
}

// Service returns s as the gateway sees it.
func (s *Service) Service() *service.Service {
	return &service.Service{API: api.API, Impl: s, Target: s.Target, Rewrap: s.rewrapRoot, Close: s.close}
}

func (s *Service) close() error {
	s.memos.close()
	s.proxies.Close()
	s.sessions.close()
	return s.writeUses(context.Background())
}
