package policy

import (
	"testing"
)

const (
	home    = "111122223333"
	abroad  = "999988887777"
	roleARN = "arn:aws:iam::111122223333:role/team/R"
	sessARN = "arn:aws:sts::111122223333:assumed-role/R/s"
	userARN = "arn:aws:iam::111122223333:user/alice"
	keyARN  = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd"
)

func alice() *Principal {
	return &Principal{Account: home, ARNs: []string{userARN}, IDs: []string{"AIDAALICEALICEALICE1"}}
}

func session() *Principal {
	return &Principal{Account: home, ARNs: []string{sessARN, roleARN}, IDs: []string{"AROAROLEROLEROLEROLE", "AROAROLEROLEROLEROLE:s"}}
}

func federatedSession() *Principal {
	return &Principal{Account: home, ARNs: []string{"arn:aws:sts::111122223333:federated-user/f", userARN}, IDs: []string{"AIDAALICEALICEALICE1", "111122223333:f"}}
}

func root() *Principal {
	return &Principal{Account: home, Root: true, ARNs: []string{"arn:aws:iam::111122223333:root"}, IDs: []string{home}}
}

func service() *Principal {
	return &Principal{Account: "000000000000", Service: "logs.amazonaws.com", ServiceNames: []string{"logs.eu-west-1.amazonaws.com"}}
}

// statements by what they do, for everybody's tables.
func allow(principal string) string {
	return `{"Effect":"Allow",` + principal + `"Action":"kms:Encrypt","Resource":"*"}`
}

func deny(principal string) string {
	return `{"Effect":"Deny",` + principal + `"Action":"kms:Encrypt","Resource":"*"}`
}

func aws(name string) string { return `"Principal":{"AWS":"` + name + `"},` }

func encrypt(p *Principal) *Request {
	return &Request{Principal: p, Action: "kms:Encrypt", Resource: keyARN}
}

func TestDecideSides(t *testing.T) {
	id := func(s ...string) []*Document { return []*Document{must(t, Identity, doc(s...))} }
	res := func(s ...string) *Document { return must(t, KeyPolicy, doc(s...)) }
	yes, no := must(t, Identity, doc(allow(""))), must(t, Identity, doc(`{"Effect":"Allow","Action":"s3:*","Resource":"*"}`))
	denies := must(t, Identity, doc(deny(""), allow("")))
	everybody := `"Principal":"*",`
	toService := `"Principal":{"Service":"logs.eu-west-1.amazonaws.com"},`
	federated := &Principal{Federated: "accounts.google.com"}
	byRole := `"Principal":{"AWS":"AROAROLEROLEROLEROLE"},`

	tests := []struct {
		name string
		who  *Principal
		set  Set
		want Decision
	}{
		{"nothing", alice(), Set{}, Decision{Source: FromIdentity}},
		{"identity", alice(), Set{Identity: id(allow(""))}, Decision{Allowed: true, Reason: AllowedByIdentity}},
		{"identity, own account named", alice(), Set{Identity: id(allow("")), ResourceAccount: home}, Decision{Allowed: true, Reason: AllowedByIdentity}},
		{"second of two policies", alice(), Set{Identity: []*Document{no, yes}}, Decision{Allowed: true, Reason: AllowedByIdentity}},
		{"a nil policy", alice(), Set{Identity: []*Document{nil, yes}}, Decision{Allowed: true, Reason: AllowedByIdentity}},
		{"identity denies", alice(), Set{Identity: []*Document{yes, denies}}, Decision{Reason: ExplicitDeny, Source: FromIdentity}},

		{"boundary allows", alice(), Set{Identity: id(allow("")), Boundary: yes}, Decision{Allowed: true, Reason: AllowedByIdentity}},
		{"boundary silent", alice(), Set{Identity: id(allow("")), Boundary: no}, Decision{Source: FromBoundary}},
		{"boundary alone", alice(), Set{Boundary: yes}, Decision{Source: FromIdentity}},
		{"boundary denies", alice(), Set{Identity: id(allow("")), Boundary: denies}, Decision{Reason: ExplicitDeny, Source: FromBoundary}},
		{"session allows", session(), Set{Identity: id(allow("")), Session: []*Document{no, yes}}, Decision{Allowed: true, Reason: AllowedByIdentity}},
		{"session silent", session(), Set{Identity: id(allow("")), Session: []*Document{no}}, Decision{Source: FromSession}},
		{"session empty", session(), Set{Identity: id(allow("")), Session: []*Document{}}, Decision{Source: FromSession}},
		{"session alone", session(), Set{Session: []*Document{yes}}, Decision{Source: FromIdentity}},
		{"session denies", session(), Set{Identity: id(allow("")), Session: []*Document{yes, denies}}, Decision{Reason: ExplicitDeny, Source: FromSession}},

		{"ceiling allows", alice(), Set{Identity: id(allow("")), Ceilings: []*Document{yes, yes}}, Decision{Allowed: true, Reason: AllowedByIdentity}},
		{"one ceiling silent", alice(), Set{Identity: id(allow("")), Ceilings: []*Document{yes, no}}, Decision{Source: FromCeiling}},
		{"ceiling missing", alice(), Set{Identity: id(allow("")), Ceilings: []*Document{nil}}, Decision{Source: FromCeiling}},
		{"ceiling denies", alice(), Set{Identity: id(allow("")), Ceilings: []*Document{denies}}, Decision{Reason: ExplicitDeny, Source: FromCeiling}},
		{"ceiling alone", alice(), Set{Ceilings: []*Document{yes}}, Decision{Source: FromIdentity}},
		{"ceiling over root", root(), Set{Ceilings: []*Document{no}}, Decision{Source: FromCeiling}},

		{"resource: user", alice(), Set{Resource: res(allow(aws(userARN)))}, Decision{Allowed: true, Reason: AllowedByResource}},
		{"resource: user, past boundary and session", alice(), Set{Resource: res(allow(aws(userARN))), Boundary: no, Session: []*Document{no}}, Decision{Allowed: true, Reason: AllowedByResource}},
		{"resource: user id", alice(), Set{Resource: res(allow(aws("AIDAALICEALICEALICE1"))), Boundary: no}, Decision{Allowed: true, Reason: AllowedByResource}},
		{"resource: user, boundary denies", alice(), Set{Resource: res(allow(aws(userARN))), Boundary: denies}, Decision{Reason: ExplicitDeny, Source: FromBoundary}},
		{"resource: other user", alice(), Set{Resource: res(allow(aws("arn:aws:iam::111122223333:user/bob")))}, Decision{Source: FromIdentity}},
		{"resource: user in other letter case", alice(), Set{Resource: res(allow(aws("arn:aws:iam::111122223333:user/Alice")))}, Decision{Source: FromIdentity}},
		{"resource: deleted user's id", alice(), Set{Resource: res(allow(aws("AIDADELETEDDELETED99")))}, Decision{Source: FromIdentity}},
		{"resource: session", session(), Set{Resource: res(allow(aws(sessARN))), Boundary: no, Session: []*Document{no}}, Decision{Allowed: true, Reason: AllowedByResource}},
		{"resource: other session", session(), Set{Resource: res(allow(aws(sessARN + "2")))}, Decision{Source: FromIdentity}},
		{"resource: role", session(), Set{Resource: res(allow(aws(roleARN)))}, Decision{Allowed: true, Reason: AllowedByResource}},
		{"resource: role, allowed by both limits", session(), Set{Resource: res(allow(aws(roleARN))), Boundary: yes, Session: []*Document{yes}}, Decision{Allowed: true, Reason: AllowedByResource}},
		{"resource: role, cut by boundary", session(), Set{Resource: res(allow(aws(roleARN))), Boundary: no}, Decision{Source: FromBoundary}},
		{"resource: role, cut by session", session(), Set{Resource: res(allow(aws(roleARN))), Session: []*Document{no}}, Decision{Source: FromSession}},
		{"resource: role id, cut by session", session(), Set{Resource: res(allow(byRole)), Session: []*Document{no}}, Decision{Source: FromSession}},
		{"resource: role id", session(), Set{Resource: res(allow(byRole))}, Decision{Allowed: true, Reason: AllowedByResource}},
		{"resource: role without its path", session(), Set{Resource: res(allow(aws("arn:aws:iam::111122223333:role/R")))}, Decision{Source: FromIdentity}},
		{"resource: federated session", federatedSession(), Set{Resource: res(allow(aws("arn:aws:sts::111122223333:federated-user/f"))), Session: []*Document{no}}, Decision{Allowed: true, Reason: AllowedByResource}},
		{"resource: user of a federated session", federatedSession(), Set{Resource: res(allow(aws(userARN))), Session: []*Document{no}}, Decision{Source: FromSession}},
		{"resource: everybody", session(), Set{Resource: res(allow(everybody)), Boundary: no, Session: []*Document{no}}, Decision{Allowed: true, Reason: AllowedByResource}},
		{"resource: account delegates", alice(), Set{Resource: res(allow(aws(home)))}, Decision{Source: FromIdentity}},
		{"resource: account denies", alice(), Set{Identity: id(allow("")), Resource: res(deny(aws(home)))}, Decision{Reason: ExplicitDeny, Source: FromResource}},
		{"resource: role denies its session", session(), Set{Identity: id(allow("")), Resource: res(deny(aws(roleARN)))}, Decision{Reason: ExplicitDeny, Source: FromResource}},
		{"resource silent, identity allows", alice(), Set{Identity: id(allow("")), Resource: res(allow(aws(abroad)))}, Decision{Allowed: true, Reason: AllowedByIdentity}},
		{"identity document in the place of the resource's", alice(), Set{Resource: yes}, Decision{Source: FromIdentity}},
		{"and it still denies", alice(), Set{Identity: id(allow("")), Resource: denies}, Decision{Reason: ExplicitDeny, Source: FromResource}},

		{"abroad: identity alone", alice(), Set{Identity: id(allow("")), ResourceAccount: abroad}, Decision{Source: FromResource}},
		{"abroad: resource alone", alice(), Set{Resource: res(allow(aws(userARN))), ResourceAccount: abroad}, Decision{Source: FromIdentity}},
		{"abroad: everybody alone", alice(), Set{Resource: res(allow(everybody)), ResourceAccount: abroad}, Decision{Source: FromIdentity}},
		{"abroad: both, by user", alice(), Set{Identity: id(allow("")), Resource: res(allow(aws(userARN))), ResourceAccount: abroad}, Decision{Allowed: true, Reason: AllowedByBoth}},
		{"abroad: both, by account", alice(), Set{Identity: id(allow("")), Resource: res(allow(aws("arn:aws:iam::111122223333:root"))), ResourceAccount: abroad}, Decision{Allowed: true, Reason: AllowedByBoth}},
		{"abroad: both, cut by boundary", alice(), Set{Identity: id(allow("")), Resource: res(allow(aws(userARN))), Boundary: no, ResourceAccount: abroad}, Decision{Source: FromBoundary}},
		{"abroad: both, session named, cut by session", session(), Set{Identity: id(allow("")), Resource: res(allow(aws(sessARN))), Session: []*Document{no}, ResourceAccount: abroad}, Decision{Source: FromSession}},
		{"abroad: root user", root(), Set{Resource: res(allow(aws(home))), ResourceAccount: abroad}, Decision{Allowed: true, Reason: AllowedByBoth}},
		{"abroad: root user, not named", root(), Set{ResourceAccount: abroad}, Decision{Source: FromResource}},
		{"abroad: another account is named", alice(), Set{Identity: id(allow("")), Resource: res(allow(aws(abroad))), ResourceAccount: abroad}, Decision{Source: FromResource}},

		{"root of trust: identity alone", alice(), Set{Identity: id(allow("")), RootOfTrust: true}, Decision{Source: FromResource}},
		{"root of trust: identity, policy silent", alice(), Set{Identity: id(allow("")), Resource: res(allow(aws(roleARN))), RootOfTrust: true}, Decision{Source: FromResource}},
		{"root of trust: delegated", alice(), Set{Identity: id(allow("")), Resource: res(allow(aws(home))), RootOfTrust: true}, Decision{Allowed: true, Reason: AllowedByIdentity}},
		{"root of trust: delegation alone", alice(), Set{Resource: res(allow(aws(home))), RootOfTrust: true}, Decision{Source: FromIdentity}},
		{"root of trust: delegated, cut by boundary", alice(), Set{Identity: id(allow("")), Resource: res(allow(aws(home))), Boundary: no, RootOfTrust: true}, Decision{Source: FromBoundary}},
		{"root of trust: delegated, cut by session", session(), Set{Identity: id(allow("")), Resource: res(allow(aws(home))), Session: []*Document{no}, RootOfTrust: true}, Decision{Source: FromSession}},
		{"root of trust: user named", alice(), Set{Resource: res(allow(aws(userARN))), RootOfTrust: true}, Decision{Allowed: true, Reason: AllowedByResource}},
		{"root of trust: role named, cut", session(), Set{Identity: id(allow("")), Resource: res(allow(aws(roleARN))), Session: []*Document{no}, RootOfTrust: true}, Decision{Source: FromSession}},
		{"root of trust: other action delegated", alice(), Set{Identity: id(allow("")), Resource: res(`{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:Describe*","Resource":"*"}`), RootOfTrust: true}, Decision{Source: FromResource}},
		{"root of trust: no policy for root", root(), Set{RootOfTrust: true}, Decision{Source: FromResource}},
		{"root of trust: another is named, not root", root(), Set{Resource: res(allow(aws(userARN))), RootOfTrust: true}, Decision{Source: FromResource}},
		{"root of trust: root by account", root(), Set{Resource: res(allow(aws(home))), RootOfTrust: true}, Decision{Allowed: true, Reason: AllowedByRoot}},
		{"root of trust: abroad", alice(), Set{Identity: id(allow("")), Resource: res(allow(aws(home))), RootOfTrust: true, ResourceAccount: abroad}, Decision{Allowed: true, Reason: AllowedByBoth}},

		{"root user", root(), Set{}, Decision{Allowed: true, Reason: AllowedByRoot}},
		{"root user has no boundary", root(), Set{Boundary: no}, Decision{Allowed: true, Reason: AllowedByRoot}},
		{"root user denied by resource", root(), Set{Resource: res(deny(everybody))}, Decision{Reason: ExplicitDeny, Source: FromResource}},

		{"grant", alice(), Set{Granted: true, GrantID: "g", RootOfTrust: true}, Decision{Allowed: true, Reason: AllowedByGrant, GrantID: "g"}},
		{"grant from abroad", alice(), Set{Granted: true, GrantID: "g", RootOfTrust: true, ResourceAccount: abroad}, Decision{Allowed: true, Reason: AllowedByGrant, GrantID: "g"}},
		{"grant, identity denies", alice(), Set{Granted: true, Identity: []*Document{denies}, RootOfTrust: true}, Decision{Reason: ExplicitDeny, Source: FromIdentity}},
		{"grant, key policy denies", alice(), Set{Granted: true, Resource: res(deny(everybody)), RootOfTrust: true}, Decision{Reason: ExplicitDeny, Source: FromResource}},
		{"grant, ceiling silent", alice(), Set{Granted: true, Ceilings: []*Document{no}, RootOfTrust: true}, Decision{Source: FromCeiling}},
		{"grant, cut by session", session(), Set{Granted: true, Session: []*Document{no}, RootOfTrust: true}, Decision{Source: FromResource}},
		{"grant to a service", service(), Set{Granted: true, GrantID: "g", RootOfTrust: true, ResourceAccount: home}, Decision{Allowed: true, Reason: AllowedByGrant, GrantID: "g"}},
		{"grant to nobody", &Principal{Anonymous: true}, Set{Granted: true, RootOfTrust: true}, Decision{Source: FromResource}},

		{"service named", service(), Set{Resource: res(allow(toService)), RootOfTrust: true, ResourceAccount: home}, Decision{Allowed: true, Reason: AllowedByResource}},
		{"service, everybody", service(), Set{Resource: res(allow(everybody)), ResourceAccount: home}, Decision{Allowed: true, Reason: AllowedByResource}},
		{"service has no identity side", service(), Set{Identity: id(allow(""))}, Decision{Source: FromResource}},
		{"service is not its account", service(), Set{Resource: res(allow(aws("000000000000")))}, Decision{Source: FromResource}},
		{"service denied", service(), Set{Resource: res(allow(everybody), deny(toService))}, Decision{Reason: ExplicitDeny, Source: FromResource}},
		{"other service", &Principal{Service: "s3.amazonaws.com"}, Set{Resource: res(allow(toService))}, Decision{Source: FromResource}},

		{"anonymous, everybody", &Principal{Anonymous: true}, Set{Resource: res(allow(everybody)), ResourceAccount: home}, Decision{Allowed: true, Reason: AllowedByResource}},
		{"anonymous, nothing", &Principal{Anonymous: true}, Set{Identity: id(allow(""))}, Decision{Source: FromResource}},
		{"anonymous claims an account", &Principal{Anonymous: true, Account: home, Root: true, ARNs: []string{userARN}}, Set{Resource: res(allow(aws(userARN)))}, Decision{Source: FromResource}},
		{"nobody at all", &Principal{}, Set{Identity: id(allow("")), Resource: res(allow(aws(home)))}, Decision{Source: FromResource}},
		{"federated, named", federated, Set{Resource: res(allow(`"Principal":{"Federated":"accounts.google.com"},`))}, Decision{Allowed: true, Reason: AllowedByResource}},
		{"federated, other", federated, Set{Resource: res(allow(`"Principal":{"Federated":"www.amazon.com"},`)), Identity: id(allow(""))}, Decision{Source: FromResource}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Decide(encrypt(tt.who), &tt.set); got != tt.want {
				t.Errorf("got %+v, want %+v\n%s", got, tt.want, Explain(encrypt(tt.who), &tt.set))
			}
			if got := Explain(encrypt(tt.who), &tt.set).Decision; got != tt.want {
				t.Errorf("Explain says %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestDecideFailsClosed(t *testing.T) {
	set := &Set{Identity: []*Document{must(t, Identity, doc(allowAll))}}
	for name, req := range map[string]*Request{"no request": nil, "no principal": {Action: "kms:Encrypt", Resource: "*"}} {
		if d := Decide(req, set); d.Allowed {
			t.Errorf("%s: allowed", name)
		}
		if e := Explain(req, set); e.Allowed || e.String() == "" {
			t.Errorf("%s: explained as %v", name, e)
		}
	}
	if Decide(encrypt(alice()), nil).Allowed || (Decision{}).Allowed {
		t.Error("nothing allows")
	}
}

func TestNotPrincipal(t *testing.T) {
	not := func(effect string, names string) *Document {
		return must(t, Resource, doc(`{"Effect":"`+effect+`","NotPrincipal":{`+names+`},"Action":"kms:Encrypt","Resource":"*"}`))
	}
	yes := []*Document{must(t, Identity, doc(allow("")))}
	federated := alice()
	federated.Canonical = "c0ffee"
	denies := []struct {
		name  string
		who   *Principal
		names string
		want  bool // allowed, because the Deny spares the caller
	}{
		{"user and account", alice(), `"AWS":["` + userARN + `","` + home + `"]`, true},
		{"user id and account", alice(), `"AWS":["AIDAALICEALICEALICE1","` + home + `"]`, true},
		{"user without account", alice(), `"AWS":"` + userARN + `"`, false},
		{"account without user", alice(), `"AWS":"` + home + `"`, false},
		{"account by canonical id", federated, `"AWS":"` + userARN + `","CanonicalUser":"c0ffee"`, true},
		{"somebody else", alice(), `"AWS":"` + abroad + `"`, false},
		{"session in full", session(), `"AWS":["` + sessARN + `","` + roleARN + `","` + home + `"]`, true},
		{"session without role", session(), `"AWS":["` + sessARN + `","` + home + `"]`, false},
		{"role without session", session(), `"AWS":["` + roleARN + `","` + home + `"]`, false},
		{"session with role id", session(), `"AWS":["` + sessARN + `","AROAROLEROLEROLEROLE","` + home + `"]`, true},
		{"root user", root(), `"AWS":"` + home + `"`, true},
		{"root user of another account", root(), `"AWS":"` + abroad + `"`, false},
		{"everybody", alice(), `"AWS":"*"`, true},
	}
	for _, tt := range denies {
		set := &Set{Identity: yes, Resource: not("Deny", tt.names)}
		if got := Decide(encrypt(tt.who), set).Allowed; got != tt.want {
			t.Errorf("Deny, %s: %v", tt.name, got)
		}
	}
	open := `{"Effect":"Allow","Principal":"*","Action":"kms:Encrypt","Resource":"*"}`
	guarded := must(t, Resource, doc(open, `{"Effect":"Deny","NotPrincipal":{"Service":"logs.amazonaws.com"},"Action":"kms:Encrypt","Resource":"*"}`))
	for who, want := range map[*Principal]bool{service(): true, {Service: "s3.amazonaws.com"}: false, {Anonymous: true}: false, alice(): false} {
		if got := Decide(encrypt(who), &Set{Resource: guarded}).Allowed; got != want {
			t.Errorf("Deny but for a service, %s: %v", who, got)
		}
	}
	allows := map[string]struct {
		who   *Principal
		names string
		want  bool
	}{
		"not named":                {alice(), `"AWS":"` + abroad + `"`, true},
		"named":                    {alice(), `"AWS":"` + userARN + `"`, false},
		"account named":            {alice(), `"AWS":"` + home + `"`, false},
		"role named":               {session(), `"AWS":"` + roleARN + `"`, false},
		"anonymous":                {&Principal{Anonymous: true}, `"AWS":"` + abroad + `"`, false},
		"a service, not named":     {service(), `"AWS":"` + abroad + `"`, true},
		"a service, named":         {service(), `"Service":"logs.amazonaws.com"`, false},
		"federated without a home": {&Principal{Federated: "accounts.google.com"}, `"AWS":"` + abroad + `"`, false},
	}
	for name, tt := range allows {
		if got := Decide(encrypt(tt.who), &Set{Resource: not("Allow", tt.names)}).Allowed; got != tt.want {
			t.Errorf("Allow, %s: %v", name, got)
		}
	}
	cut := &Set{Resource: not("Allow", `"AWS":"`+abroad+`"`), Boundary: must(t, Boundary, doc(`{"Effect":"Allow","Action":"s3:*","Resource":"*"}`))}
	if Decide(encrypt(alice()), cut).Allowed {
		t.Error("Allow with NotPrincipal reaches past a boundary")
	}
}

func TestBind(t *testing.T) {
	d := must(t, Trust, doc(`{"Effect":"Allow","Principal":{"AWS":["`+userARN+`","`+roleARN+`"]},"Action":"sts:AssumeRole"}`))
	bound := d.Bind(map[string]string{userARN: "AIDAALICEALICEALICE1"})
	again := alice()
	again.IDs = []string{"AIDASECONDALICE00002"}
	renamed := alice()
	renamed.ARNs = []string{"arn:aws:iam::111122223333:user/alicia"}
	role, named := session().ARNs[1], session().ARNs[0]
	bySession := must(t, Trust, doc(`{"Effect":"Allow","Principal":{"AWS":"`+named+`"},"Action":"sts:AssumeRole"}`))
	other := session()
	other.IDs = []string{"AROASECONDROLE000002:s", "AROASECONDROLE000002"}
	ask := func(d *Document, p *Principal) bool {
		return Decide(&Request{Principal: p, Action: "sts:AssumeRole", Resource: "arn:aws:iam::111122223333:role/T"}, &Set{Resource: d, RootOfTrust: true}).Allowed
	}
	for _, tt := range []struct {
		name string
		d    *Document
		who  *Principal
		want bool
	}{
		{"unbound", d, alice(), true}, {"unbound, made again", d, again, true},
		{"bound", bound, alice(), true}, {"bound, made again", bound, again, false}, {"not among the bound", bound, session(), true},
		{"bound, called otherwise", bound, renamed, true}, {"unbound, called otherwise", d, renamed, false},
		{"role", d.Bind(map[string]string{role: session().IDs[0]}), session(), true},
		{"role, made again", d.Bind(map[string]string{role: session().IDs[0]}), other, false},
		{"session", bySession.Bind(map[string]string{named: session().IDs[1]}), session(), true},
		{"session of a role that was made again", bySession.Bind(map[string]string{named: session().IDs[1]}), other, false},
	} {
		if got := ask(tt.d, tt.who); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if d := must(t, Identity, doc(allowAll)); d.Bind(nil) == nil {
		t.Error("an identity policy cannot be bound")
	}
}

func TestTrust(t *testing.T) {
	trust := func(s string) *Document { return must(t, Trust, doc(s)) }
	assume := must(t, Identity, doc(`{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::111122223333:role/T"}`))
	req := func(p *Principal) *Request {
		return &Request{Principal: p, Action: "sts:AssumeRole", Resource: "arn:aws:iam::111122223333:role/T", Context: Map{"sts:externalid": One("x")}}
	}
	byAccount := trust(`{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"x"}}}`)
	visitor := &Principal{Account: abroad, ARNs: []string{"arn:aws:iam::999988887777:user/v"}}
	tests := []struct {
		name string
		who  *Principal
		set  Set
		want Decision
	}{
		{"no policy", alice(), Set{}, Decision{Source: FromResource}},
		{"silent", alice(), Set{Resource: trust(`{"Effect":"Allow","Principal":{"AWS":"999988887777"},"Action":"sts:AssumeRole"}`), Identity: []*Document{assume}}, Decision{Source: FromTrust}},
		{"account, identity allows", alice(), Set{Resource: byAccount, Identity: []*Document{assume}}, Decision{Allowed: true, Reason: AllowedByIdentity}},
		{"account alone", alice(), Set{Resource: byAccount}, Decision{Source: FromIdentity}},
		{"from abroad", visitor, Set{Resource: trust(`{"Effect":"Allow","Principal":{"AWS":"999988887777"},"Action":"sts:*"}`), Identity: []*Document{assume}}, Decision{Allowed: true, Reason: AllowedByBoth}},
		{"denied", alice(), Set{Resource: trust(`{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}`), Identity: []*Document{assume}}, Decision{Reason: ExplicitDeny, Source: FromTrust}},
		{"service", service(), Set{Resource: trust(`{"Effect":"Allow","Principal":{"Service":"logs.amazonaws.com"},"Action":"sts:AssumeRole"}`)}, Decision{Allowed: true, Reason: AllowedByResource}},
	}
	for _, tt := range tests {
		tt.set.RootOfTrust, tt.set.ResourceAccount = true, home
		if got := Decide(req(tt.who), &tt.set); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestActionsAndResources(t *testing.T) {
	tests := []struct {
		statement        string
		action, resource string
		want             bool
	}{
		{`"Action":"s3:GetObject","Resource":"*"`, "s3:GetObject", "arn:aws:s3:::b/k", true},
		{`"Action":"S3:getobject","Resource":"*"`, "s3:GetObject", "arn:aws:s3:::b/k", true},
		{`"Action":"s3:GetObject","Resource":"*"`, "S3:GETOBJECT", "*", true},
		{`"Action":"s3:GetObject","Resource":"*"`, "s3:GetObjectAcl", "*", false},
		{`"Action":"s3:GetObject*","Resource":"*"`, "s3:GetObjectAcl", "*", true},
		{`"Action":"s3:GetObject*","Resource":"*"`, "s3:GetObject", "*", true},
		{`"Action":"s3:*Object","Resource":"*"`, "s3:PutObject", "*", true},
		{`"Action":"s3:?etObject","Resource":"*"`, "s3:GetObject", "*", true},
		{`"Action":"s3:*","Resource":"*"`, "s3:GetObject", "*", true},
		{`"Action":"s3:*","Resource":"*"`, "s3express:GetObject", "*", false},
		{`"Action":"s3:*","Resource":"*"`, "s3", "*", true}, // an action without a name is nobody's
		{`"Action":"*","Resource":"*"`, "", "*", true},
		{`"NotAction":"s3:*","Resource":"*"`, "s3:GetObject", "*", false},
		{`"NotAction":["s3:*","kms:*"],"Resource":"*"`, "iam:GetUser", "*", true},
		{`"Action":"*","Resource":"arn:aws:s3:::b"`, "s3:X", "arn:aws:s3:::b", true},
		{`"Action":"*","Resource":"arn:aws:s3:::b"`, "s3:X", "arn:aws:s3:::b/k", false},
		{`"Action":"*","Resource":"arn:aws:s3:::b"`, "s3:X", "*", false},
		{`"Action":"*","Resource":"arn:aws:s3:::*"`, "s3:X", "*", false},
		{`"Action":"*","Resource":"arn:aws:s3:::b*"`, "s3:X", "arn:aws:s3:::bucket/a:b", true},
		{`"Action":"*","Resource":"arn:aws:logs:*"`, "s3:X", "arn:aws:logs:eu-west-1:111122223333:log-group:x", true},
		{`"Action":"*","Resource":"arn:aws:logs:eu-*:*:log-group:x"`, "s3:X", "arn:aws:logs:eu-west-1:111122223333:log-group:x", true},
		{`"Action":"*","NotResource":"arn:aws:s3:::b/*"`, "s3:X", "arn:aws:s3:::b/k", false},
		{`"Action":"*","NotResource":"arn:aws:s3:::b/*"`, "s3:X", "arn:aws:s3:::c/k", true},
		{`"Action":"*","Resource":"arn:aws:s3:::\u0000*"`, "s3:X", "arn:aws:s3:::\x00k", true},
		{`"Action":"*","Resource":"arn:aws:s3:::a\u0000*"`, "s3:X", "arn:aws:s3:::a*", false},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${*}"`, "s3:X", "arn:aws:s3:::b/k", false},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${*}"`, "s3:X", "arn:aws:s3:::b/*", true},
	}
	for _, tt := range tests {
		d := must(t, Identity, doc(`{"Effect":"Allow",`+tt.statement+`}`))
		req := &Request{Principal: alice(), Action: tt.action, Resource: tt.resource}
		if got := Decide(req, &Set{Identity: []*Document{d}}).Allowed; got != tt.want {
			t.Errorf("%s: %s on %q = %v", tt.statement, tt.action, tt.resource, got)
		}
	}
}
