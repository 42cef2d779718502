package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// must parses a document that is known to be good.
func must(t testing.TB, kind Kind, text string) *Document {
	t.Helper()
	d, err := Parse([]byte(text), kind)
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	return d
}

// doc wraps statements into a document of the current version.
func doc(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

const allowAll = `{"Effect":"Allow","Action":"*","Resource":"*"}`

func TestParseTakes(t *testing.T) {
	tests := []struct {
		name string
		kind Kind
		text string
	}{
		{"one statement, no list", Identity, `{"Version":"2012-10-17","Statement":` + allowAll + `}`},
		{"no version", Identity, `{"Statement":` + allowAll + `}`},
		{"old version", Identity, `{"Version":"2008-10-17","Id":"x y","Statement":[` + allowAll + `]}`},
		{"version after statement", Identity, `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}"},"Version":"2012-10-17"}`},
		{"lists", Identity, doc(`{"Sid":"A1","Effect":"Deny","NotAction":["s3:Get*","kms:?ncrypt"],"NotResource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]}`)},
		{"empty sids", Identity, doc(`{"Sid":"","Effect":"Allow","Action":"*","Resource":"*"}`, `{"Sid":"","Effect":"Allow","Action":"*","Resource":"*"}`)},
		{"conditions", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true},"NumericLessThan":{"s3:max-keys":[10,"20",1.5]},"StringEquals":{"aws:x":[]},"Null":{"aws:y":["true",false]}}}`)},
		{"empty condition", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{}}}`)},
		{"key with many colons", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:aws:aps:arn":"x"}}}`)},
		{"session", Session, doc(allowAll)},
		{"boundary", Boundary, doc(allowAll)},
		{"ceiling", ServiceControl, doc(allowAll)},
		{"bucket policy", Resource, doc(`{"Sid":"Read for all","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}`)},
		{"canonical user", Resource, doc(`{"Effect":"Allow","Principal":{"CanonicalUser":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be","AWS":["111122223333","AIDAIOSFODNN7EXAMPLE"]},"Action":"s3:*","Resource":"arn:aws:s3:::b"}`)},
		{"key policy", KeyPolicy, `{"Version":"2012-10-17","Id":"key-default-1","Statement":{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}}`},
		{"trust", Trust, doc(`{"Effect":"Allow","Principal":{"Service":["monitron.amazonaws.com","logs.eu-west-1.amazonaws.com"],"Federated":"accounts.google.com","AWS":["arn:aws:iam::111122223333:role/path/R","arn:aws:sts::111122223333:assumed-role/R/s","arn:aws:sts::111122223333:federated-user/f","*"]},"Action":["sts:AssumeRole","sts:TagSession"]}`)},
		{"not principal", Resource, doc(`{"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"Action":"s3:*","Resource":"arn:aws:s3:::b"}`)},
		{"wildcard partition", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":["arn:*:s3:::b","arn:aws*:s3:::b","arn:aws:s3:*","arn:*","arn:aws:logs:*:*:*"]}`)},
		{"old version takes variables for text", Identity, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:username"}}`},
		{"ARN conditions", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnLike":{"aws:SourceArn":["*","arn:aws:s3:*","${aws:PrincipalArn}"]}}}`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := must(t, tt.kind, tt.text)
			if string(d.Text()) != tt.text || d.Size() != len(tt.text) || d.Kind() != tt.kind {
				t.Errorf("Text %q, Size %d, Kind %d", d.Text(), d.Size(), d.Kind())
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	const s = `"Effect":"Allow","Action":"*","Resource":"*"`
	const r = `"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b"`
	cond := func(c string) string { return doc(`{` + s + `,"Condition":` + c + `}`) }
	tests := []struct {
		name    string
		kind    Kind
		text    string
		message string
	}{
		{"nothing", Identity, ``, msgSyntax},
		{"not JSON", Identity, `{"Version"`, msgSyntax},
		{"a list", Identity, `[]`, msgSyntax},
		{"a string", Identity, `"x"`, msgSyntax},
		{"two values", Identity, doc(allowAll) + `{}`, msgSyntax},
		{"trailing comma", Identity, `{"Statement":[` + allowAll + `,]}`, msgSyntax},
		{"not UTF-8", Identity, doc("{\"Sid\":\"\xff\"," + s + `}`), msgSyntax},
		{"deep", Identity, `{"Statement":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, msgSyntax},
		{"long", Identity, doc(allowAll) + strings.Repeat(" ", MaxSize), msgSyntax},
		{"long key policy", KeyPolicy, doc(`{`+r+`}`) + strings.Repeat(" ", MaxKeyPolicySize), msgSyntax},
		{"unknown version", Identity, `{"Version":"2015-01-01","Statement":` + allowAll + `}`, msgSyntax},
		{"version a number", Identity, `{"Version":2012,"Statement":` + allowAll + `}`, msgSyntax},
		{"unknown element", Identity, `{"Statement":` + allowAll + `,"Comment":"x"}`, msgSyntax},
		{"element twice", Identity, `{"Statement":` + allowAll + `,"Statement":` + allowAll + `}`, msgSyntax},
		{"effect twice", Identity, `{"Statement":{` + s + `,"Effect":"Deny"}}`, msgSyntax},
		{"escaped twin", Identity, `{"Statement":{` + s + `,"Eff\u0065ct":"Deny"}}`, msgSyntax},
		{"no statement", Identity, `{"Version":"2012-10-17"}`, msgSyntax},
		{"empty statement list", Identity, doc(), msgSyntax},
		{"statement a string", Identity, doc(`"x"`), msgSyntax},
		{"too many statements", Identity, doc(slices.Repeat([]string{allowAll}, maxStatements+1)...), msgSyntax},
		{"unknown statement element", Identity, doc(`{` + s + `,"Actions":"*"}`), msgSyntax},
		{"lower-case element", Identity, doc(`{` + s + `,"condition":{}}`), msgSyntax},
		{"no effect", Identity, doc(`{"Action":"*","Resource":"*"}`), msgSyntax},
		{"lower-case effect", Identity, doc(`{"Effect":"allow","Action":"*","Resource":"*"}`), msgSyntax},
		{"no action", Identity, doc(`{"Effect":"Allow","Resource":"*"}`), msgNoActions},
		{"empty actions", Identity, doc(`{"Effect":"Allow","Action":[],"Resource":"*"}`), msgNoActions},
		{"action and not action", Identity, doc(`{` + s + `,"NotAction":"s3:*"}`), msgSyntax},
		{"action a number", Identity, doc(`{"Effect":"Allow","Action":1,"Resource":"*"}`), msgSyntax},
		{"action list with a number", Identity, doc(`{"Effect":"Allow","Action":["*",1],"Resource":"*"}`), msgSyntax},
		{"action without vendor", Identity, doc(`{"Effect":"Allow","Action":"GetObject","Resource":"*"}`), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		{"action with two colons", Identity, doc(`{"Effect":"Allow","Action":"s3:Get:Object","Resource":"*"}`), "Actions/Condition can contain only one colon."},
		{"vendor with wildcard", Identity, doc(`{"Effect":"Allow","Action":"*:Get","Resource":"*"}`), "Vendor * is not valid"},
		{"empty action name", Identity, doc(`{"Effect":"Allow","Action":"s3:","Resource":"*"}`), msgSyntax},
		{"action with a space", Identity, doc(`{"Effect":"Allow","Action":"s3:Get Object","Resource":"*"}`), msgSyntax},
		{"no resource", Identity, doc(`{"Effect":"Allow","Action":"*"}`), msgNoResources},
		{"empty resources", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":[]}`), msgNoResources},
		{"resource and not resource", Identity, doc(`{` + s + `,"NotResource":"*"}`), msgSyntax},
		{"resource no ARN", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"bucket"}`), `Resource bucket must be in ARN format or "*".`},
		{"resource of another kind", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"urn:a:b:c:d:e"}`), `Resource urn:a:b:c:d:e must be in ARN format or "*".`},
		{"unknown partition", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"arn:azure:s3:::b"}`), `Partition "azure" is not valid for resource "arn:azure:s3:::b".`},
		{"service wildcard", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:*:::b"}`), "Resource vendor must be fully qualified and cannot contain regexes."},
		{"five parts", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3::b"}`), "The policy failed legacy parsing"},
		{"variable in account", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam::${aws:PrincipalAccount}:user/x"}`), "The policy failed legacy parsing"},
		{"open variable", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:username"}`), msgSyntax},
		{"empty variable", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${}"}`), msgSyntax},
		{"default without quotes", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:x, y}"}`), msgSyntax},
		{"bad sid", Identity, doc(`{"Sid":"a b",` + s + `}`), msgSid},
		{"control character in sid", Resource, doc(`{"Sid":"a\u0000b",` + r + `}`), msgSid},
		{"sid twice", Identity, doc(`{"Sid":"a",`+s+`}`, `{"Sid":"a",`+s+`}`), msgSidTwice},
		{"sid a number", Identity, doc(`{"Sid":1,` + s + `}`), msgSyntax},
		{"principal in identity policy", Identity, doc(`{` + s + `,"Principal":"*"}`), msgHasPrincipal},
		{"not principal in session policy", Session, doc(`{` + s + `,"NotPrincipal":"*"}`), msgHasPrincipal},
		{"no principal", Resource, doc(allowAll), msgNoPrincipal},
		{"no principal in key policy", KeyPolicy, doc(allowAll), msgNoPrincipal},
		{"no principal in trust policy", Trust, doc(`{"Effect":"Allow","Action":"sts:AssumeRole"}`), msgNoPrincipal},
		{"empty principal", Resource, doc(`{"Effect":"Allow","Principal":{},"Action":"s3:*","Resource":"arn:aws:s3:::b"}`), msgNoPrincipal},
		{"empty principal list", Resource, doc(`{"Effect":"Allow","Principal":{"AWS":[]},"Action":"s3:*","Resource":"arn:aws:s3:::b"}`), msgNoPrincipal},
		{"both principals", Resource, doc(`{` + r + `,"NotPrincipal":"*"}`), msgSyntaxS3},
		{"resource in trust policy", Trust, doc(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}`), msgHasResource},
		{"other action in trust policy", Trust, doc(`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}`), msgNotSTS},
		{"any action in trust policy", Trust, doc(`{"Effect":"Allow","Principal":"*","Action":"*"}`), msgNotSTS},
		{"canonical user in key policy", KeyPolicy, doc(`{"Effect":"Allow","Principal":{"CanonicalUser":"x"},"Action":"kms:*","Resource":"*"}`), msgPrincipalKMS},
		{"bad principal in trust policy", Trust, doc(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:group/g"},"Action":"sts:AssumeRole"}`), `Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:group/g"`},
		{"S3: not JSON", Resource, `x`, msgJSONS3},
		{"S3: unknown element", Resource, doc(`{` + r + `,"Principals":"*"}`), "Unknown field Principals"},
		{"S3: bad resource", Resource, doc(`{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"b"}`), msgResourceS3},
		{"S3: bad action", Resource, doc(`{"Effect":"Allow","Principal":"*","Action":"get","Resource":"arn:aws:s3:::b"}`), msgActionS3},
		{"condition a list", Identity, cond(`[]`), msgSyntax},
		{"unknown operator", Identity, cond(`{"StringEqual":{"aws:x":"y"}}`), msgSyntax},
		{"lower-case operator", Identity, cond(`{"stringequals":{"aws:x":"y"}}`), msgSyntax},
		{"null with IfExists", Identity, cond(`{"NullIfExists":{"aws:x":"true"}}`), msgSyntax},
		{"two set operators", Identity, cond(`{"ForAnyValue:ForAllValues:StringEquals":{"aws:x":"y"}}`), msgSyntax},
		{"operator a list", Identity, cond(`{"StringEquals":["x"]}`), msgSyntax},
		{"operator twice", Identity, cond(`{"StringEquals":{"aws:x":"y"},"StringEquals":{"aws:x":"z"}}`), msgSyntax},
		{"key twice", Identity, cond(`{"StringEquals":{"aws:x":"y","aws:x":"z"}}`), msgSyntax},
		{"key without vendor", Identity, cond(`{"StringEquals":{"x":"y"}}`), msgConditionKeyForm},
		{"key without name", Identity, cond(`{"StringEquals":{"aws:":"y"}}`), msgConditionKeyForm},
		{"null value", Identity, cond(`{"StringEquals":{"aws:x":null}}`), msgSyntax},
		{"object value", Identity, cond(`{"StringEquals":{"aws:x":{}}}`), msgSyntax},
		{"nested list", Identity, cond(`{"StringEquals":{"aws:x":[["y"]]}}`), msgSyntax},
		{"no number", Identity, cond(`{"NumericEquals":{"aws:x":"ten"}}`), msgSyntax},
		{"variable number", Identity, cond(`{"NumericEquals":{"aws:x":"${aws:y}"}}`), msgSyntax},
		{"infinite number", Identity, cond(`{"NumericEquals":{"aws:x":"1e999"}}`), msgSyntax},
		{"no date", Identity, cond(`{"DateEquals":{"aws:x":"2024-02-30"}}`), msgSyntax},
		{"no bool", Identity, cond(`{"Bool":{"aws:x":"yes"}}`), msgSyntax},
		{"null neither", Identity, cond(`{"Null":{"aws:x":"1"}}`), msgSyntax},
		{"no base64", Identity, cond(`{"BinaryEquals":{"aws:x":"%"}}`), msgSyntax},
		{"no network", Identity, cond(`{"IpAddress":{"aws:x":"10.0.0.0/33"}}`), msgSyntax},
		{"address with zone", Identity, cond(`{"IpAddress":{"aws:x":"fe80::1%eth0"}}`), msgSyntax},
		{"half and half network", Identity, cond(`{"IpAddress":{"aws:x":"::ffff:1.2.3.4/90"}}`), msgSyntax},
		{"no ARN", Identity, cond(`{"ArnLike":{"aws:x":"bucket"}}`), msgSyntax},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Parse([]byte(tt.text), tt.kind)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || d != nil {
				t.Fatalf("got %v, %v; want a syntax error", d, err)
			}
			if syntax.Message != tt.message {
				t.Errorf("got message %q (%s), want %q", syntax.Message, syntax.Detail, tt.message)
			}
			if !strings.HasPrefix(err.Error(), tt.message) {
				t.Errorf("Error() = %q", err)
			}
		})
	}
}

func TestParsePrincipals(t *testing.T) {
	good := []string{
		"*", "111122223333", "arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:user/Bob", "arn:aws:iam::111122223333:user/a/b/Bob",
		"arn:aws:iam::111122223333:role/service-role/R", "arn:aws-cn:iam::111122223333:role/R", "arn:aws:sts::111122223333:assumed-role/R/s@x=y",
		"arn:aws:sts::111122223333:federated-user/f", "AIDAIOSFODNN7EXAMPLE", "AROAIOSFODNN7EXAMPLE",
	}
	bad := []string{
		"", "bob", "11112222333", "arn:aws:iam::111122223333:user/*", "arn:aws:iam::*:root", "arn:aws:iam::111122223333:user/", "arn:aws:iam::111122223333:users/x",
		"arn:aws:iam::111122223333:group/g", "arn:aws:sts::111122223333:assumed-role/R", "arn:aws:sts::111122223333:assumed-role/R/*", "arn:aws:sts::111122223333:assumed-role/R/s/t",
		"arn:aws:s3:::bucket", "arn:aws:iam:eu-west-1:111122223333:user/Bob", "arn:aws:iam::aws:user/Bob", "AKIAIOSFODNN7EXAMPLE", "AIDA", "AIDAiosfodnn7example", "**", "AROA*IOSFODNN7EXAMPLE",
	}
	parse := func(typ, s string) error {
		_, err := Parse([]byte(doc(fmt.Sprintf(`{"Effect":"Allow","Principal":{%q:%q},"Action":"s3:*","Resource":"arn:aws:s3:::b"}`, typ, s))), Resource)
		return err
	}
	for _, s := range good {
		if err := parse("AWS", s); err != nil {
			t.Errorf("AWS %q: %v", s, err)
		}
	}
	for _, s := range bad {
		if err := parse("AWS", s); err == nil || !strings.HasPrefix(err.Error(), msgPrincipal) {
			t.Errorf("AWS %q: got %v", s, err)
		}
	}
	for _, pair := range [][2]string{{"Service", "*"}, {"Service", "logs"}, {"Service", "Logs.amazonaws.com"}, {"Service", ".com"}, {"Federated", "*"}, {"Federated", ""}, {"CanonicalUser", ""}, {"aws", "111122223333"}, {"Everyone", "*"}} {
		if err := parse(pair[0], pair[1]); err == nil {
			t.Errorf("%v was taken", pair)
		}
	}
}

func TestDocument(t *testing.T) {
	text := ` {"Version":"2012-10-17","Id":"an id","Statement":[
		{"Effect":"Allow","Principal":{"AWS":["111122223333","AIDAIOSFODNN7EXAMPLE"],"Service":"logs.amazonaws.com"},"Action":"s3:*","Resource":"arn:aws:s3:::é"},
		{"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"Action":"s3:*","Resource":"arn:aws:s3:::b"}]} `
	d := must(t, Resource, text)
	want := []PrincipalRef{
		{PrincipalAWS, "111122223333", false}, {PrincipalAWS, "AIDAIOSFODNN7EXAMPLE", false},
		{PrincipalService, "logs.amazonaws.com", false}, {PrincipalAWS, "111122223333", true},
	}
	if got := d.Principals(); !slices.Equal(got, want) {
		t.Errorf("Principals = %v", got)
	}
	if d.Version() != "2012-10-17" || d.ID() != "an id" || d.Name() != "" {
		t.Errorf("Version %q, ID %q, Name %q", d.Version(), d.ID(), d.Name())
	}
	if got, want := d.SizeWithoutSpace(), len([]rune(strings.NewReplacer(" ", "", "\t", "", "\n", "").Replace(text))); got != want {
		t.Errorf("SizeWithoutSpace = %d, want %d", got, want)
	}
	if n := d.Named("x"); n.Name() != "x" || d.Name() != "" {
		t.Error("Named changes the original")
	}
	if v := must(t, Identity, `{"Statement":`+allowAll+`}`).Version(); v != "2008-10-17" {
		t.Errorf("without a Version: %q", v)
	}
}

func TestParseCopiesText(t *testing.T) {
	text := []byte(doc(allowAll))
	d, err := Parse(text, Identity)
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	if string(d.Text()) != doc(allowAll) {
		t.Error("the document shares memory with the caller's text")
	}
}

func TestHasPublicAllow(t *testing.T) {
	tests := []struct {
		name string
		rest string
		want bool
	}{
		{"everybody", `"Principal":"*"`, true},
		{"everybody, by AWS", `"Principal":{"AWS":["111122223333","*"]}`, true},
		{"an account", `"Principal":{"AWS":"111122223333"}`, false},
		{"a service", `"Principal":{"Service":"logs.amazonaws.com"}`, false},
		{"all but one", `"NotPrincipal":{"AWS":"111122223333"}`, true},
		{"one account by condition", `"Principal":"*","Condition":{"StringEquals":{"aws:PrincipalAccount":"111122223333"}}`, false},
		{"any letter case", `"Principal":"*","Condition":{"StringEquals":{"AWS:sourceaccount":"111122223333"}}`, false},
		{"an account as pattern", `"Principal":"*","Condition":{"StringLike":{"aws:PrincipalAccount":"1*"}}`, true},
		{"pattern without wildcard", `"Principal":"*","Condition":{"StringLike":{"aws:PrincipalAccount":"111122223333"}}`, false},
		{"variable", `"Principal":"*","Condition":{"StringEquals":{"aws:PrincipalAccount":"${aws:x}"}}`, true},
		{"negated", `"Principal":"*","Condition":{"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}}`, true},
		{"if exists", `"Principal":"*","Condition":{"StringEqualsIfExists":{"aws:PrincipalAccount":"111122223333"}}`, true},
		{"for all values", `"Principal":"*","Condition":{"ForAllValues:StringEquals":{"aws:PrincipalOrgPaths":"o-1/"}}`, true},
		{"for any value", `"Principal":"*","Condition":{"ForAnyValue:StringEquals":{"aws:PrincipalOrgPaths":"o-1/"}}`, false},
		{"another key", `"Principal":"*","Condition":{"StringEquals":{"aws:UserAgent":"x"}}`, true},
		{"a network", `"Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]}}`, false},
		{"too wide a network", `"Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","0.0.0.0/1"]}}`, true},
		{"too wide an IPv6 network", `"Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"2000::/3"}}`, true},
		{"a source", `"Principal":"*","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:111122223333:*"}}`, false},
		{"any source", `"Principal":"*","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:*:*"}}`, true},
		{"a role's sessions", `"Principal":"*","Condition":{"StringLike":{"aws:userid":"AROAIOSFODNN7EXAMPLE:*"}}`, false},
		{"any role's sessions", `"Principal":"*","Condition":{"StringLike":{"aws:userid":"*:s"}}`, true},
		{"no values", `"Principal":"*","Condition":{"StringEquals":{"aws:PrincipalAccount":[]}}`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := must(t, Resource, doc(`{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b",`+tt.rest+`}`))
			if got := d.HasPublicAllow(); got != tt.want {
				t.Errorf("HasPublicAllow = %v", got)
			}
		})
	}
	if must(t, Resource, doc(`{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b"}`)).HasPublicAllow() {
		t.Error("a Deny is public")
	}
}

func FuzzPolicyParse(f *testing.F) {
	f.Add([]byte(doc(allowAll)), uint8(Identity))
	f.Add([]byte(doc(`{"Sid":"x","Effect":"Deny","NotPrincipal":{"AWS":["111122223333","*"]},"NotAction":"s3:*","NotResource":"arn:aws:s3:::b/${aws:username, 'x'}/*","Condition":{"ForAnyValue:StringLikeIfExists":{"aws:TagKeys":["a*"]},"DateLessThan":{"aws:CurrentTime":"2024-01-01"}}}`)), uint8(Resource))
	f.Add([]byte(doc(`{"Effect":"Allow","Principal":{"Service":"x.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"IpAddress":{"aws:SourceIp":"::/0"},"BinaryEquals":{"aws:x":"AAA="},"Null":{"aws:y":true},"NumericEquals":{"aws:z":1e3}}}`)), uint8(Trust))
	f.Add([]byte(`{"Statement":[[[[[[[[[]]]]]]]]]}`), uint8(KeyPolicy))
	f.Fuzz(func(t *testing.T, text []byte, kind uint8) {
		d, err := Parse(text, Kind(kind%7))
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Message == "" {
				t.Fatalf("error %v is no SyntaxError", err)
			}
			return
		}
		// What parses can be asked, for anybody, and decides like it explains.
		for _, p := range []*Principal{alice(), session(), service(), {Anonymous: true}} {
			req := &Request{Principal: p, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Context: Map{"aws:sourceip": One("1.2.3.4"), "aws:tagkeys": Many([]string{"a", "b"}), "aws:username": One("x*:")}}
			set := &Set{Identity: []*Document{d}, Resource: d, Session: []*Document{d}, Boundary: d}
			if got, want := Explain(req, set).Decision, Decide(req, set); got != want {
				t.Errorf("Explain %+v, Decide %+v", got, want)
			}
			_ = Explain(req, set).String()
		}
		d.HasPublicAllow()
		d.Principals()
	})
}
