package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/protocol"
)

// Principals finds who an access key belongs to. Calls may run together.
type Principals interface {
	// Principal returns the owner of an access key whose signature has been proven. The
	// errors are those of sigv4.Keys.
	Principal(ctx context.Context, accessKeyID, sessionToken string) (*identity.Principal, error)
}

// Policies finds what bears on what a principal may do. Calls may run together.
type Policies interface {
	// Policies returns the Identity, Boundary, Session and Ceilings of p; the other fields
	// are the gateway's. The Set is shared: nobody changes it.
	Policies(ctx context.Context, p *identity.Principal) (*policy.Set, error)
}

// Directory knows who there is. The services iam and sts fulfil it.
type Directory struct {
	Keys       sigv4.Keys
	Principals Principals
	Policies   Policies
}

// Durability says which calls wait for their record to be on disk before they answer.
type Durability uint8

// The settings. Whatever changes something, and every use of a key, waits under both.
const (
	WaitAll   Durability = iota // every call waits
	WaitWrite                   // plain reads answer once their record is written, not yet synced
)

// Config is what a Gateway is made of. Regions and Audit must be given.
type Config struct {
	Regions     []string // the regions the house serves; the first is its home
	Audit       audit.Sink
	Durability  Durability
	Certificate CertificateSource // for Serve
	// Hosts are the names below which buckets have names of their own: with "s3.example.org",
	// a request to photos.s3.example.org means the bucket photos.
	Hosts     []string
	Directory Directory          // may be given later, with SetDirectory
	Services  []*service.Service // more may be added, with Add
	Limits    Limits
	Log       *slog.Logger                // operator's log; nil discards
	Metrics   *prometheus.Registry        // nil for one of its own
	Healthy   func(context.Context) error // what /healthz asks beside the gateway; may be nil
}

// Gateway is the one door of a house. Its methods may be called together.
type Gateway struct {
	regions     []string
	audit       audit.Sink
	durability  Durability
	certificate CertificateSource
	hosts       []string
	limits      Limits
	log         *slog.Logger
	stats       *metrics
	healthy     func(context.Context) error
	gate        gate
	draining    atomic.Bool

	house atomic.Pointer[house] // replaced as a whole

	mu        sync.Mutex // of what follows, and for who replaces house
	servers   []*http.Server
	operators []*http.Server // of the operator's listeners
}

// New makes a Gateway. It fails when something is missing, or when a service's types do not
// fit its description.
func New(c Config) (*Gateway, error) {
	if len(c.Regions) == 0 || c.Audit == nil {
		return nil, errors.New("gateway: a house needs a region and an audit log")
	}
	g := &Gateway{
		regions: slices.Clone(c.Regions), audit: c.Audit, durability: c.Durability, certificate: c.Certificate,
		limits: c.Limits.withDefaults(), log: c.Log, healthy: c.Healthy,
	}
	for _, host := range c.Hosts {
		g.hosts = append(g.hosts, "."+trimHost(host))
	}
	slices.SortFunc(g.hosts, func(a, b string) int { return len(b) - len(a) }) // the most specific first
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	g.gate.max = int64(g.limits.Calls)
	g.stats = newMetrics(c.Metrics, &g.gate)
	g.house.Store(&house{rooms: map[*wire.Service]*room{}, signing: map[string][]*room{}, targets: map[string]*room{}})
	if c.Directory != (Directory{}) {
		if err := g.SetDirectory(c.Directory); err != nil {
			return nil, err
		}
	}
	return g, g.Add(c.Services...)
}

// house is what the gateway knows of who there is and of the services. It is immutable.
type house struct {
	Directory
	verifier *sigv4.Verifier
	rooms    map[*wire.Service]*room
	signing  map[string][]*room // by the service of credential scopes
	targets  map[string]*room   // by the prefix of X-Amz-Target
	query    []*room            // those that speak Query
	raws     []*room            // those that speak Raw
	objects  *room              // the one that speaks REST-XML, to which unsigned requests go; nil for none
}

func (h *house) clone() *house {
	c := *h
	c.rooms, c.signing, c.targets = maps.Clone(h.rooms), maps.Clone(h.signing), maps.Clone(h.targets)
	c.query, c.raws = slices.Clone(h.query), slices.Clone(h.raws)
	return &c
}

// room is a service behind the gateway.
type room struct {
	*service.Service
	codec wire.Codec
	doors map[*wire.Operation]*door
	large bool // an operation has a bound of its own for its body
}

// door is an operation of a room.
type door struct {
	op          *wire.Operation
	room        *room
	implemented bool
	streamsIn   bool
	streamsOut  bool
	metrics     lazyMetrics
}

// SetDirectory says who there is. Before it, every signed request fails. Nothing of d may be missing.
func (g *Gateway) SetDirectory(d Directory) error {
	if d.Keys == nil || d.Principals == nil || d.Policies == nil {
		return errors.New("gateway: the directory is incomplete")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.house.Load().clone()
	h.Directory, h.verifier = d, sigv4.NewVerifier(d.Keys)
	g.house.Store(h)
	return nil
}

// Add puts services behind the gateway: from then on their calls are served, from outside and
// from inside. It fails when a service's Go types do not fit its description.
func (g *Gateway) Add(services ...*service.Service) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.house.Load().clone()
	for _, s := range services {
		if err := h.add(s); err != nil {
			return err
		}
		if s.Data == nil {
			continue
		}
		if err := h.add(s.Data); err != nil {
			return err
		}
	}
	g.house.Store(h)
	return nil
}

func (h *house) add(s *service.Service) error {
	api := s.API
	codec, err := protocol.New(api)
	if err != nil {
		return fmt.Errorf("gateway: %s: %w", api.Name, err)
	}
	if h.rooms[api] != nil {
		return fmt.Errorf("gateway: %s: added twice", api.Name)
	}
	r := &room{Service: s, codec: codec, doors: make(map[*wire.Operation]*door, len(api.Operations))}
	for _, op := range api.Operations {
		r.doors[op] = &door{
			op: op, room: r, implemented: op.Invoke != nil && (api.Protocol == wire.Raw || wire.Implemented(s.Impl, op)),
			streamsIn: op.StreamsInput(), streamsOut: op.StreamsOutput(),
		}
		r.large = r.large || op.MaxBody > 0
	}
	h.rooms[api] = r
	h.signing[api.SigningName] = append(h.signing[api.SigningName], r)
	switch api.Protocol {
	case wire.JSON10, wire.JSON11:
		h.targets[api.Target()] = r
	case wire.Query:
		h.query = append(h.query, r)
	case wire.RESTXML:
		h.objects = r
	case wire.Raw:
		h.raws = append(h.raws, r)
	}
	return nil
}
