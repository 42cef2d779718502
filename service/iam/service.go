package iam

import (
	"context"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/service"
)

// Service is the identity service of a house. Its operations may be called together.
type Service struct {
	api.Unimplemented
	room  *service.Room
	pages *resource.Pager
	directory
	attempts attempts
}

// Open returns the identity service over room.Store. It reads nothing: who there is is
// read when they first call.
func Open(_ context.Context, room *service.Room) (*Service, error) {
	s := &Service{room: room, pages: resource.NewPager(room.Root.Derive("iam page tokens"))}
	s.openDirectory()
	return s, nil
}

// Service returns s as the gateway sees it.
func (s *Service) Service() *service.Service {
	return &service.Service{API: api.API, Impl: s, Target: s.Target, Close: s.close}
}
