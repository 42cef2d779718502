package runner

import (
	"context"
	"errors"
	"sync"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/wire"
)

// maxPiece is how much of a log goes with one report.
const maxPiece = 96 << 10

// Why the commands of a job are ended from outside.
var (
	errLost      = errors.New("the house has given the job up, or does not answer")
	errCancelled = errors.New("the deployment was cancelled")
)

// stream takes what commands print, and tells the house of it and that the runner lives.
type stream struct {
	client *api.Client
	job    *api.RunnerJob
	give   context.CancelCauseFunc // ends the commands
	done   chan struct{}
	ended  chan struct{}

	sequence int32 // of the next piece; of the reporting goroutine until ended is closed

	mu      sync.Mutex
	pending []byte // not yet taken by the house
}

// newStream begins to report.
func newStream(client *api.Client, j *api.RunnerJob, give context.CancelCauseFunc) *stream {
	s := &stream{client: client, job: j, give: give, done: make(chan struct{}), ended: make(chan struct{})}
	go s.report()
	return s
}

// Write takes what was printed; the sandbox bounds how much there can be.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, p...)
	return len(p), nil
}

// lease is how long the house waits for a report.
func (s *stream) lease() time.Duration {
	return max(time.Duration(wire.Val(s.job.LeaseSeconds))*time.Second, 5*reportTime)
}

// report reports until the job has ended.
func (s *stream) report() {
	defer close(s.ended)
	heard := time.Now()
	for {
		select {
		case <-s.done:
			return
		case <-time.After(reportTime):
		}
		if len(s.piece()) == 0 && time.Since(heard) < s.lease()/6 {
			continue // nothing to say, and it has heard from us
		}
		err := s.send(&api.ReportRunnerJobInput{})
		switch {
		case err == nil:
			heard = time.Now()
		case refused(err), time.Since(heard) > s.lease():
			s.give(errLost)
			return
		}
	}
}

// refused reports whether the house has given the job up.
func refused(err error) bool {
	return wire.IsCode(err, "ConflictException") || wire.IsCode(err, "ResourceNotFoundException")
}

// piece is what goes with the next report.
func (s *stream) piece() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending[:min(len(s.pending), maxPiece)]
}

// send makes one report with the next piece. A piece that may have arrived is sent again under its number.
func (s *stream) send(in *api.ReportRunnerJobInput) error {
	in.DeploymentId, in.Lease, in.Sequence, in.Log = s.job.DeploymentId, s.job.Lease, &s.sequence, s.piece()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := s.client.ReportRunnerJob(ctx, in)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.pending = s.pending[len(in.Log):]
	s.mu.Unlock()
	s.sequence++
	if wire.Val(out.Cancel) {
		s.give(errCancelled)
	}
	return nil
}

// stop ends the reporting.
func (s *stream) stop() {
	close(s.done)
	<-s.ended
}

// finish sends what is left to send, and how the job ended, for as long as the lease may hold.
func (s *stream) finish(end *api.ReportRunnerJobInput) error {
	s.stop()
	until := time.Now().Add(s.lease())
	for {
		in := &api.ReportRunnerJobInput{}
		s.mu.Lock()
		last := len(s.pending) <= maxPiece
		s.mu.Unlock()
		if last {
			in.Status, in.StatusMessage, in.Outputs = end.Status, end.StatusMessage, end.Outputs
		}
		err := s.send(in)
		switch {
		case err == nil && last:
			return nil
		case err != nil && (refused(err) || time.Now().After(until)):
			return err
		case err != nil:
			time.Sleep(reportTime)
		}
	}
}
