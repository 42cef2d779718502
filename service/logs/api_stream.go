package logs

import (
	"context"
	"strings"

	api "github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// CreateLogStream makes a stream in a group.
func (s *Service) CreateLogStream(ctx context.Context, in *api.CreateLogStreamInput) (*api.CreateLogStreamOutput, error) {
	return &api.CreateLogStreamOutput{}, s.createStream(ctx, *in.LogGroupName, *in.LogStreamName)
}

// DeleteLogStream deletes a stream with all its events.
func (s *Service) DeleteLogStream(ctx context.Context, in *api.DeleteLogStreamInput) (*api.DeleteLogStreamOutput, error) {
	return &api.DeleteLogStreamOutput{}, s.deleteStream(ctx, *in.LogGroupName, *in.LogStreamName)
}

// DescribeLogStreams lists the streams of a group, by name or by the time of their last events.
func (s *Service) DescribeLogStreams(ctx context.Context, in *api.DescribeLogStreamsInput) (*api.DescribeLogStreamsOutput, error) {
	g, err := s.groupNamed(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	prefix, descending := wire.Val(in.LogStreamNamePrefix), wire.Val(in.Descending)
	byTime := in.OrderBy == api.OrderByLastEventTime
	if byTime && prefix != "" {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	pg := page{strings.Join([]string{"streams", g.ID, prefix, string(in.OrderBy), map[bool]string{true: "descending"}[descending]}, "\x1f"), in.NextToken, in.Limit}
	at := append(below("s", g.ID), prefix...)
	if byTime {
		at = below("o", g.ID)
	}
	items, next, err := list(ctx, s, at, descending, pg, func(r store.Reader, rest string, _ []byte) (*api.LogStream, error) {
		name := prefix + rest
		if byTime {
			name = rest[min(len(rest), stampLength+len(sep)):]
		}
		st, err := streamOf(r, g, name)
		if err != nil {
			return nil, err
		}
		return st.described(g), nil
	})
	if err != nil {
		return nil, err
	}
	return &api.DescribeLogStreamsOutput{LogStreams: items, NextToken: next}, nil
}
