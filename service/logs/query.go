package logs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	api "github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/service/logs/filter"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

const (
	maxEvents    = 10_000   // of a page
	filterBudget = 32 << 20 // bytes of events that one FilterLogEvents opens
)

func most(limit *int32) int {
	if limit != nil {
		return min(int(*limit), maxEvents)
	}
	return maxEvents
}

// interval is the time in which events are looked for: no earlier than the group keeps them.
func (s *Service) interval(g *group, start *int64, end int64) (from, to position, err error) {
	from, to = position{time: max(wire.Val(start), g.oldest(s.milliseconds()))}, position{time: min(end, endOfTime)}
	if end < wire.Val(start) {
		return from, to, invalid("The start time is after the end time.")
	}
	return from, to, nil
}

// Page tokens of a stream say in which direction it goes on from their place, as AWS's do.
const (
	forwardToken  = "f/"
	backwardToken = "b/"
)

// getEvents reads a page of a stream.
func (s *Service) getEvents(ctx context.Context, in *api.GetLogEventsInput) (*api.GetLogEventsOutput, error) {
	g, err := s.groupNamed(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	var st *stream
	err = s.db.View(ctx, func(r store.Reader) error {
		st, err = streamOf(r, g, *in.LogStreamName)
		return err
	})
	if err != nil {
		return nil, err
	}
	end := endOfTime
	if in.EndTime != nil {
		end = *in.EndTime
	}
	x := &reading{ring: s.ring(g), stream: st.ID, most: most(in.Limit)}
	if x.from, x.to, err = s.interval(g, in.StartTime, end); err != nil {
		return nil, err
	}
	scope := "events\x1f" + g.ID + "\x1f" + st.ID
	at, ahead, err := s.turn(scope, in, x)
	if err != nil {
		return nil, err
	}
	var events []found
	if ahead {
		events, _, _, err = x.forward(ctx)
	} else {
		events, err = x.backward(ctx)
	}
	if err != nil {
		return nil, err
	}
	first, next := at, at
	out := &api.GetLogEventsOutput{Events: []api.OutputLogEvent{}}
	for i := range events {
		e := &events[i]
		out.Events = append(out.Events, api.OutputLogEvent{Timestamp: &e.time, Message: &e.message, IngestionTime: &e.ingested})
		next = e.after()
	}
	if len(events) > 0 {
		first = events[0].position
	}
	out.NextForwardToken = wire.Ptr(forwardToken + s.pager.Token(scope, next.String()))
	out.NextBackwardToken = wire.Ptr(backwardToken + s.pager.Token(scope, first.String()))
	return out, nil
}

// turn says where a page begins and in which direction it goes, and bounds the reading by it.
func (s *Service) turn(scope string, in *api.GetLogEventsInput, x *reading) (at position, ahead bool, err error) {
	token := wire.Val(in.NextToken)
	if token == "" {
		return x.from, wire.Val(in.StartFromHead), nil
	}
	refused := invalid("The specified nextToken is invalid.")
	rest, ahead := strings.CutPrefix(token, forwardToken)
	if !ahead {
		var back bool
		if rest, back = strings.CutPrefix(token, backwardToken); !back {
			return at, false, refused
		}
	}
	text, err := s.pager.Position(scope, rest)
	if err == nil {
		at, err = parsePosition(text)
	}
	switch {
	case err != nil:
		return at, false, refused.WithCause(err)
	case ahead && at.compare(x.from) > 0:
		x.from = at
	case !ahead && at.compare(x.to) < 0:
		x.to = at
	}
	return at, ahead, nil
}

// filterEvents reads a page of the events of a group that match.
func (s *Service) filterEvents(ctx context.Context, in *api.FilterLogEventsInput) (*api.FilterLogEventsOutput, error) {
	g, err := s.groupNamed(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if in.StartFromHead != nil && !*in.StartFromHead {
		return nil, invalid("A search from the newest event is not supported: startFromHead must be true.")
	}
	pattern, err := filter.Parse(wire.Val(in.FilterPattern))
	if err != nil {
		return nil, badPattern(err)
	}
	x := &reading{ring: s.ring(g), most: most(in.Limit), match: pattern.Match, budget: filterBudget}
	end := endOfTime
	if in.EndTime != nil {
		end = min(*in.EndTime, endOfTime-1) + 1 // the end itself is in
	}
	if x.from, x.to, err = s.interval(g, in.StartTime, end); err != nil {
		return nil, err
	}
	if err := x.choose(ctx, in); err != nil {
		return nil, err
	}
	scope, err := filterScope(g, in)
	if err != nil {
		return nil, err
	}
	if wire.Val(in.NextToken) != "" {
		text, err := s.pager.Position(scope, *in.NextToken)
		at, err2 := parsePosition(text)
		if err := errors.Join(err, err2); err != nil {
			return nil, invalid("The specified nextToken is invalid.").WithCause(err)
		}
		if at.compare(x.from) > 0 {
			x.from = at
		}
	}
	events, next, more, err := x.forward(ctx)
	if err != nil {
		return nil, err
	}
	out := &api.FilterLogEventsOutput{Events: []api.FilteredLogEvent{}, SearchedLogStreams: []api.SearchedLogStream{}}
	for i := range events {
		e := &events[i]
		out.Events = append(out.Events, api.FilteredLogEvent{
			LogStreamName: &e.stream, Timestamp: &e.time, Message: &e.message, IngestionTime: &e.ingested, EventId: wire.Ptr(e.id()),
		})
	}
	if more {
		out.NextToken = wire.Ptr(s.pager.Token(scope, next.String()))
	}
	return out, nil
}

// id names an event: digits, as AWS's do, that sort as the events of a group do.
func (a position) id() string {
	made, _ := strconv.ParseUint(a.serial[:stampLength], 16, 64)
	random, _ := strconv.ParseUint(a.serial[stampLength:], 16, 64)
	return fmt.Sprintf("%013d%020d%020d%05d", a.time, made, random, a.index)
}

func badPattern(err error) error {
	text := err.Error()
	return invalid("%s", strings.ToUpper(text[:1])+text[1:]).WithCause(err)
}

// choose says from which streams events come.
func (x *reading) choose(ctx context.Context, in *api.FilterLogEventsInput) error {
	prefix := wire.Val(in.LogStreamNamePrefix)
	if len(in.LogStreamNames) > 0 && prefix != "" {
		return invalid("Only one of logStreamNames and logStreamNamePrefix may be specified.")
	}
	named := map[string]bool{}
	err := x.s.db.View(ctx, func(r store.Reader) error {
		for _, name := range in.LogStreamNames {
			st, err := streamOf(r, x.g, name)
			if err != nil {
				return err
			}
			named[st.ID] = true
			if len(in.LogStreamNames) == 1 {
				x.stream = st.ID
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	there := map[string]bool{} // by stream id; false for those that have been deleted
	x.wants = func(r store.Reader, h header) (bool, error) {
		if len(named) > 0 {
			return named[h.Stream], nil
		}
		if !strings.HasPrefix(h.Name, prefix) {
			return false, nil
		}
		known, seen := there[h.Stream]
		if !seen {
			st, err := get[stream](r, key("s", x.g.ID, h.Name))
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return false, err
			}
			known = err == nil && st.ID == h.Stream
			there[h.Stream] = known
		}
		return known, nil
	}
	return nil
}

// filterScope binds page tokens to what is looked for.
func filterScope(g *group, in *api.FilterLogEventsInput) (string, error) {
	text, err := json.Marshal([]any{in.LogStreamNames, in.LogStreamNamePrefix, in.StartTime, in.EndTime, in.FilterPattern})
	sum := sha256.Sum256(text)
	return "filter\x1f" + g.ID + "\x1f" + hex.EncodeToString(sum[:]), err
}
