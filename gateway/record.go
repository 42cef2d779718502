package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

// keyType is the type of resource whose every use must be on disk before it is answered.
const keyType = "AWS::KMS::Key"

// record writes the call's audit record. What a stranger sends, who is in no account, is
// counted and not recorded. A call made for another does not wait for its record: the log is in order, and
// the other waits for all records from the first of them to its own.
func record(g *Gateway, p *passage) error {
	c := &p.call
	if c.Principal == nil || c.Service == nil {
		return nil
	}
	// The record is written also when the caller has gone: hence no context of the call's.
	ctx := context.Background()
	var first, last audit.Position
	var err error
	var few [2]*audit.Entry
	for _, entry := range audit.AppendEntries(few[:0], c) {
		if last, err = g.audit.Append(ctx, entry); err != nil {
			return p.unrecorded(err)
		}
		first = audit.Position(c.Root().FirstRecord(uint64(last)))
	}
	if g.waits(c) && (c.Parent == nil || c.Root().Recorded() || !g.waits(c.Root())) {
		start := time.Now()
		if err := g.audit.Wait(ctx, first, last); err != nil {
			return p.unrecorded(err)
		}
		g.stats.auditWait.Observe(time.Since(start).Seconds())
	}
	c.SetRecorded()
	return nil
}

// waits reports whether the record of c must be durable before its answer leaves.
func (g *Gateway) waits(c *call.Call) bool {
	if g.durability == WaitAll || c.Op == nil || !c.Op.ReadOnly {
		return true
	}
	for i := range c.Target.Checks {
		if c.Target.Checks[i].Type == keyType {
			return true
		}
	}
	return false
}

// unrecorded is the failure of a call whose record could not be written, whatever else it came to.
func (p *passage) unrecorded(cause error) error {
	p.drop()
	return &wire.Error{
		Code: internalFailure, Status: http.StatusServiceUnavailable, Fault: true, Cause: cause,
		Message: "The request could not be recorded, and was not answered for that reason.",
	}
}
