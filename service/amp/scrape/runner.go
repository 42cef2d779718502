package scrape

import (
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	upstream "github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/logging"
)

// Runner runs scrapers. Its methods may be called together.
type Runner struct {
	addresses Addresses

	mu   sync.Mutex
	runs map[string]*run
}

// run is a scraper that runs one revision of its configuration.
type run struct {
	revision string
	manager  *upstream.Manager
	done     sync.WaitGroup
}

// NewRunner returns a Runner that connects to some addresses only.
func NewRunner(addresses Addresses) *Runner {
	return &Runner{addresses: addresses, runs: make(map[string]*run)}
}

// Revision returns the revision of the configuration that a scraper runs, or "" when it does not run.
func (r *Runner) Revision(id string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := r.runs[id]; x != nil {
		return x.revision
	}
	return ""
}

// Start runs a scraper, in the place of the one with the same id. What it scrapes goes to the appendable, whose appenders fail
// while nothing can be taken.
// told is told of what goes wrong; nil for nobody. It must be quick.
func (r *Runner) Start(id, revision string, c *Config, to storage.AppendableV2, told func(Event)) error {
	r.Stop(id)
	o := &upstream.Options{
		AppendMetadata: true, DiscoveryReloadInterval: model.Duration(minInterval), DiscoveryReloadOnStartup: true,
		HTTPClientOptions: []commonconfig.HTTPClientOption{commonconfig.WithDialContextFunc(r.addresses.dial)},
	}
	noLog := func(string) (*logging.JSONFileLogger, error) { return nil, nil }
	log := slog.New(slog.DiscardHandler)
	if told != nil {
		log = slog.New(&listener{told: told})
	}
	m, err := upstream.NewManager(o, log, noLog, nil, to, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	if err := m.ApplyConfig(c.whole); err != nil {
		return err
	}
	sets := make(chan map[string][]*targetgroup.Group, 1)
	sets <- c.targets
	x := &run{revision: revision, manager: m}
	x.done.Go(func() { _ = m.Run(sets) })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs[id] = x
	return nil
}

// Stop ends a scraper, if it runs, and waits until nothing more comes of it.
func (r *Runner) Stop(id string) {
	r.mu.Lock()
	x := r.runs[id]
	delete(r.runs, id)
	r.mu.Unlock()
	if x != nil {
		x.manager.Stop()
		x.done.Wait()
	}
}

// IDs lists the scrapers that run.
func (r *Runner) IDs() (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.runs {
		ids = append(ids, id)
	}
	return ids
}

// Close ends all scrapers.
func (r *Runner) Close() {
	for _, id := range r.IDs() {
		r.Stop(id)
	}
}
