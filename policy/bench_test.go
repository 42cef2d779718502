package policy

import (
	"fmt"
	"testing"
)

// contextSwitch is a Context as the gateway has one: a switch, no map.
type contextSwitch struct{}

func (contextSwitch) Value(key string) Values {
	switch key {
	case "aws:securetransport":
		return One("true")
	case "aws:sourceip":
		return One("203.0.113.77")
	case "aws:username":
		return One("alice")
	case "aws:currenttime":
		return One("2024-05-31T10:00:00Z")
	case "kms:viaservice":
		return One("s3.eu-west-1.amazonaws.com")
	}
	return Values{}
}

// load is ten policies of five statements, and a request that the last statement of the last
// allows, so that every statement is looked at.
func load(tb testing.TB) (*Request, *Set) {
	set := &Set{ResourceAccount: home}
	for i := range 10 {
		set.Identity = append(set.Identity, must(tb, Identity, doc(
			fmt.Sprintf(`{"Sid":"A","Effect":"Allow","Action":["s3:GetObject","s3:PutObject","s3:ListBucket"],"Resource":["arn:aws:s3:::bucket-%d","arn:aws:s3:::bucket-%d/*"]}`, i, i),
			`{"Sid":"B","Effect":"Allow","Action":["logs:Create*","logs:PutLogEvents"],"Resource":"arn:aws:logs:*:111122223333:log-group:*"}`,
			`{"Sid":"C","Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`,
			fmt.Sprintf(`{"Sid":"D","Effect":"Allow","Action":["kms:Encrypt","kms:Decrypt","kms:GenerateDataKey*"],"Resource":"arn:aws:kms:eu-west-1:111122223333:key/%d"}`, i),
			`{"Sid":"E","Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::111122223333:user/${aws:username}","Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}`,
		)))
	}
	last := must(tb, Identity, doc(allowAll, allowAll, allowAll, allowAll, `{"Effect":"Allow","Action":"kms:Encrypt","Resource":"arn:aws:kms:*:111122223333:key/*","Condition":{"StringLike":{"kms:ViaService":"s3.*.amazonaws.com"},"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"},"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}`))
	last.statements = last.statements[4:]
	set.Identity[9].statements = append(set.Identity[9].statements[:4:4], last.statements...)
	return &Request{Principal: alice(), Action: "kms:Encrypt", Resource: keyARN, Context: contextSwitch{}}, set
}

func TestDecideDoesNotAllocate(t *testing.T) {
	req, set := load(t)
	if !Decide(req, set).Allowed {
		t.Fatal("the load is refused")
	}
	key := &Set{ResourceAccount: home, RootOfTrust: true, Resource: must(t, KeyPolicy, doc(allow(aws(home)))), Identity: set.Identity}
	user := &Request{Principal: alice(), Action: "iam:GetUser", Resource: userARN, Context: contextSwitch{}}
	everything := must(t, Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{
		"StringEquals":{"aws:username":"${aws:username}"},"StringEqualsIgnoreCase":{"aws:username":"${aws:UserName}"},"StringLike":{"aws:username":"${aws:username}*"},
		"NumericLessThan":{"s3:max-keys":"100.5"},"DateGreaterThan":{"aws:currenttime":"2020"},"Bool":{"aws:securetransport":"${aws:securetransport}"},"BinaryEquals":{"aws:b":"AAAA"},
		"IpAddress":{"aws:sourceip":["10.0.0.0/8","2001:db8::/32"]},"ArnLike":{"aws:arn":"arn:aws:s3:::${aws:username}"},"Null":{"aws:none":"true"},"ForAllValues:StringLike":{"aws:tags":"a*"}}}`))
	full := &Request{Principal: session(), Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Context: Map{
		"aws:username": One("alice"), "s3:max-keys": One("99.5"), "aws:currenttime": One("2024-05-31T10:00:00+02:00"), "aws:securetransport": Bool(true),
		"aws:b": One("AAAA"), "aws:sourceip": One("2001:db8::1"), "aws:arn": One("arn:aws:s3:::alice"), "aws:tags": Many([]string{"a", "ab"})}}
	for name, c := range map[string]struct {
		req *Request
		set *Set
	}{
		"ten policies": {req, set}, "key": {req, key}, "variable": {user, set}, "every operator": {full, &Set{Identity: []*Document{everything}}},
	} {
		if d := Decide(c.req, c.set); !d.Allowed {
			t.Errorf("%s: %+v", name, d)
		}
		if n := testing.AllocsPerRun(100, func() { Decide(c.req, c.set) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	req, set := load(b)
	b.Run("10x5", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Decide(req, set)
		}
	})
	miss := *req
	miss.Action = "sqs:SendMessage"
	b.Run("10x5 refused", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Decide(&miss, set)
		}
	})
	key := &Set{ResourceAccount: home, RootOfTrust: true, Resource: must(b, KeyPolicy, doc(allow(aws(home)))), Identity: set.Identity[9:]}
	b.Run("key policy and one identity policy", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Decide(req, key)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := []byte(doc(allow(aws(home)), `{"Sid":"B","Effect":"Allow","Principal":"*","Action":["kms:Encrypt","kms:Decrypt"],"Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"s3.eu-west-1.amazonaws.com","kms:CallerAccount":"111122223333"}}}`))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text, KeyPolicy); err != nil {
			b.Fatal(err)
		}
	}
}
