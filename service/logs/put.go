package logs

import (
	"context"
	"errors"
	"time"

	api "github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// The bounds of a batch (PutLogEvents, API reference).
const (
	maxBatch      = 1 << 20   // bytes of all messages, with eventOverhead for each
	maxEvent      = 256 << 10 // the same of one
	eventOverhead = 26
	maxSpan       = 24 * time.Hour
	maxAge        = 14 * 24 * time.Hour
	maxAhead      = 2 * time.Hour
)

// readBatch checks the events of a request.
func readBatch(in []api.InputLogEvent) (events []event, err error) {
	size := 0
	for i := range in {
		e := event{wire.Val(in[i].Timestamp), wire.Val(in[i].Message)}
		n := len(e.message) + eventOverhead
		if n > maxEvent {
			return nil, invalid("Log event too large: %d bytes exceeds limit of %d", n, maxEvent)
		}
		if size += n; size > maxBatch {
			return nil, invalid("Upload too large: the batch exceeds the limit of %d bytes", maxBatch)
		}
		if i > 0 && e.time < events[i-1].time {
			return nil, invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
		events = append(events, e)
	}
	if span := events[len(events)-1].time - events[0].time; span > maxSpan.Milliseconds() {
		return nil, invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	return events, nil
}

// accepted are the events of a batch that are neither too old nor too new, and what is to be said of the others.
func (g *group) accepted(events []event, now int64) ([]event, *api.RejectedLogEventsInfo) {
	var info api.RejectedLogEventsInfo
	from, to := 0, len(events)
	for to > 0 && events[to-1].time > now+maxAhead.Milliseconds() {
		to--
	}
	if to < len(events) {
		info.TooNewLogEventStartIndex = wire.Ptr(int32(to))
	}
	for from < to && events[from].time < now-maxAge.Milliseconds() {
		from++
	}
	if from > 0 {
		info.TooOldLogEventEndIndex = wire.Ptr(int32(from))
	}
	old := from
	for from < to && events[from].time < g.oldest(now) {
		from++
	}
	if from > old {
		info.ExpiredLogEventEndIndex = wire.Ptr(int32(from))
	}
	if from == 0 && to == len(events) {
		return events, nil
	}
	return events[from:to], &info
}

// oldest is the time of the oldest events that the group still shows.
func (g *group) oldest(now int64) int64 {
	if g.Retention == 0 {
		return 0
	}
	return max(0, now-int64(g.Retention)*(24*time.Hour).Milliseconds())
}

// tries is how often a batch is sealed again when its group or its data key has changed meanwhile.
const tries = 8

// putEvents seals a batch and writes it. It is durable when this returns.
func (s *Service) putEvents(ctx context.Context, in *api.PutLogEventsInput) (*api.PutLogEventsOutput, error) {
	events, err := readBatch(in.LogEvents)
	if err != nil {
		return nil, err
	}
	for range tries {
		out, err := s.tryPut(ctx, *in.LogGroupName, *in.LogStreamName, events)
		if !errors.Is(err, errChanged) {
			return out, storeError(err)
		}
	}
	return nil, storeError(errChanged)
}

// tryPut returns errChanged when the batch must be sealed again.
func (s *Service) tryPut(ctx context.Context, groupName, streamName string, events []event) (out *api.PutLogEventsOutput, err error) {
	p := here(ctx)
	var g *group
	var st *stream
	var k *dataKey
	err = s.db.View(ctx, func(r store.Reader) error {
		if g, err = groupAt(r, p, groupName); err == nil {
			if st, err = streamOf(r, g, streamName); err == nil {
				k, err = s.currentDataKey(r, g)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	now := s.milliseconds()
	out = &api.PutLogEventsOutput{NextSequenceToken: wire.Ptr(sequenceToken(now))}
	if events, out.RejectedLogEventsInfo = g.accepted(events, now); len(events) == 0 {
		return out, nil
	}
	fresh := k == nil
	if fresh {
		k, err = s.newDataKey(ctx, g)
	} else {
		err = s.openDataKey(ctx, g, k)
	}
	if err != nil {
		return nil, keyError(g.arn(), err)
	}
	seg, err := s.sealSegment(ctx, g, st, k, events, now)
	if err != nil {
		return nil, err
	}
	return out, s.db.Update(ctx, store.TxID{}, func(tx store.Tx) error { return s.commit(tx, g, st, k, fresh, seg) })
}

// commit writes a segment, where the group, its key and the stream are what they were.
func (s *Service) commit(tx store.Tx, g *group, st *stream, k *dataKey, fresh bool, seg *sealed) error {
	now, err := groupAt(tx, g.at, g.Name)
	if err != nil {
		return err
	}
	if now.ID != g.ID || now.Key != g.Key {
		return errChanged
	}
	stream, err := streamOf(tx, g, st.Name)
	if err != nil {
		return err
	}
	if stream.ID != st.ID {
		return errChanged
	}
	used := *k // the transaction may run again
	if !fresh {
		counted, err := dataKeyOf(tx, g.ID, k.ID)
		if errors.Is(err, store.ErrNotFound) {
			return errChanged
		}
		if err != nil {
			return err
		}
		used = *counted
	}
	if err := s.write(tx, g, &used, seg); err != nil {
		return err
	}
	return stream.received(tx, g, seg.name.min, seg.name.max, seg.header.Ingested)
}
