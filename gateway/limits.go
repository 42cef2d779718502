package gateway

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/strongroom/strongroom/wire"
)

// Limits bounds what clients may ask of the house. A zero field takes its default.
type Limits struct {
	Header  int   // bytes of a request's line and headers; 64 KiB
	Body    int64 // bytes of a body that is read whole; 1 MiB
	XMLBody int64 // the same for REST-XML, whose lists of parts and deletions are long; 10 MiB

	HeaderTime time.Duration // to send the headers; 10 s
	BodyTime   time.Duration // to send a body that is read whole, and to take the answer; 60 s
	StallTime  time.Duration // that a streamed body may make no progress; 60 s
	IdleTime   time.Duration // that a connection may lie unused; 3 min
	CallTime   time.Duration // that a handler may take, unless bodies stream; 60 s

	Calls       int // calls under way at once; 4,096
	Connections int // open at once; 16,384
	Depth       int // calls of services within services; 8
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.Header, 64<<10)
	orDefault(&l.Body, 1<<20)
	orDefault(&l.XMLBody, 10<<20)
	orDefault(&l.HeaderTime, 10*time.Second)
	orDefault(&l.BodyTime, time.Minute)
	orDefault(&l.StallTime, time.Minute)
	orDefault(&l.IdleTime, 3*time.Minute)
	orDefault(&l.CallTime, time.Minute)
	orDefault(&l.Calls, 4096)
	orDefault(&l.Connections, 16384)
	orDefault(&l.Depth, 8)
	return l
}

func orDefault[T int | int64 | time.Duration](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

// body returns the most bytes of a body that is read whole.
func (l *Limits) body(p wire.Protocol) int64 {
	if p == wire.RESTXML {
		return l.XMLBody
	}
	return l.Body
}

// gate counts the calls under way and lets no more than max in.
type gate struct {
	max int64
	now atomic.Int64
}

func (g *gate) enter() bool {
	if g.now.Add(1) > g.max {
		g.now.Add(-1)
		return false
	}
	return true
}

func (g *gate) leave() { g.now.Add(-1) }

// pace moves the deadlines of a connection on while its body makes progress, so that a
// stream may last for hours and a stalled one does not. It moves them once a quarter of the
// stall time, because moving them costs a timer.
type pace struct {
	stall time.Duration
	set   func(time.Time) error
	next  time.Time
}

func (p *pace) progress() {
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(p.stall / 4)
	_ = p.set(now.Add(p.stall)) // where deadlines are not supported, the server's own stand
}

// readPace and writePace return the paces of a request's body and of its answer.
func readPace(w http.ResponseWriter, stall time.Duration) pace {
	return pace{stall: stall, set: http.NewResponseController(w).SetReadDeadline}
}

func writePace(w http.ResponseWriter, stall time.Duration) pace {
	return pace{stall: stall, set: http.NewResponseController(w).SetWriteDeadline}
}

func itoa(n int) string { return strconv.Itoa(n) }
