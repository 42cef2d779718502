package cloudtrail

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/api/cloudtrail"
	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

// varied fills the log with events that differ in everything a lookup can ask for.
func varied(t *testing.T) *testHouse {
	h := newHouse(t)
	h.event(0, nil)
	h.event(1, func(e *audit.Entry) {
		e.EventName, e.ReadOnly = "CreateKey", false
		e.Resources = []audit.Resource{{AccountID: account, Type: "AWS::KMS::Key", ARN: "arn:aws:kms:eu-west-1:111122223333:key/k1"}}
	})
	h.event(2, func(e *audit.Entry) {
		e.EventName, e.EventSource, e.ReadOnly = "PutObject", "s3.amazonaws.com", false
		e.Resources = []audit.Resource{
			{AccountID: account, Type: "AWS::S3::Object", ARN: "arn:aws:s3:::box/a/b.txt"},
			{AccountID: account, Type: "AWS::S3::Bucket", ARN: "arn:aws:s3:::box"},
		}
	})
	h.event(3, func(e *audit.Entry) { e.Username, e.AccessKeyID = "bob", "AKIABOB" })
	h.event(4, func(e *audit.Entry) { e.Username, e.AccessKeyID = "", "" })
	h.event(5, func(e *audit.Entry) { e.Account = other })
	h.event(6, func(e *audit.Entry) { e.Region = "us-east-1" })
	h.event(7, nil)
	return h
}

func TestAttributes(t *testing.T) {
	h := varied(t)
	for name, c := range map[string]struct {
		attributes []cloudtrail.LookupAttribute
		want       []string
	}{
		"none":                             {nil, named(7, 4, 3, 2, 1, 0)},
		"empty list":                       {[]cloudtrail.LookupAttribute{}, named(7, 4, 3, 2, 1, 0)},
		"event id":                         {by("EventId", "event-003"), named(3)},
		"event id of another account":      {by("EventId", "event-005"), nil},
		"event id of another region":       {by("EventId", "event-006"), nil},
		"event name":                       {by("EventName", "Encrypt"), named(7, 4, 3, 0)},
		"event name in other letters":      {by("EventName", "encrypt"), nil},
		"beginning of an event name":       {by("EventName", "Enc"), nil},
		"read only":                        {by("ReadOnly", "true"), named(7, 4, 3, 0)},
		"not read only":                    {by("ReadOnly", "false"), named(2, 1)},
		"neither":                          {by("ReadOnly", "maybe"), nil},
		"user name":                        {by("Username", "bob"), named(3)},
		"resource type":                    {by("ResourceType", "AWS::S3::Bucket"), named(2)},
		"resource type that is nobody's":   {by("ResourceType", "AWS::S3::Lamp"), nil},
		"resource name, an ARN":            {by("ResourceName", "arn:aws:kms:eu-west-1:111122223333:key/k1"), named(1)},
		"resource name, the last part":     {by("ResourceName", "k1"), named(1)},
		"resource name, a bucket":          {by("ResourceName", "box"), named(2)},
		"resource name, the second of two": {by("ResourceName", "arn:aws:s3:::box"), named(2)},
		"event source":                     {by("EventSource", "s3.amazonaws.com"), named(2)},
		"event source by its short name":   {by("EventSource", "s3"), nil},
		"access key":                       {by("AccessKeyId", "AKIABOB"), named(3)},
		"one attribute's value in another": {by("EventName", "bob"), nil},
	} {
		if got := h.ids(ann, cloudtrail.LookupEventsInput{LookupAttributes: c.attributes}); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestEvent(t *testing.T) {
	h := varied(t)
	out, err := h.lookup(ann, &cloudtrail.LookupEventsInput{LookupAttributes: by("EventId", "event-002")})
	if err != nil {
		t.Fatal(err)
	}
	e := out.Events[0]
	if *e.EventName != "PutObject" || *e.EventSource != "s3.amazonaws.com" || *e.ReadOnly != "false" || !e.EventTime.Equal(*at(2)) || *e.Username != "ann" || *e.AccessKeyId != "AKIAANN" {
		t.Errorf("got %+v", e)
	}
	if len(e.Resources) != 2 || *e.Resources[0].ResourceType != "AWS::S3::Object" || *e.Resources[0].ResourceName != "arn:aws:s3:::box/a/b.txt" || *e.Resources[1].ResourceType != "AWS::S3::Bucket" {
		t.Errorf("got the resources %+v", e.Resources)
	}
	out, err = h.lookup(ann, &cloudtrail.LookupEventsInput{LookupAttributes: by("EventId", "event-004")})
	if err != nil {
		t.Fatal(err)
	}
	// What nobody can have meant is left out, not said to be empty.
	if e := out.Events[0]; e.Username != nil || e.AccessKeyId != nil || e.Resources == nil || len(e.Resources) != 0 || *e.ReadOnly != "true" {
		t.Errorf("got %+v", e)
	}
}

func TestAccountsAndRegionsAreApart(t *testing.T) {
	h := varied(t)
	for who, want := range map[caller][]string{
		ann:                               named(7, 4, 3, 2, 1, 0),
		{other, region, mayLook}:          named(5),
		{account, "us-east-1", mayLook}:   named(6),
		{other, "us-east-1", mayLook}:     nil,
		{"777788889999", region, mayLook}: nil,
	} {
		if got := h.ids(who, cloudtrail.LookupEventsInput{}); !slices.Equal(got, want) {
			t.Errorf("%s in %s: got %v, want %v", who.account, who.region, got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	h := newHouse(t)
	for i := range 6 {
		h.event(i, nil)
	}
	second := func(i int, by time.Duration) *time.Time { return wire.Ptr(at(i).Add(by)) }
	for name, c := range map[string]struct {
		from, to *time.Time
		want     []string
	}{
		"from":            {at(4), nil, named(5, 4)},
		"to":              {nil, at(1), named(1, 0)},
		"both are in":     {at(2), at(3), named(3, 2)},
		"one instant":     {at(2), at(2), named(2)},
		"a second after":  {second(2, time.Second), at(3), named(3)},
		"a second before": {at(2), second(3, -time.Second), named(2)},
		"between two":     {second(2, time.Second), second(3, -time.Second), nil},
		"in another zone": {wire.Ptr(at(4).In(time.FixedZone("", 3*3600))), nil, named(5, 4)},
		"long ago":        {nil, wire.Ptr(time.Unix(0, 0)), nil},
		"in time to come": {wire.Ptr(begin.AddDate(50, 0, 0)), nil, nil},
		"all there is":    {wire.Ptr(time.Unix(0, 0)), wire.Ptr(begin.AddDate(50, 0, 0)), named(5, 4, 3, 2, 1, 0)},
	} {
		if got := h.ids(ann, cloudtrail.LookupEventsInput{StartTime: c.from, EndTime: c.to}); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	if _, err := h.lookup(ann, &cloudtrail.LookupEventsInput{StartTime: at(3), EndTime: at(2)}); !wire.IsCode(err, "InvalidTimeRangeException") {
		t.Errorf("from after to: got %v", err)
	}
	if got := h.ids(ann, cloudtrail.LookupEventsInput{StartTime: at(2), LookupAttributes: by("EventId", "event-001")}); got != nil {
		t.Errorf("an attribute takes the time's bound away: %v", got)
	}
}

func TestPages(t *testing.T) {
	h := newHouse(t)
	var want []string
	for i := range 120 {
		h.event(i, func(e *audit.Entry) {
			if i%3 == 0 {
				e.EventName = "Decrypt"
			}
			if i%5 == 0 {
				e.Account = other // others' events lie between
			}
		})
		if i%5 != 0 {
			want = append(named(i), want...)
		}
	}
	for _, size := range []int32{0, 1, 7, 49, 50} {
		in := cloudtrail.LookupEventsInput{}
		if size > 0 {
			in.MaxResults = &size
		}
		if got := h.ids(ann, in); !slices.Equal(got, want) {
			t.Errorf("in pages of %d: got %d events, want %d", size, len(got), len(want))
		}
	}
	out, err := h.lookup(ann, &cloudtrail.LookupEventsInput{})
	if err != nil || len(out.Events) != 50 || out.NextToken == nil {
		t.Fatalf("the first page has %d events, %v; want 50 and a token", len(out.Events), err)
	}
	// What happens between two pages is not in the second, and takes nothing out of it.
	h.event(200, nil)
	next, err := h.lookup(ann, &cloudtrail.LookupEventsInput{NextToken: out.NextToken})
	if err != nil || *next.Events[0].EventId != want[50] || len(next.Events) != len(want)-50 || next.NextToken != nil {
		t.Errorf("the second page begins with %s and has %d events, %v", *next.Events[0].EventId, len(next.Events), err)
	}
}

func TestTokensAreOfOneLookup(t *testing.T) {
	h := newHouse(t)
	for i := range 6 {
		h.event(i, nil)
		h.event(i, func(e *audit.Entry) { e.Account = other })
		h.event(i, func(e *audit.Entry) { e.Region = "us-east-1" })
	}
	made := cloudtrail.LookupEventsInput{MaxResults: wire.Ptr(int32(2)), LookupAttributes: by("Username", "ann"), StartTime: at(0), EndTime: at(9)}
	out, err := h.lookup(ann, &made)
	if err != nil || out.NextToken == nil {
		t.Fatalf("got %+v, %v", out, err)
	}
	token := *out.NextToken
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1]++
	with := func(change func(*cloudtrail.LookupEventsInput)) *cloudtrail.LookupEventsInput {
		in := made
		in.NextToken = &token
		change(&in)
		return &in
	}
	for name, c := range map[string]struct {
		who caller
		in  *cloudtrail.LookupEventsInput
		ok  bool
	}{
		"the same":                {ann, with(func(*cloudtrail.LookupEventsInput) {}), true},
		"the same, other size":    {ann, with(func(in *cloudtrail.LookupEventsInput) { in.MaxResults = wire.Ptr(int32(3)) }), true},
		"another account":         {caller{other, region, mayLook}, with(func(*cloudtrail.LookupEventsInput) {}), false},
		"another region":          {caller{account, "us-east-1", mayLook}, with(func(*cloudtrail.LookupEventsInput) {}), false},
		"no attribute":            {ann, with(func(in *cloudtrail.LookupEventsInput) { in.LookupAttributes = nil }), false},
		"another attribute":       {ann, with(func(in *cloudtrail.LookupEventsInput) { in.LookupAttributes = by("EventName", "ann") }), false},
		"another value":           {ann, with(func(in *cloudtrail.LookupEventsInput) { in.LookupAttributes = by("Username", "bob") }), false},
		"another start":           {ann, with(func(in *cloudtrail.LookupEventsInput) { in.StartTime = at(1) }), false},
		"no start":                {ann, with(func(in *cloudtrail.LookupEventsInput) { in.StartTime = nil }), false},
		"another end":             {ann, with(func(in *cloudtrail.LookupEventsInput) { in.EndTime = at(8) }), false},
		"a value that reaches on": {ann, with(func(in *cloudtrail.LookupEventsInput) { in.LookupAttributes = by("Username", `ann"/0/0`) }), false},
		"changed": {ann, with(func(in *cloudtrail.LookupEventsInput) {
			in.NextToken = wire.Ptr(base64.RawURLEncoding.EncodeToString(raw))
		}), false},
		"cut":         {ann, with(func(in *cloudtrail.LookupEventsInput) { in.NextToken = wire.Ptr(token[:len(token)-2]) }), false},
		"not a token": {ann, with(func(in *cloudtrail.LookupEventsInput) { in.NextToken = wire.Ptr("page 2") }), false},
		"empty":       {ann, with(func(in *cloudtrail.LookupEventsInput) { in.NextToken = wire.Ptr("") }), false},
		"very long":   {ann, with(func(in *cloudtrail.LookupEventsInput) { in.NextToken = wire.Ptr(strings.Repeat("A", 1<<16)) }), false},
	} {
		if c.ok {
			if out, err := h.lookup(c.who, c.in); err != nil || *out.Events[0].EventId != "event-003" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if _, err := h.lookup(c.who, c.in); !wire.IsCode(err, "InvalidNextTokenException") {
			t.Errorf("%s: got %v, want InvalidNextTokenException", name, err)
		}
	}
	// A token outlives the opening of the service: its key is the house's.
	h.reopen()
	if _, err := h.lookup(ann, with(func(*cloudtrail.LookupEventsInput) {})); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// TestScopeIsOfOneListing: two listings never have one name, whatever is asked for in them.
func TestScopeIsOfOneListing(t *testing.T) {
	seen := map[string]audit.Query{}
	for _, q := range []audit.Query{
		{}, {Account: account}, {Region: account}, {Attribute: "a", Value: "b"}, {Attribute: "a", Value: "b/c"}, {Attribute: "a", Value: `b"/1/2`},
		{Attribute: "a", Value: "b\x00"}, {Attribute: "a", Value: "b\x00/0/0"}, {Value: "\xff"}, {Value: "\ufffd"}, {From: *at(0)}, {To: *at(0)}, {From: *at(0), To: *at(0)},
		{From: at(0).Add(1)},
	} {
		name := scope(&q)
		if before, ok := seen[name]; ok || strings.Contains(name, "\x00") {
			t.Errorf("%+v and %+v are both %q", before, q, name)
		}
		seen[name] = q
	}
}

func TestLimits(t *testing.T) {
	h := newHouse(t)
	h.event(0, nil)
	for name, c := range map[string]struct {
		in   *cloudtrail.LookupEventsInput
		code string
	}{
		"no results":          {&cloudtrail.LookupEventsInput{MaxResults: wire.Ptr(int32(0))}, "ValidationException"},
		"negative":            {&cloudtrail.LookupEventsInput{MaxResults: wire.Ptr(int32(-1))}, "ValidationException"},
		"too many results":    {&cloudtrail.LookupEventsInput{MaxResults: wire.Ptr(int32(51))}, "ValidationException"},
		"two attributes":      {&cloudtrail.LookupEventsInput{LookupAttributes: append(by("EventName", "a"), by("Username", "b")...)}, "InvalidLookupAttributesException"},
		"two of one":          {&cloudtrail.LookupEventsInput{LookupAttributes: append(by("EventName", "a"), by("EventName", "a")...)}, "InvalidLookupAttributesException"},
		"two, of insights":    {&cloudtrail.LookupEventsInput{EventCategory: "insight", LookupAttributes: append(by("EventName", "a"), by("Username", "b")...)}, "InvalidLookupAttributesException"},
		"unknown attribute":   {&cloudtrail.LookupEventsInput{LookupAttributes: by("Mood", "good")}, "ValidationException"},
		"no attribute":        {&cloudtrail.LookupEventsInput{LookupAttributes: by("", "good")}, "ValidationException"},
		"empty value":         {&cloudtrail.LookupEventsInput{LookupAttributes: by("EventName", "")}, "ValidationException"},
		"no value":            {&cloudtrail.LookupEventsInput{LookupAttributes: []cloudtrail.LookupAttribute{{AttributeKey: "EventName"}}}, "ValidationException"},
		"a value of 2,001":    {&cloudtrail.LookupEventsInput{LookupAttributes: by("EventName", strings.Repeat("a", 2001))}, "ValidationException"},
		"an unknown category": {&cloudtrail.LookupEventsInput{EventCategory: "gossip"}, "ValidationException"},
	} {
		if _, err := h.lookup(ann, c.in); !wire.IsCode(err, c.code) {
			t.Errorf("%s: got %v, want %s", name, err, c.code)
		}
	}
	if got := h.ids(ann, cloudtrail.LookupEventsInput{LookupAttributes: by("EventName", strings.Repeat("a", 2000))}); got != nil {
		t.Errorf("a value of 2,000: %v", got)
	}
	// The handler itself holds the bounds as well, for callers that no model has checked.
	for _, n := range []int32{0, 51} {
		c := &call.Call{Principal: ann.principal(), Region: region}
		if _, err := query(c, &cloudtrail.LookupEventsInput{MaxResults: &n}); !wire.IsCode(err, "InvalidMaxResultsException") {
			t.Errorf("%d: got %v", n, err)
		}
	}
}

// TestInsights: the house makes no guesses about what is unusual, and says so with an empty list.
func TestInsights(t *testing.T) {
	h := newHouse(t)
	h.event(0, nil)
	out, err := h.lookup(ann, &cloudtrail.LookupEventsInput{EventCategory: cloudtrail.EventCategoryInsight})
	if err != nil || len(out.Events) != 0 || out.NextToken != nil {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestLookingUpNeedsPermission(t *testing.T) {
	h := newHouse(t)
	h.event(0, nil)
	for name, text := range map[string]string{
		"another action":  strings.Replace(mayLook, "LookupEvents", "GetTrail", 1),
		"a trail":         strings.Replace(mayLook, `"*"`, `"arn:aws:cloudtrail:eu-west-1:111122223333:trail/x"`, 1), // the action has no resource level
		"another service": strings.Replace(mayLook, "cloudtrail:", "s3:", 1),
	} {
		if _, err := h.lookup(caller{account, region, text}, &cloudtrail.LookupEventsInput{}); !wire.IsCode(err, "AccessDeniedException") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := h.lookup(caller{account, region, strings.Replace(mayLook, "LookupEvents", "Lookup*", 1)}, &cloudtrail.LookupEventsInput{}); err != nil {
		t.Error(err)
	}
}
