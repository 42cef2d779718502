package gateway

import (
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/wire"
)

// What makes a call fail closed. The caller sees an InternalFailure, the operator these.
var (
	errNoTarget   = errors.New("operation has no target: nothing says what must be allowed")
	errUndecided  = errors.New("handler returned without having asked for a decision")
	errNoOutput   = errors.New("handler returned neither an output nor an error")
	errNoCall     = errors.New("authorize was asked outside of a call")
	errTooDeep    = errors.New("services call each other too deeply")
	errUnserved   = errors.New("no such operation in this house")
	errNoPolicies = errors.New("the directory returned no policies")
	errNobody     = errors.New("the house does not know anybody yet")
)

// validate checks the input against the model.
func validate(_ *Gateway, p *passage) error {
	return p.door.op.Validate(p.call.In)
}

// target asks the service what the call acts on.
func target(_ *Gateway, p *passage) error {
	if p.room.Target == nil {
		return errNoTarget
	}
	t, err := p.room.Target(&p.ctx, &p.call)
	if err != nil {
		return err
	}
	if len(t.Checks) == 0 && t.Open == "" && !t.Deferred || len(t.Checks) > 0 && t.Open != "" {
		return fmt.Errorf("%s %s: %w", p.room.API.Name, p.door.op.Name, errNoTarget)
	}
	p.call.Target = t
	return nil
}

// authorize decides everything that the call acts on. All of it must be allowed.
func authorize(g *Gateway, p *passage) error {
	for i := range p.call.Target.Checks {
		if err := g.decide(&p.ctx, &p.call, &p.call.Target.Checks[i], &p.judge); err != nil {
			return err
		}
	}
	return nil
}

// handle lets the service do what was asked.
func handle(_ *Gateway, p *passage) error {
	c := &p.call
	if c.Target.Deferred {
		c.Decision = nil // those taken so far are not the handler's
	}
	out, err := p.door.op.Invoke(&p.ctx, p.room.Impl, c.In)
	if err != nil {
		return err
	}
	c.Out = out
	switch {
	case out == nil:
		return errNoOutput
	case c.Target.Deferred && c.Decision == nil:
		p.drop()
		return fmt.Errorf("%s %s: %w", p.room.API.Name, p.door.op.Name, errUndecided)
	}
	return nil
}

// drop forgets the output of a call that fails after its handler succeeded, and closes its stream.
func (p *passage) drop() {
	if out := p.call.Out; out != nil && p.door.streamsOut {
		resp := wire.Response{Header: map[string][]string{}}
		if err := p.room.codec.EncodeOutput(p.door.op, out, wire.Meta{}, &resp); err == nil {
			resp.Release()
		}
	}
	p.call.Out = nil
}
