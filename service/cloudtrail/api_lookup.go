package cloudtrail

import (
	"context"
	"fmt"
	"strconv"

	"github.com/strongroom/strongroom/api/cloudtrail"
	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

// maxResults is the size of a page, and its default.
const maxResults = 50

// LookupEvents returns the account's records in the region, newest first, a page at a time.
func (s *Service) LookupEvents(ctx context.Context, in *cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
	c := call.From(ctx)
	q, err := query(c, in)
	if err != nil {
		return nil, err
	}
	if in.EventCategory == cloudtrail.EventCategoryInsight {
		return &cloudtrail.LookupEventsOutput{}, nil // there are no insights: nothing here guesses
	}
	listing := scope(&q)
	if in.NextToken != nil {
		if q.Before, err = s.position(listing, *in.NextToken); err != nil {
			return nil, cloudtrail.InvalidNextTokenException("The NextToken is not valid. Start the lookup again without one.")
		}
	}
	found, err := s.records.Lookup(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &cloudtrail.LookupEventsOutput{Events: make([]cloudtrail.Event, 0, len(found))}
	for i := range found {
		out.Events = append(out.Events, event(&found[i]))
	}
	if len(found) == q.Limit {
		last := found[len(found)-1].Position
		out.NextToken = wire.Ptr(s.pages.Token(listing, strconv.FormatUint(uint64(last), 10)))
	}
	return out, nil
}

// scope names what a query lists, in one way only: a token goes on with the listing it was
// made for, and no other.
func scope(q *audit.Query) string {
	return fmt.Sprintf("%s/%s/%s/%q/%d/%d", q.Account, q.Region, q.Attribute, q.Value, q.From.UnixNano(), q.To.UnixNano())
}

// position reads the token of a listing.
func (s *Service) position(listing, token string) (audit.Position, error) {
	text, err := s.pages.Position(listing, token)
	if err != nil {
		return 0, err
	}
	before, err := strconv.ParseUint(text, 10, 64)
	return audit.Position(before), err
}

// query reads the input as a query of the log.
func query(c *call.Call, in *cloudtrail.LookupEventsInput) (audit.Query, error) {
	q := audit.Query{Account: c.Principal.Account, Region: c.Region, From: wire.Val(in.StartTime), To: wire.Val(in.EndTime), Limit: maxResults}
	if in.MaxResults != nil {
		q.Limit = int(*in.MaxResults)
		if q.Limit < 1 || q.Limit > maxResults {
			return q, cloudtrail.InvalidMaxResultsException("The value %d of MaxResults is not between 1 and %d.", q.Limit, maxResults)
		}
	}
	if in.StartTime != nil && in.EndTime != nil && in.EndTime.Before(*in.StartTime) {
		return q, cloudtrail.InvalidTimeRangeException("The start time is after the end time.")
	}
	switch len(in.LookupAttributes) {
	case 0:
	case 1:
		q.Attribute = string(in.LookupAttributes[0].AttributeKey)
		q.Value = wire.Val(in.LookupAttributes[0].AttributeValue)
	default:
		return q, cloudtrail.InvalidLookupAttributesException("You can only use 1 attribute in a lookup; %d were given.", len(in.LookupAttributes))
	}
	return q, nil
}

// event is a record as LookupEvents answers it.
func event(f *audit.Found) cloudtrail.Event {
	e := cloudtrail.Event{
		EventId:         wire.Ptr(f.EventID),
		EventName:       wire.Ptr(f.EventName),
		ReadOnly:        wire.Ptr(strconv.FormatBool(f.ReadOnly)),
		EventTime:       wire.Ptr(f.Time),
		EventSource:     wire.Ptr(f.EventSource),
		Resources:       make([]cloudtrail.Resource, 0, len(f.Resources)),
		CloudTrailEvent: wire.Ptr(string(f.JSON)),
	}
	if f.AccessKeyID != "" {
		e.AccessKeyId = wire.Ptr(f.AccessKeyID)
	}
	if f.Username != "" {
		e.Username = wire.Ptr(f.Username)
	}
	for _, r := range f.Resources {
		e.Resources = append(e.Resources, cloudtrail.Resource{ResourceType: wire.Ptr(r.Type), ResourceName: wire.Ptr(r.ARN)})
	}
	return e
}
