package main

import (
	"context"

	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/service/amp"
	"github.com/strongroom/strongroom/service/cloudtrail"
	"github.com/strongroom/strongroom/service/kms"
	"github.com/strongroom/strongroom/service/logs"
	"github.com/strongroom/strongroom/service/proton"
	"github.com/strongroom/strongroom/service/s3"
)

// opener opens a service in the room it is given.
type opener struct {
	name string
	open func(context.Context, *service.Room) (*service.Service, error)
}

// services are the services of the house, beside iam and sts, which the gateway itself
// stands on (see house.go). A new service is one line here.
var services = []opener{
	{"kms", opens(kms.Open)},
	{"s3", opens(s3.Open)},
	{"cloudtrail", opens(cloudtrail.Open)},
	{"proton", opens(proton.Open)},
	{"logs", opens(logs.Open)},
	{"aps", opens(amp.Open)},
}

// opens fits a service's own Open to the table.
func opens[S interface{ Service() *service.Service }](open func(context.Context, *service.Room) (S, error)) func(context.Context, *service.Room) (*service.Service, error) {
	return func(ctx context.Context, room *service.Room) (*service.Service, error) {
		s, err := open(ctx, room)
		if err != nil {
			return nil, err
		}
		return s.Service(), nil
	}
}
