package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/store"
)

// A page of events is found without ever holding more than a page and a segment: segments are taken in the order of their first events, and
// of what they bring only the events that belong to the page are kept. No segment is longer than maxSpan, so the ones that reach into a time begin
// at most so long before it.

// position is a place between events: before the event that it names.
type position struct {
	time   int64
	serial string
	index  int
}

func (a position) compare(b position) int {
	return cmp.Or(cmp.Compare(a.time, b.time), strings.Compare(a.serial, b.serial), cmp.Compare(a.index, b.index))
}

// after is the place behind the event that a names.
func (a position) after() position { a.index++; return a }

func (a position) String() string { return stamp(a.time) + fmt.Sprintf("%08x", a.index) + a.serial }

func parsePosition(text string) (p position, err error) {
	if len(text) < stampLength+8 {
		return p, fmt.Errorf("position %q", text)
	}
	time, err := strconv.ParseInt(text[:stampLength], 16, 64)
	index, err2 := strconv.ParseInt(text[stampLength:stampLength+8], 16, 32)
	return position{time, text[stampLength+8:], int(index)}, errors.Join(err, err2)
}

// endOfTime is later than every event.
const endOfTime = int64(1) << 60

// found is an event that was found.
type found struct {
	position
	message  string
	stream   string // name
	ingested int64
}

// reading looks for events of a group.
type reading struct {
	*ring
	stream   string                                   // id of the only stream; "" for several
	wants    func(store.Reader, header) (bool, error) // of the streams; nil for all of the one
	match    func(message string) bool                // nil for all
	from, to position                                 // from <= event < to
	most     int                                      // events of a page

	budget int64 // bytes of events to open before a page is given as it is; 0 for no end
	opened int64
	kept   []found // in order
	full   bool    // there is more than kept
}

// maxPageBytes is the size of a page of events (GetLogEvents, API reference).
const maxPageBytes = 1 << 20

// prefix is where the names of the segments stand that may hold events.
func (x *reading) prefix() []byte {
	if x.stream != "" {
		return below("i", x.g.ID, x.stream)
	}
	return below("e", x.g.ID)
}

// names reads names of segments, a part of them at a time, until yield says no.
func (x *reading) names(ctx context.Context, reverse bool, yield func(segmentName) (more bool, err error)) error {
	prefix := x.prefix()
	scan := store.Range{
		From: append(slices.Clone(prefix), stamp(max(0, x.from.time-maxSpan.Milliseconds()))...),
		To:   append(slices.Clone(prefix), stamp(x.to.time+1)...), KeysOnly: true, Limit: 1000, Reverse: reverse,
	}
	for {
		var list []segmentName
		err := x.s.db.View(ctx, func(r store.Reader) error {
			list = list[:0]
			for rec, err := range r.Scan(scan) {
				if err != nil {
					return err
				}
				n, err := parseSegmentName(string(rec.Key[len(prefix):]))
				if err != nil {
					return err
				}
				list = append(list, n)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, n := range list {
			if more, err := yield(n); err != nil || !more {
				return err
			}
		}
		if len(list) < scan.Limit {
			return nil
		}
		last := append(slices.Clone(prefix), list[len(list)-1].String()...)
		if reverse {
			scan.To = last
		} else {
			scan.From = append(last, 0)
		}
	}
}

// forward finds the first events from x.from on, and where to go on; more is false when there is nothing else.
func (x *reading) forward(ctx context.Context) (events []found, next position, more bool, err error) {
	next = x.from
	err = x.names(ctx, false, func(n segmentName) (bool, error) {
		switch {
		case n.max < x.from.time:
			return true, nil
		case x.full && n.min > x.kept[len(x.kept)-1].time:
			return false, nil
		case x.budget > 0 && x.opened > x.budget && n.min > x.from.time:
			// Everything before this segment has been seen.
			x.kept = slices.DeleteFunc(x.kept, func(e found) bool { return e.time >= n.min })
			next, more = position{time: n.min}, true
			return false, nil
		}
		if err := x.take(ctx, n); err != nil {
			return false, err
		}
		x.trim(false)
		return true, nil
	})
	if len(x.kept) > 0 && !more {
		next = x.kept[len(x.kept)-1].after()
	}
	return x.kept, next, more || x.full, err
}

// backward finds the last events before x.to.
func (x *reading) backward(ctx context.Context) ([]found, error) {
	err := x.names(ctx, true, func(n segmentName) (bool, error) {
		switch {
		case x.full && n.min+maxSpan.Milliseconds() < x.kept[0].time:
			return false, nil
		case n.max < x.from.time, x.full && n.max < x.kept[0].time:
			return true, nil
		}
		if err := x.take(ctx, n); err != nil {
			return false, err
		}
		x.trim(true)
		return true, nil
	})
	return x.kept, err
}

// take keeps what a segment has that is looked for.
func (x *reading) take(ctx context.Context, n segmentName) error {
	var h header
	var rest []byte
	wanted := true
	err := x.s.db.View(ctx, func(r store.Reader) (err error) {
		if h, rest, err = readSegment(r, x.g.ID, n); err == nil && x.wants != nil {
			wanted, err = x.wants(r, h)
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil // it has been removed meanwhile
	}
	if err != nil || !wanted {
		return err
	}
	events, err := x.openSegment(ctx, n, h, rest)
	if err != nil {
		return err
	}
	x.opened += h.Bytes
	for i, e := range events {
		at := position{e.time, n.serial, i}
		if at.compare(x.from) >= 0 && at.compare(x.to) < 0 && (x.match == nil || x.match(e.message)) {
			x.kept = append(x.kept, found{at, e.message, h.Name, h.Ingested})
		}
	}
	return nil
}

// trim sorts what is kept and drops what does not fit into a page, at its end or at its beginning.
func (x *reading) trim(keepLast bool) {
	slices.SortFunc(x.kept, func(a, b found) int { return a.compare(b.position) })
	size, n := 0, 0
	for n < len(x.kept) && n < x.most {
		e := &x.kept[n]
		if keepLast {
			e = &x.kept[len(x.kept)-1-n]
		}
		if size += len(e.message) + eventOverhead; size > maxPageBytes && n > 0 {
			break
		}
		n++
	}
	if n == len(x.kept) {
		return
	}
	x.full = true
	if keepLast {
		x.kept = slices.Delete(x.kept, 0, len(x.kept)-n)
	} else {
		clear(x.kept[n:])
		x.kept = x.kept[:n]
	}
}
