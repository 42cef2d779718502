package gateway

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/wire"
)

const deskName = "desk.amazonaws.com"

// nest makes box's Put call box's Get through the door of desk, with the context that bend makes.
func nest(h *testHouse, bend func(context.Context) context.Context, see func(c *call.Call)) {
	desk, get := h.Inside(deskName), h.boxAPI.Operation("Get")
	h.box.set(func(ctx context.Context, op string, in *boxInput) (*boxOutput, error) {
		if op == "Get" {
			see(call.From(ctx))
			return &boxOutput{Name: in.Name}, nil
		}
		out, err := desk.Invoke(bend(ctx), get, in)
		if err != nil {
			return nil, err
		}
		return out.(*boxOutput), nil
	})
}

func same(ctx context.Context) context.Context { return ctx }

func TestInsideForTheCaller(t *testing.T) {
	h := startHouse(t)
	var seen call.Call
	nest(h, same, func(c *call.Call) {
		seen.Principal, seen.Via, seen.Region, seen.Parent, seen.SourceIP = c.Principal, c.Via, c.Region, c.Parent, c.SourceIP
	})
	h.call(t, "alice", "Put", `{"Name":"a"}`).want(t, 200)
	if seen.Principal.Name != "alice" || seen.Via != deskName || seen.Region != testRegion || seen.SourceIP != deskName || seen.Parent.Op.Name != "Put" {
		t.Errorf("the child call was %+v", &seen)
	}
	records := h.audit.records(t, testAccount)
	if len(records) != 2 || records[0].EventName != "Get" || records[1].EventName != "Put" {
		t.Fatalf("records %+v, want Get, then Put", records)
	}
	child := records[0]
	if child.UserIdentity.UserName != "alice" || child.UserIdentity.InvokedBy != deskName || child.SourceIPAddress != deskName ||
		child.UserAgent != deskName || child.TLSDetails != nil || child.RequestID == records[1].RequestID {
		t.Errorf("the child's record is %+v", child)
	}
	if h.audit.waits != 1 || h.audit.waited != 2 {
		t.Errorf("waited %d times, up to record %d; want once, for the last", h.audit.waits, h.audit.waited)
	}
}

func TestInsideIsRefusedLikeOutside(t *testing.T) {
	h := startHouse(t, func(c *Config) {
		d := c.Directory.Policies.(people)
		d["bob"].set.Identity = append(d["bob"].set.Identity, mustParse(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"box:Put","Resource":"*"}]}`, 0))
	})
	nest(h, same, func(*call.Call) { t.Error("the handler ran") })
	h.call(t, "bob", "Put", `{"Name":"a"}`).want(t, 400, "is not authorized to perform: box:Get")
	records := h.audit.records(t, testAccount)
	if len(records) != 2 || records[0].ErrorCode != "AccessDenied" || records[0].UserIdentity.InvokedBy != deskName {
		t.Errorf("records %+v, want the refusal of Get", records)
	}
}

func TestInsideIsValidated(t *testing.T) {
	h := startHouse(t)
	_, err := h.Inside(deskName).Invoke(context.Background(), h.boxAPI.Operation("Get"), &boxInput{})
	if !wire.IsCode(err, "ValidationException") {
		t.Errorf("got %v, want a ValidationException", err)
	}
}

func TestInsideAsService(t *testing.T) {
	trust := mustParse(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"`+deskName+`"},"Action":"box:Get","Resource":"*",
		"Condition":{"StringEquals":{"aws:SourceAccount":"`+testAccount+`"}}}}`, 5)
	h := startHouse(t, func(c *Config) {
		c.Services[0].Target = func(ctx context.Context, c *call.Call) (call.Target, error) {
			target, err := boxTarget(ctx, c)
			if len(target.Checks) > 0 {
				target.Checks[0].Policy, target.Checks[0].Account = trust, testAccount
			}
			return target, err
		}
	})
	nest(h, service.AsService, func(c *call.Call) {
		if c.Principal.Name != deskName || c.Via != "" || c.SourceAccount != testAccount {
			t.Errorf("the call is by %+v, via %q, for %q", c.Principal, c.Via, c.SourceAccount)
		}
		if service.IsAsService(call.With(context.Background(), c)) {
			t.Error("a call carries AsService on")
		}
	})
	h.call(t, "alice", "Put", `{"Name":"a"}`).want(t, 200)
	mine, house := h.audit.records(t, testAccount), h.audit.records(t, "000000000000")
	if len(mine) != 2 || len(house) != 1 {
		t.Fatalf("%d and %d records, want Get and Put in the owner's trail, Get in the house's", len(mine), len(house))
	}
	if got := mine[0]; got.UserIdentity.Type != "AWSService" || got.UserIdentity.InvokedBy != deskName || got.SharedEventID == "" || got.SharedEventID != house[0].SharedEventID {
		t.Errorf("the service's record is %+v", got)
	}
}

// What a handler put into its context ends at the calls it makes: a service that is called by another acting
// as itself acts for that one, not as itself.
func TestAsServiceEndsAtTheCall(t *testing.T) {
	h := startHouse(t)
	get := h.boxAPI.Operation("Get")
	who := h.boxAPI.Operation("Who")
	h.box.set(func(ctx context.Context, op string, in *boxInput) (*boxOutput, error) {
		switch op {
		case "Get":
			c := call.From(ctx)
			if c.Principal.Name != deskName || c.Via != "shed.amazonaws.com" {
				t.Errorf("the second call is by %s via %q", c.Principal.Name, c.Via)
			}
		case "Who":
			if _, err := h.Inside("shed.amazonaws.com").Invoke(ctx, get, in); err != nil && !wire.IsCode(err, "AccessDeniedException") {
				t.Error(err)
			}
		case "Put":
			if _, err := h.Inside(deskName).Invoke(service.AsService(ctx), who, in); err != nil {
				t.Error(err)
			}
		}
		return &boxOutput{Name: in.Name}, nil
	})
	h.call(t, "alice", "Put", `{"Name":"a"}`).want(t, 200)
	if records := h.audit.records(t, ""); len(records) == 0 || records[0].UserIdentity.InvokedBy != deskName {
		t.Errorf("records %+v", records)
	}
}

func TestInsideInTheBackground(t *testing.T) {
	h := startHouse(t)
	who := h.boxAPI.Operation("Who")
	h.box.set(func(ctx context.Context, _ string, in *boxInput) (*boxOutput, error) {
		c := call.From(ctx)
		if c.Region != "us-test-2" || c.SourceARN != "arn:x" || c.Principal.Name != deskName || call.RegionOf(ctx) != "" {
			t.Errorf("the call is in %s for %s by %s", c.Region, c.SourceARN, c.Principal.Name)
		}
		return &boxOutput{}, nil
	})
	ctx := call.ForSource(call.InRegion(context.Background(), "us-test-2"), testAccount, "arn:x")
	if _, err := h.Inside(deskName).Invoke(ctx, who, &boxInput{Name: wire.Ptr("a")}); err != nil {
		t.Fatal(err)
	}
	if h.audit.waits != 1 {
		t.Error("a background call did not wait for its record")
	}
	h.audit.appendError = errors.New("full")
	if _, err := h.Inside(deskName).Invoke(ctx, who, &boxInput{Name: wire.Ptr("a")}); !wire.IsCode(err, internalFailure) {
		t.Errorf("without a record the call ended with %v", err)
	}
}

func TestInsideHasAnEnd(t *testing.T) {
	h := startHouse(t)
	put := h.boxAPI.Operation("Put")
	deepest := 0
	h.box.set(func(ctx context.Context, _ string, in *boxInput) (*boxOutput, error) {
		deepest = max(deepest, depth(call.From(ctx)))
		_, err := h.Inside(deskName).Invoke(ctx, put, in)
		return nil, err
	})
	h.call(t, "alice", "Put", `{"Name":"a"}`).want(t, 500, internalFailure)
	if deepest != 8 {
		t.Errorf("calls went %d deep, want 8", deepest)
	}
}

func TestInsideUnknown(t *testing.T) {
	h := startHouse(t)
	stranger := boxDefinition()
	for _, op := range []*wire.Operation{stranger.Operation("Get"), h.boxAPI.Operation("Unbuilt")} {
		if _, err := h.Inside(deskName).Invoke(context.Background(), op, &boxInput{}); !wire.IsCode(err, internalFailure) {
			t.Errorf("%s: got %v, want an internal failure", op.Name, err)
		}
	}
}

// After the client's own record is in the log, what is still done for the call waits for itself.
func TestChildAfterTheRecordWaits(t *testing.T) {
	h := startHouse(t)
	h.box.set(func(ctx context.Context, op string, in *boxInput) (*boxOutput, error) {
		if op == "Put" {
			call.From(ctx).SetRecorded()
			return &boxOutput{}, errors.Join(invoke(h, ctx, "Get", in))
		}
		return &boxOutput{}, nil
	})
	h.call(t, "alice", "Put", `{"Name":"a"}`).want(t, 200)
	if h.audit.waits != 2 {
		t.Errorf("waited %d times, want for the child and for the parent", h.audit.waits)
	}
}

func invoke(h *testHouse, ctx context.Context, op string, in *boxInput) error {
	_, err := h.Inside(deskName).Invoke(ctx, h.boxAPI.Operation(op), in)
	return err
}

func TestCalledVia(t *testing.T) {
	h := startHouse(t)
	var got []string
	h.box.set(func(ctx context.Context, op string, in *boxInput) (*boxOutput, error) {
		switch op {
		case "Put":
			return &boxOutput{}, invoke(h, ctx, "Who", in)
		case "Who":
			_, err := h.Inside("shed.amazonaws.com").Invoke(ctx, h.boxAPI.Operation("Get"), in)
			return &boxOutput{}, err
		}
		got = call.From(ctx).CalledVia()
		return &boxOutput{}, nil
	})
	h.call(t, "alice", "Put", `{"Name":"a"}`).want(t, 200)
	if strings.Join(got, " ") != deskName+" shed.amazonaws.com" {
		t.Errorf("called via %v", got)
	}
}
