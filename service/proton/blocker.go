package proton

import (
	"context"
	"errors"
	"slices"
	"strings"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// blocker is what keeps an instance from being synchronized, or all of a service, until somebody
// says that it is resolved. It is made when somebody changes by hand what a repository says (AWS Proton
// user guide, "Service sync configurations", Blockers).
type blocker struct {
	api.SyncBlocker
	Service, Instance string // Instance is "" for all of them
}

// maxBlockers bounds the blockers that are kept of a service; those that are resolved go first.
const maxBlockers = 100

// block makes a blocker in the transaction of a change by hand, where the service is synchronized.
func (s *Service) block(tx store.Tx, p place, service, instance, reason string) error {
	synced, err := store.Exists(tx, key("sy", p, service))
	if err != nil || !synced {
		return err
	}
	all, err := blockersOf(tx, p, service)
	if err != nil {
		return err
	}
	for i := len(all) - 1; i >= 0; i-- { // oldest first
		b := all[i]
		switch {
		case b.V.Status == api.BlockerStatusActive && b.V.Instance == instance:
			return nil
		case b.V.Status != api.BlockerStatusActive && i >= maxBlockers-1:
			if err := remove(tx, b.key); err != nil {
				return err
			}
		}
	}
	id := newID()
	contexts := []api.SyncBlockerContext{{Key: wire.Ptr("SERVICE_NAME"), Value: &service}}
	if instance != "" {
		contexts = append(contexts, api.SyncBlockerContext{Key: wire.Ptr("SERVICE_INSTANCE_NAME"), Value: &instance})
	}
	rec := &record[blocker]{key: key("bl", p, service, id), V: blocker{Service: service, Instance: instance, SyncBlocker: api.SyncBlocker{
		Id: &id, Type: api.BlockerTypeAutomated, Status: api.BlockerStatusActive, CreatedAt: s.at(), CreatedReason: &reason, Contexts: contexts,
	}}}
	return rec.putPlain(tx)
}

// blockersOf are the blockers of a service, the newest first.
func blockersOf(r store.Reader, p place, service string) (all []*record[blocker], err error) {
	for b, err := range each[blocker](r, within("bl", p, service)) {
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	slices.SortStableFunc(all, func(a, b *record[blocker]) int { return b.V.CreatedAt.Compare(*a.V.CreatedAt) })
	return all, nil
}

// blocked reports whether something keeps an instance from being synchronized.
func (s *Service) blocked(ctx context.Context, p place, service, instance string) (blocked bool, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		all, err := blockersOf(r, p, service)
		blocked = slices.ContainsFunc(all, func(b *record[blocker]) bool {
			return b.V.Status == api.BlockerStatusActive && (b.V.Instance == "" || b.V.Instance == instance)
		})
		return err
	})
	return blocked, err
}

// GetServiceSyncBlockerSummary lists what keeps a service from being synchronized, or one of its
// instances alone.
func (s *Service) GetServiceSyncBlockerSummary(ctx context.Context, in *api.GetServiceSyncBlockerSummaryInput) (*api.GetServiceSyncBlockerSummaryOutput, error) {
	p, v := here(ctx), &api.ServiceSyncBlockerSummary{ServiceName: in.ServiceName, ServiceInstanceName: in.ServiceInstanceName}
	err := s.db.View(ctx, func(r store.Reader) error {
		v.LatestBlockers = []api.SyncBlocker{}
		if err := absentRecord(r, key("se", p, wire.Val(in.ServiceName)), notFound("service", wire.Val(in.ServiceName))); err != nil {
			return err
		}
		all, err := blockersOf(r, p, wire.Val(in.ServiceName))
		for _, b := range all {
			if b.V.Instance == wire.Val(in.ServiceInstanceName) {
				v.LatestBlockers = append(v.LatestBlockers, b.V.SyncBlocker)
			}
		}
		return err
	})
	return &api.GetServiceSyncBlockerSummaryOutput{ServiceSyncBlockerSummary: v}, err
}

// UpdateServiceSyncBlocker says that a blocker is resolved. What the repository says counts from now on.
func (s *Service) UpdateServiceSyncBlocker(ctx context.Context, in *api.UpdateServiceSyncBlockerInput) (*api.UpdateServiceSyncBlockerOutput, error) {
	p, out := here(ctx), &api.UpdateServiceSyncBlockerOutput{}
	missing := notFound("service sync blocker", wire.Val(in.Id))
	err := s.update(ctx, func(tx store.Tx) error {
		rest, err := store.KeysBelow(tx, within("bl", p), 0)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(rest, func(name string) bool { return strings.HasSuffix(name, sep+wire.Val(in.Id)) })
		if at < 0 {
			return missing
		}
		rec, err := peek[blocker](tx, append(within("bl", p), rest[at]...))
		if err != nil {
			return err
		}
		rec.V.Status, rec.V.ResolvedReason, rec.V.ResolvedAt = api.BlockerStatusResolved, in.ResolvedReason, s.at()
		v := rec.V.SyncBlocker
		out.ServiceSyncBlocker, out.ServiceName = &v, &rec.V.Service
		if rec.V.Instance != "" {
			out.ServiceInstanceName = &rec.V.Instance
		}
		if err := rec.putPlain(tx); err != nil {
			return err
		}
		c, err := peek[api.ServiceSyncConfig](tx, key("sy", p, rec.V.Service))
		if err != nil {
			return known(err, nil)
		}
		return s.scheduleWatch(tx, p, watchOfService(&c.V))
	})
	if errors.Is(err, store.ErrNotFound) {
		err = missing
	}
	return out, err
}
