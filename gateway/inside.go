package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/wire"
)

// Inside returns the door through which the service called name, such as "s3.amazonaws.com", calls
// other services. With a Call in the context it acts for that call's principal, and Via
// is name; without one, or with service.AsService, it acts as itself. Its calls are validated, authorized
// and recorded like a client's. Errors are *wire.Error. The door may be used by many goroutines.
func (g *Gateway) Inside(name string) wire.Invoker {
	return &insider{gateway: g, name: name, self: identity.ForService(name)}
}

type insider struct {
	gateway *Gateway
	name    string
	self    *identity.Principal
}

var _ wire.Invoker = (*insider)(nil)

// Invoke makes one call. in is read, not kept.
func (i *insider) Invoke(ctx context.Context, op *wire.Operation, in any) (any, error) {
	g := i.gateway
	p := &passage{house: g.house.Load()}
	if p.room = p.house.rooms[op.Service]; p.room != nil {
		p.door = p.room.doors[op]
	}
	if p.door == nil || !p.door.implemented {
		return nil, wire.AsError(fmt.Errorf("%s asks for %s %s: %w", i.name, op.Service.Name, op.Name, errUnserved))
	}
	p.call.Service, p.call.Op, p.call.In = op.Service, op, in
	if err := i.fill(ctx, &p.call); err != nil {
		return nil, wire.AsError(err)
	}
	g.begin(p, ctx, true)
	defer p.ctx.End()
	g.walk(p, inner)
	g.stats.count(p)
	g.report(p)
	if p.call.Err != nil {
		return nil, p.call.Err
	}
	return p.call.Out, nil
}

// fill says who calls, for whom, and from where.
func (i *insider) fill(ctx context.Context, c *call.Call) error {
	c.ID, c.Time = call.NewID(), time.Now()
	c.SourceIP, c.UserAgent = i.name, i.name
	c.Parent = call.From(ctx)
	if depth(c) > i.gateway.limits.Depth {
		return errTooDeep
	}
	c.Region = call.RegionOf(ctx)
	if c.Region == "" && c.Parent != nil {
		c.Region = c.Parent.Region
	}
	if c.Region == "" || c.Service.Global {
		c.Region = i.gateway.regions[0]
	}
	if c.Parent != nil && !service.IsAsService(ctx) {
		c.Principal, c.Via = c.Parent.Principal, i.name
		return nil
	}
	c.Principal = i.self
	c.SourceAccount, c.SourceARN = call.SourceOf(ctx)
	if c.SourceAccount == "" && c.Parent != nil {
		c.SourceAccount, c.SourceARN = actedOn(c.Parent)
	}
	return nil
}

func depth(c *call.Call) (n int) {
	for ; c.Parent != nil; c = c.Parent {
		n++
	}
	return n
}

// actedOn returns the account and resource that a service acts for when it calls as itself in
// the course of c.
func actedOn(c *call.Call) (account, arn string) {
	for i := range c.Target.Checks {
		check := &c.Target.Checks[i]
		if check.Resource == "*" {
			continue
		}
		if check.Account != "" {
			return check.Account, check.Resource
		}
		return c.Principal.Account, check.Resource
	}
	return c.Principal.Account, ""
}
