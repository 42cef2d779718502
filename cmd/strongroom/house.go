package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"

	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/gateway"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/service/iam"
	"github.com/strongroom/strongroom/service/sts"
	"github.com/strongroom/strongroom/store"
)

// house is a data directory that has been opened: every part of Strongroom, joined.
type house struct {
	cfg      *config
	log      *slog.Logger
	root     *rootkey.Key
	db       *store.File
	blobs    *heldBlobs
	audit    *audit.Log
	gateway  *gateway.Gateway
	iam      *iam.Service
	services []*service.Service
	queues   []*job.Queue
	settings settings
	outside  service.KeyStores // key stores that the house can reach

	receivers service.AlertReceivers  // of alerts, that the house can reach
	metrics   *service.MetricsBackend // that keeps workspaces; nil for none
}

// settings are what a house remembers of how it was first started.
type settings struct {
	Regions []string `json:"regions"` // the home region first
}

// Names of what lies in a data directory.
const (
	sealName  = "seal.json"
	storeName = "store"
	blobsName = "blobs"
	auditName = "audit"
	tlsName   = "tls"

	foldersName = "services" // a folder for each service that keeps something outside the store
)

func (c *config) path(name string) string { return filepath.Join(c.Data, name) }

// openHouse opens everything that lies in the data directory, and the services over it.
// Nothing is served and no job runs yet.
func openHouse(ctx context.Context, cfg *config, root *rootkey.Key, log *slog.Logger) (h *house, err error) {
	h = &house{cfg: cfg, log: log, root: root}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
			h = nil
		}
	}()
	if h.outside, err = cfg.KeyStores.open(); err != nil {
		return h, err
	}
	if h.receivers, err = cfg.Receivers.open(); err != nil {
		return h, err
	}
	if h.metrics, err = openMetricsBackend(cfg.MetricsBackend); err != nil {
		return h, err
	}
	if err = h.openRecords(ctx); err != nil {
		return h, err
	}
	dir, err := blob.OpenDir(cfg.path(blobsName))
	if err != nil {
		return h, err
	}
	h.blobs = &heldBlobs{Dir: dir}
	if err = h.openGateway(); err != nil {
		return h, err
	}
	return h, h.openServices(ctx)
}

// openRecords opens the store, with what the house remembers, and the audit log.
func (h *house) openRecords(ctx context.Context) (err error) {
	if h.db, err = store.OpenFile(h.cfg.path(storeName), h.root, store.Options{Log: h.log.With("part", storeName)}); err != nil {
		return err
	}
	if err := h.loadSettings(ctx); err != nil {
		return err
	}
	h.audit, err = audit.Open(h.cfg.path(auditName), h.root, h.log)
	return err
}

// openGateway makes the gateway, with no services behind it yet.
func (h *house) openGateway() error {
	names := gateway.LocalNames(h.cfg.Names...)
	for _, host := range h.cfg.BucketHosts {
		names = append(names, host, "*."+host)
	}
	certificate, err := h.certificate(names)
	if err != nil {
		return err
	}
	durability := gateway.WaitAll
	if h.cfg.Reads == "written" {
		durability = gateway.WaitWrite
	}
	h.gateway, err = gateway.New(gateway.Config{
		Regions: h.settings.Regions, Audit: h.audit, Durability: durability, Certificate: certificate,
		Hosts: h.cfg.BucketHosts, Limits: h.cfg.Limits.gateway(), Log: h.log,
	})
	return err
}

// certificate is the operator's where one is given, and else the local authority's.
func (h *house) certificate(names []string) (gateway.CertificateSource, error) {
	if h.cfg.Certificate != "" {
		files, err := gateway.OpenCertificate(h.cfg.Certificate, h.cfg.Key, h.log)
		if err != nil {
			return nil, err
		}
		return files.Certificate, nil
	}
	authority, err := gateway.OpenAuthority(h.cfg.path(tlsName), h.root, names)
	if err != nil {
		return nil, err
	}
	return authority.Certificate, nil
}

// openServices opens every service in its own room. iam and sts come first: they are the
// directory that the gateway asks who calls and what he may do.
func (h *house) openServices(ctx context.Context) (err error) {
	if h.iam, err = iam.Open(ctx, h.room("iam")); err != nil {
		return fmt.Errorf("iam: %w", err)
	}
	tokens, err := sts.Open(ctx, h.room("sts"), h.iam)
	if err != nil {
		return fmt.Errorf("sts: %w", err)
	}
	if err := h.gateway.SetDirectory(gateway.Directory{Keys: tokens, Principals: tokens, Policies: tokens}); err != nil {
		return err
	}
	h.services = []*service.Service{h.iam.Service(), tokens.Service()}
	for _, s := range services {
		opened, err := s.open(ctx, h.room(s.name))
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		h.services = append(h.services, opened)
	}
	return h.gateway.Add(h.services...)
}

// room is what the service called name is given.
func (h *house) room(name string) *service.Room {
	own := store.Sub(h.db, name+"/")
	queue := job.Open(own, h.log.With("service", name))
	h.queues = append(h.queues, queue)
	room := &service.Room{
		Regions: h.settings.Regions, Store: own, Blobs: h.blobs, Jobs: queue, Audit: h.audit, Root: h.root,
		Log: h.log.With("service", name), Inside: h.gateway.Inside, Authorize: h.gateway.Authorize, Quotas: h.cfg.Quotas[name],
		KeyStores: h.outside, AlertReceivers: h.receivers, GitConnections: h.cfg.GitConnections, ScrapeAddresses: h.cfg.ScrapeAddresses,
		MetricsBackend: h.metrics,
		Folder: func() (string, error) {
			dir := filepath.Join(h.cfg.path(foldersName), name)
			return dir, durable.MkdirAll(dir, 0o700)
		},
	}
	if h.iam != nil { // which comes first, and asks itself
		room.Principals = h.iam
	}
	return room
}

// run runs the jobs of all services until ctx ends.
func (h *house) run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, q := range h.queues {
		wg.Go(func() { q.Run(ctx) })
	}
	wg.Wait()
}

// Close closes what was opened, the last first. The root key stays with the caller.
func (h *house) Close() error {
	var errs []error
	for _, s := range slices.Backward(h.services) {
		if s.Close != nil {
			errs = append(errs, s.Close())
		}
	}
	if h.audit != nil {
		errs = append(errs, h.audit.Close())
	}
	if h.blobs != nil {
		errs = append(errs, h.blobs.Close())
	}
	if h.db != nil {
		errs = append(errs, h.db.Close())
	}
	return errors.Join(errs...)
}

var settingsKey = []byte("house/settings")

// loadSettings reads what the house remembers. Regions that the operator names and the house
// does not serve yet are added; the home region never changes, because names hold it.
func (h *house) loadSettings(ctx context.Context) error {
	return h.db.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		value, err := tx.Get(settingsKey)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return err
		default:
			if err := json.Unmarshal(value, &h.settings); err != nil {
				return fmt.Errorf("settings of the house: %w", err)
			}
		}
		known := len(h.settings.Regions)
		for _, r := range h.cfg.Regions {
			if !slices.Contains(h.settings.Regions, r) {
				h.settings.Regions = append(h.settings.Regions, r)
			}
		}
		if len(h.settings.Regions) == 0 {
			h.settings.Regions = []string{defaultRegion}
		}
		if len(h.settings.Regions) == known {
			return nil
		}
		if value, err = json.Marshal(h.settings); err != nil {
			return err
		}
		return tx.Put(settingsKey, value)
	})
}
