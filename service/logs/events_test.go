package logs

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/wire"
)

const (
	hour = int64(time.Hour / time.Millisecond)
	day  = 24 * hour
)

func TestBatches(t *testing.T) {
	h := newHouse(t)
	h.group("g", "", "s")
	now := time.Now().UnixMilli()
	largest := strings.Repeat("x", maxEvent-eventOverhead)
	for name, events := range map[string][]event{
		"order":     {{now, "b"}, {now - 1, "a"}},
		"span":      {{now - day - 1, "a"}, {now, "b"}},
		"one event": {{now, largest + "x"}},
		"all":       {{now, largest}, {now, largest}, {now, largest}, {now, largest}, {now, "x"}},
	} {
		_, err := h.put("g", "s", events...)
		if !wire.IsCode(err, "InvalidParameterException") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if n := h.left("e"); n != 0 {
		t.Errorf("%d segments were written", n)
	}

	_, err := h.PutRetentionPolicy(h.caller(), &api.PutRetentionPolicyInput{LogGroupName: wire.Ptr("g"), RetentionInDays: wire.Ptr(int32(3))})
	h.ok(err)
	rejected := func(events ...event) string {
		out, err := h.put("g", "s", events...)
		h.ok(err)
		i := out.RejectedLogEventsInfo
		if i == nil {
			return "none"
		}
		return fmt.Sprint(wire.Val(i.TooOldLogEventEndIndex), wire.Val(i.ExpiredLogEventEndIndex), wire.Val(i.TooNewLogEventStartIndex))
	}
	for _, c := range []struct{ got, want string }{
		{rejected(event{now, "kept"}), "none"},
		{rejected(event{now + hour, "kept too"}, event{now + 3*hour, "new"}, event{now + 3*hour, "new"}), "0 0 1"},
		{rejected(event{now - 14*day - hour, "old"}, event{now - 14*day + hour, "expired"}), "1 2 0"},
		{rejected(event{now - 3*day - hour, "expired"}, event{now - 3*day + hour, "first"}), "0 1 0"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
	if got := h.everything("g", "s", 100); fmt.Sprint(got) != "[first kept kept too]" {
		t.Errorf("got %v", got)
	}
}

// written is an event that TestPages has written.
type written struct {
	stream      string
	time        int64
	even, batch int
	text        string
}

// scatter writes batches that overlap into three streams, and returns their events in order of time.
func (h *testHouse) scatter(start int64) (all []written) {
	random := rand.New(rand.NewPCG(1, 2))
	for batch := range 60 {
		stream := fmt.Sprintf("s%d", random.IntN(3))
		first := start + random.Int64N(48)*hour
		at := first
		var events []event
		for range 1 + random.IntN(20) {
			if at-first > day {
				break
			}
			text := fmt.Sprintf(`{"n":%d,"batch":%d,"even":%v}`, len(all), batch, len(all)%2 == 0)
			events = append(events, event{at, text})
			all = append(all, written{stream, at, len(all) % 2, batch, text})
			at += random.Int64N(3) * random.Int64N(hour)
		}
		_, err := h.put("g", stream, events...)
		h.ok(err)
	}
	slices.SortStableFunc(all, func(a, b written) int { return cmp.Compare(a.time, b.time) })
	return all
}

func texts(all []written, keep func(written) bool) (list []string) {
	for _, w := range all {
		if keep(w) {
			list = append(list, w.text)
		}
	}
	return list
}

// backward reads a stream from its end to its head, and returns its events in order.
func (h *testHouse) backward(group, stream string, limit int32) (messages []string) {
	h.Helper()
	in := &api.GetLogEventsInput{LogGroupName: &group, LogStreamName: &stream, Limit: &limit}
	for {
		out, err := h.GetLogEvents(h.caller(), in)
		h.ok(err)
		var page []string
		for _, e := range out.Events {
			page = append(page, *e.Message)
		}
		messages = append(page, messages...)
		if in.NextToken != nil && *in.NextToken == *out.NextBackwardToken {
			return messages
		}
		in.NextToken = out.NextBackwardToken
	}
}

// TestPages compares what is read with what was written, page by page in every way.
func TestPages(t *testing.T) {
	h := newHouse(t)
	h.group("g", "", "s0", "s1", "s2")
	start := time.Now().UnixMilli() - 3*day
	all := h.scatter(start)
	same := func(what string, got, want []string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %d events, want %d: %v", what, len(got), len(want), got)
		}
	}
	for _, size := range []int32{1, 7, 10_000} {
		same("forward", h.everything("g", "s1", size), texts(all, func(w written) bool { return w.stream == "s1" }))
		same("backward", h.backward("g", "s2", size), texts(all, func(w written) bool { return w.stream == "s2" }))
	}
	from, to := start+20*hour, start+40*hour
	for _, c := range []struct {
		name string
		in   api.FilterLogEventsInput
		keep func(written) bool
	}{
		{"all", api.FilterLogEventsInput{}, func(written) bool { return true }},
		{"one stream", api.FilterLogEventsInput{LogStreamNames: []string{"s1"}}, func(w written) bool { return w.stream == "s1" }},
		{"two streams", api.FilterLogEventsInput{LogStreamNames: []string{"s1", "s0"}}, func(w written) bool { return w.stream != "s2" }},
		{"a prefix", api.FilterLogEventsInput{LogStreamNamePrefix: wire.Ptr("s2")}, func(w written) bool { return w.stream == "s2" }},
		{"a time", api.FilterLogEventsInput{StartTime: &from, EndTime: &to}, func(w written) bool { return w.time >= from && w.time <= to }},
		{"a pattern", api.FilterLogEventsInput{FilterPattern: wire.Ptr("{ $.even IS TRUE && $.batch > 5 }")}, func(w written) bool { return w.even == 0 && w.batch > 5 }},
	} {
		for _, size := range []int32{3, 10_000} {
			in := c.in
			in.LogGroupName, in.Limit = wire.Ptr("g"), &size
			got, ids := h.filtered(&in)
			same(c.name, got, texts(all, c.keep))
			slices.Sort(ids)
			if n := len(slices.Compact(ids)); n != len(got) {
				t.Errorf("%s: %d events have %d ids", c.name, len(got), n)
			}
		}
	}
	_, err := h.FilterLogEvents(h.caller(), &api.FilterLogEventsInput{LogGroupName: wire.Ptr("g"), FilterPattern: wire.Ptr("{")})
	h.is(err, "InvalidParameterException")
	_, err = h.FilterLogEvents(h.caller(), &api.FilterLogEventsInput{LogGroupName: wire.Ptr("g"), LogStreamNames: []string{"none"}})
	h.is(err, "ResourceNotFoundException")
}

// filtered reads all pages of a search.
func (h *testHouse) filtered(in *api.FilterLogEventsInput) (messages, ids []string) {
	h.Helper()
	for more := true; more; more = in.NextToken != nil {
		out, err := h.FilterLogEvents(h.caller(), in)
		h.ok(err)
		for _, e := range out.Events {
			messages, ids = append(messages, *e.Message), append(ids, *e.EventId)
		}
		in.NextToken = out.NextToken
	}
	return messages, ids
}

// TestSearchBudget: a search that has looked at much answers with what it has, and goes on from there.
func TestSearchBudget(t *testing.T) {
	h := newHouse(t)
	h.group("g", "", "s0", "s1", "s2")
	all := h.scatter(time.Now().UnixMilli() - 3*day)
	var g *group
	g, err := h.groupNamed(h.caller(), wire.Ptr("g"), nil)
	h.ok(err)
	from, pages := position{}, 0
	var got []string
	for more := true; more; pages++ {
		x := &reading{ring: h.ring(g), from: from, to: position{time: endOfTime}, most: maxEvents, budget: 1000}
		var events []found
		events, from, more, err = x.forward(h.caller())
		h.ok(err)
		for _, e := range events {
			got = append(got, e.message)
		}
	}
	if want := texts(all, func(written) bool { return true }); !slices.Equal(got, want) || pages < 5 {
		t.Errorf("got %d events on %d pages, want %d", len(got), pages, len(want))
	}
}

// TestTail: the token at the end goes on with what comes later.
func TestTail(t *testing.T) {
	h := newHouse(t)
	h.group("g", "", "s")
	in := &api.GetLogEventsInput{LogGroupName: wire.Ptr("g"), LogStreamName: wire.Ptr("s")}
	out, err := h.GetLogEvents(h.caller(), in)
	h.ok(err)
	now := time.Now().UnixMilli()
	for i := range 3 {
		_, err = h.put("g", "s", event{now + int64(i), fmt.Sprint("event ", i)})
		h.ok(err)
		in.NextToken = out.NextForwardToken
		out, err = h.GetLogEvents(h.caller(), in)
		h.ok(err)
		if len(out.Events) != 1 || *out.Events[0].Message != fmt.Sprint("event ", i) {
			t.Fatalf("got %+v", out.Events)
		}
	}
	in.NextToken = out.NextForwardToken
	end, err := h.GetLogEvents(h.caller(), in)
	h.ok(err)
	if len(end.Events) != 0 || *end.NextForwardToken != *in.NextToken {
		t.Errorf("at the end: %+v", end)
	}
	for _, token := range []string{"x", "f/", "b/zzz", *end.NextForwardToken + "A"} {
		in.NextToken = &token
		_, err = h.GetLogEvents(h.caller(), in)
		h.is(err, "InvalidParameterException")
	}
}
