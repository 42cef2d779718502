package call

import (
	"context"
	"sync"
	"time"
)

type (
	contextKey struct{}
	regionKey  struct{}
	sourceKey  struct{}
)

// Context carries a Call to its handler and ends at a deadline. It is made to lie inside
// a larger value, so that a call costs no allocation for it: no timer runs and no parent is
// asked to tell of its end before somebody waits for Done.
type Context struct {
	parent   context.Context
	call     *Call
	deadline time.Time
	inner    bool

	mu    sync.Mutex
	timed context.Context
	stop  context.CancelFunc
}

var _ context.Context = (*Context)(nil)

// Begin makes x the context of c under parent. It ends with parent, and at the deadline
// unless that is zero. When inner is set only the end of parent counts, not its values: what
// one handler put into its context does not reach the handlers it calls. Begin is
// called once, before x is used.
func (x *Context) Begin(parent context.Context, c *Call, deadline time.Time, inner bool) {
	x.parent, x.call, x.deadline, x.inner = parent, c, deadline, inner
}

// End releases what x holds when the call is over, and ends x for whoever still waits.
func (x *Context) End() {
	x.mu.Lock()
	stop := x.stop
	x.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// Deadline returns the time at which the call ends, if it ends by itself.
func (x *Context) Deadline() (time.Time, bool) {
	d, ok := x.parent.Deadline()
	if x.deadline.IsZero() || ok && d.Before(x.deadline) {
		return d, ok
	}
	return x.deadline, true
}

// Done returns a channel that is closed when the call ends.
func (x *Context) Done() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.timed == nil {
		if x.deadline.IsZero() {
			x.timed, x.stop = context.WithCancel(x.parent)
		} else {
			x.timed, x.stop = context.WithDeadline(x.parent, x.deadline)
		}
	}
	return x.timed.Done()
}

// Err says why the call has ended, or nil.
func (x *Context) Err() error {
	x.mu.Lock()
	timed := x.timed
	x.mu.Unlock()
	if timed != nil {
		return timed.Err()
	}
	if err := x.parent.Err(); err != nil {
		return err
	}
	if !x.deadline.IsZero() && !time.Now().Before(x.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// Value returns the call for From, and what the parent has for other keys.
func (x *Context) Value(key any) any {
	if key == (contextKey{}) {
		return x.call
	}
	if x.inner {
		return nil
	}
	x.mu.Lock()
	timed := x.timed
	x.mu.Unlock()
	if timed != nil {
		// Package context finds its own contexts by a private key; through it a context
		// derived from x needs no goroutine of its own.
		return timed.Value(key)
	}
	return x.parent.Value(key)
}

// With returns a context that carries c.
func With(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// From returns the call that ctx carries. Outside a call it returns nil.
func From(ctx context.Context) *Call {
	c, _ := ctx.Value(contextKey{}).(*Call)
	return c
}

// InRegion returns a context in which the calls that a service makes of others are made in
// region: for background work, which no client's call gives a region to, and for the few
// operations that reach another region. What those others call stays there.
func InRegion(ctx context.Context, region string) context.Context {
	return context.WithValue(ctx, regionKey{}, region)
}

// RegionOf returns the region that InRegion set, or "".
func RegionOf(ctx context.Context) string {
	region, _ := ctx.Value(regionKey{}).(string)
	return region
}

type source struct{ account, arn string }

// ForSource returns a context in which a call that a service makes as itself says for whose
// resource it acts: the conditions aws:SourceAccount and aws:SourceArn of whoever trusts the service.
func ForSource(ctx context.Context, account, arn string) context.Context {
	return context.WithValue(ctx, sourceKey{}, source{account, arn})
}

// SourceOf returns what ForSource set, or empty strings.
func SourceOf(ctx context.Context) (account, arn string) {
	s, _ := ctx.Value(sourceKey{}).(source)
	return s.account, s.arn
}
