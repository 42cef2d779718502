package cloudtrail

import (
	"context"

	"github.com/strongroom/strongroom/api/cloudtrail"
	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/service"
)

// Service implements the operations of CloudTrail. Calls may run together.
type Service struct {
	cloudtrail.Unimplemented
	records audit.Reader
	pages   *resource.Pager
}

var _ cloudtrail.Service = (*Service)(nil)

// Open returns the service over the audit log of the house.
func Open(_ context.Context, room *service.Room) (*Service, error) {
	return &Service{records: room.Audit, pages: resource.NewPager(room.Root.Derive("cloudtrail/page-tokens"))}, nil
}

// Service returns the service as the gateway sees it.
func (s *Service) Service() *service.Service {
	return &service.Service{API: cloudtrail.API, Impl: s, Target: s.target}
}
