// Package runner takes the jobs of Proton's deployments and runs their commands: the part that
// CodeBuild had. It is a client of the house like any other, with an identity of its own that may
// do no more than take jobs and report on them; what the commands do, they do with temporary
// credentials of the environment's role, which come with each job.
//
// A job is leased. While it runs the runner reports at least every few seconds, with what the commands
// printed; when the house has heard nothing for the length of the lease it gives the
// deployment up, and a runner that hears nothing from the house for as long ends the commands.
//
//	runner.go   the loop: take a job, run it
//	work.go     where scratch folders lie, and what killed runners left there
//	folder.go   the scratch folder of a job, and the outputs that the commands leave there
//	script.go   the commands as one script, with their environment
//	stream.go   what the commands print, on its way to the house
package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/remote"
	"github.com/strongroom/strongroom/runner/sandbox"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/wire"
)

// Config says where a runner takes its jobs from and how it runs them.
type Config struct {
	Endpoint    string // https://host:port of the house
	Authorities []byte // PEM of the authorities that the house's certificate may have; nil for the system's
	Region      string
	Credentials sigv4.Credentials // of the runner itself

	Name   string   // in messages and records
	Work   string   // folder for scratch folders; "" for one of its own
	User   int      // whom commands run as where the runner is root
	Weak   bool     // run commands also where there are no namespaces
	Jobs   int      // at a time; 0 for 1
	Path   string   // where commands find programs; "" for the usual folders
	Env    []string // further NAME=VALUE for the commands
	Limits sandbox.Limits
	Log    *slog.Logger
}

// Limits of a runner.
const (
	pollWait   = 15 * time.Second // a call for a job waits in the house
	retryDelay = 2 * time.Second  // after a call that failed
	reportTime = time.Second      // between reports
)

// Runner runs jobs. It is made by Open.
type Runner struct {
	cfg    Config
	client *api.Client
	work   string
	own    *durable.Lock // of the folder, where it goes with the runner; nil for one that was given
}

// Open checks that commands can be confined here and returns a runner. It takes no job yet.
func Open(ctx context.Context, cfg Config) (*Runner, error) {
	if cfg.Jobs <= 0 {
		cfg.Jobs = 1
	}
	if cfg.Path == "" {
		cfg.Path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	house, err := remote.Open(remote.Config{Endpoint: cfg.Endpoint, Authorities: cfg.Authorities, Region: cfg.Region, Credentials: cfg.Credentials, Agent: "strongroom-runner"})
	if err != nil {
		return nil, err
	}
	to, err := house.Service(api.API)
	if err != nil {
		return nil, err
	}
	if err := sandbox.Probe(ctx, cfg.User); err != nil {
		if !cfg.Weak {
			return nil, err
		}
		cfg.Log.Warn("commands are NOT confined in namespaces: they see this machine as their user does", "error", err)
	}
	r := &Runner{cfg: cfg, client: api.NewClient(to), work: cfg.Work}
	if r.work == "" {
		sweepOwn(os.TempDir(), cfg.Log)
		if r.work, r.own, err = makeOwn(os.TempDir()); err != nil {
			return nil, err
		}
	}
	if err := r.sweep(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// sweep removes the scratch folders of an earlier runner, and lets the commands' user reach new ones.
func (r *Runner) sweep() error {
	if err := os.MkdirAll(r.work, 0o711); err != nil {
		return err
	}
	if r.own != nil {
		return os.Chmod(r.work, 0o711)
	}
	old, err := filepath.Glob(filepath.Join(r.work, "job-*"))
	if err != nil {
		return err
	}
	for _, dir := range old {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// Close removes what the runner has left on the machine.
func (r *Runner) Close() error {
	if r.own == nil {
		return nil
	}
	return errors.Join(os.RemoveAll(r.work), r.own.Release())
}

// Run takes and runs jobs until ctx ends. Commands that run then are ended, and their deployments fail.
func (r *Runner) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for range r.cfg.Jobs {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := r.Next(ctx); err != nil && ctx.Err() == nil {
					r.cfg.Log.Error("no job can be taken", "error", err)
					wait(ctx, retryDelay)
				}
			}
		})
	}
	wg.Wait()
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Next waits a while for a job and runs it. ran is false when there was none. An error says that
// no job could be taken; what becomes of a job is told to the house.
func (r *Runner) Next(ctx context.Context) (ran bool, err error) {
	asking, cancel := context.WithTimeout(ctx, pollWait+30*time.Second)
	defer cancel()
	out, err := r.client.AcquireRunnerJob(asking, &api.AcquireRunnerJobInput{RunnerName: &r.cfg.Name, WaitSeconds: wire.Ptr(int32(pollWait / time.Second))})
	if err != nil || out.Job == nil {
		return false, err
	}
	r.run(ctx, out.Job)
	return true, nil
}

// run runs one job and reports how it ended.
func (r *Runner) run(ctx context.Context, j *api.RunnerJob) {
	log := r.cfg.Log.With("deployment", wire.Val(j.DeploymentId))
	log.Info("job taken", "target", wire.Val(j.TargetArn))
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	s := newStream(r.client, j, give)
	end := &api.ReportRunnerJobInput{Status: api.RunnerJobStatusSucceeded}
	outputs, err := r.commands(ctx, j, s)
	if err != nil {
		end.Status, end.StatusMessage = api.RunnerJobStatusFailed, wire.Ptr(words(err))
	} else {
		end.Outputs = outputs
	}
	if errors.Is(context.Cause(ctx), errLost) {
		s.stop()
		log.Warn("the job was lost", "error", err)
		return
	}
	if err := s.finish(end); err != nil {
		log.Error("the end of the job cannot be reported", "error", err)
		return
	}
	log.Info("job done", "status", end.Status)
}

// words are what a status message says.
func words(err error) string {
	switch text := err.Error(); {
	case errors.Is(err, errCancelled):
		return "The commands were ended since the deployment was cancelled."
	case errors.Is(err, context.Canceled):
		return "The runner was stopped while it ran the commands; what they had done by then is not known."
	default:
		return "The deployment's run failed: " + text + "."
	}
}

// commands runs the commands of a job in a folder of their own and returns the outputs they leave.
func (r *Runner) commands(ctx context.Context, j *api.RunnerJob, s *stream) ([]api.Output, error) {
	dir, err := r.folder(j)
	if err != nil {
		return nil, fmt.Errorf("the scratch folder: %w", err)
	}
	defer os.RemoveAll(dir)
	limits := r.cfg.Limits
	if t := time.Duration(wire.Val(j.TimeoutSeconds)) * time.Second; t > 0 && (limits.Time <= 0 || t < limits.Time) {
		limits.Time = t
	}
	c := &sandbox.Command{Dir: dir, Within: sourceFolder, Script: script(j), Env: r.environment(j), Output: s, Limits: limits, Weak: r.cfg.Weak, User: r.cfg.User}
	if err := sandbox.Run(ctx, c); err != nil {
		return nil, err
	}
	return readOutputs(dir)
}
