package logs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/wire"
)

func TestGroups(t *testing.T) {
	h := newHouse(t)
	ctx := h.caller()
	for i := range 60 {
		h.group(fmt.Sprintf("/app/%02d", i), "")
	}
	h.group("other", "")
	_, err := h.CreateLogGroup(ctx, &api.CreateLogGroupInput{LogGroupName: wire.Ptr("other")})
	h.is(err, "ResourceAlreadyExistsException")

	var names []string
	in := &api.DescribeLogGroupsInput{LogGroupNamePrefix: wire.Ptr("/app/")}
	for pages := 1; ; pages++ {
		out, err := h.DescribeLogGroups(ctx, in)
		h.ok(err)
		for _, g := range out.LogGroups {
			names = append(names, *g.LogGroupName)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			if pages != 2 || len(names) != 60 || !slices.IsSorted(names) {
				t.Errorf("%d groups on %d pages: %v", len(names), pages, names)
			}
			break
		}
	}
	out, err := h.DescribeLogGroups(ctx, &api.DescribeLogGroupsInput{LogGroupNamePattern: wire.Ptr("PP/1")})
	h.ok(err)
	if len(out.LogGroups) != 10 {
		t.Fatalf("a pattern finds %d groups", len(out.LogGroups))
	}
	if g := out.LogGroups[0]; *g.Arn != "arn:aws:logs:eu-west-1:111122223333:log-group:/app/10:*" || *g.LogGroupArn+":*" != *g.Arn || g.LogGroupClass != "STANDARD" {
		t.Errorf("described: %+v", g)
	}
	_, err = h.DescribeLogGroups(ctx, &api.DescribeLogGroupsInput{LogGroupNamePattern: wire.Ptr("x"), NextToken: wire.Ptr("garbage")})
	h.is(err, "InvalidParameterException")

	_, err = h.DeleteLogGroup(ctx, &api.DeleteLogGroupInput{LogGroupName: wire.Ptr("other")})
	h.ok(err)
	_, err = h.DeleteLogGroup(ctx, &api.DeleteLogGroupInput{LogGroupName: wire.Ptr("other")})
	h.is(err, "ResourceNotFoundException")
}

func TestTags(t *testing.T) {
	h := newHouse(t)
	ctx, name := h.caller(), wire.Ptr("g")
	_, err := h.CreateLogGroup(ctx, &api.CreateLogGroupInput{LogGroupName: name, Tags: map[string]string{"a": "1"}})
	h.ok(err)
	arn := wire.Ptr("arn:aws:logs:eu-west-1:111122223333:log-group:g")
	_, err = h.TagResource(ctx, &api.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"b": "2"}})
	h.ok(err)
	_, err = h.TagLogGroup(ctx, &api.TagLogGroupInput{LogGroupName: name, Tags: map[string]string{"c": "3"}})
	h.ok(err)
	_, err = h.UntagResource(ctx, &api.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}})
	h.ok(err)
	one, err := h.ListTagsForResource(ctx, &api.ListTagsForResourceInput{ResourceArn: arn})
	h.ok(err)
	other, err := h.ListTagsLogGroup(ctx, &api.ListTagsLogGroupInput{LogGroupName: name})
	h.ok(err)
	if want := "map[b:2 c:3]"; fmt.Sprint(one.Tags) != want || fmt.Sprint(other.Tags) != want {
		t.Errorf("got %v and %v, want %s", one.Tags, other.Tags, want)
	}
	_, err = h.TagResource(ctx, &api.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"aws:x": "2"}})
	h.is(err, "InvalidParameterException")
	_, err = h.ListTagsForResource(ctx, &api.ListTagsForResourceInput{ResourceArn: wire.Ptr("arn:aws:logs:eu-west-1:999999999999:log-group:g")})
	h.is(err, "ResourceNotFoundException")
}

func TestStreams(t *testing.T) {
	h := newHouse(t)
	ctx := h.caller()
	h.group("g", "", "b", "a", "ab")
	now := time.Now().UnixMilli()
	for _, e := range []struct {
		stream string
		time   int64
	}{{"a", now}, {"b", now - 5}, {"b", now + 5}} {
		_, err := h.put("g", e.stream, event{e.time, "x"})
		h.ok(err)
	}
	for _, c := range []struct {
		in   api.DescribeLogStreamsInput
		want string
	}{
		{api.DescribeLogStreamsInput{}, "a ab b"},
		{api.DescribeLogStreamsInput{Descending: wire.Ptr(true)}, "b ab a"},
		{api.DescribeLogStreamsInput{LogStreamNamePrefix: wire.Ptr("a")}, "a ab"},
		{api.DescribeLogStreamsInput{LogStreamNamePrefix: wire.Ptr("a"), Descending: wire.Ptr(true)}, "ab a"},
		{api.DescribeLogStreamsInput{OrderBy: api.OrderByLastEventTime}, "ab a b"},
		{api.DescribeLogStreamsInput{OrderBy: api.OrderByLastEventTime, Descending: wire.Ptr(true)}, "b a ab"},
	} {
		for _, size := range []int32{1, 2, 50} {
			var got []string
			in := c.in
			in.LogGroupName, in.Limit = wire.Ptr("g"), &size
			for more := true; more; more = in.NextToken != nil {
				out, err := h.DescribeLogStreams(ctx, &in)
				h.ok(err)
				for _, st := range out.LogStreams {
					got = append(got, *st.LogStreamName)
				}
				in.NextToken = out.NextToken
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%+v by %d: got %v, want %s", c.in, size, got, c.want)
			}
		}
	}
	out, err := h.DescribeLogStreams(ctx, &api.DescribeLogStreamsInput{LogGroupIdentifier: wire.Ptr("arn:aws:logs:eu-west-1:111122223333:log-group:g"), LogStreamNamePrefix: wire.Ptr("b")})
	h.ok(err)
	if st := out.LogStreams[0]; *st.FirstEventTimestamp != now-5 || *st.LastEventTimestamp != now+5 || *st.LastIngestionTime < now || st.UploadSequenceToken == nil {
		t.Errorf("described: %+v", st)
	}
	_, err = h.DescribeLogStreams(ctx, &api.DescribeLogStreamsInput{LogGroupName: wire.Ptr("g"), LogStreamNamePrefix: wire.Ptr("a"), OrderBy: api.OrderByLastEventTime})
	h.is(err, "InvalidParameterException")
	_, err = h.CreateLogStream(ctx, &api.CreateLogStreamInput{LogGroupName: wire.Ptr("g"), LogStreamName: wire.Ptr("a")})
	h.is(err, "ResourceAlreadyExistsException")
	_, err = h.put("g", "none", event{now, "x"})
	h.is(err, "ResourceNotFoundException")
	_, err = h.put("none", "a", event{now, "x"})
	h.is(err, "ResourceNotFoundException")
}

func TestEveryOperationHasAScope(t *testing.T) {
	for _, op := range api.API.Operations {
		implemented := wire.Implemented((*Service)(nil), op)
		if _, ok := scopes[op.Name]; ok != implemented {
			t.Errorf("%s: has a scope %v, implemented %v", op.Name, ok, implemented)
		}
	}
	for name := range scopes {
		if api.API.Operation(name) == nil {
			t.Errorf("there is no operation %s", name)
		}
	}
}
