package logs

import (
	"context"

	api "github.com/strongroom/strongroom/api/logs"
)

// PutLogEvents adds a batch of events to a stream. They are durable when it answers; sequence tokens do not count.
func (s *Service) PutLogEvents(ctx context.Context, in *api.PutLogEventsInput) (*api.PutLogEventsOutput, error) {
	return s.putEvents(ctx, in)
}

// GetLogEvents reads the events of a stream, a page at a time, forward or backward. At the end the token is the one that came in.
func (s *Service) GetLogEvents(ctx context.Context, in *api.GetLogEventsInput) (*api.GetLogEventsOutput, error) {
	return s.getEvents(ctx, in)
}

// FilterLogEvents reads the events of a group that match a pattern, in order of time. A page may be empty and have a token: then there is
// more to look at.
func (s *Service) FilterLogEvents(ctx context.Context, in *api.FilterLogEventsInput) (*api.FilterLogEventsOutput, error) {
	return s.filterEvents(ctx, in)
}
