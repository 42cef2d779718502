package proton

import (
	"context"
	"errors"
	"fmt"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
)

// Limits of command runs.
const (
	leaseTime  = 60 * time.Second // without a report, a runner is gone
	runTime    = 55 * time.Minute // the credentials hold for an hour
	waitTime   = 8 * time.Hour    // for a runner to take a job, as CodeBuild queues builds
	runPoll    = 10 * time.Second // how often a lease is looked at
	maxPieces  = 4096             // of a log; what is more is not kept
	maxLogSize = 32 << 20
)

// run is the record of a deployment's commands: waiting for a runner, taken by one, or done. It is sealed as the
// deployment is. Times and counts change with every report and are not sealed.
type run struct {
	Deployment string
	Phase      runPhase
	Made       time.Time
	Lease      []byte // SHA-256 of the lease's token
	By, Runner string // who took it: principal, and the name it gave
	Until      time.Time
	Cancel     bool
	Next       int   // number of the next piece of the log
	Size       int64 // of the log
	Status     api.DeploymentStatus
	Message    string       `sealed:"yes"`
	Outputs    []api.Output `sealed:"yes"`
}

type runPhase string

const (
	runWaiting runPhase = "waiting"
	runTaken   runPhase = "taken"
	runDone    runPhase = "done"
)

// logPiece is a piece of what the commands printed.
type logPiece struct {
	Text []byte `sealed:"yes"`
}

// byRunner delivers by having a runner run the template's commands.
type byRunner struct{ s *Service }

var _ Deliverer = byRunner{}

// commands are those of a delivery.
func (d *Delivery) commands() []string {
	switch {
	case d.Part == nil || d.Part.Settings == nil:
		return nil
	case d.Delete:
		return d.Part.Settings.Deprovision
	}
	return d.Part.Settings.Provision
}

// Deliver offers the commands to runners, and looks what became of them.
func (b byRunner) Deliver(ctx context.Context, d *Delivery) (Progress, error) {
	p := place{d.Region, d.Account}
	rec, err := get[run](ctx, b.s, runKey(p, d.ID))
	if errors.Is(err, store.ErrNotFound) {
		return b.offer(ctx, p, d)
	}
	if err != nil {
		return Progress{}, err
	}
	v, now := &rec.V, b.s.now()
	switch {
	case v.Phase == runDone:
		return Progress{Status: v.Status, Message: v.Message, Outputs: v.Outputs}, nil
	case v.Phase == runWaiting && d.Cancel:
		return b.end(ctx, p, d, v, "")
	case v.Phase == runWaiting && now.Sub(v.Made) > waitTime:
		return b.end(ctx, p, d, v, fmt.Sprintf("No runner has taken the commands within %d hours.", int(waitTime.Hours())))
	case v.Phase == runWaiting:
		return Progress{Status: api.DeploymentStatusInProgress, Again: time.Minute}, nil
	case now.After(v.Until):
		return b.end(ctx, p, d, v, fmt.Sprintf("The runner %s has stopped answering while it ran the commands; what they had done by then is not known.", v.Runner))
	case d.Cancel && !v.Cancel:
		_, err := edit[run]{key: rec.key, closed: true, change: func(r *record[run]) error { r.V.Cancel = true; return nil }}.apply(ctx, b.s)
		if err != nil {
			return Progress{}, err
		}
	}
	return Progress{Status: api.DeploymentStatusInProgress, Message: "The runner " + v.Runner + " runs the commands.", Again: runPoll}, nil
}

// offer makes the commands wait for a runner.
func (b byRunner) offer(ctx context.Context, p place, d *Delivery) (Progress, error) {
	if d.Cancel {
		return Progress{Status: api.DeploymentStatusCancelled}, nil
	}
	if len(d.commands()) == 0 {
		return Progress{Status: api.DeploymentStatusSucceeded}, nil
	}
	if set := d.Part.Settings; set.Secrets != nil && set.Secrets.Len() > 0 {
		return ends(d, "The manifest names secrets under env.secrets_manager, which a runner does not have."), nil
	}
	rec, err := plain[deployment](ctx, b.s, key("de", p, d.ID))
	if err != nil {
		return Progress{}, err
	}
	r := &record[run]{head: head{Template: rec.Template, Resource: rec.Resource, Key: rec.Key}, key: runKey(p, d.ID), V: run{Deployment: d.ID, Phase: runWaiting, Made: b.s.now()}}
	w, err := prepare(ctx, b.s, r)
	if err != nil {
		return Progress{}, err
	}
	err = b.s.update(ctx, func(tx store.Tx) error {
		if found, err := store.Exists(tx, r.key); err != nil || found {
			return err
		}
		if err := tx.Put(waitingKey(p, d.ID), nil); err != nil {
			return err
		}
		return w.put(tx)
	})
	return Progress{Status: api.DeploymentStatusInProgress, Message: "The commands wait for a runner.", Again: time.Minute}, err
}

// end gives up commands that nobody is to report on any more, unless something has happened to them meanwhile.
func (b byRunner) end(ctx context.Context, p place, d *Delivery, seen *run, message string) (Progress, error) {
	pr := ends(d, message)
	_, err := edit[run]{
		key: runKey(p, d.ID),
		change: func(r *record[run]) error {
			if r.V.Phase != seen.Phase || r.V.Until != seen.Until {
				return errChanged
			}
			r.V.Phase, r.V.Status, r.V.Message, r.V.Lease = runDone, pr.Status, message, nil
			return nil
		},
		also: func(tx store.Tx, _, _ *record[run]) error { return tx.Delete(waitingKey(p, d.ID)) },
	}.apply(ctx, b.s)
	if errors.Is(err, errChanged) {
		return Progress{Status: api.DeploymentStatusInProgress, Again: time.Second}, nil
	}
	return pr, err
}

func runKey(p place, id string) []byte     { return key("rj", p, id) }
func waitingKey(p place, id string) []byte { return key("rw", p, id) }
func logKey(p place, id string, n int) []byte {
	return key("rl", p, id, fmt.Sprintf("%06d", n))
}

const jobUnlog = "unlog"

// removeRun forgets a deployment's commands in a transaction, and their log after it.
func (s *Service) removeRun(tx store.Tx, p place, id string) error {
	found, err := store.Exists(tx, runKey(p, id))
	if err != nil || !found {
		return err
	}
	if err := remove(tx, runKey(p, id)); err != nil {
		return err
	}
	if err := tx.Delete(waitingKey(p, id)); err != nil {
		return err
	}
	return s.jobs.Schedule(tx, job.Job{Kind: jobUnlog, ID: p.region + "/" + p.account + "/" + id, Due: s.now(), Payload: within("rl", p, id)})
}

// unlog deletes a log, some pieces at a time.
func (s *Service) unlog(ctx context.Context, j job.Job) error {
	const batch = 50
	for {
		n := 0
		err := s.update(ctx, func(tx store.Tx) error {
			scan := store.Prefix(j.Payload)
			scan.KeysOnly, scan.Limit = true, batch
			var keys [][]byte
			for r, err := range tx.Scan(scan) {
				if err != nil {
					return err
				}
				keys = append(keys, append([]byte(nil), r.Key...))
			}
			n = len(keys)
			for _, k := range keys {
				if err := remove(tx, k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || n < batch {
			return err
		}
	}
}
