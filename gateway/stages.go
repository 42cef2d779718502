package gateway

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

// stage is one step of the road. It fills its fields of the passage, or says why not.
type stage struct {
	name   string
	run    func(*Gateway, *passage) error
	always bool // also after a stage has failed
}

// road is the whole way, from a client and back. TLS lies before it, in net/http.
var road = []stage{
	{name: "accept", run: accept},
	{name: "authenticate", run: authenticate},
	{name: "route", run: route},
	{name: "decode", run: decode},
	{name: "validate", run: validate},
	{name: "target", run: target},
	{name: "authorize", run: authorize},
	{name: "handle", run: handle},
	{name: "notice", run: notice},
	{name: "record", run: record, always: true},
	{name: "encode", run: encode, always: true},
}

// inner is the part of the road that a call from inside the house takes.
var inner = road[4:10]

// passage is a call on its way: the Call, and what only the gateway needs to know of it. It is
// one allocation, and belongs to the goroutine that serves the call.
type passage struct {
	call call.Call
	ctx  call.Context
	base context.Context // of the request

	house *house
	room  *room // nil until the service is known
	door  *door // nil until the operation is known
	judge judge

	// Of a client's call only.
	w       http.ResponseWriter
	r       *http.Request
	req     wire.Request
	stream  bodyReader
	entered bool // counted among the calls under way
	sent    bool // an answer has begun
	broken  bool // and could not be ended: the connection must break
}

// walk takes p along the stages. A failure is noted in the call and skips all stages but
// those that always run.
func (g *Gateway) walk(p *passage, stages []stage) {
	for i := range stages {
		s := &stages[i]
		if p.call.Err != nil && !s.always {
			continue
		}
		if err := g.step(s, p); err != nil {
			p.call.Err = p.answerFor(err)
		}
	}
}

// step runs one stage. A panic in it is the stage's failure: the record and the answer
// still follow, and the house stays up.
func (g *Gateway) step(s *stage, p *passage) (err error) {
	defer func() {
		if v := recover(); v != nil {
			g.stats.panics.Inc()
			err = &panicked{stage: s.name, value: v, stack: debug.Stack()}
		}
	}()
	return s.run(g, p)
}

// panicked is a panic as an error, for the operator's log.
type panicked struct {
	stage string
	value any
	stack []byte
}

func (e *panicked) Error() string { return fmt.Sprintf("panic in %s: %v", e.stage, e.value) }

// ServeHTTP takes one request down the road.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := &passage{w: w, r: r, base: r.Context(), house: g.house.Load()}
	defer func() {
		p.ctx.End()
		if p.entered {
			g.gate.leave()
		}
	}()
	g.walk(p, road)
	if !p.sent {
		g.encodeFailed(p)
	}
	wire.PutBuffer(p.req.Body)
	g.stats.count(p)
	g.report(p)
	if p.broken {
		// net/http then breaks the connection (or resets the stream), so that no client
		// takes part of an answer for the whole.
		panic(http.ErrAbortHandler)
	}
}

// accept gives the call its id and a place among the calls under way.
func accept(g *Gateway, p *passage) error {
	c, r := &p.call, p.r
	c.ID, c.Time = call.NewID(), time.Now()
	c.SourceIP, c.UserAgent, c.HTTP = hostOf(r.RemoteAddr), r.UserAgent(), r
	if r.TLS != nil {
		c.TLS = call.TLS{Version: tlsVersionName(r.TLS.Version), CipherSuite: cipherNames[r.TLS.CipherSuite], Host: r.Host}
	}
	p.room = g.guess(p) // so that a refusal speaks the client's language
	if r.TLS == nil {
		// Serve offers TLS only; a handler mounted elsewhere by mistake must not open the house.
		return wire.Errorf("AccessDenied", http.StatusForbidden, "This service speaks HTTPS only.")
	}
	if p.entered = g.gate.enter(); !p.entered {
		return errBusy
	}
	if r.Method == http.MethodOptions {
		return wire.Errorf("AccessForbidden", http.StatusForbidden, "CORSResponse: This CORS request is not allowed.")
	}
	return nil
}

// begin starts the context of the call, with a deadline unless the operation streams.
func (g *Gateway) begin(p *passage, parent context.Context, inside bool) {
	var deadline time.Time
	if !p.door.streamsIn && !p.door.streamsOut {
		deadline = p.call.Time.Add(max(g.limits.CallTime, p.door.op.CallTime))
	}
	if p.door.op.CallTime > g.limits.CallTime && p.w != nil {
		// The server's own limit is made for calls that take no longer than others.
		c := http.NewResponseController(p.w)
		_ = c.SetReadDeadline(noDeadline) // the body has been read
		_ = c.SetWriteDeadline(deadline.Add(g.limits.BodyTime))
	}
	p.ctx.Begin(parent, &p.call, deadline, inside)
}
