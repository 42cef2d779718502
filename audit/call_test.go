package audit

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/wire"
)

type lidInput struct {
	Name    *string
	Secret  *string
	Bytes   []byte
	Context map[string]string
}

type lidOutput struct{ Name, Secret *string }

var lidAPI = wire.Define(&wire.Definition{
	Service: wire.Service{Name: "lid", Version: "2020-01-01", Protocol: wire.JSON11, EventSource: "lid.amazonaws.com", TargetPrefix: "Lid"},
	Shapes: []wire.ShapeDef{
		{Name: "Text", Kind: wire.String}, {Name: "Hidden", Kind: wire.String, Flags: wire.Sensitive}, {Name: "Bytes", Kind: wire.Blob},
		{Name: "Pairs", Kind: wire.Map, Key: &wire.MemberDef{Name: "key", Shape: "Text"}, Elem: &wire.MemberDef{Name: "value", Shape: "Text"}},
		{Name: "In", Kind: wire.Structure, Zero: (*lidInput)(nil), Members: []wire.MemberDef{
			{Name: "Name", Shape: "Text"}, {Name: "Secret", Shape: "Hidden"}, {Name: "Bytes", Shape: "Bytes"}, {Name: "Context", Shape: "Pairs"},
		}},
		{Name: "Out", Kind: wire.Structure, Zero: (*lidOutput)(nil), Members: []wire.MemberDef{{Name: "Name", Shape: "Text"}, {Name: "Secret", Shape: "Hidden"}}},
	},
	Operations: []wire.OperationDef{
		{Operation: wire.Operation{Name: "Look", ReadOnly: true}, Input: "In", Output: "Out"},
		{Operation: wire.Operation{Name: "Open"}, Input: "In", Output: "Out"},
	},
})

const (
	mine   = "111122223333"
	theirs = "444455556666"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 987654321, time.UTC)

// newCall returns a call of op by a user, and changes it.
func newCall(op string, change func(c *call.Call)) *call.Call {
	c := &call.Call{
		ID: "request-1", Time: noon, SourceIP: "192.0.2.1", UserAgent: "cli/2", Region: "eu-test-1",
		TLS:     call.TLS{Version: "TLSv1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", Host: "localhost:8443"},
		Service: lidAPI, Op: lidAPI.Operation(op),
		Principal: &identity.Principal{
			Kind: identity.User, Account: mine, ARN: "arn:aws:iam::" + mine + ":user/alice", ID: "AIDA1", Name: "alice", AccessKeyID: "AKIA1",
		},
		In: &lidInput{
			Name: wire.Ptr("box \"1\""), Secret: wire.Ptr("canary"), Bytes: []byte("canary"), Context: map[string]string{"purpose": "test", "app": "x"},
		},
		Out: &lidOutput{Name: wire.Ptr("out"), Secret: wire.Ptr("canary")},
	}
	if change != nil {
		change(c)
	}
	return c
}

// recorded returns the records of c, by the account whose trail they are in.
func recorded(t *testing.T, c *call.Call) map[string]Record {
	t.Helper()
	records := map[string]Record{}
	for _, e := range AppendEntries(nil, c) {
		var r Record
		d := json.NewDecoder(strings.NewReader(string(e.JSON)))
		d.DisallowUnknownFields()
		if strings.Contains(string(e.JSON), "sourceIdentity") {
			d = json.NewDecoder(strings.NewReader(string(e.JSON)))
		}
		if err := d.Decode(&r); err != nil {
			t.Fatalf("%v in %s", err, e.JSON)
		}
		if strings.Contains(string(e.JSON), "canary") {
			t.Errorf("a secret is recorded: %s", e.JSON)
		}
		if r.EventID != e.EventID || r.RecipientAccountID != e.Account || r.EventName != e.EventName || !r.EventTime.Equal(e.Time) ||
			r.ReadOnly != e.ReadOnly || r.AWSRegion != e.Region || !reflect.DeepEqual(r.Resources, e.Resources) {
			t.Errorf("the entry %+v is not that of its record %+v", e, r)
		}
		if err := checkEntry(e); err != nil {
			t.Errorf("the log would not take it: %v", err)
		}
		records[e.Account] = r
	}
	return records
}

func TestRecordOfACall(t *testing.T) {
	r := recorded(t, newCall("Open", func(c *call.Call) {
		c.Target.Checks = []call.Check{
			{Action: "lid:Open", Resource: "arn:lid", Type: "AWS::Lid::Lid"}, {Action: "lid:Peep", Resource: "arn:lid", Type: "AWS::Lid::Lid"},
			{Action: "lid:List", Resource: "*", Type: "AWS::Lid::Lid"}, {Action: "lid:Touch", Resource: "arn:untyped"},
		}
		c.Resources = []call.Resource{{Account: mine, Type: "AWS::Lid::Hinge", ARN: "arn:hinge"}}
		c.Note("bytes", 17)
	}))[mine]
	want := Record{
		EventVersion: "1.11", EventTime: noon.Truncate(time.Second), EventSource: "lid.amazonaws.com", EventName: "Open", AWSRegion: "eu-test-1",
		SourceIPAddress: "192.0.2.1", UserAgent: "cli/2", RequestID: "request-1", EventID: r.EventID, EventType: "AwsApiCall", APIVersion: "2020-01-01",
		UserIdentity: UserIdentity{
			Type: "IAMUser", PrincipalID: "AIDA1", ARN: "arn:aws:iam::" + mine + ":user/alice", AccountID: mine, AccessKeyID: "AKIA1", UserName: "alice",
		},
		RequestParameters:   json.RawMessage(`{"name":"box \"1\"","context":{"app":"x","purpose":"test"}}`),
		ResponseElements:    json.RawMessage(`{"name":"out"}`),
		AdditionalEventData: map[string]any{"bytes": 17.0},
		Resources:           []Resource{{mine, "AWS::Lid::Lid", "arn:lid"}, {mine, "AWS::Lid::Hinge", "arn:hinge"}},
		ManagementEvent:     true, EventCategory: "Management", RecipientAccountID: mine,
		TLSDetails: &TLSDetails{"TLSv1.3", "TLS_AES_128_GCM_SHA256", "localhost:8443"},
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got  %+v\nwant %+v", r, want)
	}
}

func TestOutcomes(t *testing.T) {
	tests := []struct {
		name           string
		op             string
		change         func(c *call.Call)
		code, message  string
		params, answer string
	}{
		{name: "a read's answer is left out", op: "Look", params: `{"name":"n"}`, answer: "null"},
		{name: "a refusal", op: "Open", change: func(c *call.Call) {
			c.Err, c.Out = wire.Errorf("AccessDeniedException", 400, "User: x is not authorized"), nil
		}, code: "AccessDenied", message: "User: x is not authorized", params: `{"name":"n"}`, answer: "null"},
		{name: "a fault tells nothing of its cause", op: "Open", change: func(c *call.Call) { c.Err = errors.New("canary") },
			code: "InternalFailure", message: wire.AsError(errors.New("x")).Message, params: `{"name":"n"}`, answer: "null"},
		{name: "a message for the caller alone", op: "Open", change: func(c *call.Call) {
			c.Err, c.Out = &wire.Error{Code: "ValidationException", Status: 400, Message: "the value canary is bad", Sensitive: true}, nil
		}, code: "ValidationException", message: "HIDDEN_DUE_TO_SECURITY_REASONS", params: `{"name":"n"}`, answer: "null"},
		{name: "not decoded", op: "Open", change: func(c *call.Call) { c.In, c.Out = nil, nil }, params: "null", answer: "null"},
		{name: "no such operation", op: "None", change: func(c *call.Call) { c.In, c.Out = nil, nil }, params: "null", answer: "null"},
		{name: "large parameters", op: "Open", change: func(c *call.Call) { c.In.(*lidInput).Name = wire.Ptr(strings.Repeat("x", 200<<10)) },
			params: `{"omitted":true,"reason":"larger than 100 KB"}`, answer: `{"name":"out"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := recorded(t, newCall(tt.op, func(c *call.Call) {
				c.In = &lidInput{Name: wire.Ptr("n")}
				if tt.change != nil {
					tt.change(c)
				}
			}))[mine]
			if r.ErrorCode != tt.code || r.ErrorMessage != tt.message {
				t.Errorf("error %q %q, want %q %q", r.ErrorCode, r.ErrorMessage, tt.code, tt.message)
			}
			if string(r.RequestParameters) != tt.params || string(r.ResponseElements) != tt.answer {
				t.Errorf("parameters %s, answer %s; want %s and %s", r.RequestParameters, r.ResponseElements, tt.params, tt.answer)
			}
			if tt.op == "None" && (r.EventName != "UnknownOperation" || r.ReadOnly) {
				t.Errorf("recorded as %s, read only %t", r.EventName, r.ReadOnly)
			}
		})
	}
}

func TestIdentities(t *testing.T) {
	session := &identity.Session{
		RoleARN: "arn:aws:iam::" + theirs + ":role/Reader", RoleID: "AROA1", RoleName: "Reader", Name: "eve", Issued: noon, MFA: true, SourceIdentity: "Eve",
	}
	tests := []struct {
		name      string
		principal *identity.Principal
		via       string
		want      UserIdentity
		username  string
	}{
		{"root", &identity.Principal{Kind: identity.Root, Account: mine, ARN: "arn:root", ID: mine, AccessKeyID: "AKIA0"}, "",
			UserIdentity{Type: "Root", PrincipalID: mine, ARN: "arn:root", AccountID: mine, AccessKeyID: "AKIA0"}, "root"},
		{"session of a role", &identity.Principal{Kind: identity.Role, Account: mine, ARN: "arn:session", ID: "AROA1:eve", AccessKeyID: "ASIA1", Session: session}, "s3.amazonaws.com",
			UserIdentity{Type: "AssumedRole", PrincipalID: "AROA1:eve", ARN: "arn:session", AccountID: mine, AccessKeyID: "ASIA1", InvokedBy: "s3.amazonaws.com",
				SessionContext: &SessionContext{
					Attributes:    SessionAttributes{CreationDate: noon.Truncate(time.Second), MFAAuthenticated: "true"},
					SessionIssuer: &SessionIssuer{"Role", "AROA1", session.RoleARN, theirs, "Reader"},
				}}, "eve"},
		{"session of a user", &identity.Principal{Kind: identity.User, Account: mine, ARN: "arn:user", ID: "AIDA1", Name: "alice", AccessKeyID: "ASIA2", Session: &identity.Session{Issued: noon}}, "",
			UserIdentity{Type: "IAMUser", PrincipalID: "AIDA1", ARN: "arn:user", AccountID: mine, AccessKeyID: "ASIA2", UserName: "alice",
				SessionContext: &SessionContext{Attributes: SessionAttributes{CreationDate: noon.Truncate(time.Second), MFAAuthenticated: "false"}}}, "alice"},
		{"service", identity.ForService("s3.amazonaws.com"), "", UserIdentity{Type: "AWSService", InvokedBy: "s3.amazonaws.com"}, "s3.amazonaws.com"},
		{"nobody", identity.Nobody, "", UserIdentity{Type: "AWSAccount", AccountID: "ANONYMOUS_PRINCIPAL"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCall("Look", func(c *call.Call) { c.Principal, c.Via = tt.principal, tt.via })
			entries := AppendEntries(nil, c)
			if len(entries) != 1 || entries[0].Username != tt.username {
				t.Fatalf("%d entries, found by %q, want one by %q", len(entries), entries[0].Username, tt.username)
			}
			if got := recorded(t, c)[entries[0].Account].UserIdentity; !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestTrails(t *testing.T) {
	of := func(accounts ...string) (checks []call.Check) {
		for _, a := range accounts {
			checks = append(checks, call.Check{Account: a})
		}
		return checks
	}
	user := &identity.Principal{Kind: identity.User, Account: mine}
	tests := []struct {
		name   string
		who    *identity.Principal
		checks []call.Check
		want   string
		shared bool
	}{
		{"own", user, of(""), mine, false},
		{"own, by number", user, of(mine), mine, false},
		{"refused before the target was known", user, nil, mine, false},
		{"another's", user, of(theirs), mine + " " + theirs, true},
		{"two of another's", user, of(theirs, mine, theirs), mine + " " + theirs, true},
		{"the house's", user, of("", identity.HouseAccount), identity.HouseAccount, false},
		{"a service, for itself", identity.ForService("s3.amazonaws.com"), of(""), identity.HouseAccount, true},
		{"a service, on a customer's", identity.ForService("s3.amazonaws.com"), of(theirs), identity.HouseAccount + " " + theirs, true},
		{"nobody, on a customer's", identity.Nobody, of(theirs), theirs, false},
		{"nobody, on nothing", identity.Nobody, nil, identity.HouseAccount, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			ids, shared := map[string]bool{}, map[string]bool{}
			c := newCall("Look", func(c *call.Call) { c.Principal, c.Target.Checks = tt.who, tt.checks })
			for _, e := range AppendEntries(nil, c) {
				got = append(got, e.Account)
				r := recordOf(t, e)
				ids[r.EventID], shared[r.SharedEventID] = true, true
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("in the trails of %v, want %s", got, tt.want)
			}
			if len(ids) != len(got) || len(shared) != 1 || shared[""] == tt.shared {
				t.Errorf("event ids %v, shared ids %v", ids, shared)
			}
		})
	}
}

func recordOf(t *testing.T, e *Entry) (r Record) {
	t.Helper()
	if err := json.Unmarshal(e.JSON, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestDataEvents(t *testing.T) {
	r := recorded(t, newCall("Look", func(c *call.Call) {
		c.Target.Checks = []call.Check{{Resource: "arn:aws:s3:::b/k", Type: "AWS::S3::Object"}}
	}))[mine]
	if r.EventCategory != "Data" || r.ManagementEvent {
		t.Errorf("category %s, management %t", r.EventCategory, r.ManagementEvent)
	}
}

// What clients write may be long and hostile, and must stay within its field.
func TestHostileText(t *testing.T) {
	c := newCall("Look", func(c *call.Call) {
		c.UserAgent = `","readOnly":false,"x":"` + strings.Repeat("é", 2000)
		c.TLS.Host = "a\x00\xff\"}"
		c.Err = wire.Errorf("X", 400, "%s", strings.Repeat("\\", 5000))
		c.Additional = map[string]any{"big": strings.Repeat("x", 64<<10)}
	})
	r := recorded(t, c)[mine]
	if !r.ReadOnly || len(r.UserAgent) > maxText || len(r.ErrorMessage) != maxText || !strings.HasSuffix(r.UserAgent, "é") {
		t.Errorf("read only %t, user agent of %d bytes, message of %d", r.ReadOnly, len(r.UserAgent), len(r.ErrorMessage))
	}
	if r.AdditionalEventData["omitted"] != true {
		t.Errorf("additional data %v", r.AdditionalEventData)
	}
}

func BenchmarkRecord(b *testing.B) {
	c := newCall("Open", func(c *call.Call) { c.Target.Checks = []call.Check{{Resource: "arn:lid", Type: "AWS::Lid::Lid"}} })
	var few [2]*Entry
	b.ReportAllocs()
	for b.Loop() {
		AppendEntries(few[:0], c)
	}
}

// TestAlso says that what a call did in another region has an event there, and that a call which
// failed did nothing.
// TestOverlongNamesAreRecorded: whoever names what cannot be is refused elsewhere, and not kept out
// of the record by the length of the name.
func TestOverlongNamesAreRecorded(t *testing.T) {
	long := "arn:aws:s3:::box/" + strings.Repeat("\u00fc", 30_000)
	c := newCall("Open", func(c *call.Call) {
		c.Target.Checks = []call.Check{{Action: "lid:Open", Resource: long, Type: "AWS::S3::Object"}}
		c.Resources = []call.Resource{{Account: mine, Type: "AWS::S3::Bucket", ARN: long}}
	})
	for _, e := range AppendEntries(nil, c) {
		if err := checkEntry(e); err != nil {
			t.Fatal(err)
		}
		for _, r := range e.Resources {
			if !strings.HasPrefix(long, r.ARN) || len(r.ARN) > maxARN || len(r.ARN) < maxARN-1 {
				t.Errorf("resource of %d bytes, %.30q", len(r.ARN), r.ARN)
			}
		}
		if len(e.Resources) != 2 || !json.Valid(e.JSON) {
			t.Errorf("got %d resources and %.200s", len(e.Resources), e.JSON)
		}
	}
}

func TestAlso(t *testing.T) {
	there := Resource{mine, "AWS::Lid::Box", "arn:aws:lid:eu-test-2:" + mine + ":box/1"}
	c := newCall("Open", func(c *call.Call) {
		c.Also = []call.Event{{Name: "Make", Region: "eu-test-2", Resources: []call.Resource{{Account: there.AccountID, Type: there.Type, ARN: there.ARN}}}}
	})
	entries := AppendEntries(nil, c)
	if len(entries) != 2 || entries[0].EventName != "Open" || entries[0].Region != "eu-test-1" {
		t.Fatalf("%+v", entries)
	}
	var record map[string]any
	if err := json.Unmarshal(entries[1].JSON, &record); err != nil {
		t.Fatal(err)
	}
	e := entries[1]
	if e.EventName != "Make" || e.Region != "eu-test-2" || !reflect.DeepEqual(e.Resources, []Resource{there}) ||
		record["eventName"] != "Make" || record["awsRegion"] != "eu-test-2" || record["requestParameters"] != nil || strings.Contains(string(e.JSON), "canary") {
		t.Errorf("%s", e.JSON)
	}
	c.Err = errors.New("no")
	if entries := AppendEntries(nil, c); len(entries) != 1 {
		t.Errorf("a call that failed has %d events", len(entries))
	}
}
