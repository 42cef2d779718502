package cloudtrail

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/strongroom/strongroom/api/cloudtrail"
	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/test/memory"
	"github.com/strongroom/strongroom/wire"
)

const (
	region  = "eu-west-1"
	account = "111122223333"
	other   = "444455556666"
)

// testHouse is the service over a real audit log, with the part of the road between decode
// and record around it.
type testHouse struct {
	testing.TB
	*Service
	log *audit.Log
}

func newHouse(t testing.TB) *testHouse {
	t.Helper()
	log, err := audit.Open(t.TempDir(), memory.Root{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	h := &testHouse{TB: t, log: log}
	h.reopen()
	return h
}

// reopen opens the service over the log as a start of the house does.
func (h *testHouse) reopen() {
	h.Helper()
	s, err := Open(h.Context(), &service.Room{Regions: []string{region}, Audit: h.log, Root: memory.Root{}})
	if err != nil {
		h.Fatal(err)
	}
	h.Service = s
}

// begin is the time of event 0; the events of this package's tests are a minute apart.
var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(i int) *time.Time { return wire.Ptr(begin.Add(time.Duration(i) * time.Minute)) }

// event makes the n-th event, of which change may change anything.
func (h *testHouse) event(n int, change func(*audit.Entry)) {
	h.Helper()
	e := &audit.Entry{
		Account: account, Time: *at(n), Region: region, EventID: fmt.Sprintf("event-%03d", n),
		Attributes: audit.Attributes{EventName: "Encrypt", EventSource: "kms.amazonaws.com", Username: "ann", AccessKeyID: "AKIAANN", ReadOnly: true},
		JSON:       fmt.Appendf(nil, `{"eventID":"event-%03d"}`, n),
	}
	if change != nil {
		change(e)
	}
	position, err := h.log.Append(h.Context(), e)
	if err := errors.Join(err, h.log.Wait(h.Context(), position, position)); err != nil {
		h.Fatal(err)
	}
}

// caller is somebody who looks up, somewhere.
type caller struct{ account, region, policy string }

func (c caller) principal() *identity.Principal {
	return &identity.Principal{Kind: identity.User, Account: c.account, Name: "ann", ARN: "arn:aws:iam::" + c.account + ":user/ann", ID: "AIDAANN"}
}

const mayLook = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"cloudtrail:LookupEvents","Resource":"*"}}`

var ann = caller{account, region, mayLook}

// lookup takes a lookup down the road.
func (h *testHouse) lookup(who caller, in *cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
	h.Helper()
	c := &call.Call{
		ID: "test", Time: time.Now(), Region: who.region, Service: cloudtrail.API, Op: cloudtrail.API.Operation("LookupEvents"), In: in,
		Principal: who.principal(),
	}
	if err := c.Op.Validate(in); err != nil {
		return nil, err
	}
	ctx := call.With(h.Context(), c)
	target, err := h.target(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(target.Checks) == 0 {
		return nil, errors.New("nothing is decided")
	}
	doc, err := policy.Parse([]byte(who.policy), policy.Identity)
	if err != nil {
		h.Fatal(err)
	}
	for _, check := range target.Checks {
		p := policy.Principal{Account: who.account, ARNs: []string{c.Principal.ARN}, IDs: []string{c.Principal.ID}}
		if d := policy.Decide(&policy.Request{Principal: &p, Action: check.Action, Resource: check.Resource}, &policy.Set{Identity: []*policy.Document{doc}}); !d.Allowed {
			return nil, wire.Errorf("AccessDeniedException", 400, "refused: %s", check.Action)
		}
	}
	out, err := c.Op.Invoke(ctx, h.Service, in)
	if err != nil {
		return nil, err
	}
	return out.(*cloudtrail.LookupEventsOutput), nil
}

// ids returns the event ids of all pages of a lookup, in their order.
func (h *testHouse) ids(who caller, in cloudtrail.LookupEventsInput) (ids []string) {
	h.Helper()
	for pages := 0; ; pages++ {
		out, err := h.lookup(who, &in)
		if err != nil {
			h.Fatal(err)
		}
		for _, e := range out.Events {
			ids = append(ids, *e.EventId)
			if want := []byte(`{"eventID":"` + *e.EventId + `"}`); !bytes.Equal([]byte(*e.CloudTrailEvent), want) {
				h.Errorf("the record of %s is %s", *e.EventId, *e.CloudTrailEvent)
			}
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return ids
		}
		if pages > 100 {
			h.Fatal("the pages do not end")
		}
	}
}

// by is the one attribute of a lookup.
func by(key cloudtrail.LookupAttributeKey, value string) []cloudtrail.LookupAttribute {
	return []cloudtrail.LookupAttribute{{AttributeKey: key, AttributeValue: &value}}
}

// named is the ids of events, newest first.
func named(numbers ...int) (ids []string) {
	for _, n := range numbers {
		ids = append(ids, fmt.Sprintf("event-%03d", n))
	}
	return ids
}
