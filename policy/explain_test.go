package policy

import (
	"strings"
	"testing"
)

func TestMessage(t *testing.T) {
	const who, on = "User: " + userARN + " is not authorized to perform: kms:Encrypt", " on resource: " + keyARN
	tests := []struct {
		d    Decision
		req  *Request
		want string
	}{
		{Decision{Source: FromIdentity}, encrypt(alice()), who + on + " because no identity-based policy allows the kms:Encrypt action"},
		{Decision{Source: FromResource}, encrypt(alice()), who + on + " because no resource-based policy allows the kms:Encrypt action"},
		{Decision{Source: FromBoundary}, encrypt(alice()), who + on + " because no permissions boundary allows the kms:Encrypt action"},
		{Decision{Source: FromSession}, encrypt(alice()), who + on + " because no session policy allows the kms:Encrypt action"},
		{Decision{Source: FromTrust}, encrypt(alice()), who + on + " because no role trust policy allows the kms:Encrypt action"},
		{Decision{Source: FromCeiling}, encrypt(alice()), who + on + " with an explicit deny in a service control policy"},
		{Decision{Reason: ExplicitDeny, Source: FromIdentity}, encrypt(alice()), who + on + " with an explicit deny in an identity-based policy"},
		{Decision{Reason: ExplicitDeny, Source: FromResource}, encrypt(alice()), who + on + " with an explicit deny in a resource-based policy"},
		{Decision{Reason: ExplicitDeny, Source: FromTrust}, encrypt(alice()), who + on + " with an explicit deny in the role trust policy"},
		{Decision{}, &Request{Principal: alice(), Action: "kms:Encrypt"}, who},
		{Decision{}, encrypt(service()), "User: logs.amazonaws.com is not authorized to perform: kms:Encrypt" + on},
		{Decision{}, encrypt(&Principal{Anonymous: true}), "User: anonymous is not authorized to perform: kms:Encrypt" + on},
		{Decision{}, encrypt(&Principal{Federated: "accounts.google.com"}), "User: accounts.google.com is not authorized to perform: kms:Encrypt" + on},
		{Decision{}, encrypt(&Principal{Account: home}), "User: 111122223333 is not authorized to perform: kms:Encrypt" + on},
	}
	for _, tt := range tests {
		if got := tt.d.Message(tt.req); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestExplain(t *testing.T) {
	readers := must(t, Identity, doc(
		`{"Sid":"Read","Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::b/*"}`,
		`{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:*:*:alias/*"}`,
		`{"Sid":"NoNight","Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`,
		`{"Sid":"Tagged","Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/a":"${aws:absent}"}}}`,
	)).Named("readers")
	key := must(t, KeyPolicy, doc(
		`{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}`,
		`{"Sid":"Bob","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/bob"},"Action":"kms:*","Resource":"*"}`,
		`{"Sid":"Strangers","Effect":"Deny","Principal":"*","NotAction":"kms:*","Resource":"*"}`,
	)).Named("key policy")
	set := &Set{Identity: []*Document{readers, must(t, Identity, doc(allowAll))}, Resource: key, RootOfTrust: true, Boundary: must(t, Boundary, doc(allowAll))}
	req := encrypt(alice())
	req.Context = Map{"aws:sourceip": One("192.0.2.1"), "aws:principaltag/a": Many([]string{"x", "y"})}

	e := Explain(req, set)
	if !e.Allowed || e.Reason != AllowedByIdentity || len(e.Statements) != 9 {
		t.Fatalf("got %+v", e)
	}
	var deciding []string
	for _, v := range e.Deciding() {
		deciding = append(deciding, v.Policy+"/"+v.Sid)
	}
	if got, want := strings.Join(deciding, ", "), "key policy/Enable IAM User Permissions, identity-based policy 2/, permissions boundary/"; got != want {
		t.Errorf("deciding: %s, want %s", got, want)
	}
	text := e.String()
	for _, want := range []string{
		"ALLOWED: " + userARN + ", kms:Encrypt, " + keyARN,
		`* statement "Enable IAM User Permissions" of key policy, Allow: it names the account of the caller`,
		`- statement "Bob" of key policy, Allow: its principals are not ` + userARN,
		`- statement "Strangers" of key policy, Deny: action kms:Encrypt is excepted by ["kms:*"]`,
		`- statement "Read" of readers, Allow: action kms:Encrypt is not among ["s3:Get*"]`,
		`- statement 1 of readers, Allow: resource ` + keyARN + ` is not among ["arn:aws:kms:*:*:alias/*"]`,
		`condition IpAddress on aws:SourceIp: the request has ["192.0.2.1"], the policy asks for ["10.0.0.0/8"]`,
		`condition StringEquals on aws:PrincipalTag/a: the request has ["x", "y"], the policy asks for ["${aws:absent}"], where ${aws:absent} has no value`,
		`* statement 0 of identity-based policy 2, Allow: it matches`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestExplainRefusals(t *testing.T) {
	key := must(t, KeyPolicy, doc(allow(`"Principal":"*",`), `{"Sid":"Stop","Effect":"Deny","Principal":{"AWS":"`+roleARN+`"},"Action":"kms:*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}}`))
	req := encrypt(session())
	if e := Explain(req, &Set{Resource: key}); !e.Allowed || !strings.Contains(e.String(), "the request has no such key") {
		t.Errorf("got %s", e)
	}
	req.Context = Map{"aws:multifactorauthpresent": Bool(false)}
	e := Explain(req, &Set{Resource: key})
	if d := e.Deciding(); e.Reason != ExplicitDeny || len(d) != 1 || d[0].Sid != "Stop" || !strings.Contains(d[0].Why, "behind the session") {
		t.Errorf("got %s", e)
	}
	if text := e.String(); !strings.Contains(text, "REFUSED") || !strings.Contains(text, "explicit deny in a resource-based policy") {
		t.Errorf("got %s", text)
	}
	e = Explain(encrypt(alice()), &Set{Resource: must(t, Identity, doc(allowAll)), Identity: []*Document{nil}})
	if text := e.String(); !strings.Contains(text, "no identity-based policy allows it") || !strings.Contains(text, "does not say for whom") {
		t.Errorf("got %s", text)
	}
	e = Explain(encrypt(alice()), &Set{Granted: true, GrantID: "abc"})
	if !strings.Contains(e.String(), "allowed by a grant abc") || len(e.Deciding()) != 0 {
		t.Errorf("got %s", e)
	}
	e = Explain(encrypt(alice()), &Set{Ceilings: []*Document{must(t, ServiceControl, doc(allowAll))}, Resource: must(t, KeyPolicy, doc(allow(aws(userARN)), allow(aws(home))))})
	if d := e.Deciding(); len(d) != 2 || d[0].Source != FromCeiling || d[1].Index != 0 {
		t.Errorf("deciding %+v", d)
	}
	visitor := Explain(encrypt(alice()), &Set{Identity: []*Document{must(t, Identity, doc(allowAll))}, Resource: must(t, KeyPolicy, doc(allow(aws(home)))), ResourceAccount: abroad})
	if len(visitor.Deciding()) != 2 {
		t.Errorf("from abroad, deciding %+v", visitor.Deciding())
	}
	master := Explain(encrypt(root()), &Set{Resource: must(t, KeyPolicy, doc(allow(aws(home)))), RootOfTrust: true})
	if len(master.Deciding()) != 1 || master.Reason != AllowedByRoot {
		t.Errorf("root user, got %s", master)
	}
}

func TestListIsShort(t *testing.T) {
	many := make([]string, 20)
	if got := list(many, func(s string) string { return s }); !strings.HasSuffix(got, "and 12 more]") {
		t.Errorf("got %s", got)
	}
}
