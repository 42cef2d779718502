package proton

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// AcquireRunnerJob waits for commands of the caller's account that no runner has taken, and leases them to
// the caller: with their files, and with temporary credentials of the role they run under.
func (s *Service) AcquireRunnerJob(ctx context.Context, in *api.AcquireRunnerJobInput) (*api.AcquireRunnerJobOutput, error) {
	p := here(ctx)
	prefix := within("rw", p)
	bell := make(chan struct{}, 1)
	stop := s.db.Observe(func(changes []store.Change) {
		for _, c := range changes {
			if len(c.Key) > len(prefix) && string(c.Key[:len(prefix)]) == string(prefix) {
				select {
				case bell <- struct{}{}:
				default:
				}
				return
			}
		}
	})
	defer stop()
	end := time.NewTimer(time.Duration(wire.Val(in.WaitSeconds)) * time.Second)
	defer end.Stop()
	for {
		j, err := s.takeAny(ctx, p, wire.Val(in.RunnerName))
		if err != nil || j != nil {
			return &api.AcquireRunnerJobOutput{Job: j}, err
		}
		select {
		case <-bell:
		case <-end.C:
			return &api.AcquireRunnerJobOutput{}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// takeAny takes the first commands that can be taken; nil for none.
func (s *Service) takeAny(ctx context.Context, p place, runner string) (*api.RunnerJob, error) {
	var waiting []string
	err := s.db.View(ctx, func(r store.Reader) (err error) {
		waiting, err = store.KeysBelow(r, within("rw", p), 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, id := range waiting {
		j, err := s.take(ctx, p, id, runner)
		if err != nil || j != nil {
			return j, err
		}
	}
	return nil, nil
}

var errTaken = errors.New("another runner was faster")

// take leases one deployment's commands; nil where another was faster or they cannot be run.
func (s *Service) take(ctx context.Context, p place, id, runner string) (*api.RunnerJob, error) {
	lease := rand.Text()
	if runner == "" {
		runner = "runner"
	}
	_, err := edit[run]{
		key: runKey(p, id), closed: true,
		change: func(r *record[run]) error {
			if r.V.Phase != runWaiting {
				return errTaken
			}
			sum := sha256.Sum256([]byte(lease))
			r.V.Phase, r.V.Lease, r.V.By, r.V.Runner, r.V.Until = runTaken, sum[:], call.From(ctx).Principal.ARN, runner, s.now().Add(leaseTime)
			return nil
		},
		also: func(tx store.Tx, _, _ *record[run]) error {
			if err := tx.Delete(waitingKey(p, id)); err != nil {
				return err
			}
			return s.wakeAt(tx, p, id, s.now().Add(runPoll))
		},
	}.apply(ctx, s)
	if errors.Is(err, errTaken) || errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	j, err := s.runnerJob(ctx, p, id)
	var bad *failure
	switch {
	case errors.As(err, &bad):
		return nil, s.endRun(ctx, p, id, &api.ReportRunnerJobInput{Status: api.RunnerJobStatusFailed, StatusMessage: wire.Ptr(bad.Error())})
	case unusable(err):
		return nil, s.breakOff(ctx, p, key("de", p, id), err)
	case err != nil:
		return nil, err
	}
	j.Lease = &lease
	return j, nil
}

// wakeAt makes the next step of a deployment due at a time.
func (s *Service) wakeAt(tx store.Tx, p place, id string, at time.Time) error {
	return s.jobs.Schedule(tx, job.Job{Kind: jobDeploy, ID: p.region + "/" + p.account + "/" + id, Due: at})
}

// runnerJob is what a runner is given.
func (s *Service) runnerJob(ctx context.Context, p place, id string) (*api.RunnerJob, error) {
	rec, err := get[deployment](ctx, s, key("de", p, id))
	if err != nil {
		return nil, known(err, failed("The deployment is gone."))
	}
	d, err := s.delivery(ctx, p, rec)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, failed("There is nothing to run.")
	}
	j := &api.RunnerJob{
		DeploymentId: &id, TargetArn: &d.TargetARN, Delete: &d.Delete, Commands: d.commands(), Files: runnerFiles(d.Files),
		LeaseSeconds: wire.Ptr(int32(leaseTime / time.Second)), TimeoutSeconds: wire.Ptr(int32(runTime / time.Second)),
	}
	for name, v := range d.Variables.All() {
		if text, ok := v.(string); ok {
			j.Variables = append(j.Variables, api.RunnerVariable{Name: &name, Value: &text})
		}
	}
	if d.Role == "" {
		return j, nil
	}
	source := d.source()
	c, err := s.assume(ctx, p, d.Role, source, "AWSProton-"+id)
	var refused *wire.Error
	if errors.As(err, &refused) && !refused.Fault {
		return nil, failed("AWS Proton can't assume the role %s for %s: its trust policy must allow proton.amazonaws.com (%s).", d.Role, source, refused.Code)
	}
	if err != nil {
		return nil, err
	}
	j.Credentials = &api.RunnerCredentials{AccessKeyId: c.AccessKeyId, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Expiration: c.Expiration}
	return j, nil
}

// source is the resource for which a role is assumed: the environment, whose role it is.
func (d *Delivery) source() string {
	if d.EnvironmentARN != "" {
		return d.EnvironmentARN
	}
	return d.TargetARN
}

func runnerFiles(list []bundle.File) []api.RunnerFile {
	files := make([]api.RunnerFile, len(list))
	for i, f := range list {
		files[i] = api.RunnerFile{Path: &f.Name, Content: f.Data, Executable: &f.Exec}
		if f.Data == nil {
			files[i].Content = []byte{}
		}
	}
	return files
}

// ReportRunnerJob takes what commands have printed and how they ended, from the runner that has them, and renews its lease.
func (s *Service) ReportRunnerJob(ctx context.Context, in *api.ReportRunnerJobInput) (*api.ReportRunnerJobOutput, error) {
	p, id := here(ctx), *in.DeploymentId
	rec, err := plain[run](ctx, s, runKey(p, id))
	if err != nil {
		return nil, known(err, notFound("job", id))
	}
	if err := s.holds(ctx, &rec.V, *in.Lease); err != nil {
		return nil, err
	}
	if err := s.keepLog(ctx, p, rec, in); err != nil {
		return nil, err
	}
	if in.Status != "" {
		return &api.ReportRunnerJobOutput{Cancel: &rec.V.Cancel}, s.endRun(ctx, p, id, in)
	}
	return &api.ReportRunnerJobOutput{Cancel: &rec.V.Cancel}, nil
}

// holds refuses who has not the lease of commands that run.
func (s *Service) holds(ctx context.Context, v *run, lease string) error {
	sum := sha256.Sum256([]byte(lease))
	if v.Phase != runTaken || subtle.ConstantTimeCompare(sum[:], v.Lease) != 1 || v.By != call.From(ctx).Principal.ARN {
		return conflict("The lease of the job is over, or not yours.")
	}
	return nil
}

// keepLog writes a piece of the log, once whatever often it is sent, and renews the lease.
func (s *Service) keepLog(ctx context.Context, p place, rec *record[run], in *api.ReportRunnerJobInput) error {
	id, n := *in.DeploymentId, int(wire.Val(in.Sequence))
	var w *writing
	if len(in.Log) > 0 && n == rec.V.Next && n < maxPieces && rec.V.Size+int64(len(in.Log)) <= maxLogSize {
		piece := &record[logPiece]{head: head{Template: rec.Template, Resource: rec.Resource, Key: rec.Key}, key: logKey(p, id, n), V: logPiece{Text: in.Log}}
		var err error
		if w, err = prepare(ctx, s, piece); err != nil {
			return err
		}
	}
	_, err := edit[run]{
		key: rec.key, closed: true,
		change: func(r *record[run]) error {
			if err := s.holds(ctx, &r.V, *in.Lease); err != nil {
				return err
			}
			r.V.Until = s.now().Add(leaseTime)
			if n == r.V.Next {
				r.V.Next++
				r.V.Size += int64(len(in.Log))
			}
			return nil
		},
		also: func(tx store.Tx, before, _ *record[run]) error {
			if w == nil || before.V.Next != n {
				return nil
			}
			return w.put(tx)
		},
	}.apply(ctx, s)
	return known(err, notFound("job", id))
}

// endRun writes down how commands ended and lets the deployment go on.
func (s *Service) endRun(ctx context.Context, p place, id string, in *api.ReportRunnerJobInput) error {
	_, err := edit[run]{
		key: runKey(p, id),
		change: func(r *record[run]) error {
			v := &r.V
			v.Phase, v.Lease, v.Outputs, v.Message = runDone, nil, in.Outputs, wire.Val(in.StatusMessage)
			v.Status = api.DeploymentStatusSucceeded
			if in.Status == api.RunnerJobStatusFailed {
				v.Status = api.DeploymentStatusFailed
			}
			if v.Cancel && in.Status == api.RunnerJobStatusFailed {
				v.Status = api.DeploymentStatusCancelled
			}
			return nil
		},
		also: func(tx store.Tx, _, _ *record[run]) error { return s.wake(tx, p, id) },
	}.apply(ctx, s)
	return known(err, notFound("job", id))
}

// logPage is how many pieces GetDeploymentLog returns at a time.
const logPage = 8

// GetDeploymentLog returns what a deployment's commands have printed, a part at a time.
func (s *Service) GetDeploymentLog(ctx context.Context, in *api.GetDeploymentLogInput) (*api.GetDeploymentLogOutput, error) {
	p, id := here(ctx), *in.DeploymentId
	if _, err := get[deployment](ctx, s, key("de", p, id)); err != nil {
		return nil, known(err, notFound("deployment", id))
	}
	pieces, next, err := list[logPiece](ctx, s, within("rl", p, id), page{scope: p.scope("log", id), token: in.NextToken, max: wire.Ptr(int32(logPage))}, nil)
	if err != nil {
		return nil, err
	}
	out := &api.GetDeploymentLogOutput{Log: []byte{}, NextToken: next}
	for _, piece := range pieces {
		whole, err := get[logPiece](ctx, s, piece.key)
		if err != nil {
			return nil, known(err, notFound("deployment", id))
		}
		out.Log = append(out.Log, whole.V.Text...)
	}
	return out, nil
}
