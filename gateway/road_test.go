package gateway

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/sigv4"
)

func TestRoad(t *testing.T) {
	h := startHouse(t)
	r := h.call(t, "alice", "Put", `{"Name":"a","Note":"canary"}`)
	r.want(t, 200, `"Name":"a"`, `"Note":"canary"`)
	id := r.header.Get("X-Amzn-Requestid")
	records := h.audit.records(t, testAccount)
	if len(records) != 1 {
		t.Fatalf("%d records, want 1", len(records))
	}
	got := records[0]
	if got.RequestID != id || len(id) != 36 || got.EventID == id || len(got.EventID) != 36 {
		t.Errorf("request id %q, recorded %q, event id %q", id, got.RequestID, got.EventID)
	}
	for _, field := range [][2]string{
		{got.EventName, "Put"}, {got.EventSource, boxName}, {got.AWSRegion, testRegion}, {got.SourceIPAddress, "127.0.0.1"},
		{got.UserAgent, "test/1"}, {got.ErrorCode, ""}, {string(got.RequestParameters), `{"name":"a"}`},
		{string(got.ResponseElements), `{"name":"a"}`}, {got.UserIdentity.Type, "IAMUser"}, {got.UserIdentity.UserName, "alice"},
		{got.UserIdentity.AccessKeyID, "alice"}, {got.RecipientAccountID, testAccount}, {got.EventCategory, "Management"},
		{got.TLSDetails.TLSVersion, "TLSv1.3"}, {got.TLSDetails.ClientProvidedHostHeader, h.addr}, {got.SharedEventID, ""},
		{fmt.Sprint(got.Resources), fmt.Sprintf("[{%s AWS::Box::Box %s}]", testAccount, boxARN(testAccount, "a"))},
	} {
		if field[0] != field[1] {
			t.Errorf("recorded %q, want %q", field[0], field[1])
		}
	}
	if bytes.Contains(h.audit.entries[0].JSON, []byte("canary")) {
		t.Error("the record holds a sensitive member")
	}
	if h.audit.waited != 1 {
		t.Errorf("waited for record %d, want 1", h.audit.waited)
	}
}

func TestRecordsOfRefusals(t *testing.T) {
	tests := []struct {
		name, key, op, body string
		status              int
		code, event         string // of the record; no code: not recorded
		sentence            string
	}{
		{"denied", "bob", "Put", `{"Name":"a"}`, 400, "AccessDenied", "Put", "User: arn:aws:iam::" + testAccount +
			":user/bob is not authorized to perform: box:Put on resource: " + boxARN(testAccount, "a") + " because no identity-based policy allows the box:Put action"},
		{"explicitly denied", "dan", "Put", `{"Name":"a"}`, 400, "AccessDenied", "Put", "with an explicit deny in an identity-based policy"},
		{"invalid", "alice", "Put", `{"Name":""}`, 400, "ValidationException", "Put",
			"1 validation error detected: Value '' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"malformed", "alice", "Put", `{"Name":`, 400, "SerializationException", "Put", ""},
		{"unknown operation", "alice", "Fly", `{}`, 400, "UnknownOperationException", "UnknownOperation", ""},
		{"not implemented", "alice", "Unbuilt", `{"Name":"a"}`, 400, "UnknownOperationException", "UnknownOperation", ""},
		{"unknown key", "mallory", "Put", `{"Name":"a"}`, 400, "", "", "The security token included in the request is invalid."},
		{"unsigned", "", "Put", `{"Name":"a"}`, 400, "", "", "Missing Authentication Token"},
	}
	h := startHouse(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(h.audit.records(t, ""))
			h.call(t, tt.key, tt.op, tt.body).want(t, tt.status, tt.sentence)
			records := h.audit.records(t, "")[before:]
			if tt.code == "" {
				if len(records) != 0 {
					t.Errorf("a stranger's request was recorded: %+v", records)
				}
				return
			}
			if len(records) != 1 || records[0].ErrorCode != tt.code || records[0].EventName != tt.event {
				t.Errorf("records %+v, want one %s with %s", records, tt.event, tt.code)
			}
		})
	}
}

func TestCrossAccountIsRecordedInBoth(t *testing.T) {
	h := startHouse(t)
	const other = "444455556666"
	h.call(t, "alice", "Put", `{"Name":"`+other+`:x"}`).want(t, 400, "AccessDenied")
	mine, theirs := h.audit.records(t, testAccount), h.audit.records(t, other)
	if len(mine) != 1 || len(theirs) != 1 {
		t.Fatalf("%d and %d records, want one in each account", len(mine), len(theirs))
	}
	if mine[0].SharedEventID == "" || mine[0].SharedEventID != theirs[0].SharedEventID || mine[0].EventID == theirs[0].EventID {
		t.Errorf("events %s and %s share %q and %q", mine[0].EventID, theirs[0].EventID, mine[0].SharedEventID, theirs[0].SharedEventID)
	}
	if theirs[0].RecipientAccountID != other || theirs[0].UserIdentity.AccountID != testAccount {
		t.Errorf("recorded for %s by %s", theirs[0].RecipientAccountID, theirs[0].UserIdentity.AccountID)
	}
}

func TestWhatTheHouseOwnsIsInNoTrail(t *testing.T) {
	h := startHouse(t, func(c *Config) {
		c.Services[0].Target = func(_ context.Context, c *call.Call) (call.Target, error) {
			return call.Target{Checks: []call.Check{{Action: "box:Get", Resource: boxARN("000000000000", "k"), Type: keyType, Account: "000000000000"}}}, nil
		}
	})
	h.call(t, "alice", "Get", `{"Name":"k"}`)
	if mine := h.audit.records(t, testAccount); len(mine) != 0 {
		t.Errorf("the customer's trail has %+v", mine)
	}
	if house := h.audit.records(t, "000000000000"); len(house) != 1 {
		t.Errorf("the house's trail has %d records, want 1", len(house))
	}
}

func TestQuery(t *testing.T) {
	h := startHouse(t)
	post := func(key, region, body string) reply {
		r, _ := http.NewRequest("POST", "https://"+h.addr+"/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		if key != "" {
			if err := signer(key, region, "names").Sign(r, sigv4.HashPayload([]byte(body)), time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		return h.do(t, r)
	}
	const tell = "Action=Tell&Version=2011-11-11&Name=x"
	post("alice", testRegion, tell).want(t, 200, "<TellResult><Name>x</Name></TellResult>", "<RequestId>")
	post("alice", globalRegion, tell).want(t, 200)
	post("bob", testRegion, tell).want(t, 403, "<Code>AccessDenied</Code>", "is not authorized to perform: names:Tell on resource: * because")
	post("alice", "ap-no-1", tell).want(t, 403, "<Code>SignatureDoesNotMatch</Code>", "valid region")
	post("", "", tell).want(t, 403, "<Code>MissingAuthenticationToken</Code>")
	post("", "", "Action=Hello&Version=2011-11-11&Name=x").want(t, 200, "<HelloResult><Name>x</Name></HelloResult>")
	post("", "", "Action=Hello&Version=1999-01-01&Name=x").want(t, 403, "<Code>MissingAuthenticationToken</Code>")
	post("alice", testRegion, "Action=Sing&Version=2011-11-11").want(t, 400, "<Code>InvalidAction</Code>")
	for _, r := range h.audit.records(t, "") {
		if r.AWSRegion != testRegion {
			t.Errorf("a global service's call is recorded in %s, want the first region", r.AWSRegion)
		}
	}
}

func TestPresigned(t *testing.T) {
	h := startHouse(t)
	h.do(t, h.shelfRequest(t, "alice", "PUT", "/b/k", "bytes")).want(t, 200)
	r, _ := http.NewRequest("GET", "https://"+h.addr+"/b/k", nil)
	url, err := signer("ASIAeve", testRegion, "s3").Presign(r, time.Minute, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r, _ = http.NewRequest("GET", url, nil)
	h.do(t, r).want(t, 200, "bytes")
	late, err := signer("alice", testRegion, "s3").Presign(r, time.Minute, time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	r, _ = http.NewRequest("GET", late, nil)
	h.do(t, r).want(t, 400) // two signatures in one query
	if strings.Contains(h.log.String(), "X-Amz-Signature") {
		t.Error("the log holds a signature")
	}
	h.audit.mu.Lock()
	defer h.audit.mu.Unlock()
	for _, e := range h.audit.entries {
		if bytes.Contains(e.JSON, []byte("X-Amz-Signature")) {
			t.Errorf("a record holds a signature: %s", e.JSON)
		}
	}
}

func TestVirtualHost(t *testing.T) {
	h := startHouse(t)
	h.do(t, h.shelfRequest(t, "alice", "PUT", "/photos/a//../b%2Fc", "bytes")).want(t, 200)
	if h.shelf.objects["photos/a//../b/c"] == nil {
		t.Errorf("stored %v, want the key as it was sent", h.shelf.objects)
	}
	tests := []struct{ host, path string }{
		{"photos.localhost", "/a//../b%2Fc"},
		{"PHOTOS.localhost:8443", "/a//../b%2Fc"},
		{"localhost", "/photos/a//../b%2Fc"},
	}
	for _, tt := range tests {
		r, _ := http.NewRequest("GET", "https://"+h.addr+tt.path, nil)
		r.Host = tt.host
		if err := signer("alice", testRegion, "s3").Sign(r, sigv4.HashPayload(nil), time.Now()); err != nil {
			t.Fatal(err)
		}
		h.do(t, r).want(t, 200, "bytes")
	}
}

func TestAnonymous(t *testing.T) {
	h := startHouse(t)
	h.do(t, h.shelfRequest(t, "alice", "PUT", "/public/k", "bytes")).want(t, 200)
	h.do(t, h.shelfRequest(t, "alice", "PUT", "/private/k", "bytes")).want(t, 200)
	h.do(t, h.shelfRequest(t, "", "GET", "/public/k", "")).want(t, 200, "bytes")
	h.do(t, h.shelfRequest(t, "", "GET", "/private/k", "")).want(t, 403, "<Code>AccessDenied</Code><Message>Access Denied</Message>")
	h.do(t, h.shelfRequest(t, "", "PUT", "/public/k", "x")).want(t, 403, "AccessDenied")
	records := h.audit.records(t, testAccount)
	last := records[len(records)-1]
	if last.UserIdentity.AccountID != "ANONYMOUS_PRINCIPAL" || last.ErrorCode != "AccessDenied" || last.EventCategory != "Data" {
		t.Errorf("the owner's trail ends with %+v", last)
	}
}

func TestLogSaysNothingOfCustomers(t *testing.T) {
	h := startHouse(t)
	h.call(t, "alice", "Put", `{"Name":"box-canary","Note":"note-canary"}`)
	h.call(t, "bob", "Put", `{"Name":"box-canary"}`)
	h.do(t, h.shelfRequest(t, "alice", "PUT", "/bucket-canary/key-canary", "body-canary"))
	log := h.log.String()
	if n := strings.Count(log, "msg=call"); n != 3 {
		t.Errorf("%d lines for 3 calls:\n%s", n, log)
	}
	for _, canary := range []string{"canary", "user/alice", "Signature", "secret-"} {
		if strings.Contains(log, canary) {
			t.Errorf("the log holds %q:\n%s", canary, log)
		}
	}
}

func TestDurability(t *testing.T) {
	key := false
	h := startHouse(t, func(c *Config) {
		c.Durability = WaitWrite
		c.Services[0].Target = func(ctx context.Context, c *call.Call) (call.Target, error) {
			target, err := boxTarget(ctx, c)
			if key {
				target.Checks[0].Type = keyType
			}
			return target, err
		}
	})
	h.call(t, "alice", "Get", `{"Name":"a"}`).want(t, 200)
	if h.audit.waits != 0 {
		t.Error("a plain read waited for its record")
	}
	h.call(t, "alice", "Put", `{"Name":"a"}`).want(t, 200)
	if h.audit.waits != 1 {
		t.Error("a change did not wait for its record")
	}
	key = true
	h.call(t, "alice", "Get", `{"Name":"a"}`).want(t, 200)
	if h.audit.waits != 2 {
		t.Error("the use of a key did not wait for its record")
	}
}
