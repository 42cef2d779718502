package amp

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/store"
)

// The kinds of work in the background.
const (
	jobDelete = "delete" // of a workspace
	jobJoin   = "join"   // of a new workspace, the cluster
	jobUpkeep = "upkeep" // blocks, retention, idle workspaces

	jobAlerting = "alerting" // rules and alert managers begin
)

// upkeepEvery is how often workspaces are looked after.
const upkeepEvery = time.Minute

func (s *Service) handleJobs() {
	s.jobs.Handle(jobDelete, s.finishDelete)
	s.jobs.Handle(jobJoin, s.join)
	s.tokens.Handle()
	s.jobs.Handle(jobUpkeep, s.upkeep)
	s.jobs.Handle(jobAlerting, func(ctx context.Context, j job.Job) error { return s.alerting.begin(ctx, j) })
}

// startUpkeep sees to it that there is a job of upkeep, which also starts the scrapers.
func (s *Service) startUpkeep(ctx context.Context) error {
	return s.db.Update(ctx, store.TxID{}, func(tx store.Tx) error { return s.planUpkeep(tx, 0) })
}

func (s *Service) planUpkeep(tx store.Tx, later time.Duration) error {
	return s.jobs.Schedule(tx, job.Job{Kind: jobUpkeep, Due: s.now().Add(later)})
}

// upkeep looks after all workspaces, and plans the next time.
func (s *Service) upkeep(ctx context.Context, _ job.Job) error {
	all, err := s.allWorkspaces(ctx)
	if err != nil {
		return err
	}
	s.syncScrapers(ctx)
	s.refreshOverrides(ctx)
	s.tenants.Upkeep(ctx, all)
	return s.db.Update(ctx, store.TxID{}, func(tx store.Tx) error { return s.planUpkeep(tx, upkeepEvery) })
}

// allWorkspaces lists the workspaces of all accounts.
func (s *Service) allWorkspaces(ctx context.Context) (all []tenant.ID, err error) {
	err = s.db.View(ctx, func(r store.Reader) error {
		all = nil
		scan := store.Prefix([]byte("w" + sep))
		scan.KeysOnly = true
		for rec, err := range r.Scan(scan) {
			if err != nil {
				return err
			}
			parts := strings.Split(string(bytes.TrimPrefix(rec.Key, scan.From)), sep)
			if len(parts) != 3 {
				return fmt.Errorf("key of a workspace %q", rec.Key)
			}
			all = append(all, tenant.ID{Region: parts[0], Account: parts[1], Workspace: parts[2]})
		}
		return nil
	})
	return all, err
}

// jobID names a workspace in a job.
func jobID(id tenant.ID) string { return id.Region + "/" + id.Account + "/" + id.Workspace }

func idOfJob(name string) (tenant.ID, error) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 {
		return tenant.ID{}, fmt.Errorf("job of a workspace %q", name)
	}
	return tenant.ID{Region: parts[0], Account: parts[1], Workspace: parts[2]}, nil
}
