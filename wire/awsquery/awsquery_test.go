package awsquery_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/awsquery"
)

const call = "Action=CreateUser&Version=2010-05-08&"

func codecOf(tb testing.TB) *awsquery.Codec {
	tb.Helper()
	c, err := awsquery.New(iam.API)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func form(body string) *wire.Request {
	return &wire.Request{Method: "POST", Path: "/", Header: http.Header{}, Body: []byte(body)}
}

func TestRoute(t *testing.T) {
	c := codecOf(t)
	get := &wire.Request{Method: "GET", Path: "/", RawQuery: call + "X-Amz-Signature=s"}
	for _, r := range []*wire.Request{form(call), get} {
		if op, err := c.Route(r); err != nil || op.Name != "CreateUser" {
			t.Errorf("got %v, %v", op, err)
		}
	}
	for body, code := range map[string]string{
		"": "MissingAction", "Version=2010-05-08": "MissingAction", "Action=CreateUser": "InvalidAction", "Action=Burn&Version=2010-05-08": "InvalidAction",
		"Action=CreateUser&Version=2011-06-15": "InvalidAction", call + "Action=DeleteUser": "MalformedQueryString", call + "a=%": "MalformedQueryString",
	} {
		if op, err := c.Route(form(body)); !wire.IsCode(err, code) {
			t.Errorf("%s: got %v, %v, want %s", body, op, err, code)
		}
	}
	both := form(call)
	both.RawQuery = "Action=DeleteUser"
	if _, err := c.Route(both); !wire.IsCode(err, "MalformedQueryString") {
		t.Errorf("two actions: got %v", err)
	}
	put := form(call)
	put.Method = "PUT"
	if _, err := c.Route(put); !wire.IsCode(err, "MethodNotAllowed") {
		t.Errorf("PUT: got %v", err)
	}
}

func TestDecodeInput(t *testing.T) {
	c, op := codecOf(t), iam.API.Operation("CreateUser")
	tags := func(kv ...string) (out []iam.Tag) {
		out = []iam.Tag{}
		for i := 0; i < len(kv); i += 2 {
			out = append(out, iam.Tag{Key: &kv[i], Value: &kv[i+1]})
		}
		return out
	}
	var many strings.Builder
	var manyTags []string
	for _, k := range strings.Split("a b c d e f g h i j k l", " ") {
		n := len(manyTags)/2 + 1
		many.WriteString("&Tags.member." + string("0123456789"[n/10]) + string("0123456789"[n%10]) + ".Key=" + k)
		manyTags = append(manyTags, k, "v")
	}
	for body, want := range map[string]iam.CreateUserInput{
		"UserName=ada+b%2B&Path=/a/": {UserName: wire.Ptr("ada b+"), Path: wire.Ptr("/a/")},
		"UserName=":                  {UserName: wire.Ptr("")},
		"Tags=":                      {Tags: tags()},
		"Unknown.member.9=x&Other=1&TagsX=1&Tag=2":                                            {},
		"Tags.member.1.Key=a&Tags.member.1.Value=b&Tags.member.2.Value=d&Tags.member.2.Key=c": {Tags: tags("a", "b", "c", "d")},
	} {
		var got iam.CreateUserInput
		if err := c.DecodeInput(op, form(call+body), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", body, got, err)
		}
	}
	body := strings.ReplaceAll(many.String(), ".0", ".")
	var got iam.CreateUserInput
	if err := c.DecodeInput(op, form(call+body), &got); err != nil || len(got.Tags) != 12 || *got.Tags[9].Key != "j" {
		t.Errorf("twelve tags: got %+v, %v", got, err)
	}
	for name, body := range map[string]string{
		"gap": "Tags.member.1.Key=a&Tags.member.3.Key=b", "zero": "Tags.member.0.Key=a", "huge": "Tags.member.999999999999.Key=a", "leading zero": "Tags.member.01.Key=a",
		"word": "Tags.member.x.Key=a", "negative": "Tags.member.-1.Key=a", "no index": "Tags.member.Key=a", "not member": "Tags.1.Key=a",
		"value of a list": "Tags=x", "value and parts": "Tags.member.1=x&Tags.member.1.Key=a", "parts of a scalar": "UserName.x=a", "invalid UTF-8": "UserName=%ff",
		"list and members": "Tags=&Tags.member.1.Key=a", "twice": "UserName=a&UserName=b",
	} {
		var got iam.CreateUserInput
		err := c.DecodeInput(op, form(call+body), &got)
		if !wire.IsCode(err, "MalformedInput") && !wire.IsCode(err, "MalformedQueryString") {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	assume := sts.API.Operation("AssumeRole")
	stsCodec, err := awsquery.New(sts.API)
	if err != nil {
		t.Fatal(err)
	}
	err = stsCodec.DecodeInput(assume, form("DurationSeconds=soon"), assume.NewInput())
	if !wire.IsCode(err, "MalformedInput") || !strings.Contains(err.Error(), "DurationSeconds") {
		t.Errorf("got %v", err)
	}
}

func TestAnswers(t *testing.T) {
	c := codecOf(t)
	w := &wire.Response{Header: http.Header{}}
	op := iam.API.Operation("GetUser")
	out := &iam.GetUserOutput{User: &iam.User{UserName: wire.Ptr("a&b")}}
	if err := c.EncodeOutput(op, out, wire.Meta{RequestID: "r-1"}, w); err != nil {
		t.Fatal(err)
	}
	want := `<GetUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetUserResult><User><UserName>a&amp;b</UserName></User></GetUserResult>` +
		`<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetUserResponse>`
	if string(w.Body) != want || w.Header.Get("Content-Type") != "text/xml" {
		t.Errorf("got %s %v", w.Body, w.Header)
	}
	w = &wire.Response{Header: http.Header{}}
	if err := c.EncodeOutput(iam.API.Operation("DeleteUser"), &iam.DeleteUserOutput{}, wire.Meta{RequestID: "r-2"}, w); err != nil {
		t.Fatal(err)
	}
	want = `<DeleteUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata><RequestId>r-2</RequestId></ResponseMetadata></DeleteUserResponse>`
	if string(w.Body) != want {
		t.Errorf("got %s", w.Body)
	}
	w = &wire.Response{Header: http.Header{}}
	c.EncodeError(op, iam.NoSuchEntityException("no user <x>"), wire.Meta{RequestID: "r-3"}, w)
	want = `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code>` +
		`<Message>no user &lt;x&gt;</Message></Error><RequestId>r-3</RequestId></ErrorResponse>`
	if string(w.Body) != want || w.Status != 404 {
		t.Errorf("got %d %s", w.Status, w.Body)
	}
	if e := c.DecodeError(op, w); e.Code != "NoSuchEntity" || e.Message != "no user <x>" || e.Fault {
		t.Errorf("got back %+v", e)
	}
	if e := c.DecodeError(op, &wire.Response{Status: 502, Body: []byte("<html>")}); !e.Fault || e.Code != "UnknownError" {
		t.Errorf("got back %+v", e)
	}
}

func FuzzForm(f *testing.F) {
	f.Add(call + "UserName=ada&Tags.member.1.Key=a&Tags.member.1.Value=b&Tags.member.2.Key=c")
	f.Add("Tags=&Path=%2F&X=1&X=2")
	f.Add("Tags.member.1.Key.x=1&Tags.member.999=2&.=&a.=&..")
	c, op := codecOf(f), iam.API.Operation("CreateUser")
	f.Fuzz(func(t *testing.T, body string) {
		var got, back iam.CreateUserInput
		if err := c.DecodeInput(op, form(body), &got); err != nil {
			return
		}
		r, err := c.EncodeInput(op, &got)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.DecodeInput(op, r, &back); err != nil {
			t.Fatalf("reading %s: %v", r.Body, err)
		}
		if !reflect.DeepEqual(got, back) {
			t.Fatalf("got %+v, then %+v", got, back)
		}
	})
}
