package logs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
)

// The keys of the store. Parts are separated by a zero byte, which no name holds; times are milliseconds in 16 hexadecimal
// digits. A group and a stream have an id, under which all that is kept of them stands:
//
//	g 0 region 0 account 0 name             group
//	s 0 group id 0 name                     stream
//	o 0 group id 0 last event 0 name        its place in the order of last events
//	k 0 group id 0 data key id              data key
//	e 0 group id 0 segment                  segment: its header, and its bytes unless they are a blob
//	i 0 group id 0 stream id 0 segment      that the segment is of the stream
//	p 0 region 0 account 0 name             resource policy
//
// A segment is named by the times of its first and its last event and by its serial number. Ids and serial numbers begin with the time
// at which they were made, so that what came later sorts behind what came before.
const sep = "\x00"

func key(parts ...string) []byte { return []byte(strings.Join(parts, sep)) }

// below is the prefix of all keys that have further parts.
func below(parts ...string) []byte { return append(key(parts...), 0) }

// place is where groups stand.
type place struct{ region, account string }

// here is the place of the call in ctx.
func here(ctx context.Context) place { return placeOf(call.From(ctx)) }

// placeOf is the caller's own account; a service acts in the account for whose resource it acts.
func placeOf(c *call.Call) place {
	if c.Principal.Kind == identity.Service {
		return place{c.Region, c.SourceAccount}
	}
	return place{c.Region, c.Principal.Account}
}

func (p place) arn(resource string) string {
	return "arn:aws:logs:" + p.region + ":" + p.account + ":" + resource
}

func (p place) groupARN(name string) string { return p.arn("log-group:" + name) }

func (p place) groupKey(name string) []byte  { return key("g", p.region, p.account, name) }
func (p place) policyKey(name string) []byte { return key("p", p.region, p.account, name) }

// groupOfARN returns the name of the group that an ARN names, with or without the :* that stands for its streams. ok is false
// for one that is no group of the place.
func (p place) groupOfARN(name string) (group string, ok bool) {
	a, err := arn.Parse(name)
	if err != nil || a.Service != "logs" || a.Region != p.region || a.Account != p.account {
		return "", false
	}
	group, ok = strings.CutPrefix(strings.TrimSuffix(a.Resource, ":*"), "log-group:")
	return group, ok && group != "" && !strings.ContainsAny(group, ":"+sep)
}

// newID returns what nothing else is called: 16 digits of nanoseconds, 16 random ones.
func newID(now time.Time) string {
	var random [8]byte
	rand.Read(random[:])
	return stamp(now.UnixNano()) + hex.EncodeToString(random[:])
}

// idLength is the length of an id, and stampLength that of a time.
const (
	stampLength = 16
	idLength    = 2 * stampLength
)

// stamp writes a number that is not negative so that it sorts as it counts.
func stamp(n int64) string { return fmt.Sprintf("%016x", uint64(n)) }
